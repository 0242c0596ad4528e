"""``GraphNetwork``: encoders, graph network blocks and decoder; the block itself is in ``nn/conv``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from torch import Tensor, nn
from torch_geometric.data import Data

from pyg_hep.errors import ConfigError
from pyg_hep.inputs.pairs import ANGULAR, check_pair_columns, pair_features
from pyg_hep.nn.backbone import Backbone, model_columns
from pyg_hep.nn.conv.graph_network import GraphNetworkBlock
from pyg_hep.nn.incidence import CompleteGraphs
from pyg_hep.nn.mlp import MLP
from pyg_hep.nn.representation import Representation
from pyg_hep.transforms.complete_graph import edge_features, node_counts


class GraphNetwork(Backbone):
    r"""Graph network on events as complete graphs.

    Nodes, edges and the number of nodes are embedded by an MLP each, updated ``num_steps`` times by a
    :class:`~pyg_hep.nn.conv.GraphNetworkBlock`, and the final global passes a decoder MLP:

    .. math::
        x_i, y_{ij}, z &= \mathrm{MLP}_x(x_i), \mathrm{MLP}_y(\Delta\eta_{ij}, \Delta\phi_{ij}, \Delta R_{ij}),
        \mathrm{MLP}_z(n)

        x, y, z &\leftarrow \mathrm{GN}(x, y, z) \quad (\text{num\_steps times})

        h &= \mathrm{MLP}_d(z)

    A batch without ``edge_index`` is a batch of complete graphs and takes the fused path, as long as no explainer
    and no message-passing hook is set; a batch with ``edge_index`` is taken as it is, with its ``edge_attr``, or
    with angular features made from ``p4`` where it has none.

    Args:
        in_channels: width of the node features ``x``.
        edge_channels: width of the edge features; the ones made from ``p4`` have 3.
        hidden_channels: width of everything inside, and of the output.
        num_layers_mlp: linear layers of each MLP.
        num_steps: rounds of message passing.
        shared_steps: whether all rounds use the same parameters.
        preset: name of the :class:`~pyg_hep.inputs.View` view that ``x`` is made by.
        initialisation: of the MLPs, ``"he"`` or ``"torch"``, see :class:`~pyg_hep.nn.MLP`; the paper names none.
        pair_columns: edge features by name, see :data:`~pyg_hep.inputs.pairs.PAIR_COLUMNS`; they are
            always made from ``p4``, and ``edge_channels`` is their number. None takes the features that come with
            the edges, or the angular ones.

    Raises:
        ConfigError: for a number below 1, an unknown initialisation or an unknown column.

    Source: Ho et al., arXiv:2412.10665, section III B; Battaglia et al., arXiv:1806.01261.
    """

    def __init__(
        self,
        in_channels: int,
        edge_channels: int = len(ANGULAR),
        hidden_channels: int = 64,
        num_layers_mlp: int = 4,
        num_steps: int = 4,
        shared_steps: bool = True,
        preset: str | None = None,
        initialisation: str = "he",
        pair_columns: Sequence[str] | None = None,
    ):
        super().__init__()
        self.pair_columns = None if pair_columns is None else check_pair_columns(pair_columns)
        if self.pair_columns is not None:
            edge_channels = len(self.pair_columns)
        if num_steps < 1:
            raise ConfigError(f"GraphNetwork: num_steps must be at least 1, found {num_steps}")
        self.in_channels, self.edge_channels = in_channels, edge_channels
        self.hidden_channels, self.out_channels = hidden_channels, hidden_channels
        self.num_layers_mlp, self.num_steps, self.shared_steps = num_layers_mlp, num_steps, shared_steps
        self.preset, self.initialisation = preset, initialisation
        self.node_encoder = MLP(in_channels, hidden_channels, num_layers_mlp, initialisation)
        self.edge_encoder = MLP(edge_channels, hidden_channels, num_layers_mlp, initialisation)
        self.global_encoder = MLP(1, hidden_channels, num_layers_mlp, initialisation)
        self.blocks = nn.ModuleList(
            GraphNetworkBlock(hidden_channels, num_layers_mlp, initialisation)
            for _ in range(1 if shared_steps else num_steps)
        )
        self.decoder = MLP(hidden_channels, hidden_channels, num_layers_mlp, initialisation)

    @classmethod
    def ho(cls, shared_steps: bool = True, **kwargs: Any) -> GraphNetwork:
        """The published network: width 64, MLPs of 4 layers, 4 rounds, the 7 features of the view ``ho``.

        It has 134,464 parameters; the text's "about 400,000" fits ``shared_steps=False`` (371,392).

        Args:
            shared_steps: whether all rounds use the same parameters, as the text says.
            kwargs: other arguments of the class, in place of the published ones.

        Source: Ho et al., arXiv:2412.10665, section III B.
        """
        return cls(**{"in_channels": 7, "shared_steps": shared_steps, "preset": "ho", **kwargs})

    def config(self) -> dict[str, Any]:
        """Constructor arguments, as plain JSON: ``GraphNetwork(**model.config())`` has the same architecture."""
        names = ("in_channels", "edge_channels", "hidden_channels", "num_layers_mlp", "num_steps")
        config = {name: getattr(self, name) for name in (*names, "shared_steps", "preset", "initialisation")}
        return config | {"pair_columns": None if self.pair_columns is None else list(self.pair_columns)}

    def reset_parameters(self) -> None:
        """Draw all weights anew."""
        for part in (self.node_encoder, self.edge_encoder, self.global_encoder, *self.blocks, self.decoder):
            part.reset_parameters()

    def _steps(self) -> list[GraphNetworkBlock]:
        """The block of each round."""
        blocks = cast(list[GraphNetworkBlock], list(self.blocks))
        return blocks * (self.num_steps if self.shared_steps else 1)

    def forward(self, batch: Data) -> Representation:
        """Represent a batch of events (or one event).

        Args:
            batch: ``x`` of shape ``[N, in_channels]``, ``p4`` (pt [GeV], eta, phi [rad], mass [GeV]) of shape
                ``[N, 4]``, ``batch`` and ``ptr`` of a PyG ``Batch``, and optionally ``edge_index`` and
                ``edge_attr``.

        Returns:
            ``nodes``: the final nodes, shape ``[N, D]``; ``graph``: the decoder's output, shape ``[B, D]``.

        Raises:
            ConfigError: when the batch lacks a column or has one of another width.
        """
        latent = self.encode(batch)
        return Representation(latent.nodes, self.decoder(latent.graph))

    def encode(self, batch: Data) -> Representation:
        """Everything before the decoder: final nodes ``[N, D]`` and final globals ``[B, D]``."""
        x, p4 = model_columns(self, batch, self.in_channels)
        counts = node_counts(batch)
        edge_index = batch.edge_index
        u = self.global_encoder(counts.to(x.dtype).unsqueeze(-1))
        graphs = CompleteGraphs.of(counts)
        fused = edge_index is None and not any(block.is_observed for block in self._steps())
        edge_attr = batch.edge_attr if edge_index is not None else None
        if edge_index is None:
            edge_index = graphs.edge_index
        edge = self.edge_encoder(self._edge_attr(edge_attr, p4, edge_index))
        x = self.node_encoder(x)
        for block in self._steps():
            if fused:
                x, edge, u = block.forward_complete(x, edge, u, graphs)
            else:
                x, edge, u = block(x, edge_index, edge, u, graphs.events.index)
        return Representation(x, u)

    def forward_dense(self, features: Tensor, mask: Tensor, p4: Tensor) -> Representation:
        """The same network on padded complete events, in operations that export to other formats.

        Args:
            features: shape ``[B, n, in_channels]``.
            mask: True where there is an object, shape ``[B, n]``.
            p4: (pt [GeV], eta, phi [rad], mass [GeV]), shape ``[B, n, 4]``.

        Returns:
            ``nodes`` of shape ``[B, n, D]``, zero where there is no object; ``graph`` of shape ``[B, D]``.
        """
        # What stands in the padding must not matter, NaN included.
        hidden = ~mask.unsqueeze(-1)
        x = self.node_encoder(features.masked_fill(hidden, 0.0))
        p4 = p4.masked_fill(hidden, 0.0)
        edge = self.edge_encoder(pair_features(p4.unsqueeze(2), p4.unsqueeze(1), self.pair_columns or ANGULAR))
        u = self.global_encoder(mask.sum(1, keepdim=True).to(features.dtype))
        for block in self._steps():
            x, edge, u = block.forward_dense(x, edge, u, mask)
        return Representation(x.masked_fill(hidden, 0.0), self.decoder(u))

    def _edge_attr(self, edge_attr: Tensor | None, p4: Tensor, edge_index: Tensor) -> Tensor:
        """Edge features, given or made from the four-vectors, checked."""
        if self.pair_columns is not None:
            source, target = edge_index
            return pair_features(p4[target], p4[source], self.pair_columns)
        if edge_attr is None:
            edge_attr = edge_features(p4, edge_index)
        if edge_attr.dim() != 2 or edge_attr.size(1) != self.edge_channels:
            shape = tuple(edge_attr.shape)
            raise ConfigError(f"GraphNetwork: edge features have shape {shape}, expected (edges, {self.edge_channels})")
        return edge_attr

    def __repr__(self) -> str:
        widths = f"{self.in_channels}, {self.hidden_channels}"
        return f"{type(self).__name__}({widths}, num_steps={self.num_steps}, shared_steps={self.shared_steps})"
