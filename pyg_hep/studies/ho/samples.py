"""Events of the study of Ho et al.: for pretraining, of the five tasks, and of the check of the generator chains."""

from __future__ import annotations

import numpy as np
import torch

from pyg_hep.datasets import EventDataset
from pyg_hep.errors import ConfigError
from pyg_hep.simulation.samples import CONTROLS, HO_PRETRAINING, HO_TASKS
from pyg_hep.studies.place import Place
from pyg_hep.studies.task import Task

SPLITS = {
    "pretraining": {"train": 0.95, "val": 0.05},
    "finetuning": {"train": 0.8, "val": 0.2},
    "test": {"test": 1.0},
    "control": {"train": 0.4, "val": 0.1, "test": 0.5},
}
VALIDATED = 12_000  # validation events of a pretraining: enough for a per-mille precision of its loss


def card_of(objective: str) -> str:
    """The card whose labels an objective needs."""
    return "ho_multilabel" if objective == "multilabel" else "simulated_events"


def pretraining_events(place: Place, objective: str, per_process: int) -> tuple[EventDataset, EventDataset]:
    """Training and validation events of twelve processes with the labels of an objective.

    Raises:
        ConfigError: when there are fewer than asked for.
    """
    files = place.files("pretraining", HO_PRETRAINING)
    train, val = place.splits(card_of(objective), files, SPLITS["pretraining"])
    total = per_process * len(files)
    if len(train) < total:
        raise ConfigError(f"{per_process} pretraining events per process asked for, {len(train)} of {total} are there")
    # The files have the same number of events each, so a random choice has as many of each process but for chance.
    order = torch.from_numpy(np.random.default_rng(1).permutation(len(train)))
    validated = torch.arange(0, len(val), max(1, len(val) // VALIDATED))
    return train.index_select(order[:total]), val.index_select(validated)


def tasks(place: Place) -> list[Task]:
    """The five tasks, the same test events for every training."""
    made = []
    for name, (signal, background) in HO_TASKS.items():
        both = (background, signal)
        train, val = place.splits("simulated_events", place.files("finetuning", both), SPLITS["finetuning"])
        (test,) = place.splits("simulated_events", place.files("test", both), SPLITS["test"])
        made.append(Task(name, train, val, test))
    return made


def controls(place: Place) -> list[Task]:
    """The same process from both generator chains: a classifier should find nothing."""
    made = []
    for process in CONTROLS:
        files = {chain: place.samples / "control" / f"{process}_{chain}.root" for chain in ("lhe", "native")}
        made.append(Task(f"control_{process}", *place.splits("simulated_events", files, SPLITS["control"])))
    return made
