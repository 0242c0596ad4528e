"""Many labels at once: yes-or-no labels by cross entropy, numbers by squared error, all with equal weight."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch_geometric.data import Batch

from pyg_hep.errors import ConfigError
from pyg_hep.metrics import roc_auc
from pyg_hep.nn import Backbone, Representation
from pyg_hep.objectives.base import Objective, check_negative_policy, loss_weight, settle_negative_policy, weighted_mean


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

    Raises:
        ConfigError: for options that cannot be used.

    Source: Ho et al., arXiv:2412.10665, section III C 2.
    """

    is_number: Tensor

    def __init__(self, num_labels: int, regression: Sequence[int] = (), negative_weights: str | None = None):
        super().__init__()
        if num_labels < 1:
            raise ConfigError(f"MultiLabel needs at least one label, found num_labels={num_labels}")
        outside = [k for k in regression if not 0 <= k < num_labels]
        if outside or len(set(regression)) < len(regression):
            raise ConfigError(f"regression={list(regression)} must name different labels of 0 to {num_labels - 1}")
        self.num_labels, self.regression = num_labels, tuple(sorted(regression))
        self.negative_weights = check_negative_policy(negative_weights)
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

    def heads(self, backbone: Backbone) -> nn.ModuleDict:
        """A linear layer from the graph's representation to one output per label."""
        self.head = nn.ModuleDict({"logits": nn.Linear(backbone.out_channels, self.num_labels)})
        return self.head

    def forward(self, representation: Representation) -> dict[str, Tensor]:
        """``logits`` of shape ``[B, K]``."""
        return {"logits": self.head["logits"](representation.graph)}

    def loss(self, representation: Representation, batch: Batch) -> dict[str, Tensor]:
        """``cross_entropy`` of the yes-or-no labels and ``squared_error`` of the numbers, each over K."""
        outputs, y = self.forward(representation)["logits"], batch.y
        weight = loss_weight(batch, self.negative_weights)
        entropy = F.binary_cross_entropy_with_logits(outputs, y, reduction="none")
        terms = {"cross_entropy": (entropy, ~self.is_number), "squared_error": ((outputs - y) ** 2, self.is_number)}
        return {
            name: weighted_mean((values * chosen).sum(dim=1) / self.num_labels, weight)
            for name, (values, chosen) in terms.items()
            if bool(chosen.any())
        }

    def targets(self, batch: Batch) -> dict[str, Tensor]:
        """Labels and weight of each event."""
        return {"y": batch.y, "weight": batch.weight}

    def metrics(self, outputs: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> dict[str, float]:
        """Mean ``accuracy`` and ``auc`` of the yes-or-no labels, ``rmse`` of the numbers, weighted.

        The AUC is averaged over the labels of which there are both kinds of events.
        """
        weight = targets["weight"].double().cpu()
        y, found = targets["y"].double().cpu(), outputs["logits"].detach().double().cpu()
        number = self.is_number.cpu()
        figures: dict[str, float] = {}
        if bool((~number).any()):
            right = ((found > 0) == (y > 0.5))[:, ~number].double().mean(dim=1)
            figures["accuracy"] = float((weight * right).sum() / weight.sum())
            both = [k for k in torch.nonzero(~number)[:, 0].tolist() if 0 < float(y[:, k].mean()) < 1]
            areas = [roc_auc(y[:, k].long().numpy(), found[:, k].numpy(), weight.numpy()) for k in both]
            if areas:
                figures["auc"] = float(sum(areas) / len(areas))
        if bool(number.any()):
            square = ((found - y) ** 2)[:, number].mean(dim=1)
            figures["rmse"] = float(((weight * square).sum() / weight.sum()).clamp(min=0).sqrt())
        return figures

    def config(self) -> dict[str, Any]:
        """Constructor arguments."""
        return {
            "num_labels": self.num_labels,
            "regression": list(self.regression),
            "negative_weights": self.negative_weights,
        }

    def prepare(self, dataset: Any) -> None:
        """Check the labels and settle the policy for negative weights.

        Raises:
            ConfigError: for events with another number of labels, a yes-or-no label other than 0 and 1, or
                negative weights under the policy ``"error"``.
        """
        y = dataset.column("y")
        shape = tuple(y.shape[1:])
        if shape != (self.num_labels,):
            found = f"{shape[0]} labels" if shape else "a class number"
            raise ConfigError(f"MultiLabel of {self.num_labels} labels: events of {dataset!r} have {found}")
        binary = y[:, ~self.is_number.to(y.device)]
        if not bool(((binary == 0) | (binary == 1)).all()):
            raise ConfigError(
                f"a label of {dataset!r} is neither 0 nor 1: name the labels that are numbers with regression=[...]"
            )
        self.negative_weights = settle_negative_policy(self.negative_weights, dataset)
