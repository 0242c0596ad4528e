"""Ways to train for a task: from scratch, fine-tuned, boosted trees, or a way of your own."""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np

from pyg_hep.datasets import EventDataset
from pyg_hep.errors import ConfigError, nearest
from pyg_hep.evaluation import SummaryVariables, boosted_trees
from pyg_hep.inputs import View
from pyg_hep.loader import EventLoader
from pyg_hep.objectives import Classification, Objective
from pyg_hep.studies.records import weights_digest
from pyg_hep.studies.statistics import Tested, class_balance, label
from pyg_hep.studies.task import Size, Task
from pyg_hep.training import EventModel, FitResult, Optimisation, TrainingSettings, finetune, predict, pretrain, process
from pyg_hep.training.predict import Predictions
from pyg_hep.training.pretrained import find_folder
from pyg_hep.training.settings import PLACE


@dataclass(frozen=True)
class Fitted:
    """What a method made of a task.

    Args:
        predictions: of the test events.
        history: figures of every epoch; empty for methods without epochs.
        best_epoch: place in ``history`` of the epoch whose weights were kept.
        seconds: of the training.
        probe_seconds: of fitting a head to the pretrained representation before.
        model: the trained network, where there is one.
        tuned: what was chosen by validation before the training, and what that took.
    """

    predictions: Tested
    history: list[dict[str, float]] = field(default_factory=list)
    best_epoch: int | None = None
    seconds: float | None = None
    probe_seconds: float = 0.0
    model: EventModel | None = None
    tuned: Mapping[str, Any] | None = None

    @classmethod
    def of(cls, result: FitResult, test: EventDataset) -> Fitted:
        """The result of a training of a network, and what that says of test events."""
        tested = predict(result.model, test)
        return cls(tested, result.history, result.best_epoch, result.seconds, result.probe_seconds, result.model)

    @classmethod
    def of_probability(cls, probability: np.ndarray, test: EventDataset) -> Fitted:
        """What a classifier without epochs says of test events: class probabilities ``[N, C]``."""
        names = test.class_names
        columns = dict(zip(names, probability.T, strict=True))
        y, weight = (test.column(name).numpy() for name in ("y", "weight"))
        return cls(Predictions(columns, y, weight, names))

    def columns(self) -> dict[str, Any]:
        """What its record keeps: epochs, times [s], and every validation figure by epoch."""
        tuned = {} if self.tuned is None else {"tuned": dict(self.tuned)}
        if not self.history:
            return tuned
        curves = {name: [epoch[name] for epoch in self.history] for name in self.history[0] if name.startswith("val_")}
        return {
            "epochs": len(self.history), "best_epoch": self.best_epoch, "seconds": self.seconds,
            "probe_seconds": self.probe_seconds, "elapsed": [epoch["seconds"] for epoch in self.history], **curves,
            **tuned,
        }  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Method(abc.ABC):
    """One way to train for a task. A way of your own is a data class that inherits from this one.

    Args:
        name: of the method in records and tables.
        variant: what tells it from others of its name.
        baseline: ``name`` or ``name/variant`` of the method that it is compared with, if any.
        columns: further columns of its records, such as the number of unlabelled events behind it.
    """

    name: str
    variant: str = ""
    baseline: str | None = None
    columns: Mapping[str, Any] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """Name and variant as one name."""
        return label(self.names())

    def names(self) -> dict[str, Any]:
        """The columns of a record that say what was trained."""
        return {"method": self.name, "variant": self.variant, "baseline": self.baseline, **self.columns}

    def at(self, size: Size) -> Self:
        """The method with the epochs, batches and rate of a size; the method itself where these mean nothing to it."""
        return self

    @abc.abstractmethod
    def fit(self, task: Task, seed: int, output: Path) -> Fitted:
        """Train with the task's training and validation events and say what the test events are.

        Args:
            task: whose training events were drawn already.
            seed: of everything random.
            output: folder for what the training leaves behind.
        """

    def weights(self) -> str | None:
        """Digest of the pretrained weights that the method starts from, if any."""
        return None

    def parts(self) -> tuple[Any, ...]:
        """What it is made of: itself and its fields, whose code is part of a record's key."""
        return (self, *(getattr(self, entry.name) for entry in dataclasses.fields(self)))

    def arguments(self) -> dict[str, Any]:
        """Everything that shapes the result, as plain JSON: all fields but the names, defaults included.

        A field with ``metadata={"argument": False}`` is left out, such as a folder of weights that have a digest.

        Raises:
            ConfigError: for a field that cannot be told apart by its value.
        """
        names = {entry.name for entry in dataclasses.fields(Method)}
        shaping = [f.name for f in dataclasses.fields(self) if f.name not in names and f.metadata.get("argument", True)]
        values = {name: getattr(self, name) for name in shaping}
        kind = f"{type(self).__module__}.{type(self).__qualname__}"
        return {"class": kind, **{name: plain(value, f"{kind}.{name}") for name, value in values.items()}}


