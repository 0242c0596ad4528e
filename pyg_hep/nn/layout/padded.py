"""``Padded``: events padded to one size, as complete graphs, in operations that export to other formats."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch_geometric.nn import MessagePassing

from pyg_hep.nn.layout.base import Distances, Layout, MakePairs, PairValues, check_k, distances, nearest_first
from pyg_hep.nn.layout.groups import Groups
from pyg_hep.nn.layout.lift import message_arguments
from pyg_hep.nn.layout.within import attend


class Padded(Layout):
    """Objects at places ``[B, n, D]``; what stands at a place without an object never reaches another one.

    Args:
        mask: True where there is an object, shape ``[B, n]``.
        near: who hears of whom, target before source, ``[B, n, n]``; None for every object of every other one.
        joined: whether the last place is a joined node.
        table: the same as the places that each place hears of, and which of them count, ``[B, n, k]`` each: pairs are
            those of the table then, not all.
    """

    def __init__(
        self,
        mask: Tensor,
        near: Tensor | None = None,
        joined: bool = False,
        table: tuple[Tensor, Tensor] | None = None,
    ):
        self.mask, self.near, self.joined, self.table = mask, near, joined, table
        self.counts = mask.sum(dim=1)

    @property
    def num_events(self) -> int:
        """Events of the batch."""
        return self.mask.size(0)

    def clean(self, x: Tensor) -> Tensor:
        """``x`` of shape ``[B, n, ...]``, zero where there is no object, NaN or not."""
        mask = self.mask if x.dim() == 2 else self.mask.unsqueeze(-1)
        return x.masked_fill(~mask, 0)

    def object_rows(self) -> Tensor:
        """Places that hold an object."""
        return self.mask.flatten().nonzero()[:, 0]

    def pair_rows(self) -> Tensor:
        """Pairs of two objects, or those of the table that count."""
        return (self._others() if self.table is None else self.table[1]).flatten().nonzero()[:, 0]

    def leading(self, x: Tensor, key: Tensor, number: int) -> Tensor:
        """The objects with the largest keys."""
        _, places = nearest_first(-key.detach(), self.mask)
        places = F.pad(places, (0, number))[:, :number]  # as wide in events of any number of places
        taken = torch.arange(number, device=x.device) < self.counts.unsqueeze(1)
        out = x.gather(1, places.unsqueeze(-1).expand(-1, -1, x.size(-1)))
        return out.masked_fill(~taken.unsqueeze(-1), 0.0)

    def spread(self, rows: Tensor) -> Tensor:
        """From events to their objects."""
        return rows.unsqueeze(1).expand(-1, self.mask.size(1), -1)

    def _total(self, x: Tensor) -> Tensor:
        return self.clean(x).sum(dim=1)

    def softmax(self, x: Tensor) -> Tensor:
        """Softmax over the objects of each event, zero where there is no object."""
        # An event without objects gets a softmax over its padding, so that none is empty; it is cleaned away.
        taken = self._with_a_place(self.mask)
        return self.clean(x.masked_fill(~taken.unsqueeze(-1), -torch.inf).softmax(dim=1))

    def join(self, x: Tensor, rows: Tensor) -> tuple[Tensor, Padded]:
        """One more node at the last place of every event."""
        mask = torch.cat([self.mask, torch.ones_like(self.mask[:, :1])], dim=1)
        near = self.near
        if near is not None:
            near = torch.cat([near, self.mask.unsqueeze(1)], dim=1)
            near = torch.cat([near, mask.unsqueeze(2)], dim=2)
        return torch.cat([x, rows.to(x.dtype).unsqueeze(1)], dim=1), Padded(mask, near, joined=True)

    def part(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Objects and joined nodes."""
        assert self.joined, "nothing has joined this layout"
        return x[:, :-1], x[:, -1]

    def pairs(self, make: MakePairs, columns: Tensor) -> Tensor:
        """Numbers of every pair of places, ``[B, n, n, F]``, or of the table, ``[B, n, k, F]``."""
        return make(columns.unsqueeze(2), self._sources(columns))

    def _sources(self, x: Tensor) -> Tensor:
        """Columns of the source of every pair: ``[B, n, C]`` to ``[B, 1, n, C]``, or ``[B, n, k, C]``."""
        if self.table is None:
            return x.unsqueeze(1)
        places, _ = self.table
        first = torch.arange(x.size(0), device=x.device) * x.size(1)
        rows = (places + first.view(-1, 1, 1)).flatten()
        return x.flatten(0, 1).index_select(0, rows).view(*places.shape, x.size(2))

    def bias(self, make: MakePairs, columns: Tensor) -> Tensor:
        """Numbers of every pair of places, ``[B, n, n, F]``."""
        if self.joined:
            columns = torch.cat([columns, torch.zeros_like(columns[:, :1])], dim=1)
        made = make(columns.unsqueeze(2), columns.unsqueeze(1))
        if not self.joined:
            return made
        real = torch.arange(self.mask.size(1), device=made.device) < self.mask.size(1) - 1
        return made.masked_fill(~(real.unsqueeze(1) & real).unsqueeze(-1), 0.0)

    def edge_update(self, layer: MessagePassing, **columns: Any) -> Tensor:
        """What ``layer.edge_update`` makes of every pair of places."""
        return layer.edge_update(**self._lift(layer, "edge_update", columns))

    def propagate(self, layer: MessagePassing, **columns: Any) -> Tensor:
        """Sum of the messages between objects."""
        return self.sum(layer.message(**self._lift(layer, "message", columns)))

    def _lift(self, layer: MessagePassing, function: str, columns: dict[str, Any]) -> dict[str, Any]:
        return message_arguments(layer, function, columns, lambda x: x.unsqueeze(2), self._sources)

    def degree(self) -> Tensor:
        """Objects that each place hears of."""
        return (self._others() if self.table is None else self.table[1]).sum(dim=2)

    def collect(self, layer: MessagePassing, **columns: Tensor) -> Tensor:
        """Sum of the messages to events."""
        return self._total(layer.message(**message_arguments(layer, "message", columns, self.spread, lambda x: x)))

    def _others(self) -> Tensor:
        """Which places are pairs, without oneself, ``[B, n, n]``."""
        if self.near is not None:
            return self.near
        return self.mask.unsqueeze(2) & self.mask.unsqueeze(1) & ~self._oneself()

    def _oneself(self) -> Tensor:
        """Pairs of a place with itself, ``[n, n]``; ``torch.eye`` of booleans does not export."""
        place = torch.arange(self.mask.size(1), device=self.mask.device)
        return place.unsqueeze(1) == place

    def sum(self, values: PairValues) -> Tensor:
        """Sum over the pairs of each target."""
        assert isinstance(values, Tensor)
        taken = self._others() if self.table is None else self.table[1]
        return values.masked_fill(~taken.unsqueeze(-1), 0.0).sum(dim=2)

    @staticmethod
    def _with_a_place(mask: Tensor) -> Tensor:
        """The mask, with the first place taken in events without objects: no softmax shall be empty."""
        first = torch.arange(mask.size(1), device=mask.device) == 0
        return mask | (first & ~mask.any(dim=1, keepdim=True))

    def attend(self, layer: Any, qkv: Tensor, bias: PairValues | None = None) -> Tensor:
        """Attention to all objects of the event, or to the near ones and oneself."""
        assert bias is None or isinstance(bias, Tensor)
        mask = self._with_a_place(self.mask)
        if self.near is not None:
            mask = self.near | self._oneself()
        return attend(qkv, mask, bias, layer.heads, layer.dropout if layer.training else 0.0)

    def neighbours(self, k: int, points: Tensor, distance: Distances | None = None) -> Padded:
        """Each object hears of its ``k`` nearest others."""
        check_k(k)
        with torch.no_grad():
            everyone = Padded(self.mask)._others()
            ordered, places = nearest_first((distance or distances)(self.clean(points)), everyone)
            # As wide as k in events of any number of places: an exporter takes no other.
            allowed = F.pad(ordered, (0, k), value=torch.inf)[..., :k].isfinite()
            places = F.pad(places, (0, k))[..., :k]
            near = torch.zeros_like(everyone, dtype=torch.int64).scatter_add(2, places, allowed.long()) > 0
        return Padded(self.mask, near, self.joined, (places, allowed))

    def regroup(self, number: Tensor, size: int) -> Groups:
        """Groups of objects within each event."""
        event = torch.arange(self.mask.size(0), device=self.mask.device).unsqueeze(1).expand_as(self.mask)
        return Groups.of(torch.where(self.mask, number, -1), event, self.num_events, size, Padded)
