"""``Nearest``: packed events in which each object hears of a few others, in the fused sums of complete graphs."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch_geometric.nn import MessagePassing

from pyg_hep.nn.layout.base import PairValues
from pyg_hep.nn.layout.edges import Edges
from pyg_hep.nn.layout.incidence import Incidence
from pyg_hep.nn.layout.lift import message_arguments


class Nearest(Edges):
    """Edges sorted by target, along which messages go without the layer's own ``propagate``.

    Who wants to see the messages has his events laid out as :class:`~pyg_hep.nn.layout.Edges` from the start.
    """

    @cached_property
    def targets(self) -> Incidence:
        """Edges to the nodes where they end."""
        target, degree = self.edge_index[1], self.degree()
        return Incidence(target, torch.arange(target.numel(), device=self.device), degree.cumsum(0) - degree)

    @cached_property
    def sources(self) -> Incidence:
        """Edges to the nodes where they begin."""
        source = self.edge_index[0]
        degree = source.new_zeros(self.num_nodes).index_add(0, source, torch.ones_like(source))
        return Incidence(source, source.argsort(stable=True), degree.cumsum(0) - degree)

    def edge_update(self, layer: MessagePassing, **columns: Any) -> Tensor:
        """What ``layer.edge_update`` makes of every edge."""
        return layer.edge_update(**self._lift(layer, "edge_update", columns))

    def propagate(self, layer: MessagePassing, **columns: Any) -> Tensor:
        """Sum of the messages."""
        return self.sum(layer.message(**self._lift(layer, "message", columns)))

    def _lift(self, layer: MessagePassing, function: str, columns: dict[str, Any]) -> dict[str, Any]:
        return message_arguments(layer, function, columns, self.targets.gather, self.sources.gather)

    def sum(self, values: PairValues) -> Tensor:
        """Sum over the edges of each target."""
        assert isinstance(values, Tensor)
        return self.targets.sum(values)
