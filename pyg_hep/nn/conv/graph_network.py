"""``GraphNetworkBlock``: one round of edge, node and global updates; the stack of them is ``GraphNetwork``."""

from __future__ import annotations

import torch
from torch import Tensor
from torch_geometric.nn import MessagePassing

from pyg_hep.nn.layout import Layout, PairValues
from pyg_hep.nn.linear import linear
from pyg_hep.nn.mlp import MLP


class GraphNetworkBlock(MessagePassing):
    r"""Graph network block with summation aggregation.

    .. math::
        y'_{ij} &= \mathrm{MLP}_e(x_i, x_j, y_{ij}, z)

        x'_i &= \mathrm{MLP}_n(x_i, \textstyle\sum_j y'_{ij}, z)

        z' &= \mathrm{MLP}_g(\textstyle\sum_i x'_i, \textstyle\sum_{ij} y'_{ij}, z)

    for target i and source j. The concatenated input of an edge is never built: each part passes its own block of
    the first layer's weight, nodes and globals before they come to the edges.

    Args:
        channels: width of nodes, edges and globals, before and after.
        num_layers_mlp: linear layers of each MLP.
        initialisation: of the MLPs, see :class:`~pyg_hep.nn.MLP`.

    Source: Battaglia et al., arXiv:1806.01261; Ho et al., arXiv:2412.10665, section III B.
    """

    # What the layout hands to edge_updater and propagate, in PyG's way of declaring it.
    edge_updater_type = {"target": Tensor, "source": Tensor, "edge": Tensor, "to_edge": Tensor}
    propagate_type = {"edge": Tensor}

    def __init__(self, channels: int = 64, num_layers_mlp: int = 4, initialisation: str = "he"):
        super().__init__(aggr="sum")
        self.channels, self.num_layers_mlp = channels, num_layers_mlp
        self.edge_mlp = MLP(4 * channels, channels, num_layers_mlp, initialisation)
        self.node_mlp = MLP(3 * channels, channels, num_layers_mlp, initialisation)
        self.global_mlp = MLP(3 * channels, channels, num_layers_mlp, initialisation)

    def reset_parameters(self) -> None:
        """Draw all weights anew."""
        super().reset_parameters()
        for mlp in (self.edge_mlp, self.node_mlp, self.global_mlp):
            mlp.reset_parameters()

    def forward(self, x: Tensor, edge: PairValues, u: Tensor, layout: Layout) -> tuple[Tensor, PairValues, Tensor]:
        """Update nodes, edges and globals.

        Args:
            x: nodes, shape ``[*N, D]``.
            edge: edges, as the layout's ``pairs`` or the block before made them, D numbers each.
            u: globals, shape ``[B, D]``.
            layout: who hears of whom.

        Returns:
            New nodes, edges and globals, of the same shapes.
        """
        D = self.channels
        to_target, to_source, to_edge, to_global = self.edge_mlp.weight_blocks(D, D, D, D)
        of_event = linear(u, to_global, self.edge_mlp.layer(0).bias)
        target, source = linear(x, to_target, addend=layout.spread(of_event)), linear(x, to_source)
        edge = layout.edge_update(self, target=target, source=source, edge=edge, to_edge=to_edge)

        received = layout.propagate(self, edge=edge)
        to_node, to_global = self.node_mlp.weight_blocks(2 * D, D)
        of_event = linear(u, to_global, self.node_mlp.layer(0).bias)
        x = self.node_mlp(torch.cat([x, received], dim=-1), weight=to_node, addend=layout.spread(of_event))

        # The messages that arrive at an event's nodes are all messages of the event.
        return x, edge, self.global_mlp(torch.cat([layout.pool(x), layout.pool(received), u], dim=-1))

    def edge_update(self, target_i: Tensor, source_j: Tensor, edge: Tensor, to_edge: Tensor) -> Tensor:
        """New edges, ``[..., D]``, of what target and source contribute to the first layer, and of the old ones."""
        return self.edge_mlp(edge, weight=to_edge, addend=target_i + source_j)

    def message(self, edge: Tensor) -> Tensor:
        """What an edge sends to its target: itself."""
        return edge

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.channels}, num_layers_mlp={self.num_layers_mlp})"
