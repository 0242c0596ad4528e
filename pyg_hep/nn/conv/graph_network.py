"""``GraphNetworkBlock``: one round of edge, node and global updates; the stack of them is ``GraphNetwork``."""

from __future__ import annotations

import torch
from torch import Tensor
from torch_geometric.nn import MessagePassing

from pyg_hep.nn.layout.observed import is_observed
from pyg_hep.nn.layout.incidence import CompleteGraphs
from pyg_hep.nn.linear import linear
from pyg_hep.nn.mlp import MLP


class GraphNetworkBlock(MessagePassing):
    r"""Graph network block with summation aggregation.

    .. math::
        y'_{ij} &= \mathrm{MLP}_e(x_i, x_j, y_{ij}, z)

        x'_i &= \mathrm{MLP}_n(x_i, \textstyle\sum_j y'_{ij}, z)

        z' &= \mathrm{MLP}_g(\textstyle\sum_i x'_i, \textstyle\sum_{ij} y'_{ij}, z)

    for target i and source j. :meth:`forward` works on any edges, :meth:`forward_complete` on complete graphs
    without ever building the concatenated input of an edge, :meth:`forward_dense` on padded events; all three
    share the parameters and agree.

    Args:
        channels: width of nodes, edges and globals, before and after.
        num_layers_mlp: linear layers of each MLP.
        initialisation: of the MLPs, see :class:`~pyg_hep.nn.MLP`.

    Source: Battaglia et al., arXiv:1806.01261; Ho et al., arXiv:2412.10665, section III B.
    """

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

    @property
    def is_observed(self) -> bool:
        """Whether an explainer or a message-passing hook wants to see the messages of :meth:`propagate`."""
        return is_observed(self)

    def forward(
        self, x: Tensor, edge_index: Tensor, edge: Tensor, u: Tensor, batch: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Update on any edges.

        Args:
            x: nodes, shape ``[N, D]``.
            edge_index: shape ``[2, E]``; row 0 is the source j, row 1 the target i.
            edge: edges, shape ``[E, D]``.
            u: globals, shape ``[B, D]``.
            batch: event of each node, shape ``[N]``.

        Returns:
            New nodes, edges and globals, of the same shapes.
        """
        size = (x.size(0), x.size(0))
        node_u = u.index_select(0, batch)
        edge = self.edge_updater(edge_index, size=size, x=x, edge=edge, u=node_u)
        received = self.propagate(edge_index, size=size, edge=edge)
        x = self.node_mlp(torch.cat([x, received, node_u], dim=-1))
        # The messages that arrive at an event's nodes are all messages of the event.
        sums = u.new_zeros(2, u.size(0), self.channels, dtype=x.dtype)
        x_sum = sums[0].index_add(0, batch, x)
        edge_sum = sums[1].index_add(0, batch, received.to(x.dtype))
        return x, edge, self.global_mlp(torch.cat([x_sum, edge_sum, u], dim=-1))

    def edge_update(self, x_i: Tensor, x_j: Tensor, edge: Tensor, u_i: Tensor) -> Tensor:
        """New edges, shape ``[E, D]``."""
        return self.edge_mlp(torch.cat([x_i, x_j, edge, u_i], dim=-1))

    def message(self, edge: Tensor) -> Tensor:
        """What an edge sends to its target: itself."""
        return edge

    def forward_complete(
        self, x: Tensor, edge: Tensor, u: Tensor, graphs: CompleteGraphs
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Update on complete graphs: :meth:`forward` with its edges, faster.

        Nodes and globals pass the first layer's weight before they are gathered to the edges.

        Args:
            x: nodes, shape ``[N, D]``.
            edge: edges, shape ``[E, D]``, in the order of ``graphs.edge_index``.
            u: globals, shape ``[B, D]``.
            graphs: the edges and their incidences.

        Returns:
            New nodes, edges and globals, of the same shapes.
        """
        D = self.channels
        to_target, to_source, to_edge, to_global = self.edge_mlp.weight_blocks(D, D, D, D)
        of_event = linear(u, to_global, self.edge_mlp.layer(0).bias)
        of_target = linear(x, to_target, addend=graphs.events.gather(of_event))
        of_pair = graphs.targets.gather(of_target) + graphs.sources.gather(linear(x, to_source))
        edge = self.edge_mlp(edge, weight=to_edge, addend=of_pair)

        received = graphs.targets.sum(edge)
        to_node, to_global = self.node_mlp.weight_blocks(2 * D, D)
        of_event = linear(u, to_global, self.node_mlp.layer(0).bias)
        x = self.node_mlp(torch.cat([x, received], -1), weight=to_node, addend=graphs.events.gather(of_event))

        sums = [graphs.events.sum(x), graphs.events.sum(received)]
        return x, edge, self.global_mlp(torch.cat([*sums, u], dim=-1))

    def forward_dense(self, x: Tensor, edge: Tensor, u: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Update on padded events; what is computed for places without an object never reaches a sum.

        Args:
            x: nodes, shape ``[B, n, D]``.
            edge: edges, shape ``[B, n, n, D]``, target before source.
            u: globals, shape ``[B, D]``.
            mask: True where there is an object, shape ``[B, n]``.

        Returns:
            New nodes, edges and globals, of the same shapes.
        """
        D = self.channels
        to_target, to_source, to_edge, to_global = self.edge_mlp.weight_blocks(D, D, D, D)
        of_target = linear(x, to_target, self.edge_mlp.layer(0).bias) + linear(u, to_global).unsqueeze(1)
        of_pair = of_target.unsqueeze(2) + linear(x, to_source).unsqueeze(1)
        edge = self.edge_mlp(edge, weight=to_edge, addend=of_pair)

        other = ~torch.eye(x.size(1), dtype=torch.bool, device=x.device)
        pairs = mask.unsqueeze(2) & mask.unsqueeze(1) & other
        received = edge.masked_fill(~pairs.unsqueeze(-1), 0.0).sum(dim=2)
        node_u = u.unsqueeze(1).expand(-1, x.size(1), -1)
        x = self.node_mlp(torch.cat([x, received, node_u], dim=-1)).masked_fill(~mask.unsqueeze(-1), 0.0)
        return x, edge, self.global_mlp(torch.cat([x.sum(1), received.sum(1), u], dim=-1))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.channels}, num_layers_mlp={self.num_layers_mlp})"
