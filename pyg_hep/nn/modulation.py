"""``Modulation``: objects scaled and shifted by what is known of their event (FiLM)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from pyg_hep.nn.layout import Layout


class Modulation(nn.Module):
    r"""Scale and shift of every channel of the objects, made of a row of their event.

    .. math:: x_i \leftarrow x_i \, (1 + s) + b, \qquad [s, b] = \operatorname{GELU}(W r + w)

    Args:
        in_channels: width of the rows r.
        channels: width of the objects.
        bias: w; without it a row of zeros leaves the objects exactly as they are.

    Source: Perez et al., arXiv:1709.07871; Mikuni and Nachman, arXiv:2502.14652 (by time, and by the jet).
    """

    def __init__(self, in_channels: int, channels: int, bias: bool = True):
        super().__init__()
        self.linear = nn.Linear(in_channels, 2 * channels, bias=bias)

    def reset_parameters(self) -> None:
        """Draw the weights anew."""
        self.linear.reset_parameters()

    def forward(self, x: Tensor, rows: Tensor, layout: Layout) -> Tensor:
        """Objects ``[*N, D]``, modulated by rows ``[B, C]`` of their events."""
        scale, shift = layout.spread(F.gelu(self.linear(rows))).chunk(2, dim=-1)
        return x * (1.0 + scale) + shift
