"""``ParticleNet``: edge convolutions on jets as clouds of particles, with neighbours found anew in every block."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import nn
from torch_geometric.data import Data

from pyg_hep.errors import ConfigError
from pyg_hep.nn.backbone import Backbone
from pyg_hep.nn.batch_norm import BatchNorm, normalised
from pyg_hep.nn.conv.edge_block import EdgeConvolutionBlock
from pyg_hep.nn.dense_layer import DenseLayer
from pyg_hep.nn.id_tables import ID_WIDTH, IdTables
from pyg_hep.nn.layout.base import angular
from pyg_hep.nn.representation import Representation


class ParticleNet(Backbone):
    r"""ParticleNet: blocks of edge convolutions over the nearest neighbours, averaged, and a dense layer.

    .. math::
        h^{(0)}_i &= [\mathrm{BN}(x_i), \textstyle\sum_k T_k[n_{ik}]], \qquad
        h^{(1)} = \mathrm{Block}(h^{(0)}; \text{nearest in } \eta, \phi), \qquad
        h^{(m)} = \mathrm{Block}(h^{(m-1)}; \text{nearest in } h^{(m-1)})

        h_\text{event} &= \mathrm{Dropout}\Big(\operatorname{ReLU}\Big(
            W \Big[\frac{1}{n} \sum_i h^{(M)}_i, u\Big] + b\Big)\Big)

    with the :class:`~pyg_hep.nn.conv.EdgeConvolutionBlock`. ``nodes`` are what the dense layer makes of each object
    instead of their mean. Neighbours are found in every call, from the ``p4`` that the model sees and then from what
    it has learned, whatever edges an input has. A jet of n particles has at most n - 1 neighbours: where that is
    below k, the mean is over those that there are, and a particle alone in its jet hears nothing (in the published
    code padding takes the place of the missing ones). Of equally near neighbours the first count.

    Normalisations see, in training, the particles and pairs that exist, never padding; in evaluation nothing depends
    on the rest of the batch. Processes that train together each see their own batch, as in torch.

    Args:
        in_channels: width of the node features ``x``.
        event_channels: width of the event columns ``u``, which join the mean of the objects.
        id_channels: sizes of the tables T of the integer columns ``ids``.
        channels: widths of the layers of each block.
        neighbours: k, of each object.
        hidden_channels: width of the dense layer, and of the output.
        dropout: after the dense layer.
        preset: name of the published view that ``x`` is made by.

    Raises:
        ConfigError: for a number below 1, no block, or a probability outside [0, 1).

    Source: Qu and Gouskos, arXiv:1902.08570.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        event_channels: int = 0,
        id_channels: Sequence[int] = (),
        channels: Sequence[Sequence[int]] = ((64, 64, 64), (128, 128, 128), (256, 256, 256)),
        neighbours: int = 16,
        hidden_channels: int = 256,
        dropout: float = 0.1,
        preset: str | None = None,
    ):
        super().__init__()
        for name, value in {"in_channels": in_channels, "neighbours": neighbours, "blocks": len(channels)}.items():
            if value < 1:
                raise ConfigError(f"ParticleNet: {name} must be at least 1, found {value}")
        self.in_channels, self.event_channels, self.id_channels = in_channels, event_channels, tuple(id_channels)
        self.channels = tuple(tuple(block) for block in channels)
        self.neighbours, self.hidden_channels, self.out_channels = neighbours, hidden_channels, hidden_channels
        self.dropout, self.preset = dropout, preset
        self.norm = BatchNorm(in_channels)
        self.id_tables = IdTables(self.id_channels, ID_WIDTH) if self.id_channels else None
        width, blocks = in_channels + (ID_WIDTH if self.id_channels else 0), []
        for block in self.channels:
            blocks.append(EdgeConvolutionBlock(width, block))
            width = block[-1]
        self.blocks = nn.ModuleList(blocks)
        self.dense = DenseLayer(width + event_channels, hidden_channels, dropout)

    @classmethod
    def full(cls, **kwargs: Any) -> ParticleNet:
        """The published network on the view ``particle_net``: 366,160 parameters with a layer for two classes.

        Args:
            kwargs: other arguments of the class, in place of the published ones.

        Source: arXiv:1902.08570 ("366k").
        """
        return cls(**{"in_channels": 7, "preset": "particle_net", **kwargs})

    @classmethod
    def lite(cls, **kwargs: Any) -> ParticleNet:
        """ParticleNet-Lite on the view ``particle_net``: two blocks of 32 and 64, 7 neighbours, 26,416 parameters.

        Args:
            kwargs: other arguments of the class, in place of the published ones.

        Source: arXiv:1902.08570 ("26k").
        """
        sizes = {"channels": ((32,) * 3, (64,) * 3), "neighbours": 7, "hidden_channels": 128}
        return cls(**{"in_channels": 7, "preset": "particle_net", **sizes, **kwargs})

    def stages(self) -> dict[str, list[nn.Module]]:
        """Normalisation of the columns and tables, the blocks, and the dense layer (``decoder``)."""
        encoder: list[nn.Module] = [self.norm] if self.id_tables is None else [self.norm, self.id_tables]
        return {"encoder": encoder, **{f"layers.{k}": [b] for k, b in enumerate(self.blocks)}, "decoder": [self.dense]}

    def forward(self, input: Data) -> Representation:
        """Represent events, see :meth:`Backbone.forward`: the dense layer on objects, and on their mean.

        Raises:
            ConfigError: when the input lacks a column or has one of another width.
        """
        blocks = cast(list[EdgeConvolutionBlock], list(self.blocks))
        layout = self.layout(input, blocks)
        x, p4, u, ids, _ = self.columns(input, layout)
        x = normalised(self.norm, x, layout.object_rows() if self.training else None)
        if self.id_tables is not None and ids is not None:
            x = self.id_tables.beside(x, ids)
        x = layout.clean(x)
        for number, block in enumerate(blocks):
            near = layout.neighbours(self.neighbours, x if number else p4[..., 1:3], None if number else angular)
            x = block(x, near)
        mean = layout.pool(x, "mean")
        if u is not None:
            x, mean = torch.cat([x, layout.spread(u)], dim=-1), torch.cat([mean, u], dim=-1)
        return Representation(layout.clean(self.dense(x)), self.dense(mean), layout)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.in_channels}, {self.hidden_channels}, neighbours={self.neighbours})"
