"""``ClassAttention``: one node of an event attends to all objects and to itself, and nobody else to anything."""

from __future__ import annotations

import math

from torch import Tensor, nn
from torch_geometric.nn import MessagePassing

from pyg_hep.errors import ConfigError
from pyg_hep.nn.layout import Layout


class ClassAttention(MessagePassing):
    r"""Multi-head attention of a class node c to the objects of its event and to itself.

    .. math::
        c' = W_o \Big[ \sum_{j \in \{c, 1, \ldots, n\}}
            \operatorname{softmax}_j\Big(\frac{q_c \cdot k_j}{\sqrt{d}}\Big) v_j \Big]_\text{heads}

    Its cost is linear in the number of objects.

    Args:
        channels: width of class node and objects.
        heads: number of heads, a divisor of ``channels``; each has width d = channels / heads.

    Raises:
        ConfigError: for a width that the heads do not divide.

    Source: Touvron et al., arXiv:2103.17239, section 3; as in Mikuni and Nachman, arXiv:2502.14652.
    """

    propagate_type = {"value": Tensor, "weight": Tensor}

    def __init__(self, channels: int, heads: int = 4):
        super().__init__(aggr="sum")
        if heads < 1 or channels < 1 or channels % heads:
            raise ConfigError(f"ClassAttention: {heads} heads do not divide a width of {channels}")
        self.channels, self.heads = channels, heads
        self.query, self.key_value = nn.Linear(channels, channels), nn.Linear(channels, 2 * channels)
        self.out = nn.Linear(channels, channels)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights anew, as :class:`~pyg_hep.nn.conv.MultiHeadAttention` does."""
        super().reset_parameters()
        for layer in (self.query, self.key_value):
            nn.init.xavier_uniform_(layer.weight)
        self.out.reset_parameters()
        for layer in (self.query, self.key_value, self.out):
            nn.init.zeros_(layer.bias)

    def forward(self, node: Tensor, x: Tensor, layout: Layout) -> Tensor:
        """New class nodes, ``[B, D]``.

        Args:
            node: class nodes, shape ``[B, D]``.
            x: objects, shape ``[*N, D]``.
            layout: of the objects; edges do not matter.
        """
        both, joined = layout.join(self.key_value(x), self.key_value(node))
        key, value = both.chunk(2, dim=-1)
        products = joined.spread(self.query(node)) * key
        products = products.unflatten(-1, (self.heads, -1)).sum(-1)
        weight = joined.softmax(products / math.sqrt(self.channels // self.heads))
        out: Tensor = self.out(joined.collect(self, value=value, weight=weight))
        return out

    def message(self, value_j: Tensor, weight_j: Tensor) -> Tensor:
        """Values of the sources, ``[..., D]``, times the weights of their heads, ``[..., heads]``."""
        return (value_j.unflatten(-1, (self.heads, -1)) * weight_j.unsqueeze(-1)).flatten(-2)

    def explain_message(self, inputs: Tensor, dim_size: int | None) -> Tensor:
        """Messages as they are: an explainer's mask is of the edges given to the model."""
        return inputs

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.channels}, heads={self.heads})"
