"""``Nearest``: packed events in which each object hears of its nearest others, in one dense block of pairs."""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from torch import Tensor
from torch_geometric.nn import MessagePassing

from pyg_hep.nn.layout.base import MakePairs, PairValues
from pyg_hep.nn.layout.edges import Edges
from pyg_hep.nn.layout.lift import message_arguments
from pyg_hep.nn.layout.packed import Members, Taken


class Nearest(Edges):
    """Edges of which almost every object has equally many: pairs are ``[N, k, F]``, sums run over their middle.

    Nothing is scattered on the way there, so sums have the same order on every run and every device. Who wants to see
    the messages has his events laid out as :class:`~pyg_hep.nn.layout.Edges` from the start.

    Args:
        edge_index: the same pairs as edges, for attention and for nodes that join.
        counts: objects of each event, shape ``[B]``, int64.
        num_nodes: their sum N.
        members: which rows are objects, where nodes have joined.
        table: sources of each object, ``[N, k]``; the object itself where it has fewer.
        taken: which of them count; None for all.
    """

    def __init__(
        self,
        edge_index: Tensor,
        counts: Tensor,
        num_nodes: int,
        members: Members | None,
        table: Tensor,
        taken: Taken | None,
    ):
        super().__init__(edge_index, counts, num_nodes, members)
        self.table, self.taken = table, taken

    def pair_rows(self) -> Tensor | None:
        """Pairs of the table that count."""
        return None if self.taken is None else self.taken.rows

    def pairs(self, make: MakePairs, columns: Tensor) -> Tensor:
        """Numbers of every pair, ``[N, k, F]``."""
        return make(self._of_target(columns), self._of_source(columns))

    def edge_update(self, layer: MessagePassing, **columns: Any) -> Tensor:
        """What ``layer.edge_update`` makes of every pair."""
        return layer.edge_update(**self._lift(layer, "edge_update", columns))

    def propagate(self, layer: MessagePassing, **columns: Any) -> Tensor:
        """Sum of the messages."""
        return self.sum(layer.message(**self._lift(layer, "message", columns)))

    def _lift(self, layer: MessagePassing, function: str, columns: dict[str, Any]) -> dict[str, Any]:
        return message_arguments(layer, function, columns, self._of_target, self._of_source)

    @staticmethod
    def _of_target(x: Tensor) -> Tensor:
        return x.unsqueeze(1)

    def _of_source(self, x: Tensor) -> Tensor:
        return F.embedding(self.table, x)

    def sum(self, values: PairValues) -> Tensor:
        """Sum over the pairs of each target."""
        assert isinstance(values, Tensor)
        if self.taken is not None:
            values = values.masked_fill(~self.taken.flags.unsqueeze(-1), 0.0)
        return values.sum(dim=1)
