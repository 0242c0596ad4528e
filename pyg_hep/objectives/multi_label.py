"""Many labels at once: yes-or-no labels by cross entropy, numbers by squared error, all with equal weight."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch_geometric.data import Batch

from pyg_hep.errors import ConfigError
from pyg_hep.inputs import View
from pyg_hep.nn import Backbone
from pyg_hep.objectives.base import Loss, Model, Objective, Step
from pyg_hep.objectives.meters import LabelFigures, Metric

if TYPE_CHECKING:
    from pyg_hep.datasets import EventDataset


class MultiLabel(Objective):
    r"""Several labels per event, ``y`` of shape ``[1, K]``.

    .. math:: L = \frac1K \left( \sum_{k \in \text{binary}} \mathrm{BCE}(\hat y_k, y_k)
        + \sum_{k \in \text{numbers}} (\hat y_k - y_k)^2 \right)

    averaged over events with their weights, as in :class:`~pyg_hep.objectives.Classification`. The outputs
    ``logits`` hold the logit of a yes-or-no label, and the value itself of a number.

    Args:
        num_labels: number of labels K.
        regression: positions of the labels that are numbers.
        negative_weights: as for :class:`~pyg_hep.objectives.Classification`.
        augment: as for :class:`~pyg_hep.objectives.Classification`.
        target: event column with the labels.
        class_names: of the labels, by which predictions are called; None takes those of the training events.

    Raises:
        ConfigError: for options that cannot be used.

    Source: Ho et al., arXiv:2412.10665, section III C 2.
    """

    is_number: Tensor

    def __init__(
        self,
        num_labels: int,
        regression: Sequence[int] = (),
        negative_weights: str | None = None,
        augment: Mapping[str, Any] | None = None,
        target: str = "y",
        class_names: Sequence[str] | None = None,
    ):
        super().__init__(target, negative_weights, augment)
        if num_labels < 1:
            raise ConfigError(f"MultiLabel needs at least one label, found num_labels={num_labels}")
        outside = [k for k in regression if not 0 <= k < num_labels]
        if outside or len(set(regression)) < len(regression):
            raise ConfigError(f"regression={list(regression)} must name different labels of 0 to {num_labels - 1}")
        self.num_labels, self.regression = num_labels, tuple(sorted(regression))
        if class_names is not None and len(set(class_names)) != num_labels:
            raise ConfigError(f"{num_labels} labels need as many different names, found {', '.join(class_names)}")
        self.class_names = None if class_names is None else list(class_names)
        is_number = torch.zeros(num_labels, dtype=torch.bool)
        is_number[list(self.regression)] = True
        self.register_buffer("is_number", is_number, persistent=False)

    @classmethod
    def ho(cls) -> MultiLabel:
        """The 41 labels of the card ``ho_multilabel``: five multiplicities as numbers, the rest yes or no.

        Ho et al., arXiv:2412.10665, section III C 2. The text describes 5 + 3 x (3 + 4 + 4) = 38 labels; with one
        bit for the presence of each particle there are the 41 that it counts (:mod:`pyg_hep.readers.labels`).
        """
        return cls(41, regression=range(5))

    def bind(self, backbone: Backbone, view: View) -> None:
        """A head from the graph's representation to one output per label."""
        self.heads = nn.ModuleDict({"logits": backbone.make_head("graph", self.num_labels)})

    def step(self, batch: Batch, model: Model, generator: torch.Generator | None, training: bool) -> Step:
        """``cross_entropy`` of the yes-or-no labels and ``squared_error`` of the numbers, each over K."""
        batch = self.augmented(batch, generator, training)
        y, outputs = self.target_of(batch), self(model.represent(batch))
        estimate, weight = outputs["logits"], self.loss_weight(batch)
        entropy = F.binary_cross_entropy_with_logits(estimate, y.to(estimate.dtype), reduction="none")
        terms = {"cross_entropy": (entropy, ~self.is_number), "squared_error": ((estimate - y) ** 2, self.is_number)}
        numbers = len(self.regression)
        present = {"cross_entropy": numbers < self.num_labels, "squared_error": numbers > 0}
        losses = {
            name: Loss.mean((values * here).sum(dim=1) / self.num_labels, weight)
            for name, (values, here) in terms.items()
            if present[name]
        }
        return Step(losses, outputs, {"y": y, "weight": batch.weight})

    def decode(self, outputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Probabilities of the yes-or-no labels and values of the numbers, by the names of the labels."""
        estimate = outputs["logits"]
        values = torch.where(self.is_number, estimate, estimate.sigmoid())
        return dict(zip(self.names, values.unbind(-1), strict=True))

    @property
    def names(self) -> list[str]:
        """Names of the labels; their numbers where nothing names them."""
        return self.class_names or [str(number) for number in range(self.num_labels)]

    def meters(self) -> list[Metric]:
        """Accuracy, AUC and root mean square error."""
        return [LabelFigures(self.is_number)]

    def config(self) -> dict[str, Any]:
        """Constructor arguments."""
        return {
            "num_labels": self.num_labels,
            "regression": list(self.regression),
            "class_names": self.class_names,
            **super().config(),
        }

    def measure(self, train: EventDataset) -> None:
        """Check and name the labels, and settle the policy for negative weights.

        Raises:
            ConfigError: for events with another number of labels, a yes-or-no label other than 0 and 1, or
                negative weights under the policy ``"error"``.
        """
        y = train.column(self.target)
        shape = tuple(y.shape[1:])
        if shape != (self.num_labels,):
            found = f"{shape[0]} labels" if shape else "a class number"
            raise ConfigError(f"MultiLabel of {self.num_labels} labels: events of {train!r} have {found}")
        binary = y[:, ~self.is_number.to(y.device)]
        if not bool(((binary == 0) | (binary == 1)).all()):
            raise ConfigError(
                f"a label of {train!r} is neither 0 nor 1: name the labels that are numbers with regression=[...]"
            )
        super().measure(train)
        names = train.class_names
        if self.class_names is None and self.target == "y" and len(names) == self.num_labels:
            self.class_names = list(names)
