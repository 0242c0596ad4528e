"""``TransformerLayer``: attention and feed-forward network with their norms; the stack is ``EventTransformer``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pyg_hep.errors import ConfigError, nearest
from pyg_hep.nn.autograd import apply
from pyg_hep.nn.conv.attention import MultiHeadAttention
from pyg_hep.nn.layer_scale import LayerScale
from pyg_hep.nn.layout import Layout, PairValues

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"gelu": F.gelu, "relu": F.relu}


class TransformerLayer(nn.Module):
    r"""One layer of a transformer encoder.

    .. math::
        \text{norm first:}\quad x \leftarrow x + \mathrm{Attention}(\mathrm{LN}(x)), \quad
        x \leftarrow x + \mathrm{FF}(\mathrm{LN}(x))

        \text{norm last:}\quad x \leftarrow \mathrm{LN}(x + \mathrm{Attention}(x)), \quad
        x \leftarrow \mathrm{LN}(x + \mathrm{FF}(x))

    With ``layer_scale`` what is added to x is multiplied by learned numbers, one for each channel, first.

    Args:
        channels: width.
        heads: number of attention heads.
        feed_forward: width of the hidden layer of FF.
        dropout: of attention weights, of hidden units and of what is added to x.
        norm_first: where the norms stand.
        activation: of FF, ``"gelu"`` or ``"relu"``.
        layer_scale: the learned numbers at first; None for none.

    Raises:
        ConfigError: for an unknown activation, or what :class:`MultiHeadAttention` refuses.

    Source: Vaswani et al., arXiv:1706.03762, section 3.1; Xiong et al., arXiv:2002.04745 (norm first); Touvron et al.,
    arXiv:2103.17239, section 2 (the scale).
    """

    def __init__(
        self,
        channels: int,
        heads: int,
        feed_forward: int,
        dropout: float = 0.0,
        norm_first: bool = True,
        activation: str = "gelu",
        layer_scale: float | None = None,
    ):
        super().__init__()
        if activation not in ACTIVATIONS:
            raise ConfigError(f"no activation {activation!r}: {nearest(activation, ACTIVATIONS)}")
        self.dropout, self.norm_first, self.activation = dropout, norm_first, activation
        self.attention = MultiHeadAttention(channels, heads, dropout)
        self.inner, self.outer = nn.Linear(channels, feed_forward), nn.Linear(feed_forward, channels)
        self.attention_norm, self.feed_forward_norm = nn.LayerNorm(channels), nn.LayerNorm(channels)
        self.attention_scale, self.feed_forward_scale = (
            LayerScale(channels, layer_scale),
            LayerScale(channels, layer_scale),
        )

    def reset_parameters(self) -> None:
        """Draw all weights anew."""
        for part in self.children():
            part.reset_parameters()  # type: ignore[operator]

    def forward(
        self, x: Tensor, layout: Layout, bias: PairValues | None = None, context: Tensor | None = None
    ) -> Tensor:
        """Update nodes ``[*N, D]``.

        Args:
            x: the nodes.
            layout: as of :class:`~pyg_hep.nn.conv.MultiHeadAttention`.
            bias: likewise.
            context: added to what the attention reads, and to nothing else, ``[*N, D]``.
        """
        read = x if context is None else x + context
        if self.norm_first:
            x = x + self._drop(self.attention_scale(self.attention(self.attention_norm(read), layout, bias)))
            return x + self._drop(self.feed_forward_scale(self._feed_forward(self.feed_forward_norm(x))))
        x = self.attention_norm(x + self._drop(self.attention_scale(self.attention(read, layout, bias))))
        out: Tensor = self.feed_forward_norm(x + self._drop(self.feed_forward_scale(self._feed_forward(x))))
        return out

    def _feed_forward(self, x: Tensor) -> Tensor:
        hidden = self.inner(x)
        if self.activation == "relu" and 0.0 < self.dropout < 1.0 and self.training:
            hidden = apply(_DroppedReLU, hidden, self.dropout)
        else:
            hidden = self._drop(ACTIVATIONS[self.activation](hidden))
        out: Tensor = self.outer(hidden)
        return out

    def _drop(self, x: Tensor) -> Tensor:
        return F.dropout(x, self.dropout, self.training) if self.dropout else x


class _DroppedReLU(torch.autograd.Function):
    """ReLU and dropout of the widest array of a layer, of which only the result is made and kept.

    Dropout multiplies by 0 or 1 / (1 - p), so the two may change places, and the result says where both let pass.
    """

    @staticmethod
    def forward(x: Tensor, p: float) -> Tensor:
        dropped = F.dropout(x, p)
        return F.relu(x) if dropped is x else F.relu_(dropped)  # an empty array comes back as it is

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.save_for_backward(output)
        ctx.p = inputs[1]

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        (out,) = ctx.saved_tensors
        return torch.ops.aten.threshold_backward(grad, out, 0).mul_(1 / (1 - ctx.p)), None
