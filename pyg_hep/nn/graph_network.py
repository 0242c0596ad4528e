"""``GraphNetwork``: encoders, graph network blocks and decoder; the block itself is in ``nn/conv``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch_geometric.data import Data

from pyg_hep.errors import ConfigError
from pyg_hep.inputs.pairs import ANGULAR, check_pair_columns, pair_features
from pyg_hep.nn.backbone import Backbone
from pyg_hep.nn.conv.graph_network import GraphNetworkBlock
from pyg_hep.nn.id_tables import IdTables
from pyg_hep.nn.mlp import MLP
from pyg_hep.nn.representation import Representation


class GraphNetwork(Backbone):
    r"""Graph network on events as complete graphs, or along the edges of the input.

    Nodes, pairs and events are embedded by an MLP each, updated ``num_steps`` times by a
    :class:`~pyg_hep.nn.conv.GraphNetworkBlock`, and the final global passes a decoder MLP:

    .. math::
        x_i, y_{ij}, z &= \mathrm{MLP}_x(x_i) + \textstyle\sum_k T_k[n_{ik}],
        \mathrm{MLP}_y(\Delta\eta_{ij}, \Delta\phi_{ij}, \Delta R_{ij}), \mathrm{MLP}_z(n, u)

        x, y, z &\leftarrow \mathrm{GN}(x, y, z) \quad (\text{num\_steps times})

        h &= \mathrm{MLP}_d(z)

    with the number of nodes n, the event columns u and the tables T of the ids, where there are any. Edge features
    are always made from ``p4``; an ``edge_attr`` of the input is not looked at.

    Args:
        in_channels: width of the node features ``x``.
        event_channels: width of the event columns ``u``.
        id_channels: sizes of the tables of the integer columns ``ids``.
        hidden_channels: width of everything inside, and of the output.
        num_layers_mlp: linear layers of each MLP.
        num_steps: rounds of message passing.
        shared_steps: whether all rounds use the same parameters.
        preset: name of the published view that ``x`` is made by.
        initialisation: of the MLPs, ``"he"`` or ``"torch"``, see :class:`~pyg_hep.nn.MLP`; the paper names none.
        pair_columns: edge features, names of :data:`~pyg_hep.inputs.pairs.PAIR_COLUMNS`.

    Raises:
        ConfigError: for a number below 1, an unknown initialisation or an unknown column.

    Source: Ho et al., arXiv:2412.10665, section III B; Battaglia et al., arXiv:1806.01261.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        event_channels: int = 0,
        id_channels: Sequence[int] = (),
        hidden_channels: int = 64,
        num_layers_mlp: int = 4,
        num_steps: int = 4,
        shared_steps: bool = True,
        preset: str | None = None,
        initialisation: str = "he",
        pair_columns: Sequence[str] = ANGULAR,
    ):
        super().__init__()
        if num_steps < 1:
            raise ConfigError(f"GraphNetwork: num_steps must be at least 1, found {num_steps}")
        self.in_channels, self.event_channels, self.id_channels = in_channels, event_channels, tuple(id_channels)
        self.hidden_channels, self.out_channels = hidden_channels, hidden_channels
        self.num_layers_mlp, self.num_steps, self.shared_steps = num_layers_mlp, num_steps, shared_steps
        self.preset, self.initialisation = preset, initialisation
        self.pair_columns = check_pair_columns(pair_columns)
        self.node_encoder = MLP(in_channels, hidden_channels, num_layers_mlp, initialisation)
        self.edge_encoder = MLP(len(self.pair_columns), hidden_channels, num_layers_mlp, initialisation)
        self.global_encoder = MLP(1 + event_channels, hidden_channels, num_layers_mlp, initialisation)
        self.blocks = nn.ModuleList(
            GraphNetworkBlock(hidden_channels, num_layers_mlp, initialisation)
            for _ in range(1 if shared_steps else num_steps)
        )
        self.decoder = MLP(hidden_channels, hidden_channels, num_layers_mlp, initialisation)
        self.id_tables = IdTables(self.id_channels, hidden_channels) if self.id_channels else None

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

    def stages(self) -> dict[str, list[nn.Module]]:
        """Encoders, blocks (one where all rounds share it) and decoder."""
        encoder: list[nn.Module] = [self.node_encoder, self.edge_encoder, self.global_encoder]
        encoder += [] if self.id_tables is None else [self.id_tables]
        layers: dict[str, list[nn.Module]] = {f"layers.{k}": [block] for k, block in enumerate(self.blocks)}
        return {"encoder": encoder, **layers, "decoder": [self.decoder]}

    def _steps(self) -> list[GraphNetworkBlock]:
        """The block of each round."""
        blocks = cast(list[GraphNetworkBlock], list(self.blocks))
        return blocks * (self.num_steps if self.shared_steps else 1)

    def forward(self, input: Data) -> Representation:
        """Represent events, see :meth:`Backbone.forward`: final nodes, and the decoder's output for the events.

        Raises:
            ConfigError: when the input lacks a column or has one of another width.
        """
        latent = self.encode(input)
        return latent._replace(graph=self.decoder(latent.graph))

    def encode(self, input: Data) -> Representation:
        """Everything before the decoder: final nodes ``[*N, D]`` and final globals ``[B, D]``."""
        layout = self.layout(input, self._steps())
        x, p4, u, ids, _ = self.columns(input, layout)
        number = layout.counts.to(x.dtype).unsqueeze(-1)
        z = self.global_encoder(number if u is None else torch.cat([number, u], dim=-1))
        y = layout.pairs(self._edge, p4)
        x = self.node_encoder(x)
        if self.id_tables is not None:
            x = x + self.id_tables(ids)
        for block in self._steps():
            x, y, z = block(x, y, z, layout)
        return Representation(layout.clean(x), z, layout)

    def _edge(self, target: Tensor, source: Tensor) -> Tensor:
        """Encoded features of pairs of four-vectors, ``[..., D]``."""
        out: Tensor = self.edge_encoder(pair_features(target, source, self.pair_columns))
        return out

    def __repr__(self) -> str:
        widths = f"{self.in_channels}, {self.hidden_channels}"
        return f"{type(self).__name__}({widths}, num_steps={self.num_steps}, shared_steps={self.shared_steps})"
