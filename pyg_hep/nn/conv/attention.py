"""``MultiHeadAttention``: dot-product attention along the edges of a graph; the encoder is ``EventTransformer``."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn
from torch_geometric.nn import MessagePassing
from torch_geometric.utils import softmax

from pyg_hep.errors import ConfigError
from pyg_hep.nn.layout.buckets import SizeBuckets
from pyg_hep.nn.layout.observed import is_observed
from pyg_hep.nn.layout.within import attend, attention_within


class MultiHeadAttention(MessagePassing):
    r"""Multi-head scaled dot-product attention as message passing, with an optional bias for each edge and head.

    .. math::
        x'_i = W_o \Big[ \sum_{j \in \mathcal{N}(i)}
            \operatorname{softmax}_j\Big(\frac{q_i \cdot k_j}{\sqrt{d}} + b_{ij}\Big) v_j \Big]_\text{heads}

    for target i and source j. Every node attends to the sources of its incoming edges, to itself only along a
    self-loop. :meth:`forward` works on any edges, :meth:`forward_complete` on events in which every object attends
    to every one, itself included, without ever making an edge, :meth:`forward_dense` on padded events. All three
    share the parameters and agree.

    Args:
        channels: width of the nodes, before and after.
        heads: number of heads, a divisor of ``channels``; each has width d = channels / heads.
        dropout: probability of dropping an attention weight in training.

    Raises:
        ConfigError: for a width that the heads do not divide, or a probability outside [0, 1).

    Source: Vaswani et al., arXiv:1706.03762, section 3.2; the bias is that of Qu et al., arXiv:2202.03772, section 3.
    """

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

    @property
    def is_observed(self) -> bool:
        """Whether an explainer or a message-passing hook wants to see the messages of :meth:`propagate`."""
        return is_observed(self)

    def forward(self, x: Tensor, edge_index: Tensor, bias: Tensor | None = None) -> Tensor:
        """Attend along any edges.

        Args:
            x: nodes, shape ``[N, D]``.
            edge_index: shape ``[2, E]``; row 0 is the source j, row 1 the target i.
            bias: added to the logits, shape ``[E, heads]``.

        Returns:
            New nodes, shape ``[N, D]``. A node without incoming edges gets what the output layer makes of zeros.
        """
        q, k, v = self.qkv(x).view(-1, 3, self.heads, self.channels // self.heads).unbind(1)
        received = self.propagate(edge_index, size=(x.size(0), x.size(0)), q=q, k=k, v=v, bias=bias)
        out: Tensor = self.out(received.flatten(1))
        return out

    def message(
        self,
        q_i: Tensor,
        k_j: Tensor,
        v_j: Tensor,
        bias: Tensor | None,
        index: Tensor,
        ptr: Tensor | None,
        size_i: int | None,
    ) -> Tensor:
        """Values of the sources times their attention weights, shape ``[E, heads, d]``."""
        logits = (q_i * k_j).sum(-1) / math.sqrt(q_i.size(-1))
        if bias is not None:
            logits = logits + bias
        weight = F.dropout(softmax(logits, index, ptr, size_i), self.dropout, self.training)
        return v_j * weight.unsqueeze(-1)

    def forward_complete(self, x: Tensor, buckets: SizeBuckets, bias: Sequence[Tensor] | None = None) -> Tensor:
        """Attend from every object of an event to every one: :meth:`forward` with these edges, faster.

        Projections work on the objects as they are, the attention itself on dense blocks of events.

        Args:
            x: nodes, shape ``[N, D]``.
            buckets: the blocks.
            bias: for each block added to its logits, shape ``[events, size, size, heads]``, target before source.

        Returns:
            New nodes, shape ``[N, D]``.
        """
        if not buckets.blocks:
            return x
        biases = [None] * len(buckets.blocks) if bias is None else bias
        dropout = self.dropout if self.training else 0.0
        parts = [
            attend(part, block.mask, added, self.heads, dropout)
            for part, block, added in zip(buckets.spread(self.qkv(x)), buckets.blocks, biases, strict=True)
        ]
        out: Tensor = self.out(buckets.pack(parts))
        return out

    def forward_packed(self, x: Tensor, ptr: Tensor) -> Tensor:
        """:meth:`forward_complete` without bias and dropout as one operator that compiled graphs can hold.

        Args:
            x: nodes, shape ``[N, D]``.
            ptr: where each event begins, and the end, shape ``[B + 1]``.

        Returns:
            New nodes, shape ``[N, D]``.
        """
        out: Tensor = self.out(attention_within(self.qkv(x), ptr, self.heads))
        return out

    def forward_dense(self, x: Tensor, mask: Tensor, bias: Tensor | None = None) -> Tensor:
        """Attend within padded events, in operations that export to other formats.

        Args:
            x: nodes, shape ``[B, n, D]``.
            mask: True where there is an object, shape ``[B, n]``.
            bias: added to the logits, shape ``[B, n, n, heads]``, target before source.

        Returns:
            New nodes, shape ``[B, n, D]``; rows without an object hold numbers without meaning.
        """
        dropout = self.dropout if self.training else 0.0
        out: Tensor = self.out(attend(self.qkv(x), mask, bias, self.heads, dropout))
        return out

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.channels}, heads={self.heads})"
