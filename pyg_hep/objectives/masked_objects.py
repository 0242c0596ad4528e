"""Self-supervision by masked objects: hidden kinematics are estimated, hidden kinds are classified."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch_geometric.data import Batch

from pyg_hep.kinematics import delta_phi
from pyg_hep.loader import EventLoader
from pyg_hep.nn import Backbone, Representation
from pyg_hep.objectives.base import Objective, check_negative_policy, loss_weight, settle_negative_policy, weighted_mean
from pyg_hep.schema import ObjectType
from pyg_hep.transforms.lorentz_augment import LorentzAugment
from pyg_hep.transforms.mask_objects import MaskObjects
from pyg_hep.transforms.node_features import COLUMNS, KIND_COLUMNS, NodeFeatures

B_JET = max(ObjectType) + 1
"""Number of a jet with a b-tag among the kinds to tell apart; the others are those of ``ObjectType``."""


def object_kinds(batch: Batch) -> Tensor:
    """Kind of each object, b-jets apart, shape ``[N]``."""
    return torch.where(COLUMNS["is_b_jet"](batch) > 0, B_JET, batch.kind)


class MaskedObjects(Objective):
    r"""Estimate the hidden variables of objects from everything else in the event.

    .. math:: L = \frac{\sum w \, (\hat z - z)^2}{\sum w} + \frac{\sum w \, (-\log p_\text{kind})}{\sum w}

    over hidden kinematic variables z, standardised on the training events, and over objects whose kind is hidden;
    w is the weight of the event. For phi the difference is the shorter one around the circle. An event graph has no
    empty places: what the slides fill with zeros and tell by the predicted kind, a missing object, is no node here.

    Args:
        columns: features of the view that the model reads, or its name.
        probability: of hiding a variable of an object.
        whole: hide whole objects instead.
        hide: columns that can be hidden, all by default. With those of the kind alone
            (:data:`~pyg_hep.transforms.node_features.KIND_COLUMNS`) there is no squared error: this is the
            earlier pretraining of Kishimoto et al., which their later paper describes in section 5.
        generated: estimate generated objects too, from their kind and charge and the reconstructed event, see
            :class:`~pyg_hep.transforms.MaskObjects`.
        augment: arguments of the :class:`~pyg_hep.transforms.LorentzAugment` that changes training events before;
            None leaves them as they are.
        negative_weights: as for :class:`~pyg_hep.objectives.Classification`.

    Raises:
        ConfigError: for options that cannot be used.

    Source: Abasov et al., "Developing foundational transformer models for unified top-quark physics analysis"
    (level 1: 30 % of the variables, standardised; squared error and cross entropy).
    """

    mean: Tensor
    scale: Tensor

    def __init__(
        self,
        columns: str | Sequence[str] = "abasov",
        probability: float = 0.3,
        whole: bool = False,
        hide: Sequence[str] | None = None,
        generated: bool = False,
        augment: Mapping[str, Any] | None = None,
        negative_weights: str | None = None,
    ):
        super().__init__()
        self.mask = MaskObjects(columns, probability, whole, hide, generated)
        hidden = self.mask.hide or self.mask.columns
        self.kinematics = [name for name in self.mask.columns if name in hidden and name not in KIND_COLUMNS]
        self.places = [self.mask.columns.index(name) for name in self.kinematics]
        kind = [k for k, name in enumerate(self.mask.columns) if name in hidden and name in KIND_COLUMNS]
        self.kind_place = kind[0] if kind else None
        self.transform = None if augment is None else LorentzAugment(**augment)
        self.negative_weights = check_negative_policy(negative_weights)
        self.register_buffer("mean", torch.zeros(len(self.kinematics)))
        self.register_buffer("scale", torch.ones(len(self.kinematics)))

    def augment(self, batch: Batch) -> Batch:
        """Changed copies of the training events, where augmentation is asked for."""
        return batch if self.transform is None else self.transform(batch)

    def corrupt(self, batch: Batch) -> Batch:
        """A copy with the column ``masked``."""
        changed: Batch = self.mask(batch)
        return changed

    def heads(self, backbone: Backbone) -> nn.ModuleDict:
        """Linear layers from an object's representation to its kinematics and to the logits of its kind."""
        self.head = nn.ModuleDict()
        if self.kinematics:
            self.head["kinematics"] = nn.Linear(backbone.out_channels, len(self.kinematics))
        if self.kind_place is not None:
            self.head["kind"] = nn.Linear(backbone.out_channels, B_JET + 1)
        return self.head

    def forward(self, representation: Representation) -> dict[str, Tensor]:
        """Of every object: ``kinematics``, standardised, ``[N, K]``, and logits of its ``kind``, ``[N, 13]``."""
        return {name: head(representation.nodes) for name, head in self.head.items()}

    def _truth(self, batch: Batch) -> Tensor:
        """Kinematics in physical units, shape ``[N, K]``."""
        return NodeFeatures(self.kinematics).raw(batch)

    def errors(self, outputs: Mapping[str, Tensor], truth: Tensor) -> Tensor:
        """Estimates minus truth in units of the standard deviation of the training events, shape ``[N, K]``."""
        difference = outputs["kinematics"] - (truth - self.mean) / self.scale
        if "phi" not in self.kinematics:
            return difference
        k = self.kinematics.index("phi")
        around = delta_phi(difference[:, k] * self.scale[k], torch.zeros_like(difference[:, k])) / self.scale[k]
        return torch.cat([difference[:, :k], around.unsqueeze(1), difference[:, k + 1 :]], dim=1)

    def loss(self, representation: Representation, batch: Batch) -> dict[str, Tensor]:
        """``squared_error`` of hidden kinematics, and ``cross_entropy`` of hidden kinds."""
        outputs, hidden = self.forward(representation), batch.masked
        weight = loss_weight(batch, self.negative_weights)[batch.batch]
        terms = {}
        if self.kinematics:
            seen = hidden[:, self.places].to(weight.dtype)
            square = self.errors(outputs, self._truth(batch)) ** 2
            terms["squared_error"] = weighted_mean(square.flatten(), (seen * weight.unsqueeze(1)).flatten())
        if self.kind_place is not None:
            entropy = F.cross_entropy(outputs["kind"], object_kinds(batch), reduction="none")
            terms["cross_entropy"] = weighted_mean(entropy, weight * hidden[:, self.kind_place])
        return terms

    def targets(self, batch: Batch) -> dict[str, Tensor]:
        """Kinematics and kind of each object, which of them are hidden, and the weight of its event."""
        hidden = batch.masked
        found = {"weight": batch.weight[batch.batch]}
        if self.kinematics:
            found |= {"kinematics": self._truth(batch), "hidden": hidden[:, self.places]}
        if self.kind_place is not None:
            found |= {"kind": object_kinds(batch), "kind_hidden": hidden[:, self.kind_place]}
        return found

    def metrics(self, outputs: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> dict[str, float]:
        """Root mean square ``rmse_<column>`` in standard deviations, and ``kind_accuracy``, of what was hidden."""
        figures = {}
        if self.kinematics:
            weight = targets["weight"].double().unsqueeze(1) * targets["hidden"]
            square = (self.errors(outputs, targets["kinematics"]).double() ** 2 * weight).sum(0)
            total = weight.sum(0)
            figures = {
                f"rmse_{name}": float((square[k] / total[k]).clamp(min=0).sqrt())
                for k, name in enumerate(self.kinematics)
                if float(total[k]) > 0
            }
        if "kind" in targets:
            w = targets["weight"].double() * targets["kind_hidden"]
            if float(w.sum()) > 0:
                right = (outputs["kind"].argmax(dim=1) == targets["kind"]).double()
                figures["kind_accuracy"] = float((w * right).sum() / w.sum())
        return figures

    def config(self) -> dict[str, Any]:
        """Constructor arguments."""
        augment = None if self.transform is None else self.transform.config()
        return {**self.mask.config(), "augment": augment, "negative_weights": self.negative_weights}

    def prepare(self, dataset: Any) -> None:
        """Measure means and scales of the kinematics on the training events; settle the policy for weights.

        Raises:
            ConfigError: for negative weights under the policy ``"error"``.
        """
        self.negative_weights = settle_negative_policy(self.negative_weights, dataset)
        if not self.kinematics:
            return
        batch = next(iter(EventLoader(dataset, 20_000, shuffle=True, seed=0)))
        fitted = NodeFeatures(self.kinematics).fitted(batch)
        self.mean.copy_(torch.tensor(fitted.mean))
        self.scale.copy_(torch.tensor(fitted.scale))
