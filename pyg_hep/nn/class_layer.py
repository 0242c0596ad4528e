"""``ClassLayer``: class attention and feed-forward network of a class node with their norms."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from pyg_hep.nn.conv.class_attention import ClassAttention
from pyg_hep.nn.layer_scale import LayerScale
from pyg_hep.nn.layout import Layout


class ClassLayer(nn.Module):
    r"""A transformer layer that updates the class node of each event and leaves the objects as they are.

    .. math::
        c \leftarrow c + \gamma \, \mathrm{LN}(\mathrm{Attention}(\mathrm{LN}(c), \mathrm{LN}(x))), \quad
        c \leftarrow c + \gamma' \, \mathrm{FF}(\mathrm{LN}(c))

    Args:
        channels: width.
        heads: number of attention heads.
        feed_forward: width of the hidden layer of FF (GELU).
        layer_scale: the learned factors at first, see :class:`~pyg_hep.nn.layer_scale.LayerScale`.

    Raises:
        ConfigError: what :class:`~pyg_hep.nn.conv.ClassAttention` refuses.

    Source: Mikuni and Nachman, arXiv:2502.14652 (the classifier's head).
    """

    def __init__(self, channels: int, heads: int, feed_forward: int, layer_scale: float | None = 1e-5):
        super().__init__()
        self.attention = ClassAttention(channels, heads)
        self.inner, self.outer = nn.Linear(channels, feed_forward), nn.Linear(feed_forward, channels)
        self.attention_norm, self.received_norm = nn.LayerNorm(channels), nn.LayerNorm(channels)
        self.feed_forward_norm = nn.LayerNorm(channels)
        self.attention_scale = LayerScale(channels, layer_scale)
        self.feed_forward_scale = LayerScale(channels, layer_scale)

    def reset_parameters(self) -> None:
        """Draw all weights anew."""
        for part in self.children():
            part.reset_parameters()  # type: ignore[operator]

    def forward(self, node: Tensor, x: Tensor, layout: Layout) -> Tensor:
        """New class nodes ``[B, D]`` of class nodes and objects ``[*N, D]``."""
        received = self.attention(self.attention_norm(node), self.attention_norm(x), layout)
        node = node + self.attention_scale(self.received_norm(received))
        hidden = F.gelu(self.inner(self.feed_forward_norm(node)))
        out: Tensor = node + self.feed_forward_scale(self.outer(hidden))
        return out
