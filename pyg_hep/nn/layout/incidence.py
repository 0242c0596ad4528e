"""Which row each item belongs to (edges to nodes, nodes to events), and the two sums over that relation.

Gathering and summing are each other's gradient. Nothing here has parameters.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from pyg_hep.nn.autograd import apply
from pyg_hep.transforms.complete_graph import complete_edges


@dataclass(frozen=True)
class Incidence:
    """Items that belong to rows.

    Args:
        index: row of each item, shape ``[M]``.
        order: the items, row after row, shape ``[M]``.
        first: where each row's items begin in ``order``, shape ``[R]``.
    """

    index: Tensor
    order: Tensor
    first: Tensor

    def gather(self, rows: Tensor) -> Tensor:
        """Each item's row: ``[R, D]`` to ``[M, D]``."""
        if torch.compiler.is_compiling():  # what a compiler can hold
            return rows.index_select(0, self.index)
        return apply(_Gather, rows, self.index, self.order, self.first)

    def sum(self, items: Tensor) -> Tensor:
        """Sum of the items of each row, zero for a row without any: ``[M, D]`` to ``[R, D]``."""
        if torch.compiler.is_compiling():  # what a compiler can hold
            return items.new_zeros(self.first.numel(), items.size(1)).index_add(0, self.index, items)
        return apply(_Sum, items, self.index, self.order, self.first)


@dataclass(frozen=True)
class CompleteGraphs:
    """The disjoint union of complete graphs: its edges and who belongs to whom.

    Args:
        edge_index: shape ``[2, E]``, sorted by target, then source.
        sources: edges to their source nodes.
        targets: edges to their target nodes.
        events: nodes to their events.
    """

    edge_index: Tensor
    sources: Incidence
    targets: Incidence
    events: Incidence

    @classmethod
    def of(cls, counts: Tensor, events: Incidence) -> CompleteGraphs:
        """Complete graphs without self-loops.

        Args:
            counts: nodes of each event, shape ``[B]``, int64; on the host where nothing shall wait for a device.
            events: nodes to their events, on the device of the columns.
        """
        device, event = events.index.device, events.index
        edge_index, _ = complete_edges(counts, device)
        source, target = edge_index
        degree = counts.to(device, non_blocking=True)[event] - 1
        first = degree.cumsum(0) - degree
        # Edge (j to i) and its reverse: node j's incoming edges begin at first[j] and skip j itself.
        local = events.order - events.first[event]
        local_target = local[target]
        reverse = first[source] + local_target - (local_target > local[source]).long()
        return cls(
            edge_index,
            # The outgoing edges of a node are the reverses of its incoming ones.
            sources=Incidence(source, reverse, first),
            targets=Incidence(target, torch.arange(source.numel(), device=device), first),
            events=events,
        )


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(rows: Tensor, index: Tensor, order: Tensor, first: Tensor) -> Tensor:
        return rows.index_select(0, index)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        ctx.save_for_backward(*inputs[1:])

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        return apply(_Sum, grad, *ctx.saved_tensors), None, None, None


class _Sum(torch.autograd.Function):
    @staticmethod
    def forward(items: Tensor, index: Tensor, order: Tensor, first: Tensor) -> Tensor:
        # Sums rows of a table over runs of positions without copying them: three times faster than index_add
        # here, ten times faster than segment_reduce, and the same order of summation on every run.
        return F.embedding_bag(order, items, first, mode="sum")

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        ctx.save_for_backward(*inputs[1:])

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        return apply(_Gather, grad, *ctx.saved_tensors), None, None, None
