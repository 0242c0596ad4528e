"""``LayerScale``: a learned factor for each channel of what a layer adds."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class LayerScale(nn.Module):
    r"""Factors :math:`\gamma_c` of channels, small at first so that a deep stack begins near the identity.

    .. math:: y_c = \gamma_c \, x_c

    Args:
        channels: width.
        initial: of every factor; None for no factors: x comes out as it is.

    Source: Touvron et al., arXiv:2103.17239, section 2.
    """

    def __init__(self, channels: int, initial: float | None = 1e-5):
        super().__init__()
        self.initial = initial
        self.gamma = None if initial is None else nn.Parameter(torch.empty(channels))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Start anew."""
        if self.gamma is not None and self.initial is not None:
            nn.init.constant_(self.gamma, self.initial)

    def forward(self, x: Tensor) -> Tensor:
        """Scaled ``[..., C]``."""
        return x if self.gamma is None else x * self.gamma

    def extra_repr(self) -> str:
        """What it starts with, for ``repr``."""
        return f"initial={self.initial}"
