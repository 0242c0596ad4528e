"""``PointEdgeTransformer``: edge convolutions and attention on jets as clouds of particles."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, cast

import torch.nn.functional as F
from torch import Tensor, nn
from torch_geometric.data import Data
from torch_geometric.nn import MessagePassing

from pyg_hep.errors import ConfigError
from pyg_hep.nn.backbone import Backbone
from pyg_hep.nn.class_pooling import ClassPooling
from pyg_hep.nn.conv.edge_convolution import EdgeConvolution
from pyg_hep.nn.id_tables import IdTables
from pyg_hep.nn.layout import Layout
from pyg_hep.nn.layout.base import angular
from pyg_hep.nn.modulation import Modulation
from pyg_hep.nn.representation import Representation
from pyg_hep.nn.time_embedding import TimeEmbedding
from pyg_hep.nn.transformer_layer import TransformerLayer


class PointEdgeTransformer(Backbone):
    r"""Point-edge transformer (PET): the shared body of OmniLearn, and its class node as the event.

    .. math::
        e_i &= \mathrm{FiLM}_t(\mathrm{MLP}(x_i) + \textstyle\sum_k T_k[n_{ik}]), \qquad
        \ell_i^{(1)} = \mathrm{EdgeConv}(x; \text{nearest in } \eta, \phi), \qquad
        \ell_i^{(m)} = \mathrm{EdgeConv}(\ell^{(m-1)}; \text{nearest in } \ell^{(m-1)})

        h^{(0)}_i &= e_i + \ell_i, \qquad h \leftarrow \mathrm{Layer}(h) \quad (\text{num\_layers times}), \qquad
        h_i \leftarrow h_i + h^{(0)}_i

        h_\text{event} &= \mathrm{ClassPooling}(h, u)

    Neighbours are found anew in every call, from the ``p4`` that the model sees and then from what it has learned,
    whatever edges an input has; along these, where there are any, the layers attend. An object that is alone in its
    event hears nothing. The ``time`` of an input that has one, [B] from 0 (not noised) to 1, modulates the objects by
    layers without biases: t = 0 is exactly the same as no time. Padding takes part in nothing, unlike in the published
    code, which also normalises over all particles of a jet, not over the channels of each.

    Of equally near neighbours the first count, so that particles at exactly the same place are told apart by their
    order where they compete for the last place of k.

    Args:
        in_channels: width of the node features ``x``.
        event_channels: width of the event columns ``u``, which modulate the objects that the class node attends to.
        id_channels: sizes of the tables T of the integer columns ``ids``.
        hidden_channels: width of everything inside, and of the output.
        num_layers: number of transformer layers.
        heads: attention heads, a divisor of ``hidden_channels``.
        feed_forward: width of the hidden layers of the transformer; None takes twice ``hidden_channels``.
        neighbours: k, of each object.
        local_layers: number of edge convolutions; 0 for none.
        class_layers: layers of the class node; 0 has none: the event is the mean of its objects.
        layer_scale: factors of what a layer adds, at first; None for no factors.
        dropout: of the transformer layers, see :class:`~pyg_hep.nn.TransformerLayer`.
        preset: name of the published view that ``x`` is made by.

    Raises:
        ConfigError: for a number below 1 (below 0 for numbers of layers that may be none), or heads that do not
            divide the width.

    Source: Mikuni and Nachman, arXiv:2404.16091 and arXiv:2502.14652.
    """

    takes_time = True

    def __init__(
        self,
        in_channels: int,
        *,
        event_channels: int = 0,
        id_channels: Sequence[int] = (),
        hidden_channels: int = 128,
        num_layers: int = 8,
        heads: int = 4,
        feed_forward: int | None = None,
        neighbours: int = 10,
        local_layers: int = 2,
        class_layers: int = 2,
        layer_scale: float | None = 1e-5,
        dropout: float = 0.0,
        preset: str | None = None,
    ):
        super().__init__()
        feed_forward = 2 * hidden_channels if feed_forward is None else feed_forward
        sizes = {"in_channels": in_channels, "hidden_channels": hidden_channels, "feed_forward": feed_forward}
        sizes |= {"num_layers": num_layers, "neighbours": neighbours}
        at_least = {**dict.fromkeys(sizes, 1), "local_layers": 0, "class_layers": 0}
        for name, value in {**sizes, "local_layers": local_layers, "class_layers": class_layers}.items():
            if value < at_least[name]:
                raise ConfigError(f"PointEdgeTransformer: {name} must be at least {at_least[name]}, found {value}")
        if event_channels and not class_layers:
            raise ConfigError("PointEdgeTransformer: event columns go to the class node, which needs class_layers")
        self.in_channels, self.event_channels, self.id_channels = in_channels, event_channels, tuple(id_channels)
        self.hidden_channels, self.out_channels = hidden_channels, hidden_channels
        self.num_layers, self.heads, self.feed_forward = num_layers, heads, feed_forward
        self.neighbours, self.local_layers, self.class_layers = neighbours, local_layers, class_layers
        self.layer_scale, self.dropout, self.preset = layer_scale, dropout, preset
        self.inner = nn.Linear(in_channels, 2 * hidden_channels)
        self.outer = nn.Linear(2 * hidden_channels, hidden_channels)
        self.id_tables = IdTables(self.id_channels, hidden_channels) if self.id_channels else None
        self.time = TimeEmbedding(hidden_channels)
        self.time_modulation = Modulation(hidden_channels, hidden_channels, bias=False)
        widths = [in_channels] + [hidden_channels] * local_layers
        self.local = nn.ModuleList(EdgeConvolution(width, hidden_channels) for width in widths[:-1])
        self.layers = nn.ModuleList(
            TransformerLayer(hidden_channels, heads, feed_forward, dropout, layer_scale=layer_scale)
            for _ in range(num_layers)
        )
        self.class_pooling = None
        if class_layers:
            sizes = {"num_layers": class_layers, "heads": heads, "feed_forward": feed_forward}
            self.class_pooling = ClassPooling(hidden_channels, event_channels, **sizes, layer_scale=layer_scale)

    @classmethod
    def omnilearn(cls, **kwargs: Any) -> PointEdgeTransformer:
        """OmniLearn: width 128, 8 layers, 4 heads, 10 neighbours, the view ``omnilearn``.

        The body, all but the class node, has the published 1,318,784 parameters: embedding 36,480, time 81,920, edge
        convolutions 138,496, transformer 1,061,888. With ten classes, the regression of the four jet inputs and the
        :class:`~pyg_hep.nn.GenerationHead` there are 2,005,403, 128 more than published: the class node's vector,
        which the code published with the paper does not train.

        Args:
            kwargs: other arguments of the class, in place of the published ones; ``class_layers=0, event_channels=0``
                is the body alone.

        Source: arXiv:2404.16091; arXiv:2502.14652.
        """
        return cls(**{"in_channels": 13, "event_channels": 4, "preset": "omnilearn", **kwargs})

    def stages(self) -> dict[str, list[nn.Module]]:
        """What makes the first objects, the transformer's layers, and the class node (``decoder``) where there is one.

        A fine-tuning that keeps the body only resets ``decoder``.
        """
        encoder = [self.inner, self.outer, self.id_tables, self.time, self.time_modulation, *self.local]
        stages = {
            "encoder": [part for part in encoder if part is not None],
            **{f"layers.{k}": [layer] for k, layer in enumerate(self.layers)},
        }
        return stages if self.class_pooling is None else {**stages, "decoder": [self.class_pooling]}

    def _passing(self) -> Iterator[MessagePassing]:
        """All layers that move information between objects."""
        yield from cast(list[EdgeConvolution], list(self.local))
        yield from (cast(TransformerLayer, layer).attention for layer in self.layers)
        if self.class_pooling is not None:
            yield from self.class_pooling.attentions()

    def forward(self, input: Data) -> Representation:
        """Represent events, see :meth:`Backbone.forward`: the body's objects, and the class node (or their mean).

        Raises:
            ConfigError: when the input lacks a column or has one of another width.
        """
        layout = self.layout(input, list(self._passing()))
        x, p4, u, ids, time = self.columns(input, layout)
        first = x = self._embedded(x, ids, time, layout) + self._heard(x, p4[..., 1:3], layout)
        for layer in self.layers:
            x = layer(x, layout)
        x = layout.clean(x + first)
        graph = layout.pool(x, "mean") if self.class_pooling is None else self.class_pooling(x, u, layout)
        return Representation(x, graph, layout)

    def _embedded(self, x: Tensor, ids: Tensor | None, time: Tensor | None, layout: Layout) -> Tensor:
        """Objects one by one, ``[*N, D]``."""
        x = F.gelu(self.outer(F.gelu(self.inner(x))))
        if self.id_tables is not None:
            x = x + self.id_tables(ids)
        return x if time is None else self.time_modulation(x, self.time(time), layout)

    def _heard(self, x: Tensor, points: Tensor, layout: Layout) -> Tensor | float:
        """What objects hear of their neighbours, ``[*N, D]``, in (eta, phi) first, then in the space learned so far."""
        for number, layer in enumerate(self.local):
            near = layout.neighbours(self.neighbours, x if number else points, None if number else angular)
            x = layer(x, near)
        return x if len(self.local) else 0.0

    def __repr__(self) -> str:
        sizes = f"{self.in_channels}, {self.hidden_channels}, num_layers={self.num_layers}, heads={self.heads}"
        return f"{type(self).__name__}({sizes}, neighbours={self.neighbours})"
