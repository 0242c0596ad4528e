"""Jets and training steps for the benchmarks of taggers: the same jets for ours and for a peer, two classes.

Batches of 64 jets of 16 to 64 particles (40 on average), forward, backward and Adam, one thread.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from timing import ratios
from torch import Tensor, nn
from torch_geometric.data import Batch

from pyg_hep.nn import Backbone
from pyg_hep.testing import random_inputs

JETS, PARTICLES, BATCHES = 64, (16, 64), 3
Padded = Callable[[Tensor], Tensor]
PeerInputs = Callable[[Batch, Padded, Tensor], Sequence[Tensor]]
"""What the peer is called with, of a packed batch, of a function that pads columns of its particles (``[N, C]`` to
``[B, n, C]``), and of the mask ``[B, n]``."""


class Tagger(nn.Module):
    """A network of ours with a head for two classes, from a packed batch to logits."""

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.backbone, self.head = backbone, backbone.make_head("graph", 2)

    def forward(self, batch: Batch) -> Tensor:
        """Logits, ``[B, 2]``."""
        out: Tensor = self.head(self.backbone(batch))
        return out


def parameters(model: nn.Module) -> int:
    """How many numbers a model learns."""
    return sum(p.numel() for p in model.parameters())


def training_ratios(backbone: Backbone, theirs: nn.Module, inputs: PeerInputs, within: float) -> list[float]:
    """Their time of a training step over ours, the contestants in turn on the same jets.

    Args:
        backbone: ours, without its head.
        theirs: the peer, from what ``inputs`` makes to logits.
        inputs: see :data:`PeerInputs`.
        within: by which share the numbers of parameters may differ.

    Raises:
        ValueError: when they differ by more.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        ours = Tagger(backbone).train()
        sizes = parameters(ours), parameters(theirs)
        if abs(sizes[0] / sizes[1] - 1) > within:
            raise ValueError(f"{sizes[0]} parameters against {sizes[1]}")
        packed = packed_batches(backbone.in_channels)
        padded = [inputs(batch, *padding(batch.ptr.diff())) for (batch,) in packed]
        return ratios(steps(ours, packed), steps(theirs.train(), padded), repeats=5)
    finally:
        torch.set_num_threads(threads)


def packed_batches(channels: int) -> list[tuple[Batch]]:
    """Batches of our form, each the only argument of a call."""
    batches = []
    for seed in range(BATCHES):
        generator = torch.Generator().manual_seed(seed)
        counts = torch.randint(PARTICLES[0], PARTICLES[1] + 1, (JETS,), generator=generator)
        batches.append((random_inputs(counts, channels, seed=seed),))
    return batches


def padding(counts: Tensor) -> tuple[Padded, Tensor]:
    """What pads columns of particles, ``[N, C]`` to ``[B, n, C]``, and the mask ``[B, n]``, of events of such sizes."""
    mask = torch.arange(int(counts.max())) < counts.unsqueeze(1)
    return lambda x: x.new_zeros(*mask.shape, x.size(1)).index_put((mask,), x), mask


def steps(model: nn.Module, inputs: Sequence[Sequence[Any]]) -> Callable[[], None]:
    """A call that takes a training step with each of the inputs, those of one call of the model."""
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)
    y = torch.arange(JETS) % 2

    def step() -> None:
        for arguments in inputs:
            optimiser.zero_grad()
            nn.functional.cross_entropy(model(*arguments), y).backward()
            optimiser.step()

    return step
