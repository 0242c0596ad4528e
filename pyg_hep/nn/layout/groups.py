"""``Groups``: objects of an event put together by a number of theirs, such as the particles of its jets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from pyg_hep.errors import ConfigError, nearest
from pyg_hep.nn.layout.base import POOLS, Layout


@dataclass(frozen=True)
class Groups:
    """Which group each object is in. From groups on to events: ``groups.layout.pool(groups.pool(x))``.

    Args:
        index: row of the group of each object, ``B * size`` for those in none, shape ``[*N]``.
        counts: objects of each group, shape ``[B, size]``.
        layout: of the groups, places without any object are padding: complete graphs of groups.
    """

    index: Tensor
    counts: Tensor
    layout: Layout

    @classmethod
    def of(
        cls, number: Tensor, event: Tensor, num_events: int, size: int, lay_out: Callable[[Tensor], Layout]
    ) -> Groups:
        """Groups by numbers ``[*N]`` within events ``[*N]``.

        Args:
            number: group of each object.
            event: event of each object.
            num_events: how many there are.
            size: groups of an event at most.
            lay_out: from the mask of groups ``[B, size]`` to their layout.

        Raises:
            ConfigError: for a size below 1, or numbers of another shape than the objects.
        """
        if size < 1:
            raise ConfigError(f"an event needs at least 1 group, found size={size}")
        if number.shape != event.shape:
            found, expected = tuple(number.shape), tuple(event.shape)
            raise ConfigError(f"numbers of groups have shape {found}, expected {expected}: one for each object")
        number = number.long()
        index = torch.where((number >= 0) & (number < size), event * size + number, num_events * size)
        ones = torch.ones_like(index).flatten()
        counts = ones.new_zeros(num_events * size + 1).index_add(0, index.flatten(), ones)[:-1].view(num_events, size)
        return cls(index, counts, lay_out(counts > 0))

    def pool(self, x: Tensor, how: str = "sum") -> Tensor:
        """From objects to groups, by ``"sum"`` or ``"mean"``: ``[*N, D]`` to ``[B, size, D]``; zeros without objects.

        Raises:
            ConfigError: for another name.
        """
        if how not in POOLS:
            raise ConfigError(f"groups cannot be pooled by {how!r}: {nearest(how, POOLS)}")
        total = x.new_zeros(self.counts.numel() + 1, x.size(-1)).index_add(0, self.index.flatten(), x.flatten(0, -2))
        total = total[:-1].view(*self.counts.shape, x.size(-1))
        return total if how == "sum" else total / self.counts.clamp(min=1).unsqueeze(-1).to(x.dtype)

    def spread(self, rows: Tensor) -> Tensor:
        """From groups to their objects, zeros for those in none: ``[B, size, D]`` to ``[*N, D]``."""
        table = torch.cat([rows.flatten(0, 1), rows.new_zeros(1, rows.size(-1))])
        return table.index_select(0, self.index.flatten()).view(*self.index.shape, rows.size(-1))
