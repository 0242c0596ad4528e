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
        balanced: draw the same number of training events of every class; otherwise random events, in the proportion in
            which they are, and sizes are numbers of events in all.

    Raises:
        ConfigError: for an unknown figure.
    """

    name: str
    train: EventDataset
    val: EventDataset
    test: EventDataset
    figures: Sequence[str] | Mapping[str, Figure] = ("accuracy", "auc")
    objective: Objective | None = None
    balanced: bool = True

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
        """Events per class that the smallest class has for training; of a task that is not balanced, all."""
        return self._most_of(self.train)

    def draw(self, events: int, seed: int) -> Task:
        """The task with as many training events per class as asked for, another random choice for every seed.

        Of the validation events it gets as many as a user with this budget would spare: a quarter of the training
        events, but no fewer than :data:`FEWEST_VALIDATED` per class where there are so many.

        Raises:
            ConfigError: when a class has fewer.
        """
        validated = min(max(events // 4, FEWEST_VALIDATED), self._most_of(self.val))
        draw = balanced_subset if self.balanced else random_subset
        return replace(self, train=draw(self.train, events, seed), val=draw(self.val, validated, seed))

    def _most_of(self, dataset: EventDataset) -> int:
        return _smallest_class(dataset) if self.balanced else len(dataset)


def _classes(dataset: EventDataset) -> np.ndarray | None:
    """Class of every event, or None where an event has no single class."""
    y = dataset.column("y").numpy()
    return y if y.ndim == 1 and y.dtype.kind == "i" else None


def _smallest_class(dataset: EventDataset) -> int:
    y = _classes(dataset)
    return len(dataset) if y is None else int(np.bincount(y, minlength=dataset.num_classes).min())


def random_subset(dataset: EventDataset, events: int, seed: int) -> EventDataset:
    """So many random events, whatever their classes.

    Raises:
        ConfigError: when there are fewer.
    """
    return _drawn(dataset, [np.arange(len(dataset))], events, seed, [""])


def balanced_subset(dataset: EventDataset, per_class: int, seed: int) -> EventDataset:
    """The same number of random events of every class, or so many in all where there are no classes.

    Raises:
        ConfigError: when a class has fewer.
    """
    y = _classes(dataset)
    if y is None:
        return random_subset(dataset, per_class, seed)
    classes = range(dataset.num_classes)
    rows = [np.flatnonzero(y == k) for k in classes]
    return _drawn(dataset, rows, per_class, seed, [f" of class {k}" for k in classes])


def _drawn(
    dataset: EventDataset, rows: Sequence[np.ndarray], events: int, seed: int, names: Sequence[str]
) -> EventDataset:
    """As many events of each of some groups of rows."""
    rng = np.random.default_rng([seed, events])
    for mine, name in zip(rows, names, strict=True):
        if len(mine) < events:
            raise ConfigError(f"{events} events{name} asked for, {dataset!r} has {len(mine)}")
    drawn = [rng.choice(mine, events, replace=False) for mine in rows]
    return dataset.index_select(np.sort(np.concatenate(drawn)))
