"""A dense network on the objects of an event side by side: the plainest network that a transformer is compared with."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from sklearn.neural_network import MLPClassifier

from pyg_hep.datasets import EventDataset
from pyg_hep.evaluation import ObjectVariables
from pyg_hep.inputs import View
from pyg_hep.studies.methods import Fitted, Method, balanced_labels, table_of
from pyg_hep.studies.task import Task

_GRID = tuple((width, rate) for width in (64, 256) for rate in (3e-4, 1e-3))
_EPOCHS, _PATIENCE = 60, 4


@dataclass(frozen=True)
class Dense(Method):
    """Two hidden layers on standardised columns of b-jets, other jets, leptons and missing momentum.

    Width and learning rate come from a grid of four, judged by the log loss of the validation events; training stops
    when a tenth of the training events held out no longer gains.

    Args:
        variables: what makes the columns from a raw batch; where there is no object they are 0.
    """

    variables: ObjectVariables = field(
        default_factory=lambda: ObjectVariables((*View.bumblebee(smooth=True).columns, "charge"), {"photon": 0})
    )
    name: str = field(default="dense", kw_only=True)

    def fit(self, task: Task, seed: int, output: Path) -> Fitted:
        """Train and test."""
        train, val, test = (self._table(dataset) for dataset in (task.train, task.val, task.test))
        mean = np.nanmean(train, axis=0)
        scale = np.nanstd(train, axis=0)
        scale[scale == 0] = 1.0
        train, val, test = (np.nan_to_num((x - mean) / scale) for x in (train, val, test))
        y, weight = balanced_labels(task.train)
        y_val, weight_val = balanced_labels(task.val)
        best: tuple[float, MLPClassifier] | None = None
        for width, rate in _GRID:
            model = MLPClassifier(
                (width, width), learning_rate_init=rate, batch_size=256, max_iter=_EPOCHS, random_state=seed,
                early_stopping=True, n_iter_no_change=_PATIENCE,
            )  # fmt: skip
            model.fit(train, y, np.abs(weight))
            chance = model.predict_proba(val)[np.arange(len(y_val)), y_val]
            loss = float(-(weight_val * np.log(np.clip(chance, 1e-12, None))).sum() / weight_val.sum())
            if best is None or loss < best[0]:
                best = (loss, model)
        assert best is not None
        return Fitted.of_probability(best[1].predict_proba(test), task.test)

    def _table(self, dataset: EventDataset) -> np.ndarray:
        # An event may lack a fourth b-jet, but a column that no event has is no column.
        rows = table_of(self.variables, dataset).astype(np.float64)
        empty = np.isnan(rows).all(axis=0)
        rows[:, empty] = 0.0
        return rows
