"""Self-supervision by replaced objects: which class of object does not belong to the event?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch_geometric.data import Batch

from pyg_hep.objectives.classification import Classification
from pyg_hep.transforms.replace_object import NOT_REPLACED, ReplaceObject

AUGMENT = {"rotate": True, "reflect": True, "max_beta": 0.3}
"""The published augmentation."""


class ReplacedObject(Classification):
    """Classify which class of object was replaced by one of another event, or none: six classes, no labels needed.

    The loss and the figures are those of :class:`~pyg_hep.objectives.Classification`; the true class is made with
    every batch by :class:`~pyg_hep.transforms.ReplaceObject`, on the device of the batch.

    Args:
        none_probability: probability of replacing nothing.
        augment: arguments of the :class:`~pyg_hep.transforms.LorentzAugment` that changes training events before;
            None leaves them as they are.
        negative_weights: as for :class:`~pyg_hep.objectives.Classification`.

    Raises:
        ConfigError: for options that cannot be used.

    Source: Kishimoto et al., "A study of foundation models for event classification in collider physics", section 5.
    """

    label = "replaced"

    def __init__(
        self,
        none_probability: float = 1 / 6,
        augment: Mapping[str, Any] | None = AUGMENT,
        negative_weights: str | None = None,
    ):
        super().__init__(NOT_REPLACED + 1, negative_weights=negative_weights, augment=augment)
        self.replace = ReplaceObject(none_probability)

    def corrupt(self, batch: Batch) -> Batch:
        """A copy with one object of each event replaced, and the column ``replaced``."""
        changed: Batch = self.replace(batch)
        return changed

    def config(self) -> dict[str, Any]:
        """Constructor arguments."""
        kept = super().config()
        return {**self.replace.config(), **{name: kept[name] for name in ("augment", "negative_weights")}}

    def prepare(self, dataset: Any) -> None:
        """Settle the policy for negative weights.

        Raises:
            ConfigError: for negative weights under the policy ``"error"``.
        """
        self.settle_weights(dataset)
