"""Self-supervision by replaced objects: which class of object does not belong to the event?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch_geometric.data import Batch

from pyg_hep.inputs import View
from pyg_hep.nn import Backbone
from pyg_hep.objectives.base import Loss, Model, Objective, Step, refuse_partial_edges
from pyg_hep.objectives.meters import ClassFigures, Metric
from pyg_hep.transforms.replace_object import NOT_REPLACED, ReplaceObject

AUGMENT = {"rotate": True, "reflect": True, "max_beta": 0.3}
"""The published augmentation."""


class ReplacedObject(Objective):
    r"""Classify which class of object was replaced by one of another event, or none: six classes, no labels needed.

    .. math:: L = -\sum_i w_i \log p_{i, r_i} \Big/ \sum_i |w_i|

    The true class r is made with every batch by :class:`~pyg_hep.transforms.ReplaceObject`, on the device of the batch.

    Args:
        none_probability: probability of replacing nothing.
        augment: arguments of the :class:`~pyg_hep.transforms.LorentzAugment` that changes training events before;
            None leaves them as they are.
        negative_weights: as for :class:`~pyg_hep.objectives.Classification`.

    Raises:
        ConfigError: for options that cannot be used.

    Source: Kishimoto et al., "A study of foundation models for event classification in collider physics", section 5.
    """

    def __init__(
        self,
        none_probability: float = 1 / 6,
        augment: Mapping[str, Any] | None = AUGMENT,
        negative_weights: str | None = None,
    ):
        super().__init__("replaced", negative_weights, augment)
        self.replace = ReplaceObject(none_probability)

    def config(self) -> dict[str, Any]:
        """Constructor arguments."""
        kept = super().config()
        return {**self.replace.config(), "augment": kept["augment"], "negative_weights": kept["negative_weights"]}

    def bind(self, backbone: Backbone, view: View) -> None:
        """A head from the graph's representation to the logits of the six classes."""
        self.heads = nn.ModuleDict({"logits": backbone.make_head("graph", NOT_REPLACED + 1)})

    def step(self, batch: Batch, model: Model, generator: torch.Generator | None, training: bool) -> Step:
        """``cross_entropy`` of the class that was replaced.

        Raises:
            ConfigError: for events with edges that are not those of complete graphs.
        """
        refuse_partial_edges(batch, type(self).__name__)
        batch = self.replace(self.augmented(batch, generator, training), generator)
        replaced, outputs = self.target_of(batch), self(model.represent(batch))
        values = F.cross_entropy(outputs["logits"], replaced, reduction="none")
        losses = {"cross_entropy": Loss.mean(values, self.loss_weight(batch))}
        return Step(losses, outputs, {"y": replaced, "weight": batch.weight})

    def meters(self) -> list[Metric]:
        """Accuracy and AUC of the six classes."""
        return [ClassFigures(NOT_REPLACED + 1)]
