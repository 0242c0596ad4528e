"""Events of the study of Kishimoto et al.: unlabelled collisions as they are mixed in nature, and four tasks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import uproot

from pyg_hep.datasets import EventDataset
from pyg_hep.readers import load_card
from pyg_hep.readers.files import input_files
from pyg_hep.simulation.samples import KISHIMOTO_COLLISIONS, KISHIMOTO_TASKS
from pyg_hep.studies.place import Place
from pyg_hep.studies.task import Task

CARD = "kishimoto_pretraining"
SPLITS = {
    "pretraining": {"train": 0.95, "val": 0.05},
    "finetuning": {"train": 0.85, "val": 0.15},
    "test": {"test": 1.0},
}


def collisions(place: Place, own: Sequence[str] = ()) -> tuple[list[EventDataset], dict[str, Any]]:
    r"""Unlabelled events to train and validate on, mixed as in collisions, and what went into the mixture.

    A process has the share :math:`\sigma \epsilon / \sum \sigma \epsilon` with the generator's cross section and the
    fraction of its events that the card selects. The least plentiful may be needed more often than it has events:
    its events then stand in the mixture several times.

    Args:
        place: of the study.
        own: files, folders or patterns to take instead, as they are.
    """
    if own:
        return place.splits(CARD, input_files(own, load_card(CARD).reader), SPLITS["pretraining"]), {}
    files = place.files("pretraining", list(KISHIMOTO_COLLISIONS))
    parts = place.splits(CARD, files, SPLITS["pretraining"])
    selected = np.sum([np.bincount(part.column("y").numpy(), minlength=len(files)) for part in parts], axis=0)
    mixture, visible = {}, {}
    for process, passed in zip(files, selected.tolist(), strict=True):
        with uproot.open(files[process]) as file:
            runs = file["Runs"].arrays(["genCrossSection", "genEventCount"], library="np")
        generated = int(runs["genEventCount"].sum())
        visible[process] = float(runs["genCrossSection"][0]) * passed / generated
        mixture[process] = {"generated": generated, "selected": passed, "pb": visible[process]}
    for process, row in mixture.items():
        row["share"] = visible[process] / sum(visible.values())
    shares = [row["share"] for row in mixture.values()]
    return [_mixed(part, shares) for part in parts], mixture


def _mixed(part: EventDataset, shares: Sequence[float]) -> EventDataset:
    """All events of the most plentiful process, and as many of the others as their share asks for, in random order."""
    rng = np.random.default_rng(1)
    y = part.column("y").numpy()
    rows = [np.flatnonzero(y == label) for label in range(len(shares))]
    total = len(rows[int(np.argmax(shares))]) / max(shares)
    taken = [np.resize(rng.permutation(r), round(total * share)) for r, share in zip(rows, shares, strict=True)]
    return part.index_select(rng.permutation(np.concatenate(taken)))


def tasks(place: Place) -> list[Task]:
    """The four tasks of table 1, background first; the same test events for every training."""
    made = []
    for name, (signal, card) in KISHIMOTO_TASKS.items():
        parts = [
            place.splits(card, place.files(part, ["ttbar", signal]), SPLITS[part]) for part in ("finetuning", "test")
        ]
        made.append(Task(name, *parts[0], *parts[1]))
    return made
