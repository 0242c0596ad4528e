"""``Explainable``: a backbone in the form that ``torch_geometric.explain`` calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch_geometric.data import Data

from pyg_hep.errors import ConfigError

if TYPE_CHECKING:
    from pyg_hep.nn.backbone import Backbone


class Explainable(nn.Module):
    """A backbone, and a head where one is given, as a function of node features and edges.

    Args:
        backbone: the model.
        head: applied to its representation; None gives the events' representation.
    """

    def __init__(self, backbone: Backbone, head: nn.Module | None = None):
        super().__init__()
        self.backbone, self.head = backbone, head

    def forward(
        self,
        x: Tensor,
        edge_index: Tensor,
        p4: Tensor | None = None,
        batch: Tensor | None = None,
        u: Tensor | None = None,
        ids: Tensor | None = None,
        time: Tensor | None = None,
    ) -> Tensor:
        """Representation of the events ``[B, D]``, or the outputs of the head.

        Args:
            x: node features, shape ``[N, F]``.
            edge_index: shape ``[2, E]``.
            p4: four-vectors (pt [GeV], eta, phi [rad], mass [GeV]), shape ``[N, 4]``.
            batch: event of each object in ascending order, shape ``[N]``; None for one event.
            u: event columns, shape ``[B, G]``, which also say how many events there are.
            ids: integer columns, shape ``[N, K]``.
            time: of noise, shape ``[B]``.

        Raises:
            ConfigError: without ``p4``, or for a column of another shape.
        """
        if p4 is None:
            raise ConfigError("an explainer must hand on the four-vectors: explainer(x, edge_index, p4=batch.p4, ...)")
        input = Data(x=x, edge_index=edge_index, p4=p4)
        for name, value in (("u", u), ("ids", ids), ("time", time)):
            if value is not None:
                input[name] = value
        if batch is not None:
            events = (int(batch.max()) + 1 if batch.numel() else 0) if u is None else u.size(0)
            counts = torch.bincount(batch, minlength=events)
            input.batch, input.ptr = batch, torch.cat([counts.new_zeros(1), counts.cumsum(0)])
        representation = self.backbone(input)
        out: Tensor = representation.graph if self.head is None else self.head(representation)
        return out
