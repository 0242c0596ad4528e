"""What layouts of packed events share: objects are rows, event after event; who hears of whom is not said here."""

from __future__ import annotations

import abc
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor
from torch_geometric.utils import softmax

from pyg_hep.nn.layout.base import Distances, Layout, check_k, distances, nearest_first
from pyg_hep.nn.layout.buckets import SizeBuckets
from pyg_hep.nn.layout.groups import Groups
from pyg_hep.nn.layout.incidence import Incidence
from pyg_hep.nn.layout.padded import Padded


@dataclass(frozen=True)
class Members:
    """Rows of the objects, ``[N]``, and of the joined nodes, ``[B]``, among both together."""

    objects: Tensor
    own: Tensor

    def fill(self, columns: Tensor) -> Tensor:
        """Columns of the objects ``[N, C]`` with zeros for the joined nodes, ``[N + B, C]``."""
        rows = columns.size(0) + self.own.numel()
        return columns.new_zeros(rows, columns.size(1)).index_copy(0, self.objects, columns)

    def flags(self, like: Tensor) -> Tensor:
        """1 for objects, 0 for joined nodes, shape ``[N + B, 1]``."""
        rows = self.objects.numel() + self.own.numel()
        return like.new_zeros(rows, 1).index_fill(0, self.objects, 1.0)


@dataclass(frozen=True)
class Taken:
    """Which pairs of a table count: flags ``[N, k]``, and the same as places counted one after another, ``[E]``."""

    flags: Tensor
    rows: Tensor


class Packed(Layout):
    """Objects as rows ``[N, D]``, event after event.

    Args:
        counts: objects of each event, shape ``[B]``, int64; on the host where nothing shall wait for a device.
        num_nodes: their sum N.
        device: where the columns are.
        members: which rows are objects, where nodes have joined.
    """

    def __init__(self, counts: Tensor, num_nodes: int, device: torch.device, members: Members | None = None):
        self.known, self.num_nodes, self.members = counts, num_nodes, members
        self.counts = counts.to(device, non_blocking=True)
        event = torch.arange(counts.numel(), device=device)
        index = torch.repeat_interleave(event, self.counts, output_size=num_nodes)
        first = self.counts.cumsum(0) - self.counts
        self.events = Incidence(index, torch.arange(num_nodes, device=device), first)

    @property
    def device(self) -> torch.device:
        """Where the columns are."""
        return self.counts.device

    def leading(self, x: Tensor, key: Tensor, number: int) -> Tensor:
        """The objects with the largest keys."""
        order = key.detach().argsort(descending=True, stable=True)
        order = order.index_select(0, self.events.index.index_select(0, order).argsort(stable=True))
        event = self.events.index
        rank = self.events.order - self.events.first.index_select(0, event)
        # The others share one more place: to leave them out would be to wait for their number.
        place = torch.where(rank < number, event * number + rank, self.num_events * number)
        out = x.new_zeros(self.num_events * number + 1, x.size(1)).index_copy(0, place, x.index_select(0, order))
        return out[:-1].view(self.num_events, number, x.size(1))

    def spread(self, rows: Tensor) -> Tensor:
        """From events to their objects."""
        return self.events.gather(rows)

    def _total(self, x: Tensor) -> Tensor:
        return self.events.sum(x)

    def softmax(self, x: Tensor) -> Tensor:
        """Softmax over the objects of each event."""
        return softmax(x, self.events.index, num_nodes=self.num_events)

    def _join(self, x: Tensor, rows: Tensor) -> tuple[Tensor, Members]:
        """Objects and one row of each event together, and where each is."""
        objects = self.events.order + self.events.index
        own = self.counts.cumsum(0) + torch.arange(self.num_events, device=self.device)
        everything = x.new_empty(x.size(0) + rows.size(0), x.size(1)).index_copy(0, objects, x)
        return everything.index_copy(0, own, rows.to(x.dtype)), Members(objects, own)

    def part(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Objects and joined nodes."""
        assert self.members is not None, "nothing has joined this layout"
        return x.index_select(0, self.members.objects), x.index_select(0, self.members.own)

    def neighbours(self, k: int, points: Tensor, distance: Distances | None = None) -> Layout:
        """Each object hears of its ``k`` nearest others."""
        check_k(k)
        known = self.known.cpu()  # waits only for counts that came from a device
        buckets = SizeBuckets.of(known, self.device)
        found = [self.events.order.new_zeros(0, k)]
        rows = buckets.rows.split([block.events * block.size for block in buckets.blocks])
        with torch.no_grad():
            for part, row, block in zip(buckets.spread(points), rows, buckets.blocks, strict=True):
                apart = (distance or distances)(part)
                other = ~torch.eye(block.size, dtype=torch.bool, device=self.device)
                _, places = nearest_first(apart, other if block.mask is None else other & block.mask.unsqueeze(1))
                places = places[..., :k]
                at = row.view(block.events, 1, block.size).expand_as(apart).gather(2, places)
                found.append(F.pad(at.flatten(0, 1), (0, k - at.size(2))))
        of_object = torch.cat(found).index_select(0, buckets.places)
        # How many neighbours there are is known on the host: the first min(k, n - 1) of every row.
        degree = torch.repeat_interleave((known - 1).clamp(min=0, max=k), known)
        target = torch.repeat_interleave(torch.arange(self.num_nodes), degree)
        rank = torch.arange(target.numel()) - (degree.cumsum(0) - degree)[target]
        place = (target * k + rank).to(self.device, non_blocking=True)
        source = of_object.flatten().index_select(0, place)
        edge_index = torch.stack([source, target.to(self.device, non_blocking=True)])
        if bool((degree == k).all()):
            return self._nearest(edge_index, of_object, None)
        taken = (torch.arange(k) < degree.unsqueeze(1)).to(self.device, non_blocking=True)
        table = of_object.where(taken, self.events.order.unsqueeze(1))
        return self._nearest(edge_index, table, Taken(taken, place))

    @abc.abstractmethod
    def _nearest(self, edge_index: Tensor, table: Tensor, taken: Taken | None) -> Layout:
        """The layout of these edges between the same nodes; arguments as for :class:`Nearest`."""

    def regroup(self, number: Tensor, size: int) -> Groups:
        """Groups of objects within each event."""
        return Groups.of(number, self.events.index, self.num_events, size, Padded)
