"""``TimeEmbedding``: the time of a noised event as a vector, zero where nothing is noised."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LOWEST, SCALE = 1e-4, 1000.0
"""The frequencies go from 1 down to the lowest, times the scale: both as published."""


class TimeEmbedding(nn.Module):
    r"""Sine and cosine of a time at many frequencies, times the time itself, through two layers without a bias.

    .. math::
        e(t) = t \, [\sin(1000 \, f_m t), \cos(1000 \, f_m t)]_m, \qquad
        h(t) = \operatorname{swish}(W_2 \operatorname{swish}(W_1 e(t)))

    with frequencies f from 1 to :math:`10^{-4}`, evenly spaced in their logarithm. The embedding of t = 0 is exactly 0.

    Args:
        channels: width D of the result; the layer before has twice as many.
        frequencies: how many.

    Source: Mikuni and Nachman, arXiv:2404.16091 and arXiv:2502.14652 (constants as in the code published with them).
    """

    frequency: Tensor

    def __init__(self, channels: int, frequencies: int = 32):
        super().__init__()
        self.channels = channels
        # A constant of the architecture, which no state dict needs.
        exponent = torch.linspace(0.0, 1.0, frequencies, dtype=torch.float64)
        self.register_buffer("frequency", (SCALE * LOWEST**exponent).float(), persistent=False)
        self.inner = nn.Linear(2 * frequencies, 2 * channels, bias=False)
        self.outer = nn.Linear(2 * channels, channels, bias=False)

    def reset_parameters(self) -> None:
        """Draw the weights anew."""
        self.inner.reset_parameters()
        self.outer.reset_parameters()

    def forward(self, time: Tensor) -> Tensor:
        """Embedding ``[B, D]`` of times ``[B]`` from 0 to 1."""
        time = time.to(self.inner.weight.dtype).unsqueeze(-1)
        angle = time * self.frequency
        out: Tensor = F.silu(self.outer(F.silu(self.inner(time * torch.cat([angle.sin(), angle.cos()], dim=-1)))))
        return out

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.channels}, frequencies={self.frequency.numel()})"
