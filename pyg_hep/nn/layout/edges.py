"""``Edges``: any edges, through the layers' own ``propagate`` and ``edge_updater``."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch_geometric.nn import MessagePassing

from pyg_hep.nn.layout.base import MakePairs, PairValues
from pyg_hep.nn.layout.packed import Members, Packed, Taken


class Edges(Packed):
    """Packed events with edges as they are given; everything is as PyG does it.

    Args:
        edge_index: shape ``[2, E]``; row 0 is the source j, row 1 the target i.
        counts: objects of each event, shape ``[B]``, int64.
        num_nodes: their sum N.
        members: which rows are objects, where nodes have joined.
        origin: edges of the layout in which these were found, as neighbours, shape ``[2, E']``.
    """

    def __init__(
        self,
        edge_index: Tensor,
        counts: Tensor,
        num_nodes: int,
        members: Members | None = None,
        origin: Tensor | None = None,
    ):
        super().__init__(counts, num_nodes, edge_index.device, members)
        self.edge_index, self.origin = edge_index, origin

    def origins(self) -> Tensor:
        """Where each edge stands among those of the layout in which neighbours were looked for, ``[E]``.

        One that is none of them (given edges need not be complete) has their number. Edges that were not found as
        neighbours stand where they are.
        """
        if self.origin is None:
            return torch.arange(self.edge_index.size(1), device=self.device)
        of_origin, of_edge = (edges[1] * self.num_nodes + edges[0] for edges in (self.origin, self.edge_index))
        ordered, place = of_origin.sort()
        at = torch.searchsorted(ordered, of_edge)
        ordered, place = F.pad(ordered, (0, 1), value=-1), F.pad(place, (0, 1), value=place.numel())
        return torch.where(ordered[at] == of_edge, place[at], place.numel() - 1)

    @property
    def _size(self) -> tuple[int, int]:
        return self.num_nodes, self.num_nodes

    def _nearest(self, edge_index: Tensor, table: Tensor, taken: Taken | None) -> Edges:
        return Edges(edge_index, self.known, self.num_nodes, self.members, origin=self.edge_index)

    def join(self, x: Tensor, rows: Tensor) -> tuple[Tensor, Edges]:
        """One more node in every event, with edges from and to all its objects."""
        everything, members = self._join(x, rows)
        between = torch.stack([members.objects, self.events.gather(members.own.unsqueeze(-1)).squeeze(-1)])
        edge_index = torch.cat([members.objects[self.edge_index], between, between.flip(0)], dim=1)
        return everything, Edges(edge_index, self.known + 1, everything.size(0), members)

    def pairs(self, make: MakePairs, columns: Tensor) -> Tensor:
        """Numbers of every edge, ``[E, F]``."""
        source, target = self.edge_index
        return make(columns.index_select(0, target), columns.index_select(0, source))

    def bias(self, make: MakePairs, columns: Tensor) -> Tensor:
        """Numbers of every edge of :attr:`looped`."""
        source, target = self.looped
        if self.members is None:
            return make(columns.index_select(0, target), columns.index_select(0, source))
        columns, flags = self.members.fill(columns), self.members.flags(columns)
        return make(columns[target], columns[source]) * (flags[target] * flags[source])

    def edge_update(self, layer: MessagePassing, **columns: Any) -> Tensor:
        """What ``layer.edge_update`` makes of every edge."""
        return layer.edge_updater(self.edge_index, size=self._size, **columns)

    def propagate(self, layer: MessagePassing, **columns: Any) -> Tensor:
        """What ``layer.propagate`` brings to every target."""
        return layer.propagate(self.edge_index, size=self._size, **columns)

    def sum(self, values: PairValues) -> Tensor:
        """Sum over the edges of each target."""
        assert isinstance(values, Tensor)
        return values.new_zeros(self.num_nodes, values.size(-1)).index_add(0, self.edge_index[1], values)

    def degree(self) -> Tensor:
        """Edges that end at each object."""
        target = self.edge_index[1]
        return target.new_zeros(self.num_nodes).index_add(0, target, torch.ones_like(target))

    def collect(self, layer: MessagePassing, **columns: Tensor) -> Tensor:
        """What ``layer.propagate`` brings from objects to events, as edges between the two."""
        edges = torch.stack([self.events.order, self.events.index])
        ends = {name: (column, None) for name, column in columns.items()}
        return layer.propagate(edges, size=(self.num_nodes, self.num_events), **ends)

    @cached_property
    def looped(self) -> Tensor:
        """The edges, and one from every node to itself, ``[2, E + N]``."""
        return torch.cat([self.edge_index, self.events.order.expand(2, -1)], dim=1)

    @cached_property
    def repeated(self) -> Tensor:
        """Which edges of :attr:`looped` are given ones from a node to itself: these stand twice there, ``[E + N]``.

        To leave them out would be to wait for their number.
        """
        repeated = self.edge_index[0] == self.edge_index[1]
        return torch.cat([repeated, torch.zeros_like(self.events.order, dtype=torch.bool)])

    def attend(self, layer: Any, qkv: Tensor, bias: PairValues | None = None) -> Tensor:
        """Attention as messages along the edges and to oneself."""
        q, k, v = qkv.unflatten(1, (3, layer.heads, -1)).unbind(1)
        columns = {"q": q, "k": k, "v": v, "bias": bias, "repeated": self.repeated}
        received: Tensor = layer.propagate(self.looped, size=self._size, **columns)
        return received.flatten(1)
