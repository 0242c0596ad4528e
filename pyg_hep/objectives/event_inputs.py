"""``EventInputs``: the columns of an event that a model is given, estimated back from its representation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch_geometric.data import Batch

from pyg_hep.errors import ConfigError
from pyg_hep.inputs import View
from pyg_hep.nn import Backbone
from pyg_hep.objectives.base import Loss, Model, Objective, Step
from pyg_hep.objectives.meters import Metric, RegressionFigures


class EventInputs(Objective):
    r"""Estimate the view's columns of the event (pT, eta, mass and multiplicity of a jet), as the view has them.

    .. math:: L = \frac{\sum_i w_i \frac1G \sum_g (\hat u_{ig} - u_{ig})^2}{\sum_i |w_i|}

    A model that is given them, too, has little to learn on events as they are; on noised ones it keeps the
    representation about the jet.

    Args:
        negative_weights: as for :class:`~pyg_hep.objectives.Classification`.
        augment: as for :class:`~pyg_hep.objectives.Classification`.

    Source: Mikuni and Nachman, arXiv:2502.14652 (one of the terms of the loss of the pretraining).
    """

    def __init__(self, negative_weights: str | None = None, augment: Mapping[str, Any] | None = None):
        super().__init__("", negative_weights, augment)

    def config(self) -> dict[str, Any]:
        """Constructor arguments, as plain JSON."""
        kept = super().config()
        return {"negative_weights": kept["negative_weights"], "augment": kept["augment"]}

    def bind(self, backbone: Backbone, view: View) -> None:
        """A head from the graph's representation to the columns of the event.

        Raises:
            ConfigError: for a view without such columns.
        """
        if not view.events:
            raise ConfigError("EventInputs estimates columns of the event, of which the view has none: give it events=")
        self.names = view.events
        self._view = (view,)  # for its constants: a tuple, for the view is no part of an objective
        self.heads = nn.ModuleDict({"columns": backbone.make_head("graph", len(view.events))})

    def step(self, batch: Batch, model: Model, generator: torch.Generator | None, training: bool) -> Step:
        """``squared_error`` of the standardised columns."""
        batch = self.augmented(batch, generator, training)
        view, outputs = model.view, self(model.represent(batch))
        truth = view.event_values(batch)
        square = (outputs["columns"] - (truth - view.event_mean) / view.event_scale) ** 2
        losses = {"squared_error": Loss.mean(square.mean(dim=1), self.loss_weight(batch))}
        return Step(losses, {"value": self._physical(outputs)}, {"y": truth, "weight": batch.weight})

    def _physical(self, outputs: Mapping[str, Tensor]) -> Tensor:
        view = self._view[0]
        return outputs["columns"] * view.event_scale + view.event_mean

    def decode(self, outputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The columns in their units, by name."""
        return dict(zip(self.names, self._physical(outputs).unbind(-1), strict=True))

    def meters(self) -> list[Metric]:
        """Root mean square error, bias and resolution of every column."""
        return [RegressionFigures(tuple(self.names))]
