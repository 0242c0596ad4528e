"""What methods are compared at: a task with its figures, and how much of its training events they get."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from pyg_hep.datasets import EventDataset
from pyg_hep.errors import ConfigError, nearest
from pyg_hep.objectives import Objective
from pyg_hep.studies.records import data_digest
from pyg_hep.studies.statistics import FIGURES, Figure

FEWEST_VALIDATED = 250
"""Validation events per class below which a best epoch is no more than chance."""


@dataclass(frozen=True)
class Size:
    """How much one point of a learning curve is trained.

    Args:
        events: training events per class (of a task without classes, in all); 0 is as many as there are.
        seeds: number of trainings of each method, with the seeds 1, 2, ...; or the seeds themselves.
        epochs: passes over the training events, at most; None leaves that to each method.
        batch: events in a step; None leaves that to each method.
        rate: learning rate; None leaves that to each method.
    """

    events: int
    seeds: int | tuple[int, ...] = 1
    epochs: int | None = None
    batch: int | None = None
    rate: float | None = None

    @property
    def numbers(self) -> tuple[int, ...]:
        """The seeds one by one."""
        return tuple(range(1, self.seeds + 1)) if isinstance(self.seeds, int) else tuple(self.seeds)


@dataclass(frozen=True)
class Task:
    """What methods are compared at: the same test events for every run, touched once by each.

    Args:
        name: of the task.
        train: training events, from which every seed draws its own random subset.
        val: validation events, for early stopping and the best epoch.
        test: test events.
        figures: what every run records of its test events: names of :data:`~pyg_hep.studies.statistics.FIGURES`, or
            figures of your own by name.
        objective: what networks are trained for; None is a classification with balanced classes. Only its arguments
            are used.

    Raises:
        ConfigError: for an unknown figure.
    """

    name: str
    train: EventDataset
    val: EventDataset
    test: EventDataset
    figures: Sequence[str] | Mapping[str, Figure] = ("accuracy", "auc")
    objective: Objective | None = None

    def __post_init__(self) -> None:
        for name in () if isinstance(self.figures, Mapping) else self.figures:
            if name not in FIGURES:
                raise ConfigError(f"the task {self.name!r} names no known figure {name!r}: {nearest(name, FIGURES)}")

    @property
    def measures(self) -> dict[str, Figure]:
        """Its figures by name."""
        if isinstance(self.figures, Mapping):
            return dict(self.figures)
        return {name: FIGURES[name] for name in self.figures}

    @cached_property
    def digest(self) -> str:
        """Digest of all its events."""
        return data_digest(self.train, self.val, self.test)

    @cached_property
    def most(self) -> int:
        """Events per class that the smallest class has for training."""
        return _smallest_class(self.train)

    def draw(self, events: int, seed: int) -> Task:
        """The task with as many training events per class as asked for, another random choice for every seed.

        Of the validation events it gets as many as a user with this budget would spare: a quarter of the training
        events, but no fewer than :data:`FEWEST_VALIDATED` per class where there are so many.

        Raises:
            ConfigError: when a class has fewer.
        """
        validated = min(max(events // 4, FEWEST_VALIDATED), _smallest_class(self.val))
        train, val = balanced_subset(self.train, events, seed), balanced_subset(self.val, validated, seed)
        return replace(self, train=train, val=val)


def _classes(dataset: EventDataset) -> np.ndarray | None:
    """Class of every event, or None where an event has no single class."""
    y = dataset.column("y").numpy()
    return y if y.ndim == 1 and y.dtype.kind == "i" else None


def _smallest_class(dataset: EventDataset) -> int:
    y = _classes(dataset)
    return len(dataset) if y is None else int(np.bincount(y, minlength=dataset.num_classes).min())


def balanced_subset(dataset: EventDataset, per_class: int, seed: int) -> EventDataset:
    """The same number of random events of every class, or so many in all where there are no classes.

    Raises:
        ConfigError: when a class has fewer.
    """
    y = _classes(dataset)
    rng = np.random.default_rng([seed, per_class])
    rows = [np.arange(len(dataset))] if y is None else [np.flatnonzero(y == k) for k in range(dataset.num_classes)]
    for label, mine in enumerate(rows):
        if len(mine) < per_class:
            kind = "" if y is None else f" of class {label}"
            raise ConfigError(f"{per_class} events{kind} asked for, {dataset!r} has {len(mine)}")
    drawn = [rng.choice(mine, per_class, replace=False) for mine in rows]
    return dataset.index_select(np.sort(np.concatenate(drawn)))
