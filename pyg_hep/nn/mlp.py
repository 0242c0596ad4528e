"""The multilayer perceptron that every part of the graph network is made of."""

from __future__ import annotations

import itertools
from typing import cast

from torch import Tensor, nn

from pyg_hep.errors import ConfigError, nearest
from pyg_hep.nn.linear import linear

INITIALISATIONS = ("he", "torch")


class MLP(nn.Module):
    r"""Linear layers with ReLU between them, then a LayerNorm.

    .. math:: \mathrm{MLP}(x) = \mathrm{LayerNorm}(W_L \, \mathrm{ReLU}(\cdots \mathrm{ReLU}(W_1 x + b_1)) + b_L)

    Args:
        in_channels: width of the input.
        hidden_channels: width of every layer's output.
        num_layers: number of linear layers.
        initialisation: ``"he"`` (He et al., arXiv:1502.01852: normal weights that keep the variance through
            ReLU, zero biases) or ``"torch"`` (the default of ``torch.nn.Linear``). With torch's, four layers pass
            on about a thousandth of the input's variance, biases fill the LayerNorm, and a deep stack of MLPs
            stays for many epochs where every event looks the same.

    Raises:
        ConfigError: for a width or a number of layers below 1, or an unknown initialisation.

    Source: Ho et al., arXiv:2412.10665, section III B.
    """

    def __init__(self, in_channels: int, hidden_channels: int = 64, num_layers: int = 4, initialisation: str = "he"):
        super().__init__()
        if initialisation not in INITIALISATIONS:
            raise ConfigError(f"no initialisation {initialisation!r}: {nearest(initialisation, INITIALISATIONS)}")
        self.initialisation = initialisation
        sizes = {"in_channels": in_channels, "hidden_channels": hidden_channels, "num_layers": num_layers}
        for name, value in sizes.items():
            if value < 1:
                raise ConfigError(f"MLP: {name} must be at least 1, found {value}")
        self.in_channels, self.out_channels, self.num_layers = in_channels, hidden_channels, num_layers
        widths = [in_channels] + [hidden_channels] * num_layers
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in itertools.pairwise(widths))
        self.norm = nn.LayerNorm(hidden_channels)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all weights anew."""
        for layer in map(self.layer, range(self.num_layers)):
            layer.reset_parameters()
            if self.initialisation == "he":
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                nn.init.zeros_(layer.bias)
        self.norm.reset_parameters()

    def layer(self, number: int) -> nn.Linear:
        """One of the linear layers."""
        return cast(nn.Linear, self.layers[number])

    def weight_blocks(self, *widths: int) -> tuple[Tensor, ...]:
        """First layer's weight, cut into the blocks that act on inputs of these widths, each ``[D, width]``."""
        return self.layer(0).weight.split(list(widths), dim=1)

    def forward(self, x: Tensor, weight: Tensor | None = None, addend: Tensor | None = None) -> Tensor:
        """Apply the layers.

        Args:
            x: shape ``[..., in_channels]``; with ``weight``, the columns of the input that it acts on.
            weight: block of the first weight, shape ``[D, columns of x]``. None takes the whole weight and its
                bias.
            addend: what the other columns and the bias contribute to the first layer, shape ``[..., D]``.

        Returns:
            Shape ``[..., hidden_channels]``.
        """
        first, last = self.layer(0), self.num_layers - 1
        if weight is None:
            x = linear(x, first.weight, first.bias, addend, relu=last > 0)
        else:
            x = linear(x, weight, None, addend, relu=last > 0)
        for number in range(1, self.num_layers):
            layer = self.layer(number)
            x = linear(x, layer.weight, layer.bias, relu=number < last)
        return self.norm(x)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.in_channels}, {self.out_channels}, num_layers={self.num_layers})"
