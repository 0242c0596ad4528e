"""Figures of top tagging: those of table I, with the weights of the jets and without."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pyg_hep.metrics import background_rejection
from pyg_hep.studies import statistics
from pyg_hep.studies.statistics import Figure, Tested
from pyg_hep.training.predict import Predictions


@dataclass(frozen=True)
class Rejection:
    """Background rejection at an efficiency of class 1, as a figure of a task."""

    efficiency: float

    def __call__(self, tested: Tested) -> Callable[[np.ndarray], float]:
        """A function of how often each jet counts."""
        ranks = np.unique(tested.probability[:, 1], return_inverse=True)[1]  # no sorting in the replicas
        y, weight = tested.y, tested.weight
        return lambda counts: float(background_rejection(y, ranks, self.efficiency, weight * counts))


@dataclass(frozen=True)
class Unweighted:
    """A figure in which all jets count the same, as published."""

    figure: Any

    def __call__(self, tested: Predictions) -> Callable[[np.ndarray], float]:
        """A function of how often each jet counts."""
        made: Callable[[np.ndarray], float] = self.figure(replace(tested, weight=np.ones(len(tested.y))))
        return made


TABLE_I: dict[str, Figure] = {
    **{name: statistics.FIGURES[name] for name in ("auc", "accuracy")},
    "rejection_50": Rejection(0.5),
    "rejection_80": Rejection(0.8),
}
"""Columns of table I, by their names in records."""

FIGURES: dict[str, Figure] = {
    **TABLE_I,
    **{f"{name}_unweighted": Unweighted(figure) for name, figure in TABLE_I.items()},
}
"""What every training of top tagging records."""
