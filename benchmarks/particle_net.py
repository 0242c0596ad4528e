"""Training step of ``ParticleNet`` against weaver-core's, with the same numbers of parameters.

The published size, batches of 64 jets of 16 to 64 particles (40 on average), forward, backward and Adam, one thread.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import peers
import torch
from timing import ratios, row
from torch import Tensor, nn
from torch_geometric.data import Batch

from pyg_hep.nn import ParticleNet
from pyg_hep.testing import random_inputs

PEER, VERSION = "weaver-core", "0.5.3"
JETS, PARTICLES, BATCHES = 64, (16, 64), 3
BLOCKS = ((64,) * 3, (128,) * 3, (256,) * 3)


class _Ours(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.backbone = ParticleNet(7, channels=BLOCKS)
        self.head = self.backbone.make_head("graph", 2)

    def forward(self, batch: Batch) -> Tensor:
        """Logits of a packed batch."""
        out: Tensor = self.head(self.backbone(batch))
        return out


def _theirs() -> nn.Module:
    peers.add(PEER, VERSION)
    logging.disable(logging.INFO)
    from weaver.nn.model.ParticleNet import ParticleNet as Weaver

    blocks = [(16, widths) for widths in BLOCKS]
    return Weaver(7, 2, conv_params=blocks, fc_params=[(256, 0.1)], use_fusion=False)


def _batch(seed: int) -> tuple[Batch, tuple[Tensor, Tensor, Tensor]]:
    """The same jets packed, and padded as weaver-core takes them: points, columns and mask ``[B, C, n]``."""
    generator = torch.Generator().manual_seed(seed)
    counts = torch.randint(PARTICLES[0], PARTICLES[1] + 1, (JETS,), generator=generator)
    packed = random_inputs(counts, 7, seed=seed)
    mask = torch.arange(int(counts.max())) < counts.unsqueeze(1)

    def pad(x: Tensor) -> Tensor:
        return x.new_zeros(*mask.shape, x.size(1)).index_put((mask,), x).transpose(1, 2).contiguous()

    return packed, (pad(packed.p4[:, 1:3]), pad(packed.x), mask.unsqueeze(1))


def _steps(model: nn.Module, inputs: list[tuple[Any, ...]], y: Tensor) -> Callable[[], None]:
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)

    def step() -> None:
        for arguments in inputs:
            optimiser.zero_grad()
            nn.functional.cross_entropy(model(*arguments), y).backward()
            optimiser.step()

    return step


def run() -> list[dict[str, Any]]:
    """Measure, the contestants in turn on the same jets."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        torch.manual_seed(0)
        ours, theirs = _Ours().train(), _theirs().train()
        sizes = [sum(p.numel() for p in model.parameters()) for model in (ours, theirs)]
        assert sizes[0] == sizes[1], f"{sizes} parameters"
        batches = [_batch(seed) for seed in range(BATCHES)]
        y = torch.arange(JETS) % 2
        values = ratios(
            _steps(ours, [(packed,) for packed, _ in batches], y),
            _steps(theirs, [arguments for _, arguments in batches], y),
            repeats=5,
        )
    finally:
        torch.set_num_threads(threads)
    peer = f"{PEER}'s ParticleNet without fusion, {sizes[1]:,} parameters"
    return [row("particle_net_vs_weaver", values, "ratio", peer, VERSION, 1)]


if __name__ == "__main__":
    for line in run():
        print(line)