def modules_of(*parts: Any) -> set[str]:
    """Modules of what a training is made of: of a model those of backbone and objective."""
    models = [part for part in parts if isinstance(part, EventModel)]
    made_of = [*parts, *(part for model in models for part in (model.backbone, model.objective))]
    return {type(part).__module__ for part in made_of if hasattr(part, "config") or isinstance(part, Method)}


def plain(value: Any, name: str) -> Any:
    """A value as plain JSON that is the same whenever and wherever the value is."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, TrainingSettings):
        return {k: v for k, v in dataclasses.asdict(value).items() if k not in (*PLACE, "seed")}
    if isinstance(value, EventModel):
        return described(value)
    if hasattr(value, "config"):
        return _made(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {"class": type(value).__name__, **plain(vars(value), name)}
    if isinstance(value, Mapping):
        return {str(k): plain(v, f"{name}[{k!r}]") for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v, name) for v in value]
    raise ConfigError(f"{name} is a {type(value).__name__}, which cannot be part of a record's key: take plain values")


def described(model: EventModel) -> dict[str, Any]:
    """Backbone and view of a model as plain JSON, without weights and measured constants."""
    return {"backbone": _made(model.backbone), "view": model.view.config()}


def _made(part: Any) -> dict[str, Any]:
    return {"class": type(part).__name__, "arguments": part.config()}


class Learned(Protocol):
    """What is known after a training, before test events are seen: figures of every epoch, and seconds."""

    history: list[dict[str, float]]
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Tunable(Method):
    """A training in epochs whose settings can be changed, see :class:`~pyg_hep.studies.Tuned`."""

    @abc.abstractmethod
    def trial(self, settings: Mapping[str, float]) -> Self:
        """With other settings, see :data:`pyg_hep.studies.tuned.SETTINGS`."""

    @abc.abstractmethod
    def shortened(self, share: float) -> Self:
        """With this share of its epochs, at least one."""

    @abc.abstractmethod
    def learn(self, task: Task, seed: int, output: Path) -> Learned:
        """Train with the training and validation events of the task; ``history`` has ``val_loss``."""


@dataclass(frozen=True, kw_only=True)
class Network(Tunable):
    """What trainings of networks have in common.

    Args:
        settings: length and size of the training; the seed is replaced by that of the run.
        optimisation: learning rates, schedule, and what is frozen.
        augment: arguments of :class:`~pyg_hep.transforms.LorentzAugment` for the training events; None for none.
        changes: arguments of the backbone in place of its own; a pretrained one keeps the weights that fit.
    """

    settings: TrainingSettings = field(default_factory=TrainingSettings)
    optimisation: Optimisation = field(default_factory=Optimisation)
    augment: Mapping[str, Any] | None = None
    changes: Mapping[str, Any] | None = None

    def at(self, size: Size) -> Self:
        """With what the size says of epochs, batches and rate."""
        epochs = self.settings.epochs if size.epochs is None else size.epochs
        batch = self.settings.batch_size if size.batch is None else size.batch
        rate = self.optimisation.learning_rate if size.rate is None else size.rate
        settings = replace(self.settings, epochs=epochs, batch_size=batch)
        return replace(self, settings=settings, optimisation=replace(self.optimisation, learning_rate=rate))

    def shortened(self, share: float) -> Self:
        """With this share of its epochs, at least one; schedules are as much shorter."""
        epochs = max(1, round(share * self.settings.epochs))
        return replace(self, settings=replace(self.settings, epochs=epochs))

    def trial(self, settings: Mapping[str, float]) -> Self:
        """With other settings, see :data:`pyg_hep.studies.tuned.SETTINGS`."""
        factor, optimisation = settings.get("rate", 1.0), self.optimisation
        backbone = optimisation.backbone_learning_rate
        optimisation = replace(
            optimisation, learning_rate=factor * optimisation.learning_rate,
            backbone_learning_rate=None if backbone is None else factor * backbone,
            weight_decay=settings.get("weight_decay", optimisation.weight_decay),
        )  # fmt: skip
        batch = max(1, round(settings.get("batch", 1.0) * self.settings.batch_size))
        changes = self.changes
        if "dropout" in settings:
            changes = {**(changes or {}), "dropout": settings["dropout"]}
        return replace(
            self, optimisation=optimisation, settings=replace(self.settings, batch_size=batch), changes=changes
        )

    @abc.abstractmethod
    def learn(self, task: Task, seed: int, output: Path) -> FitResult:
        """Train with the training and validation events of the task."""

    def fit(self, task: Task, seed: int, output: Path) -> Fitted:
        """Train and test."""
        return Fitted.of(self.learn(task, seed, output), task.test)

    def objective(self, task: Task) -> Objective:
        """A new objective for the task.

        Raises:
            ConfigError: when its training events are to be augmented and it cannot do that.
        """
        if task.objective is None:
            return Classification(task.train.num_classes, class_weights="balanced", augment=self.augment)
        kind, arguments = type(task.objective), task.objective.config()
        if self.augment is not None:
            if "augment" not in arguments:
                raise ConfigError(f"{kind.__name__} has no argument 'augment': {nearest('augment', arguments)}")
            arguments = {**arguments, "augment": self.augment}
        return kind(**arguments)


@dataclass(frozen=True)
class FromScratch(Network):
    """Train a network from random weights.

    Args:
        model: whose backbone and view are trained; its weights are not used.
    """

    model: EventModel
    name: str = field(default="scratch", kw_only=True)

    def learn(self, task: Task, seed: int, output: Path) -> FitResult:
        """Train."""
        with process.isolated():
            process.seed_everything(seed)  # the initial weights
            backbone = type(self.model.backbone)(**{**self.model.backbone.config(), **(self.changes or {})})
            view = View(**self.model.view.config())
            model = EventModel(backbone, self.objective(task), view, self.optimisation)
        settings = replace(self.settings, seed=seed)
        return pretrain(model, task.train, task.val, output=output, settings=settings)


@dataclass(frozen=True)
class FineTuned(Network):
    """Train a pretrained network on, with a new head.

    Args:
        pretrained: folder of the model, or the name of one that comes with the package.
        optimisation: the published one by default: heads 1e-4, backbone 1e-5.
        reset: parts of the pretrained backbone that start anew.
        view: arguments of the pretrained view in place of its own, see :func:`~pyg_hep.training.finetune`.
        probe: fit the new head to the frozen representation first.
    """

    pretrained: str | Path = field(metadata={"argument": False})
    reset: tuple[str, ...] = ()
    view: Mapping[str, Any] | None = None
    probe: bool = False
    optimisation: Optimisation = field(
        default_factory=lambda: Optimisation(backbone_learning_rate=1e-5), kw_only=True
    )  # fmt: skip
    name: str = field(default="finetuned", kw_only=True)
    baseline: str | None = field(default="scratch", kw_only=True)

    def learn(self, task: Task, seed: int, output: Path) -> FitResult:
        """Train."""
        return finetune(
            self.pretrained, self.objective(task), task.train, task.val, output=output,
            settings=replace(self.settings, seed=seed), optimisation=self.optimisation, reset=self.reset,
            changes=self.changes, view=self.view, probe=self.probe,
        )  # fmt: skip

    def weights(self) -> str:
        """Digest of the pretrained model.

        Raises:
            ConfigError: when it is not there.
        """
        return weights_digest(find_folder(self.pretrained))


class Variables(Protocol):
    """What turns a raw batch into a table ``[B, F]``, and says its own arguments."""

    def __call__(self, batch: Any) -> np.ndarray:
        """The table."""

    def config(self) -> dict[str, Any]:
        """Constructor arguments, as plain JSON."""


def table_of(variables: Variables, dataset: EventDataset) -> np.ndarray:
    """The table of all events, ``[N, F]``."""
    return np.concatenate([variables(batch) for batch in EventLoader(dataset, 8192)])


def log_probability(probability: np.ndarray) -> np.ndarray:
    """Logarithms of class probabilities, of which none counts as less than 1e-7, as inputs of trees."""
    return np.log(probability.clip(1e-7))


def balanced_labels(dataset: EventDataset) -> tuple[np.ndarray, np.ndarray]:
    """Classes of all events, and their weights scaled such that every class has the same sum."""
    y, weight = (dataset.column(name).numpy() for name in ("y", "weight"))
    return y, class_balance(y, weight)


@dataclass(frozen=True)
class Trees(Method):
    """Boosted trees on event variables: the anchor without a network.

    Args:
        variables: what makes their table from a raw batch; one of your own has ``config()`` too.
    """

    variables: Variables = field(default_factory=SummaryVariables)
    name: str = field(default="trees", kw_only=True)
    baseline: str | None = field(default="scratch", kw_only=True)

    def fit(self, task: Task, seed: int, output: Path) -> Fitted:
        """Train and test; validation events are not used, the trees choose their settings within the training ones."""
        train, test = self.tables(task, seed)
        model = boosted_trees(train, *balanced_labels(task.train), seed=seed)
        return Fitted.of_probability(model.predict_proba(test), task.test)

    def tables(self, task: Task, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """What the trees see of training and of test events, ``[N, F]``; the seed is of what is fitted for it."""
        return table_of(self.variables, task.train), table_of(self.variables, task.test)
