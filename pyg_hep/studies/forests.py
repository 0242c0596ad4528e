"""Trees on trees: boosted trees that learned many classes first, as further inputs of those of a task."""

from __future__ import annotations

import json
import pickle
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from pyg_hep.datasets import EventDataset
from pyg_hep.errors import ConfigError
from pyg_hep.evaluation import SummaryVariables, boosted_trees
from pyg_hep.studies.methods import Trees, Variables, balanced_labels, plain, table_of
from pyg_hep.studies.records import code_digest, data_digest, key_of

FILE, NOTE = "trees.pickle", "trees.json"
_LEAST = 1e-7  # of a probability before its logarithm


@dataclass(frozen=True)
class Forest:
    """Boosted trees on the events of a pretraining: what labels alone are worth, without a network.

    Args:
        folder: where they are kept. They are pickled: open only folders of your own.
        train: events with their classes.
        variables: of an event, what the trees see.
        seed: of the search for settings.
    """

    folder: Path
    train: EventDataset
    variables: Variables = field(default_factory=SummaryVariables)
    seed: int = 1

    def key(self) -> str:
        """What tells them from all others: data, variables, seed and code."""
        return key_of({
            "data": data_digest(self.train), "variables": plain(self.variables, "variables"), "seed": self.seed,
            "code": code_digest(__name__),
        })  # fmt: skip

    def is_done(self) -> bool:
        """Whether they are in their folder, trained exactly so."""
        there = all((self.folder / name).is_file() for name in (FILE, NOTE))
        return there and _note(self.folder)["key"] == self.key()

    def fit(self) -> dict[str, Any]:
        """Train and keep them; their record."""
        start = time.perf_counter()
        model = boosted_trees(table_of(self.variables, self.train), *balanced_labels(self.train), seed=self.seed)
        note = {
            "model": self.folder.name, "key": self.key(), "events": len(self.train),
            "classes": self.train.class_names, "trees": int(model.n_iter_), "seconds": time.perf_counter() - start,
        }  # fmt: skip
        self.folder.mkdir(parents=True, exist_ok=True)
        _replace(self.folder / FILE, pickle.dumps(model))
        _replace(self.folder / NOTE, json.dumps(note, indent=1).encode())
        return note


@dataclass(frozen=True)
class TreesOnTrees(Trees):
    """Boosted trees on event variables and on the log-probabilities of trees that learned other classes before.

    Whoever adds what a pretrained network says has used the labels of its pretraining too; this is the fair rival.

    Args:
        forest: folder of a :class:`Forest` that has seen none of the events of the task.

    Source: Wolpert's stacked generalisation, Neural Networks 5 (1992) 241.
    """

    forest: Path = field(kw_only=True, metadata={"argument": False})
    variant: str = field(default="on_trees", kw_only=True)

    def tables(self, task: Any, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Event variables and log-probabilities side by side.

        Raises:
            ConfigError: when the trees that were trained before are not there.
        """
        path = self.forest / FILE
        if not path.is_file():
            raise ConfigError(f"no trees in {self.forest}: Forest(...).fit() makes them")
        model = pickle.loads(path.read_bytes())
        train, test = (
            np.concatenate([table, np.log(model.predict_proba(table).clip(_LEAST))], axis=1)
            for table in super().tables(task, seed)
        )
        return train, test

    def weights(self) -> str | None:
        """What the first trees were made of.

        Raises:
            ConfigError: when they are not there.
        """
        return str(_note(self.forest)["key"])


def _note(folder: Path) -> dict[str, Any]:
    path = folder / NOTE
    if not path.is_file():
        raise ConfigError(f"no trees in {folder}: Forest(...).fit() makes them")
    note: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return note


def _replace(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    part = path.with_name(f"{path.name}.part")
    part.write_bytes(content)
    part.replace(path)
