"""Events of similar size side by side in dense blocks, and back: the layout of the attention's fused path."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from pyg_hep.nn.autograd import apply

STEP = 8
"""Events whose numbers of objects fall into one step share a block. On 5 to 64 objects (width 128, 8 heads) steps of
1, 2, 4, 16 and a single block were slower: small blocks cost calls, large ones cost padding."""


@dataclass(frozen=True)
class Block:
    """Events of similar size: how many, places in each, and which places are taken (None: all), ``[events, size]``."""

    events: int
    size: int
    mask: Tensor | None


@dataclass(frozen=True)
class SizeBuckets:
    """Where each object of a batch stands in dense blocks of events.

    Args:
        rows: object at each place, all blocks one after another, shape ``[P]``. A place without an object repeats
            one of its event.
        places: place of each object, shape ``[N]``.
        blocks: the blocks.
    """

    rows: Tensor
    places: Tensor
    blocks: tuple[Block, ...]

    @classmethod
    def of(cls, counts: Sequence[int] | Tensor, device: torch.device | None = None) -> SizeBuckets:
        """Blocks for events of ``counts`` objects each.

        Everything is worked out on the host: numbers that lie on a device are fetched first, which waits for it.
        """
        number = torch.as_tensor(counts, dtype=torch.int64).cpu()
        device = device or (counts.device if isinstance(counts, Tensor) else torch.device("cpu"))
        start = number.cumsum(0) - number
        group = (number + STEP - 1) // STEP
        rows, blocks = [], []
        places = torch.empty(int(number.sum()), dtype=torch.int64)
        filled = 0
        for step in group.unique().tolist():
            events = torch.nonzero(group == step)[:, 0]
            size = int(number[events].max())
            if size == 0:  # events without objects stand nowhere
                continue
            column = torch.arange(size)
            taken = column < number[events].unsqueeze(1)
            at = start[events].unsqueeze(1) + torch.minimum(column, number[events].unsqueeze(1) - 1)
            here = torch.arange(filled, filled + at.numel()).view_as(at)
            places[at[taken]] = here[taken]
            rows.append(at.flatten())
            mask = None if bool(taken.all()) else taken.to(device, non_blocking=True)
            blocks.append(Block(len(events), size, mask))
            filled += at.numel()
        every = torch.cat(rows) if rows else places
        return cls(every.to(device, non_blocking=True), places.to(device, non_blocking=True), tuple(blocks))

    def spread(self, x: Tensor) -> list[Tensor]:
        """Rows of objects ``[N, C]`` as one array ``[events, size, C]`` for each block."""
        sizes = [block.events * block.size for block in self.blocks]
        everything = apply(_Spread, x, self.rows, self.places).split(sizes) if sizes else ()
        return [
            part.view(block.events, block.size, x.size(1)) for part, block in zip(everything, self.blocks, strict=True)
        ]

    def pack(self, parts: Sequence[Tensor]) -> Tensor:
        """Back from one array ``[events, size, C]`` for each block to rows of objects, ``[N, C]``."""
        return apply(_Pack, torch.cat([part.flatten(0, 1) for part in parts]), self.places)


class _Spread(torch.autograd.Function):
    """Each object stands at one place of its own; what repeats it in the padding hands no gradient back."""

    @staticmethod
    def forward(x: Tensor, rows: Tensor, places: Tensor) -> Tensor:
        return x.index_select(0, rows)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        ctx.save_for_backward(inputs[2])

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        (places,) = ctx.saved_tensors
        return apply(_Pack, grad, places), None, None


class _Pack(torch.autograd.Function):
    @staticmethod
    def forward(x: Tensor, places: Tensor) -> Tensor:
        return x.index_select(0, places)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        ctx.save_for_backward(inputs[1])
        ctx.length = inputs[0].size(0)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        (places,) = ctx.saved_tensors
        # Places without an object must stay zero: from there a gradient would reach keys and values.
        return grad.new_zeros(ctx.length, grad.size(1)).index_copy(0, places, grad), None
