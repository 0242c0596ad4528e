"""Training step of ``ParticleNet`` against weaver-core's, published size, with the same numbers of parameters."""

from __future__ import annotations

from typing import Any

import peers
import torch
from jets import Padded, parameters, training_ratios
from timing import row
from torch import Tensor, nn
from torch_geometric.data import Batch

from pyg_hep.nn import ParticleNet

BLOCKS = ((64,) * 3, (128,) * 3, (256,) * 3)


def _theirs() -> nn.Module:
    from weaver.nn.model.ParticleNet import ParticleNet as Weaver

    blocks = [(16, widths) for widths in BLOCKS]
    return Weaver(7, 2, conv_params=blocks, fc_params=[(256, 0.1)], use_fusion=False)


def _inputs(batch: Batch, padded: Padded, mask: Tensor) -> tuple[Tensor, ...]:
    """Points, columns and mask, each ``[B, C, n]``."""
    points, columns = (padded(x).transpose(1, 2).contiguous() for x in (batch.p4[:, 1:3], batch.x))
    return points, columns, mask.unsqueeze(1)


def run() -> list[dict[str, Any]]:
    """Measure."""
    peer, version = peers.weaver()
    torch.manual_seed(0)
    theirs = _theirs()
    values = training_ratios(ParticleNet(7, channels=BLOCKS), theirs, _inputs, within=0.0)
    name = f"{peer}'s ParticleNet without fusion, {parameters(theirs):,} parameters"
    return [row("particle_net_vs_weaver", values, "ratio", name, version, 1)]


if __name__ == "__main__":
    for line in run():
        print(line)
