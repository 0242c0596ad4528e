"""Trees on trees: boosted trees that learned many classes first, as further inputs of those of a task."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pyg_hep.datasets import EventDataset
from pyg_hep.evaluation import boosted_trees
from pyg_hep.studies.methods import Trees, balanced_labels, log_probability, plain, table_of
from pyg_hep.studies.records import data_digest, key_of

_LEARNED: dict[str, Any] = {}
"""The last first trees of this process: a pickled file would run whatever code it holds when it is opened."""


@dataclass(frozen=True)
class TreesOnTrees(Trees):
    """Boosted trees on event variables and on the log-probabilities of trees that learned other classes before.

    Whoever adds what a pretrained network says has used the labels of its pretraining too; this is the fair rival.
    The first trees are trained once in every process that needs them and kept in its memory.

    Args:
        learned: events with the classes of the first trees, none of which is an event of the task.
        rounds: of boosting of the first trees, at most, each with a tree per class. Their settings are those of large
            sets, not compared: the 20,000 events of a comparison are too few for many classes.

    Source: Wolpert, stacked generalisation, Neural Networks 5 (1992) 241.
    """

    learned: EventDataset = field(kw_only=True, metadata={"argument": False})
    rounds: int = field(default=200, kw_only=True, metadata={"argument": False})
    variant: str = field(default="on_trees", kw_only=True)

    def tables(self, task: Any, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Event variables and log-probabilities side by side."""
        key = self.weights()
        if key not in _LEARNED:
            table, labels = table_of(self.variables, self.learned), balanced_labels(self.learned)
            first = boosted_trees(table, *labels, seed=1, tune=False, max_iterations=self.rounds)
            _LEARNED.clear()
            _LEARNED[key] = first
        train, test = (
            np.concatenate([table, log_probability(_LEARNED[key].predict_proba(table))], axis=1)
            for table in super().tables(task, seed)
        )
        return train, test

    def weights(self) -> str:
        """What the first trees are made of: events, variables and length."""
        made_of = {"data": data_digest(self.learned), "variables": plain(self.variables, "variables")}
        return key_of({**made_of, "rounds": self.rounds})
