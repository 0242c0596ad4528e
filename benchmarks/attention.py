"""Attention layer against PyG's ``TransformerConv``, encoder against ``torch.nn.TransformerEncoder`` with padding.

Width 128, 8 heads, forward and backward, one thread; events of 5 to 20 objects (batches of 128) and jets of 15 to 64
particles (batches of 48).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch_geometric
from timing import ratios, row
from torch import Tensor, nn
from torch_geometric.data import Batch
from torch_geometric.nn import TransformerConv
from torch_geometric.utils import add_self_loops

from pyg_hep.nn import EventTransformer
from pyg_hep.nn.conv import MultiHeadAttention
from pyg_hep.nn.layout import Complete
from pyg_hep.testing import random_events
from pyg_hep.transforms.complete_graph import complete_edges

WIDTH, HEADS, LAYERS, BATCHES = 128, 8, 4, 6
SIZES = {"": (5, 20, 128), "_jets": (15, 64, 48)}


class _PaddedEncoder(nn.Module):
    """Embedding, torch's encoder on events padded to the largest of the batch, mean over objects."""

    def __init__(self) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(
            WIDTH, HEADS, 4 * WIDTH, 0.0, activation="gelu", batch_first=True, norm_first=True
        )
        self.embedding = nn.Linear(7, WIDTH)
        self.encoder = nn.TransformerEncoder(layer, LAYERS, nn.LayerNorm(WIDTH), enable_nested_tensor=False)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Events ``[B, D]`` of padded features ``[B, n, 7]``."""
        out = self.encoder(self.embedding(x), src_key_padding_mask=~mask)
        total = out.masked_fill(~mask.unsqueeze(-1), 0.0).sum(1)
        return total / mask.sum(1, keepdim=True)


def _steps(calls: list[Callable[[], Tensor]]) -> Callable[[], None]:
    """Forward and backward on every batch, one after another."""

    def step() -> None:
        for call in calls:
            out = call()
            out.backward(torch.ones_like(out))

    return step


def run() -> list[dict[str, Any]]:
    """Measure on one thread, the contestants in turn on the same batches, each batch of other sizes.

    Peers get edges and padded events ready-made; ours finds its blocks inside the measured time.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    rows = []
    try:
        for suffix, (low, high, events) in SIZES.items():
            generator = torch.Generator().manual_seed(0)
            counts = [torch.randint(low, high + 1, (events,), generator=generator) for _ in range(BATCHES)]
            rows.append(_layer(counts, suffix))
            rows.append(_encoder(counts, suffix))
    finally:
        torch.set_num_threads(threads)
    return rows


def _layer(counts: list[Tensor], suffix: str) -> dict[str, Any]:
    torch.manual_seed(0)
    ours, theirs = MultiHeadAttention(WIDTH, HEADS), TransformerConv(WIDTH, WIDTH // HEADS, HEADS, root_weight=False)
    inputs = [torch.randn(int(number.sum()), WIDTH, requires_grad=True) for number in counts]
    edges = [add_self_loops(complete_edges(n)[0], num_nodes=len(x))[0] for n, x in zip(counts, inputs, strict=True)]
    pairs = list(zip(counts, inputs, edges, strict=True))
    values = ratios(
        _steps([lambda x=x, n=n: ours(x, Complete.of_counts(n)) for n, x, _ in pairs]),
        _steps([lambda x=x, e=e: theirs(x, e) for _, x, e in pairs]),
    )
    name, peer = f"event_transformer_vs_transformer_conv{suffix}", "torch_geometric.nn.TransformerConv, one layer"
    return row(name, values, "ratio", peer, torch_geometric.__version__, 1)


def _encoder(counts: list[Tensor], suffix: str) -> dict[str, Any]:
    torch.manual_seed(0)
    ours, theirs = EventTransformer(7, hidden_channels=WIDTH, num_layers=LAYERS, heads=HEADS), _PaddedEncoder()
    batches, padded = [], []
    for seed, number in enumerate(counts):
        batch: Batch = random_events(number, seed=seed)
        batch.x = torch.randn(batch.num_nodes, 7)
        mask = torch.arange(int(number.max())) < number.unsqueeze(1)
        features = torch.zeros(*mask.shape, 7)
        features[mask] = batch.x
        batches.append(batch)
        padded.append((features, mask))
    values = ratios(
        _steps([lambda b=b: ours(b).graph for b in batches]),
        _steps([lambda x=x, m=m: theirs(x, m) for x, m in padded]),
    )
    name = f"event_transformer_vs_padded_encoder{suffix}"
    peer = f"torch.nn.TransformerEncoder, padded, {LAYERS} layers"
    return row(name, values, "ratio", peer, torch.__version__, 1)


if __name__ == "__main__":
    for line in run():
        print(line)
