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

    def learn(self, task: Task, seed: int, output: Path) -> FitResult:
        """Train for one objective after the other; the result is that of the last, with the seconds of both."""
        if len(self.learned) == 1:
            return super().learn(task, seed, output)
        epochs = self.settings.epochs
        head = max(1, round(self.first * epochs))
        short = replace(self, settings=replace(self.settings, epochs=head), learned=self.learned[:1])
        start = short.learn(task, seed, output / "first")
        last = self.learned[1]
        result = finetune(
            start.model, type(last)(**last.config()), task.train, task.val, output=output,
            settings=replace(self.settings, epochs=max(1, epochs - head), seed=seed), optimisation=self.optimisation,
        )  # fmt: skip
        return replace(result, seconds=start.seconds + result.seconds)

    def fit(self, task: Task, seed: int, output: Path) -> Fitted:
        """Train, and reconstruct the test events; intervals hold their share of the validation events."""
        result = self.learn(task, seed, output)
        model = result.model
        method: Any
        if isinstance(model.objective, TopFlow):
            weight = task.val.column("weight")
            method = FlowMethod(model, self.samples).fit(task.val, true_mass(task.val), weight)
        else:
            method = NetworkMethod(model)
        tested: Any = Masses.of(task.test, reconstruct_tops(task.test, method))
        return Fitted(tested, result.history, result.best_epoch, result.seconds, model=model)


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
