"""Ways to use a pretrained network beside fine-tuning: linear probe, trees on what it says of events, means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import numpy as np

from pyg_hep.errors import ConfigError
from pyg_hep.objectives import Classification
from pyg_hep.studies.execution import execute_all
from pyg_hep.studies.methods import FineTuned, Fitted, Method, Trees, balanced_labels, log_probability
from pyg_hep.studies.plan import Run, plan
from pyg_hep.studies.recent import probability
from pyg_hep.studies.records import key_of, weights_digest
from pyg_hep.studies.statistics import label
from pyg_hep.studies.task import Size, Task
from pyg_hep.training import EventModel, predict, represent
from pyg_hep.training.pretrained import find_folder

STRENGTHS = (1e-3, 1e-2, 1e-1, 1.0)
_FOLDS = 5


@dataclass(frozen=True)
class LinearProbe(Method):
    r"""Logistic regression on the frozen representation of a pretrained network.

    .. math:: \sum_i w_i \ell_i + \lVert W \rVert^2 / (2 C)

    with columns standardised on the training events, weights w that balance the classes and have the mean 1, and the
    C of ``strengths`` that has the least weighted log loss in five folds of the training events. Validation events
    are not used.

    Args:
        pretrained: folder of the model, or the name of one that comes with the package.
        strengths: C to choose from.

    Source: Alain and Bengio, arXiv:1610.01644.
    """

    pretrained: str | Path = field(metadata={"argument": False})
    strengths: tuple[float, ...] = STRENGTHS
    name: str = field(default="probe", kw_only=True)
    baseline: str | None = field(default="scratch", kw_only=True)

    def fit(self, task: Task, seed: int, output: Path) -> Fitted:
        """Choose C, fit and test.

        Raises:
            ConfigError: when a class has fewer training events than there are folds.
        """
        from sklearn.linear_model import LogisticRegression
        from sklearn.metrics import log_loss
        from sklearn.model_selection import StratifiedKFold
        from sklearn.preprocessing import StandardScaler

        model = EventModel.from_pretrained(self.pretrained)
        x = represent(model, task.train)[1].astype(np.float64)
        y, w = balanced_labels(task.train)
        if np.bincount(y).min() < _FOLDS:
            raise ConfigError(f"{self.label}: {_FOLDS} folds need as many events of each class, got {np.bincount(y)}")
        scaler = StandardScaler().fit(x)
        x = scaler.transform(x)
        w = np.abs(w) / np.abs(w).mean()
        folds = list(StratifiedKFold(_FOLDS, shuffle=True, random_state=seed).split(x, y))

        def classifier(strength: float, rows: np.ndarray) -> LogisticRegression:
            return LogisticRegression(C=strength, max_iter=2000).fit(x[rows], y[rows], sample_weight=w[rows])

        def loss(strength: float) -> float:
            classes = np.unique(y)
            left_out = [(classifier(strength, one).predict_proba(x[other]), other) for one, other in folds]
            return float(np.mean([log_loss(y[k], p, sample_weight=w[k], labels=classes) for p, k in left_out]))

        best = min(self.strengths, key=loss)
        tested = scaler.transform(represent(model, task.test)[1].astype(np.float64))
        fitted = Fitted.of_probability(classifier(best, np.arange(len(y))).predict_proba(tested), task.test)
        return replace(fitted, tuned={"strength": best})

    def weights(self) -> str:
        """Digest of the pretrained model."""
        return weights_digest(find_folder(self.pretrained))


@dataclass(frozen=True)
class StackedTrees(Trees):
    """Boosted trees on event variables and on what a pretrained network says of an event.

    Their table has the event variables, the first principal components of the standardised representation (fitted
    to the training events), and the logarithms of the class probabilities where the network tells classes apart.
    What the network says is fair to the trees only of events that it was not pretrained on.

    Args:
        pretrained: folder of the model, or the name of one that comes with the package.
        components: of the representation, at most as many as it has columns and there are training events; 0 for none.
    """

    pretrained: str | Path = field(kw_only=True, metadata={"argument": False})
    components: int = 32
    name: str = field(default="stacked", kw_only=True)

    def tables(self, task: Task, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Event variables, components and log-probabilities side by side.

        Raises:
            ConfigError: for no components of a network that does not tell classes apart.
        """
        from sklearn.decomposition import PCA
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        model = EventModel.from_pretrained(self.pretrained)
        sets = (task.train, task.test)
        tables = [[variables] for variables in super().tables(task, seed)]
        if self.components:
            seen = [represent(model, events)[1].astype(np.float64) for events in sets]
            number = min(self.components, *seen[0].shape)
            reduce = make_pipeline(StandardScaler(), PCA(number, random_state=seed)).fit(seen[0])
            for table, x in zip(tables, seen, strict=True):
                table.append(reduce.transform(x))
        if model.objective.find(Classification) is not None:
            for table, events in zip(tables, sets, strict=True):
                table.append(log_probability(predict(model, events, labels=False).probability))
        elif not self.components:
            kind = type(model.objective).__name__
            raise ConfigError(f"{self.label}: a network pretrained for {kind} has components alone to say of an event")
        train, test = (np.concatenate(table, axis=1) for table in tables)
        return train, test

    def weights(self) -> str:
        """Digest of the pretrained model."""
        return weights_digest(find_folder(self.pretrained))


