"""``MultiHeadAttention``: dot-product attention between objects of an event; the encoder is ``EventTransformer``."""

from __future__ import annotations

import math
from typing import Optional

import torch.nn.functional as F
from torch import Tensor, nn
from torch_geometric.nn import MessagePassing
from torch_geometric.utils import softmax

from pyg_hep.errors import ConfigError
from pyg_hep.nn.layout import Layout, PairValues


class MultiHeadAttention(MessagePassing):
    r"""Multi-head scaled dot-product attention as message passing, with an optional bias for each edge and head.

    .. math::
        x'_i = W_o \Big[ \sum_{j \in \mathcal{N}(i) \cup \{i\}}
            \operatorname{softmax}_j\Big(\frac{q_i \cdot k_j}{\sqrt{d}} + b_{ij}\Big) v_j \Big]_\text{heads}

    for target i and source j. On complete graphs, packed or padded, no edge is ever made.

    Args:
        channels: width of the nodes, before and after.
        heads: number of heads, a divisor of ``channels``; each has width d = channels / heads.
        dropout: probability of dropping an attention weight in training.

    Raises:
        ConfigError: for a width that the heads do not divide, or a probability outside [0, 1).

    Source: Vaswani et al., arXiv:1706.03762, section 3.2; the bias is that of Qu et al., arXiv:2202.03772, section 3.
    """

    # What the layout hands to propagate, in PyG's way of declaring it.
    propagate_type = {"q": Tensor, "k": Tensor, "v": Tensor, "bias": Optional[Tensor], "repeated": Tensor}  # noqa: UP045

    def __init__(self, channels: int, heads: int = 8, dropout: float = 0.0):
        super().__init__(aggr="sum", node_dim=0)
        if heads < 1 or channels < 1 or channels % heads:
            raise ConfigError(f"MultiHeadAttention: {heads} heads do not divide a width of {channels}")
        if not 0.0 <= dropout < 1.0:
            raise ConfigError(f"MultiHeadAttention: dropout must lie in [0, 1), found {dropout}")
        self.channels, self.heads, self.dropout = channels, heads, dropout
        self.qkv = nn.Linear(channels, 3 * channels)
        self.out = nn.Linear(channels, channels)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights anew: Glorot's uniform numbers for the projections in, zero biases, as torch does."""
        super().reset_parameters()
        nn.init.xavier_uniform_(self.qkv.weight)
        nn.init.zeros_(self.qkv.bias)
        self.out.reset_parameters()
        nn.init.zeros_(self.out.bias)

    def forward(self, x: Tensor, layout: Layout, bias: PairValues | None = None) -> Tensor:
        """Attend from each object to those that it hears of, and to itself.

        Args:
            x: nodes, shape ``[*N, D]``.
            layout: who hears of whom.
            bias: added to the logits, as the layout's ``bias`` makes it, one number for each head.

        Returns:
            New nodes, shape ``[*N, D]``; places of a padded event without an object hold numbers without meaning.
        """
        out: Tensor = self.out(layout.attend(self, self.qkv(x), bias))
        return out

    def message(
        self,
        q_i: Tensor,
        k_j: Tensor,
        v_j: Tensor,
        bias: Tensor | None,
        repeated: Tensor,
        index: Tensor,
        ptr: Tensor | None,
        size_i: int | None,
    ) -> Tensor:
        """Values of the sources times their attention weights, shape ``[E, heads, d]``; repeated edges weigh 0."""
        logits = (q_i * k_j).sum(-1) / math.sqrt(q_i.size(-1))
        if bias is not None:
            logits = logits + bias
        logits = logits.masked_fill(repeated.unsqueeze(-1), -math.inf)
        weight = F.dropout(softmax(logits, index, ptr, size_i), self.dropout, self.training)
        return v_j * weight.unsqueeze(-1)

    def explain_message(self, inputs: Tensor, dim_size: int | None) -> Tensor:
        """Messages times an explainer's mask of the edges given to the model.

        Those stand first; edges of a joined node and from an object to itself come after them and are not explained.
        """
        mask = self._edge_mask
        if mask is None:
            raise ConfigError("MultiHeadAttention: the explainer has set no mask of edges")
        mask = mask.sigmoid() if self._apply_sigmoid else mask
        return inputs * F.pad(mask, (0, inputs.size(0) - mask.size(0)), value=1.0).view(-1, 1, 1)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.channels}, heads={self.heads})"
