"""What every training objective provides; any backbone trains with any objective."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

import torch
from torch import Tensor, nn
from torch_geometric.data import Batch

from pyg_hep.errors import ConfigError, nearest
from pyg_hep.inputs import View
from pyg_hep.nn import Backbone, Representation
from pyg_hep.objectives.meters import Metric
from pyg_hep.transforms.lorentz_augment import LorentzAugment

if TYPE_CHECKING:
    from pyg_hep.datasets import EventDataset

NEGATIVE_WEIGHTS = ("keep", "error", "absolute")
"""What a loss does with negative event weights; the figures always keep them."""


Kind = TypeVar("Kind")


class Model(Protocol):
    """What an objective needs of a model: its view, its backbone, and the one followed by the other."""

    view: View
    backbone: Backbone

    def represent(self, batch: Batch, hidden: Mapping[str, Tensor] | None = None) -> Representation:
        """Representation of a batch of raw columns, of which some are hidden."""


class PredictionError(ConfigError):
    """An objective was asked for predictions that has none."""


class Loss(NamedTuple):
    r"""One term of a loss as a ratio, so that batches and processes add up exactly.

    .. math:: L = \sum_\text{batches} \text{numerator} \Big/ \sum_\text{batches} \text{denominator}

    Args:
        numerator: :math:`\sum_i w_i l_i`, a scalar.
        denominator: :math:`\sum_i |w_i|`, a scalar without gradient; not the plain sum, so that weights that cancel
            cannot blow up.
    """

    numerator: Tensor
    denominator: Tensor

    @classmethod
    def mean(cls, values: Tensor, weight: Tensor) -> Loss:
        """Weighted mean of values of the same shape as the weights."""
        return cls((weight * values).sum(), weight.detach().abs().sum())


class Step(NamedTuple):
    """What one batch gives: terms of the loss by name, and what the figures compare."""

    losses: dict[str, Loss]
    outputs: dict[str, Tensor]
    targets: dict[str, Tensor]


class NodeColumn(NamedTuple):
    """A prediction with one row per object instead of one per event."""

    values: Tensor


class Objective(nn.Module, abc.ABC):
    """What a model is trained for: passes, corruption of the input, heads, loss, figures, predictions.

    An objective owns its ``heads`` and knows nothing of a backbone but its contract.

    Args:
        target: event column with what is learned.
        negative_weights: what the loss does with negative event weights: ``"keep"`` them, ``"absolute"`` values, or
            ``"error"``. None takes the policy of the data set's card. Figures always keep them.
        augment: arguments of the :class:`~pyg_hep.transforms.LorentzAugment` that changes training events; None
            leaves them as they are.

    Raises:
        ConfigError: for options that cannot be used.
    """

    heads: nn.ModuleDict

    def __init__(
        self,
        target: str = "y",
        negative_weights: str | None = None,
        augment: Mapping[str, Any] | None = None,
    ):
        super().__init__()
        if negative_weights is not None and negative_weights not in NEGATIVE_WEIGHTS:
            hint = nearest(negative_weights, NEGATIVE_WEIGHTS)
            raise ConfigError(f"negative_weights={negative_weights!r} is not possible, {hint}")
        self.target, self.negative_weights = target, negative_weights
        self.transform = None if augment is None else LorentzAugment(**augment)

    def config(self) -> dict[str, Any]:
        """Constructor arguments, as plain JSON; subclasses add their own."""
        augment = None if self.transform is None else self.transform.config()
        return {"target": self.target, "negative_weights": self.negative_weights, "augment": augment}

    @abc.abstractmethod
    def bind(self, backbone: Backbone, view: View) -> None:
        """Make ``self.heads`` for a backbone, from constructor arguments alone.

        Raises:
            ConfigError: when the view lacks what the objective needs.
        """

    def measure(self, train: EventDataset) -> None:
        """Look at the training events once: fill buffers (class weights, scales), refuse what cannot be learned.

        Raises:
            ConfigError: when the events cannot be used for this objective.
        """
        self.negative_weights = settle_negative_policy(self.negative_weights, train)

    def forward(self, representation: Representation) -> dict[str, Tensor]:
        """Outputs of the heads by name."""
        return {name: head(representation) for name, head in self.heads.items()}

    @abc.abstractmethod
    def step(self, batch: Batch, model: Model, generator: torch.Generator | None, training: bool) -> Step:
        """Loss, outputs and targets of a batch of raw events.

        Args:
            batch: raw columns, of the nodes that the view selects.
            model: view and backbone; called as often as needed.
            generator: of all random numbers; the same for a batch of validation events in every epoch.
            training: whether events are augmented.
        """

    def predict(
        self, batch: Batch, model: Model, generator: torch.Generator | None = None
    ) -> dict[str, Tensor | NodeColumn]:
        """What the model says of a batch, by name: a tensor has one row per event, a :class:`NodeColumn` per object.

        Raises:
            PredictionError: when this objective predicts nothing.
        """
        return {**self.decode(self(model.represent(batch)))}

    def decode(self, outputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """From outputs of the heads to predictions by name, one row per event, whatever the layout they came from.

        Raises:
            PredictionError: when this objective predicts nothing of an event.
        """
        raise PredictionError(
            f"{type(self).__name__} predicts nothing of its own: fine-tune the model for a task first"
        )

    @abc.abstractmethod
    def meters(self) -> list[Metric]:
        """New, empty figures of the validation events."""

    def find(self, kind: type[Kind]) -> Kind | None:
        """This objective, or the first one that it is made of, where it is of a kind; None where none is."""
        return self if isinstance(self, kind) else None

    def augmented(self, batch: Batch, generator: torch.Generator | None, training: bool) -> Batch:
        """Changed copies of training events, where augmentation is asked for."""
        return self.transform(batch, generator) if training and self.transform is not None else batch

    def loss_weight(self, batch: Batch) -> Tensor:
        """Event weights as the loss takes them, shape ``[B]``."""
        weight: Tensor = batch.weight
        return weight.abs() if self.negative_weights == "absolute" else weight

    def target_of(self, batch: Batch, name: str | None = None) -> Tensor:
        """The target column of a batch, or another one that is a target too.

        Raises:
            ConfigError: when the events have no such column.
        """
        name = self.target if name is None else name
        if name not in batch:
            known = [str(key) for key in batch.keys()]  # noqa: SIM118 (a graph is no mapping)
            raise ConfigError(f"{type(self).__name__}: no event column {name!r}: {nearest(name, known)}")
        target: Tensor = batch[name]
        return target


def settle_negative_policy(policy: str | None, dataset: EventDataset) -> str:
    """The policy for negative weights of a training: the one given, else that of the data set's card.

    Raises:
        ConfigError: when it is ``"error"`` and there are such events.
    """
    settled: str = policy or dataset.card.weight.negative
    settled = "keep" if settled == "drop" else settled  # none was stored
    weight = dataset.column("weight")
    negative = int((weight < 0).sum())
    if negative and settled == "error":
        raise ConfigError(f"{negative} of {len(weight)} events in {dataset!r} have a negative weight")
    return settled


def refuse_partial_edges(batch: Batch, name: str) -> None:
    """An objective that changes momenta needs complete graphs: other edges were made from the unchanged event.

    Raises:
        ConfigError: when the batch has edges, but not those of complete graphs.
    """
    if batch.edge_index is None:
        return
    counts = batch.ptr.diff()
    complete = int((counts * (counts - 1)).sum())
    if batch.edge_index.size(1) != complete:
        raise ConfigError(
            f"{name} changes the events, but their edge_index ({batch.edge_index.size(1)} edges where complete graphs "
            f"have {complete}) was made from the unchanged ones: leave the edges to the model"
        )
