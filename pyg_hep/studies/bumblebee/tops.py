"""Ways to reconstruct top pairs that are compared: networks, classical methods, trees and a constant."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from pyg_hep.analysis.tops import METHODS, DileptonEvents, TopPairs, VisibleMass, reconstruct_tops
from pyg_hep.analysis.tops.network import NetworkMethod
from pyg_hep.evaluation import SummaryVariables, boosted_regression
from pyg_hep.loader import EventLoader
from pyg_hep.objectives import Objective
from pyg_hep.studies.bumblebee.masses import Masses, true_mass
from pyg_hep.studies.methods import Fitted, FromScratch, Method
from pyg_hep.studies.task import Task


@dataclass(frozen=True)
class FourVectors(FromScratch):
    """Train a network that estimates four-vectors; tops are the sums of the daughters that it estimates.

    Args:
        learned: its objective; only the arguments are used.
    """

    learned: Objective
    baseline: str | None = field(default="supervised", kw_only=True)

    def objective(self, task: Task) -> Objective:
        """A new one of the kind, whatever the task learns otherwise."""
        return type(self.learned)(**self.learned.config())

    def fit(self, task: Task, seed: int, output: Path) -> Fitted:
        """Train, and reconstruct the test events."""
        result = self.train(task, seed, output)
        tested = Masses.of(task.test, reconstruct_tops(task.test, NetworkMethod(result.model)))
        return Fitted(tested, result.history, result.best_epoch, result.seconds, model=result.model)


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
    return Masses(true_mass(task.test), estimate, weight, np.zeros(len(weight)))


def table(events: Any) -> np.ndarray:
    """Event variables, and the masses that classical methods are made of, ``[N, F]``: no solution of an ellipse."""
    variables = SummaryVariables()
    rows = [variables(batch) for batch in EventLoader(events, 8192)]
    return np.column_stack([np.concatenate(rows), _masses(events)])


def _masses(events: Any) -> np.ndarray:
    dilepton = DileptonEvents.from_graphs(events)
    found: TopPairs = VisibleMass(1.0)(dilepton)
    return np.column_stack([found.m_ttbar, found.pt_ttbar])
