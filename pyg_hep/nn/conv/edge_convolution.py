"""``EdgeConvolution``: what an object's neighbours look like from there, averaged."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn
from torch_geometric.nn import MessagePassing

from pyg_hep.errors import ConfigError
from pyg_hep.nn.layout import Layout


class EdgeConvolution(MessagePassing):
    r"""Mean over neighbours of a perceptron of the difference to the neighbour and of the object itself.

    .. math::
        x'_i = \frac{1}{|\mathcal{N}(i)|} \sum_{j \in \mathcal{N}(i)}
            \operatorname{GELU}(W_2 \operatorname{GELU}(W_1 [x_j - x_i, x_i] + b_1) + b_2)

    for target i and source j, zero for an object without neighbours. The first layer is linear in both objects, so it
    acts on objects, once, and not on edges: :math:`W_1 [x_j - x_i, x_i] = A x_j + (B - A) x_i` with its blocks A and B.

    Args:
        in_channels: width of the objects before.
        channels: width D after; the hidden layer has twice as many.

    Raises:
        ConfigError: for a width below 1.

    Source: Wang et al., arXiv:1801.07829; as in Mikuni and Nachman, arXiv:2404.16091 and arXiv:2502.14652.
    """

    propagate_type = {"target": Tensor, "source": Tensor}

    def __init__(self, in_channels: int, channels: int):
        super().__init__(aggr="sum")
        if in_channels < 1 or channels < 1:
            raise ConfigError(f"EdgeConvolution: widths must be at least 1, found {in_channels} and {channels}")
        self.in_channels, self.out_channels = in_channels, channels
        self.inner, self.outer = nn.Linear(2 * in_channels, 2 * channels), nn.Linear(2 * channels, channels)

    def reset_parameters(self) -> None:
        """Draw the weights anew."""
        super().reset_parameters()
        self.inner.reset_parameters()
        self.outer.reset_parameters()

    def forward(self, x: Tensor, layout: Layout) -> Tensor:
        """New objects, ``[*N, D]``, of objects ``[*N, C]``; ``layout`` says who is whose neighbour."""
        difference, itself = self.inner.weight.chunk(2, dim=1)
        target = F.linear(x, itself - difference, self.inner.bias)
        received = layout.propagate(self, target=target, source=F.linear(x, difference))
        return received / layout.degree().clamp(min=1).unsqueeze(-1).to(x.dtype)

    def message(self, target_i: Tensor, source_j: Tensor) -> Tensor:
        """What the target makes of a source, ``[..., D]``, of what both contribute to the first layer."""
        return F.gelu(self.outer(F.gelu(target_i + source_j)))

    def explain_message(self, inputs: Tensor, dim_size: int | None) -> Tensor:
        """Messages as they are: neighbours are found by the model, an explainer's mask is of the edges given to it."""
        return inputs

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.in_channels}, {self.out_channels})"
