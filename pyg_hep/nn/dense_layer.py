"""``DenseLayer``: one layer of a plain perceptron."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from pyg_hep.errors import ConfigError


class DenseLayer(nn.Module):
    r"""A linear layer with ReLU and dropout: :math:`\mathrm{Dropout}(\mathrm{ReLU}(W x + b))`.

    Weights are drawn from He's uniform distribution, biases are zero.

    Args:
        in_channels: width of the input.
        out_channels: width of the output.
        dropout: probability of dropping an output in training.

    Raises:
        ConfigError: for a width below 1, or a probability outside [0, 1).

    Source: He et al., arXiv:1502.01852.
    """

    def __init__(self, in_channels: int, out_channels: int, dropout: float = 0.0):
        super().__init__()
        if in_channels < 1 or out_channels < 1:
            raise ConfigError(f"DenseLayer: widths must be at least 1, found {in_channels} and {out_channels}")
        if not 0.0 <= dropout < 1.0:
            raise ConfigError(f"DenseLayer: dropout must lie in [0, 1), found {dropout}")
        self.linear = nn.Linear(in_channels, out_channels)
        self.dropout = dropout
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights anew."""
        nn.init.kaiming_uniform_(self.linear.weight, nonlinearity="relu")
        nn.init.zeros_(self.linear.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Rows ``[..., out_channels]`` of rows ``[..., in_channels]``."""
        return F.dropout(F.relu(self.linear(x)), self.dropout, self.training)


def dense_layers(in_channels: int, widths: Sequence[int], dropout: float = 0.0) -> nn.Sequential:
    """Layers of these widths, one after another."""
    return nn.Sequential(*(DenseLayer(a, b, dropout) for a, b in itertools.pairwise([in_channels, *widths])))
