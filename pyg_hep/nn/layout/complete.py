"""``Complete``: packed events as complete graphs; sums by incidences, attention in blocks of events."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch_geometric.nn import MessagePassing

from pyg_hep.nn.layout.base import MakePairs, PairValues
from pyg_hep.nn.layout.buckets import SizeBuckets
from pyg_hep.nn.layout.incidence import CompleteGraphs
from pyg_hep.nn.layout.lift import message_arguments
from pyg_hep.nn.layout.nearest import Nearest
from pyg_hep.nn.layout.packed import Packed, Taken
from pyg_hep.nn.layout.within import attend, attention_within


class Complete(Packed):
    """Packed events in which every object hears of every other one.

    Messages go along edges in the order of :class:`~pyg_hep.nn.layout.incidence.CompleteGraphs`; attention never
    makes an edge and works on dense blocks of events of similar size. Each is worked out when first used.
    """

    @classmethod
    def of_counts(cls, counts: Tensor, device: torch.device | str | None = None) -> Complete:
        """The layout of events of ``counts`` objects each, shape ``[B]``, int64."""
        return cls(counts, int(counts.sum()), counts.device if device is None else torch.device(device))

    @cached_property
    def graphs(self) -> CompleteGraphs:
        """The edges and who belongs to whom."""
        return CompleteGraphs.of(self.known, self.events)

    @cached_property
    def buckets(self) -> SizeBuckets:
        """The blocks."""
        return SizeBuckets.of(self.known, self.device)

    def _nearest(self, edge_index: Tensor, table: Tensor, taken: Taken | None) -> Nearest:
        return Nearest(edge_index, self.known, self.num_nodes, self.members, table, taken)

    def degree(self) -> Tensor:
        """All other objects of the event."""
        return (self.counts - 1).index_select(0, self.events.index)

    def collect(self, layer: MessagePassing, **columns: Tensor) -> Tensor:
        """Sum of the messages to events."""
        return self._total(layer.message(**message_arguments(layer, "message", columns, self.spread, lambda x: x)))

    def join(self, x: Tensor, rows: Tensor) -> tuple[Tensor, Complete]:
        """One more node in every event."""
        everything, members = self._join(x, rows)
        return everything, Complete(self.known + 1, everything.size(0), self.device, members)

    def pairs(self, make: MakePairs, columns: Tensor) -> Tensor:
        """Numbers of every edge, ``[E, F]``."""
        return make(self.graphs.targets.gather(columns), self.graphs.sources.gather(columns))

    def bias(self, make: MakePairs, columns: Tensor) -> list[Tensor]:
        """Numbers of every pair of a block, ``[events, size, size, F]`` for each block."""
        if self.members is None:
            return [make(block.unsqueeze(2), block.unsqueeze(1)) for block in self.buckets.spread(columns)]
        blocks = self.buckets.spread(self.members.fill(columns))
        flags = self.buckets.spread(self.members.flags(columns))
        return [
            make(block.unsqueeze(2), block.unsqueeze(1)) * (flag.unsqueeze(2) * flag.unsqueeze(1))
            for block, flag in zip(blocks, flags, strict=True)
        ]

    def edge_update(self, layer: MessagePassing, **columns: Any) -> Tensor:
        """What ``layer.edge_update`` makes of every edge."""
        return layer.edge_update(**self._lift(layer, "edge_update", columns))

    def propagate(self, layer: MessagePassing, **columns: Any) -> Tensor:
        """Sum of the messages."""
        return self.sum(layer.message(**self._lift(layer, "message", columns)))

    def _lift(self, layer: MessagePassing, function: str, columns: dict[str, Any]) -> dict[str, Any]:
        return message_arguments(layer, function, columns, self.graphs.targets.gather, self.graphs.sources.gather)

    def sum(self, values: PairValues) -> Tensor:
        """Sum over the edges of each target."""
        assert isinstance(values, Tensor)
        return self.graphs.targets.sum(values)

    def attend(self, layer: Any, qkv: Tensor, bias: PairValues | None = None) -> Tensor:
        """Attention in blocks; under a compiler, without bias and dropout, as one operator."""
        dropout = layer.dropout if layer.training else 0.0
        if torch.compiler.is_compiling() and bias is None and not dropout:
            return attention_within(qkv, F.pad(self.counts.cumsum(0), (1, 0)), layer.heads)
        buckets = self.buckets
        if not buckets.blocks:
            return qkv[:, : qkv.size(1) // 3]
        biases = [None] * len(buckets.blocks) if bias is None else bias
        parts = [
            attend(part, block.mask, added, layer.heads, dropout)
            for part, block, added in zip(buckets.spread(qkv), buckets.blocks, biases, strict=True)
        ]
        return buckets.pack(parts)