@dataclass(frozen=True)
class Mean(Method):
    r"""The mean of the class probabilities of several methods, and of several trainings of each.

    .. math:: P(c) = \frac{1}{M K} \sum_{m, k} P_{mk}(c)

    What this process has trained just before is not trained again: a study compares a mean with its parts.

    Args:
        methods: what is averaged.
        trainings: of each method; the first has the seed of the run, so that one training of one method is that method.
    """

    methods: tuple[Method, ...]
    trainings: int = 1
    name: str = field(default="mean", kw_only=True)
    baseline: str | None = field(default="scratch", kw_only=True)

    def __post_init__(self) -> None:
        if not self.methods or self.trainings < 1:
            raise ConfigError(f"{self.label} averages at least one training of one method")

    def at(self, size: Size) -> Self:
        """With what the size says."""
        return replace(self, methods=tuple(method.at(size) for method in self.methods))

    def weights(self) -> str | None:
        """Digest of all pretrained weights, if any."""
        every = [digest for method in self.methods if (digest := method.weights()) is not None]
        return key_of({"weights": every}) if every else None

    def arguments(self) -> dict[str, Any]:
        """Those of the methods, and how often each is trained."""
        kind = f"{type(self).__module__}.{type(self).__qualname__}"
        return {"class": kind, "methods": [m.arguments() for m in self.methods], "trainings": self.trainings}

    def parts(self) -> tuple[Any, ...]:
        """Those of the methods too."""
        return (*super().parts(), *(part for method in self.methods for part in method.parts()))

    def fit(self, task: Task, seed: int, output: Path) -> Fitted:
        """Train and test every method; trainings after the first have seeds that no run has."""
        probabilities = [
            probability(method, task, seed + 1_000_003 * k, output / f"{i}-{k}")
            for i, method in enumerate(self.methods)
            for k in range(self.trainings)
        ]
        return Fitted.of_probability(np.mean(probabilities, axis=0), task.test)


