"""The published graph network written out plainly: gather, concatenate, apply, scatter.

The yardstick of the tests (same numbers) and of the benchmark (same step, more time). It shares no code with
``pyg_hep.nn`` but the names of the parameters, so a state dict of one loads into the other.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class PlainMLP(nn.Module):
    """Linear layers with ReLU between them, then a LayerNorm."""

    def __init__(self, in_channels: int, hidden_channels: int, num_layers: int):
        super().__init__()
        widths = [in_channels] + [hidden_channels] * num_layers
        self.layers = nn.ModuleList(nn.Linear(widths[k], widths[k + 1]) for k in range(num_layers))
        self.norm = nn.LayerNorm(hidden_channels)

    def forward(self, x: Tensor) -> Tensor:
        """``[..., in_channels]`` to ``[..., hidden_channels]``."""
        for k, layer in enumerate(self.layers):
            x = layer(x)
            if k + 1 < len(self.layers):
                x = torch.relu(x)
        return self.norm(x)


class PlainBlock(nn.Module):
    """Edge, node and global update by concatenation and ``index_add``."""

    def __init__(self, channels: int, num_layers: int):
        super().__init__()
        self.edge_mlp = PlainMLP(4 * channels, channels, num_layers)
        self.node_mlp = PlainMLP(3 * channels, channels, num_layers)
        self.global_mlp = PlainMLP(3 * channels, channels, num_layers)

    def forward(
        self, x: Tensor, edge_index: Tensor, y: Tensor, z: Tensor, batch: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Nodes ``[N, D]``, edges ``[E, D]`` and globals ``[B, D]`` after one round."""
        source, target = edge_index
        event = batch[target]
        y = self.edge_mlp(torch.cat([x[target], x[source], y, z[event]], dim=1))
        received = torch.zeros_like(x).index_add(0, target, y)
        x = self.node_mlp(torch.cat([x, received, z[batch]], dim=1))
        x_sum = torch.zeros_like(z).index_add(0, batch, x)
        y_sum = torch.zeros_like(z).index_add(0, event, y)
        return x, y, self.global_mlp(torch.cat([x_sum, y_sum, z], dim=1))


class PlainGraphNetwork(nn.Module):
    """Graph network of Ho et al., arXiv:2412.10665, section III B, without any rearrangement.

    Args:
        in_channels: width of the node features.
        edge_channels: width of the edge features.
        hidden_channels: width of everything inside.
        num_layers_mlp: linear layers of each MLP.
        num_steps: rounds of message passing.
        shared_steps: whether all rounds use the same parameters.
    """

    def __init__(
        self,
        in_channels: int = 7,
        edge_channels: int = 3,
        hidden_channels: int = 64,
        num_layers_mlp: int = 4,
        num_steps: int = 4,
        shared_steps: bool = True,
    ):
        super().__init__()
        D, L = hidden_channels, num_layers_mlp
        self.node_encoder = PlainMLP(in_channels, D, L)
        self.edge_encoder = PlainMLP(edge_channels, D, L)
        self.global_encoder = PlainMLP(1, D, L)
        self.blocks = nn.ModuleList(PlainBlock(D, L) for _ in range(1 if shared_steps else num_steps))
        self.decoder = PlainMLP(D, D, L)
        self.repeats = num_steps if shared_steps else 1

    def forward(
        self, x: Tensor, edge_index: Tensor, edge_attr: Tensor, batch: Tensor, num_graphs: int
    ) -> tuple[Tensor, Tensor]:
        """Final nodes ``[N, D]`` and decoded globals ``[B, D]``."""
        counts = torch.bincount(batch, minlength=num_graphs)
        x, y = self.node_encoder(x), self.edge_encoder(edge_attr)
        z = self.global_encoder(counts.to(x.dtype).unsqueeze(1))
        for _ in range(self.repeats):
            for block in self.blocks:
                x, y, z = block(x, edge_index, y, z, batch)
        return x, self.decoder(z)
