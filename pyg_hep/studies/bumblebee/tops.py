"""Ways to reconstruct top pairs that are compared: networks, classical methods, trees and a constant."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from pyg_hep.analysis.tops import METHODS, VisibleMass, reconstruct_tops
from pyg_hep.analysis.tops.flow_method import FlowMethod
from pyg_hep.analysis.tops.network import NetworkMethod
from pyg_hep.evaluation import SummaryVariables, boosted_regression
from pyg_hep.objectives import Objective, TopFlow
from pyg_hep.studies.bumblebee.masses import Masses, true_mass
from pyg_hep.studies.methods import Fitted, FromScratch, Method, table_of
from pyg_hep.studies.task import Task
from pyg_hep.training import FitResult, finetune


@dataclass(frozen=True)
class Reconstruction(FromScratch):
    """Train a network for one objective, or for two of which the second goes on from the first, and reconstruct tops.

    Args:
        learned: objectives that :class:`~pyg_hep.analysis.tops.METHODS` can make tops of, in their order; only the
            arguments are used.
        first: share of the epochs that the first of two gets, so that all ways take the same number of steps.
        samples: of each event's distribution, where the last objective learns one; the estimate is their median.
    """

    learned: tuple[Objective, ...]
    first: float = 0.5
    samples: int = 32
    baseline: str | None = field(default="supervised", kw_only=True)

    def objective(self, task: Task) -> Objective:
        """A new one of the first kind, whatever the task learns otherwise."""
        return type(self.learned[0])(**self.learned[0].config())

    def fit(self, task: Task, seed: int, output: Path) -> Fitted:
        """Train, and reconstruct the test events."""
        if len(self.learned) == 1:
            result = self.train(task, seed, output)
            return self._fitted(task, result, result.seconds)
        epochs = self.settings.epochs
        head = max(1, round(self.first * epochs))
        start = replace(self, settings=replace(self.settings, epochs=head)).train(task, seed, output / "first")
        last = self.learned[1]
        result = finetune(
            start.model, type(last)(**last.config()), task.train, task.val, output=output,
            settings=replace(self.settings, epochs=max(1, epochs - head), seed=seed), optimisation=self.optimisation,
        )  # fmt: skip
        return self._fitted(task, result, start.seconds + result.seconds)

    def _fitted(self, task: Task, result: FitResult, seconds: float) -> Fitted:
        model = result.model
        method = FlowMethod(model, self.samples) if isinstance(model.objective, TopFlow) else NetworkMethod(model)
        found = reconstruct_tops(task.test, method)
        tested: Any = Masses.of(task.test, found)
        return Fitted(tested, result.history, result.best_epoch, seconds, model=result.model)


@dataclass(frozen=True)
class Classical(Method):
    """A method without training but for the scale of its fallback, the visible mass.

    Args:
        method: of :data:`~pyg_hep.analysis.tops.METHODS`.
        options: of the method.
    """

    method: str
    options: dict[str, Any] = field(default_factory=dict)

    def fit(self, task: Task, seed: int, output: Path) -> Fitted:
        """Reconstruct the test events."""
        reserve = VisibleMass().fit(task.train, true_mass(task.train), task.train.column("weight"))
        method = reserve if self.method == "visible_mass" else METHODS[self.method](**self.options)
        return Fitted(Masses.of(task.test, reconstruct_tops(task.test, method, fallback=reserve)))  # type: ignore[arg-type]


@dataclass(frozen=True)
class TreeRegression(Method):
    """Boosted trees that estimate m(ttbar) from event variables and from m(llbb + MET); they have no tops."""

    name: str = field(default="trees", kw_only=True)

    def fit(self, task: Task, seed: int, output: Path) -> Fitted:
        """Train on the logarithm of the mass, and test."""
        weight = task.train.column("weight").numpy()
        model = boosted_regression(table(task.train), np.log(true_mass(task.train)), weight, seed=seed)
        return Fitted(_estimated(task, np.exp(model.predict(table(task.test)))))


@dataclass(frozen=True)
class Constant(Method):
    """The median mass of the training events for every event: what ignores its input, and has the best width."""

    name: str = field(default="constant", kw_only=True)

    def fit(self, task: Task, seed: int, output: Path) -> Fitted:
        """Take the median."""
        return Fitted(_estimated(task, np.full(len(task.test), np.median(true_mass(task.train)))))


def _estimated(task: Task, estimate: np.ndarray) -> Any:
    weight = task.test.column("weight").double().numpy()
    return Masses(true_mass(task.test), estimate, weight, np.zeros(len(weight)), np.full(len(weight), np.nan))


def table(events: Any) -> np.ndarray:
    """Event variables, and the masses that classical methods are made of, ``[N, F]``: no solution of an ellipse."""
    visible = reconstruct_tops(events, VisibleMass(1.0))
    return np.column_stack([table_of(SummaryVariables(), events), visible.m_ttbar, visible.pt_ttbar])