def ways_of(tuned: FineTuned, trees: Trees, trainings: int = 5, *, baseline: str, prefix: str = "") -> list[Method]:
    """Ways to use the network that a fine-tuning starts from, and as many trainings of the trees that are its rival.

    Args:
        tuned: the fine-tuning; the ways have its name and columns.
        trees: the boosted trees on event variables, on which the network is stacked too.
        trainings: whose mean is a way, of the fine-tuning and of the trees alike.
        baseline: label of the method that the ways are compared with.
        prefix: of their variants.

    Returns:
        ``probe``, ``stacked``, ``mean`` (of fine-tunings), ``all`` (mean of fine-tuning, ``probe`` and ``stacked``);
        and the ``mean`` of the trees.
    """
    about: dict[str, Any] = {"name": tuned.name, "columns": tuned.columns, "baseline": baseline}
    probe = LinearProbe(tuned.pretrained, **about, variant=f"{prefix}probe")
    stacked = StackedTrees(trees.variables, pretrained=tuned.pretrained, **about, variant=f"{prefix}stacked")
    return [
        probe, stacked,
        Mean((tuned,), trainings, **about, variant=f"{prefix}mean"),
        Mean((probe, tuned, stacked), **about, variant=f"{prefix}all"),
        Mean((trees,), trainings, name=trees.name, variant=f"{trees.variant}-mean".strip("-"), baseline=baseline),
    ]  # fmt: skip


def folds(task: Task, number: int, seed: int = 1) -> list[Task]:
    """Tasks whose test events are each a part of the training events of a task, and whose training events the rest.

    A method is chosen by what it does in them, so that the test events of the task have no part in the choice.

    Args:
        task: whose training events (all of them: draw first) are divided, every class by itself.
        number: of parts.
        seed: of the division.

    Raises:
        ConfigError: for fewer than two parts, or a class with fewer events than that.
    """
    from sklearn.model_selection import StratifiedKFold

    y = task.train.column("y").numpy()
    if y.ndim != 1 or y.dtype.kind != "i":
        raise ConfigError(f"the task {task.name!r} has no classes to be divided by")
    if number < 2 or np.bincount(y).min() < number:
        raise ConfigError(f"{number} folds need as many events of each class, at least two: got {np.bincount(y)}")
    parts = StratifiedKFold(number, shuffle=True, random_state=seed).split(y, y)
    return [
        replace(
            task, name=f"{task.name}-fold-{k}", train=task.train.index_select(one), test=task.train.index_select(other)
        )
        for k, (one, other) in enumerate(parts)
    ]


def plan_folds(
    tasks: Sequence[Task],
    methods: Sequence[Method],
    size: Size,
    output: Path,
    number: int = 3,
    threads: int | None = None,
) -> list[Run]:
    """The trainings of every method in every fold of the training events that the first seed of a size draws.

    Args:
        tasks: whose training events are divided; their test events are not read.
        methods: what is compared, by AUC.
        size: how much is trained.
        output: folder of the runs' folders.
        number: of folds, see :func:`folds`.
        threads: of each run.
    """
    first = size.numbers[0]
    drawn = (replace(task.draw(size.events or task.most, first), figures=("auc",)) for task in tasks)
    parts = [part for task in drawn for part in folds(task, number, first)]
    return plan(parts, methods, [replace(size, events=0, seeds=(first,))], output, threads)


def cross_validate(
    task: Task, methods: Sequence[Method], size: Size, *, output: str | Path, number: int = 3, workers: int = 1
) -> dict[str, tuple[float, float]]:
    """Mean AUC of every method over folds of the training events, and the spread of that mean.

    The events are those that the first seed of the size draws. The error is the standard error over folds, of
    which any two share training events: it tells what is level, not what is significant.

    Args:
        task: the task; its test events are not read.
        methods: what is compared.
        size: how much is trained: events, epochs, batch and rate.
        output: folder of the trainings.
        number: of folds.
        workers: processes that train at the same time.

    Returns:
        Label of the method -> mean and error, the best first.
    """
    runs = plan_folds([task], methods, size, Path(output), number, threads=1 if workers > 1 else None)
    areas: dict[str, list[float]] = {method.label: [] for method in methods}
    for record in execute_all(runs, workers):
        areas[label(record)].append(record["auc"])
    means = {name: (float(np.mean(v)), float(np.std(v, ddof=1) / len(v) ** 0.5)) for name, v in areas.items()}
    return dict(sorted(means.items(), key=lambda item: -item[1][0]))
