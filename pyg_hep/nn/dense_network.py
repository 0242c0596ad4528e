"""``DenseNetwork``: a plain perceptron on columns of the event and on its first objects side by side."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch_geometric.data import Data

from pyg_hep.errors import ConfigError
from pyg_hep.nn.backbone import Backbone
from pyg_hep.nn.dense_layer import dense_layers
from pyg_hep.nn.id_tables import ID_WIDTH, IdTables
from pyg_hep.nn.layout import Layout
from pyg_hep.nn.representation import Representation


class DenseNetwork(Backbone):
    r"""Dense layers on event columns and on the objects of highest transverse momentum, flattened.

    .. math::
        h_\text{event} = F([u, v_{(1)}, \dots, v_{(N)}]), \qquad
        v_{(k)} = [x_{(k)}, \textstyle\sum_l T_l[n_{(k)l}], 1]

    with :math:`p_{T,(1)} \ge p_{T,(2)} \ge \dots` from ``p4``; where an event has fewer than N objects, v is zero, and
    of more, those beyond the N-th are not seen. What is sorted, the network does not depend on the order that objects
    come in (equal momenta excepted: of these the first counts first). Without objects it is a network of the event
    columns alone, such as the substructure of a jet. It knows nothing of single objects: ``nodes`` are the event's row.

    Args:
        in_channels: width of the node features ``x``.
        event_channels: width of the event columns ``u``.
        id_channels: sizes of the tables T of the integer columns ``ids``.
        objects: N; 0 reads event columns only.
        widths: of the layers, the last is that of the output.
        dropout: after each layer.
        preset: name of the published view that ``x`` is made by.

    Raises:
        ConfigError: for a width below 1, no layer, or nothing to read.

    Source: the "hlDNN" (event columns) and "DNN" (constituents) of ATLAS, ATL-PHYS-PUB-2022-039, in kind; widths are
    the user's.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        event_channels: int = 0,
        id_channels: Sequence[int] = (),
        objects: int = 0,
        widths: Sequence[int] = (256, 256, 256),
        dropout: float = 0.0,
        preset: str | None = None,
    ):
        super().__init__()
        if in_channels < 1 or objects < 0 or not widths:
            raise ConfigError("DenseNetwork: in_channels must be at least 1, objects at least 0, and it needs a layer")
        if not objects and (id_channels or not event_channels):
            raise ConfigError("DenseNetwork: with objects=0 it reads event columns only, and needs some but no ids")
        self.in_channels, self.event_channels, self.id_channels = in_channels, event_channels, tuple(id_channels)
        self.objects, self.widths, self.out_channels = objects, tuple(widths), widths[-1]
        self.dropout, self.preset = dropout, preset
        self.id_tables = IdTables(self.id_channels, ID_WIDTH) if self.id_channels else None
        of_object = in_channels + (ID_WIDTH if self.id_channels else 0) + 1
        self.layers = dense_layers(event_channels + objects * of_object, widths, dropout)

    def stages(self) -> dict[str, list[nn.Module]]:
        """Tables and the first layer (``encoder``), and the others, of which the last is the ``decoder``."""
        first: list[nn.Module] = [self.layers[0]] if self.id_tables is None else [self.id_tables, self.layers[0]]
        rest = list(self.layers)[1:]
        stages = {"encoder": first, **{f"layers.{k}": [layer] for k, layer in enumerate(rest[:-1])}}
        return {**stages, "decoder": rest[-1:]} if rest else stages

    def forward(self, input: Data) -> Representation:
        """Represent events, see :meth:`Backbone.forward`: the event, for each of its objects too.

        Raises:
            ConfigError: when the input lacks a column or has one of another width.
        """
        layout = self.layout(input)
        x, p4, u, ids, _ = self.columns(input, layout)
        parts = [] if u is None else [u]
        if self.objects:
            parts.append(self._flat(x, ids, p4[..., 0], layout))
        graph = self.layers(torch.cat(parts, dim=-1))
        return Representation(layout.clean(layout.spread(graph)), graph, layout)

    def _flat(self, x: Tensor, ids: Tensor | None, pt: Tensor, layout: Layout) -> Tensor:
        """The first objects side by side, ``[B, N * (F + 1)]``."""
        if self.id_tables is not None and ids is not None:
            x = self.id_tables.beside(x, ids)
        # Standardised columns of an object may all be zero: it is told from a missing one by the 1 beside them.
        x = torch.cat([x, torch.ones_like(x[..., :1])], dim=-1)
        return layout.leading(x, pt, self.objects).flatten(1)

    def __repr__(self) -> str:
        sizes = f"event_channels={self.event_channels}, objects={self.objects}, widths={list(self.widths)}"
        return f"{type(self).__name__}({self.in_channels}, {sizes})"
