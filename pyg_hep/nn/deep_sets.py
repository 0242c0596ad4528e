"""``DeepSets``: particle-flow networks, and energy-flow networks, which are infrared and collinear safe."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch_geometric.data import Data

from pyg_hep.errors import ConfigError
from pyg_hep.nn.backbone import Backbone
from pyg_hep.nn.dense_layer import dense_layers
from pyg_hep.nn.id_tables import ID_WIDTH, IdTables
from pyg_hep.nn.layout import Layout
from pyg_hep.nn.representation import Representation


class DeepSets(Backbone):
    r"""A network of each object, their sum, and a network of the sum.

    .. math::
        \text{PFN:} \quad h_\text{event} &= F\Big(\Big[\sum_i \Phi(x_i, \textstyle\sum_k T_k[n_{ik}]), u\Big]\Big)

        \text{EFN:} \quad h_\text{event} &= F\Big(\Big[\sum_i z_i \, \Phi(x_i), u\Big]\Big), \qquad
        z_i = \frac{p_{T,i}}{\sum_j p_{T,j}}

    with dense layers in Φ and F. ``nodes`` are what F makes of each object by itself, :math:`F(\Phi(x_i))`.

    An energy-flow network is infrared and collinear safe as long as its columns are functions of the direction alone,
    relative to an axis that is safe itself, as in the view ``energy_flow``, and its event columns are safe: a particle
    without momentum, or one split into two that share its momentum, then changes the event by rounding errors only.
    (Multiplicity is no such column, and neither are momenta, masses or flags of particles.) Every set of safe
    observables can be approximated so.

    Args:
        in_channels: width of the node features ``x``.
        event_channels: width of the event columns ``u``, which join the sum.
        id_channels: sizes of the tables T of the integer columns ``ids``.
        phi_channels: widths of the layers of Φ.
        f_channels: widths of the layers of F, the last is that of the output.
        momentum_weighted: whether objects are weighted by their share z of the transverse momenta, from ``p4``.
        dropout: after each layer of F.
        preset: name of the published view that ``x`` is made by.

    Raises:
        ConfigError: for a width below 1 or no layer, or integer columns of objects weighted by momentum, which are no
            functions of the direction.

    Source: Komiske, Metodiev and Thaler, arXiv:1810.05165; Zaheer et al., arXiv:1703.06114.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        event_channels: int = 0,
        id_channels: Sequence[int] = (),
        phi_channels: Sequence[int] = (100, 100, 256),
        f_channels: Sequence[int] = (100, 100, 100),
        momentum_weighted: bool = False,
        dropout: float = 0.0,
        preset: str | None = None,
    ):
        super().__init__()
        if in_channels < 1 or not phi_channels or not f_channels:
            raise ConfigError("DeepSets: in_channels must be at least 1, and Phi and F need a layer each")
        if momentum_weighted and id_channels:
            raise ConfigError("DeepSets: with momentum_weighted objects have no ids, which are no directions")
        self.in_channels, self.event_channels, self.id_channels = in_channels, event_channels, tuple(id_channels)
        self.phi_channels, self.f_channels, self.out_channels = tuple(phi_channels), tuple(f_channels), f_channels[-1]
        self.momentum_weighted, self.dropout, self.preset = momentum_weighted, dropout, preset
        self.id_tables = IdTables(self.id_channels, ID_WIDTH) if self.id_channels else None
        self.phi = dense_layers(in_channels + (ID_WIDTH if self.id_channels else 0), phi_channels)
        self.f = dense_layers(phi_channels[-1] + event_channels, f_channels, dropout)

    @classmethod
    def pfn(cls, **kwargs: Any) -> DeepSets:
        """The published particle-flow network on the view ``particle_flow``: 82,458 parameters with two classes.

        Args:
            kwargs: other arguments of the class, in place of the published ones.

        Source: arXiv:1810.05165.
        """
        return cls(**{"in_channels": 3, "preset": "particle_flow", **kwargs})

    @classmethod
    def efn(cls, **kwargs: Any) -> DeepSets:
        """The published energy-flow network on the view ``energy_flow``: 82,358 parameters with two classes.

        Args:
            kwargs: other arguments of the class, in place of the published ones.

        Source: arXiv:1810.05165.
        """
        return cls(**{"in_channels": 2, "momentum_weighted": True, "preset": "energy_flow", **kwargs})

    def stages(self) -> dict[str, list[nn.Module]]:
        """Tables and the first layer of Φ, its other layers, and F (``decoder``)."""
        first: list[nn.Module] = [self.phi[0]] if self.id_tables is None else [self.id_tables, self.phi[0]]
        return {
            "encoder": first,
            **{f"layers.{k}": [layer] for k, layer in enumerate(list(self.phi)[1:])},
            "decoder": list(self.f),
        }

    def forward(self, input: Data) -> Representation:
        """Represent events, see :meth:`Backbone.forward`: F of each object, and of their sum.

        Raises:
            ConfigError: when the input lacks a column or has one of another width.
        """
        layout = self.layout(input)
        x, p4, u, ids, _ = self.columns(input, layout)
        if self.id_tables is not None and ids is not None:
            x = self.id_tables.beside(x, ids)
        x = self.phi(x)
        total = layout.pool(self._shares(p4, layout) * x if self.momentum_weighted else x, "sum")
        if u is not None:
            x, total = torch.cat([x, layout.spread(u)], dim=-1), torch.cat([total, u], dim=-1)
        return Representation(layout.clean(self.f(x)), self.f(total), layout)

    @staticmethod
    def _shares(p4: Tensor, layout: Layout) -> Tensor:
        """z, ``[*N, 1]``; zeros in an event without any transverse momentum."""
        pt = p4[..., :1]
        total = layout.pool(pt, "sum").clamp(min=torch.finfo(pt.dtype).tiny)
        return pt / layout.spread(total)

    def __repr__(self) -> str:
        widths = f"phi_channels={list(self.phi_channels)}, f_channels={list(self.f_channels)}"
        return f"{type(self).__name__}({self.in_channels}, {widths}, momentum_weighted={self.momentum_weighted})"
