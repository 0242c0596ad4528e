"""``ClassPooling``: from the objects of an event to the event by a class node that attends to them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

from torch import Tensor, nn

from pyg_hep.nn.class_layer import ClassLayer
from pyg_hep.nn.class_node import ClassNode
from pyg_hep.nn.conv.class_attention import ClassAttention
from pyg_hep.nn.layout import Layout
from pyg_hep.nn.modulation import Modulation


class ClassPooling(nn.Module):
    r"""A learned vector for every event that attends to its objects, layer after layer; its last state is the event.

    .. math:: x_i \leftarrow x_i (1 + s(u)) + b(u), \qquad c \leftarrow \mathrm{ClassLayer}(c, x), \qquad
        h_\text{event} = \mathrm{LN}(c)

    Args:
        channels: width.
        event_channels: width of the event columns u; 0 for none.
        num_layers: number of :class:`~pyg_hep.nn.class_layer.ClassLayer`.
        heads: number of attention heads.
        feed_forward: width of the hidden layers.
        layer_scale: see :class:`~pyg_hep.nn.class_layer.ClassLayer`.

    Source: Mikuni and Nachman, arXiv:2502.14652 (the classifier's head without its last linear layer).
    """

    def __init__(
        self,
        channels: int,
        event_channels: int = 0,
        num_layers: int = 2,
        heads: int = 4,
        feed_forward: int = 256,
        layer_scale: float | None = 1e-5,
    ):
        super().__init__()
        self.modulation = Modulation(event_channels, channels) if event_channels else None
        self.node = ClassNode(channels)
        self.layers = nn.ModuleList(ClassLayer(channels, heads, feed_forward, layer_scale) for _ in range(num_layers))
        self.norm = nn.LayerNorm(channels)

    def reset_parameters(self) -> None:
        """Draw all weights anew."""
        for part in (self.modulation, self.node, *self.layers, self.norm):
            if part is not None:
                part.reset_parameters()  # type: ignore[operator]

    def attentions(self) -> Iterator[ClassAttention]:
        """The layers' attention, for a layout to know whether somebody observes it."""
        return (cast(ClassLayer, layer).attention for layer in self.layers)

    def forward(self, x: Tensor, u: Tensor | None, layout: Layout) -> Tensor:
        """Events ``[B, D]`` of objects ``[*N, D]`` and event columns ``[B, G]``."""
        if self.modulation is not None and u is not None:
            x = self.modulation(x, u, layout)
        node = self.node(None, layout.num_events)
        for layer in self.layers:
            node = layer(node, x, layout)
        out: Tensor = self.norm(node)
        return out
