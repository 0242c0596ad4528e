"""Self-supervision by masked objects: hidden kinematics are estimated, hidden kinds are classified."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch_geometric.data import Batch

from pyg_hep.errors import ConfigError
from pyg_hep.inputs import View
from pyg_hep.inputs.columns import KIND_COLUMNS
from pyg_hep.inputs.presets import preset
from pyg_hep.kinematics import delta_phi
from pyg_hep.nn import Backbone
from pyg_hep.objectives.base import Loss, Model, NodeColumn, Objective, Step, refuse_partial_edges
from pyg_hep.objectives.meters import MaskedFigures, Metric
from pyg_hep.schema import Level, ObjectType
from pyg_hep.transforms.mask_objects import MaskObjects

B_JET = max(ObjectType) + 1
"""Number of a jet with a b-tag among the kinds to tell apart; the others are those of ``ObjectType``."""


def object_kinds(batch: Batch) -> Tensor:
    """Kind of each object, b-jets apart, shape ``[N]``."""
    return torch.where((batch.kind == int(ObjectType.JET)) & (batch.btag > 0), B_JET, batch.kind)


class MaskedObjects(Objective):
    r"""Estimate the hidden variables of objects from everything else in the event.

    .. math:: L = \frac{\sum w \, (\hat z - z)^2}{\sum w} + \frac{\sum w \, (-\log p_\text{kind})}{\sum w}

    over hidden kinematic variables z, standardised as the view has them, and over objects whose kind is hidden;
    w is the weight of the event. For phi the difference is the shorter one around the circle. An event graph has no
    empty places: what the slides fill with zeros and tell by the predicted kind, a missing object, is no node here.

    Args:
        columns: columns of the view that the model reads, or the name of a published one; None takes the view's.
        probability: of hiding a variable of an object.
        whole: hide whole objects instead.
        hide: columns that can be hidden, all by default. With those of the kind alone
            (:data:`~pyg_hep.inputs.columns.KIND_COLUMNS`) there is no squared error: this is the
            earlier pretraining of Kishimoto et al., which their later paper describes in section 5.
        generated: estimate generated objects too, from their kind and charge and the reconstructed event, see
            :class:`~pyg_hep.transforms.MaskObjects`; they are what :meth:`predict` gives.
        augment: arguments of the :class:`~pyg_hep.transforms.LorentzAugment` that changes training events before;
            None leaves them as they are.
        negative_weights: as for :class:`~pyg_hep.objectives.Classification`.

    Raises:
        ConfigError: for options that cannot be used.

    Source: Abasov et al., "Developing foundational transformer models for unified top-quark physics analysis"
    (level 1: 30 % of the variables, standardised; squared error and cross entropy).
    """

    def __init__(
        self,
        columns: str | Sequence[str] | None = None,
        probability: float = 0.3,
        whole: bool = False,
        hide: Sequence[str] | None = None,
        generated: bool = False,
        augment: Mapping[str, Any] | None = None,
        negative_weights: str | None = None,
    ):
        super().__init__("", negative_weights, augment)
        self.columns = preset(columns).columns if isinstance(columns, str) else columns
        self.probability, self.whole, self.hide, self.generated = probability, whole, hide, generated
        if self.columns is not None:
            self._settle(tuple(self.columns))

    def config(self) -> dict[str, Any]:
        """Constructor arguments."""
        names = ("probability", "whole", "generated")
        lists = {name: None if (v := getattr(self, name)) is None else list(v) for name in ("columns", "hide")}
        kept = super().config()
        return {
            **lists, **{name: getattr(self, name) for name in names},
            "augment": kept["augment"], "negative_weights": kept["negative_weights"],
        }  # fmt: skip

    def _settle(self, columns: tuple[str, ...]) -> None:
        """Which columns are hidden, and which of those are kinematics."""
        kinds = [name for name in columns if name in KIND_COLUMNS]
        truth = [name for name in columns if name != "charge" and name not in kinds] if self.generated else []
        self.mask = MaskObjects(columns, self.probability, self.whole, self.hide, together=kinds, generated=truth)
        hidden = self.mask.hide or columns
        self.kinematics = tuple(name for name in columns if name in hidden and name not in kinds)
        self.places = [columns.index(name) for name in self.kinematics]
        self.kind_columns = [name for name in kinds if name in hidden]

    def bind(self, backbone: Backbone, view: View) -> None:
        """Heads from an object's representation to its kinematics and to the logits of its kind.

        Raises:
            ConfigError: when the columns are not those of the view, or the backbone tells nothing of objects.
        """
        if self.columns is not None and tuple(self.columns) != view.columns:
            raise ConfigError(
                f"MaskedObjects hides the columns {', '.join(self.columns)}, the view that the model reads has "
                f"{', '.join(view.columns)}: give it those of the view"
            )
        self._settle(view.columns)
        self.heads = nn.ModuleDict()
        if self.kinematics:
            self.heads["kinematics"] = backbone.make_head("nodes", len(self.kinematics))
        if self.kind_columns:
            self.heads["kind"] = backbone.make_head("nodes", B_JET + 1)

    def errors(self, estimate: Tensor, truth: Tensor, view: View) -> Tensor:
        """Estimates minus truth in standard deviations of the view, shape ``[N, K]``; phi the shorter way around."""
        difference = estimate - truth
        if "phi" not in self.kinematics:
            return difference
        k = self.kinematics.index("phi")
        scale = view.scale[self.places[k]]
        around = delta_phi(difference[:, k] * scale, torch.zeros_like(difference[:, k])) / scale
        return torch.cat([difference[:, :k], around.unsqueeze(1), difference[:, k + 1 :]], dim=1)

    def step(self, batch: Batch, model: Model, generator: torch.Generator | None, training: bool) -> Step:
        """``squared_error`` of hidden kinematics, and ``cross_entropy`` of hidden kinds.

        Raises:
            ConfigError: for events with edges that are not those of complete graphs.
        """
        refuse_partial_edges(batch, type(self).__name__)
        batch = self.augmented(batch, generator, training)
        hidden = self.mask.hidden(batch, generator)
        outputs = self(model.represent(batch, hidden))
        weight = self.loss_weight(batch)[batch.batch]
        losses, targets = {}, {"weight": batch.weight[batch.batch]}
        kept: dict[str, Tensor] = {}
        if self.kinematics:
            flags = torch.stack([hidden[name] for name in self.kinematics], dim=1)
            truth = model.view(batch).x[:, self.places]
            kept["error"] = self.errors(outputs["kinematics"], truth, model.view)
            w = flags.to(weight.dtype) * weight.unsqueeze(1)
            losses["squared_error"] = Loss.mean(kept["error"] ** 2, w)
            targets["hidden"] = flags
        if self.kind_columns:
            kept["kind"], targets["kind"] = outputs["kind"], object_kinds(batch)
            targets["kind_hidden"] = hidden[self.kind_columns[0]]
            entropy = F.cross_entropy(outputs["kind"], targets["kind"], reduction="none")
            losses["cross_entropy"] = Loss.mean(entropy, weight * targets["kind_hidden"])
        return Step(losses, kept, targets)

    def predict(
        self, batch: Batch, model: Model, generator: torch.Generator | None = None
    ) -> dict[str, Tensor | NodeColumn]:
        """Kinematics of every object in physical units, where generated objects are estimated; those are hidden.

        Raises:
            ConfigError: without ``generated``: which objects are hidden is then a matter of chance.
        """
        if not self.generated or not self.kinematics:
            return super().predict(batch, model, generator)
        truth = batch.level == int(Level.GEN)
        estimate = self(model.represent(batch, dict.fromkeys(self.mask.generated, truth)))["kinematics"]
        view = model.view
        values = estimate * view.scale[self.places] + view.mean[self.places]
        return {name: NodeColumn(values[:, k]) for k, name in enumerate(self.kinematics)}

    def meters(self) -> list[Metric]:
        """Root mean square errors and accuracy of what was hidden."""
        return [MaskedFigures(self.kinematics, bool(self.kind_columns))]
