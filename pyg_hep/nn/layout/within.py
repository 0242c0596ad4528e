"""Attention within events as one operator of torch: what a compiler sees of complete graphs.

Which blocks events fall into depends on the data, which a compiled graph cannot hold. Outside a compiler the layouts
call the same blocks directly, through autograd.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from pyg_hep.nn.layout.buckets import SizeBuckets


def attend(qkv: Tensor, mask: Tensor | None, bias: Tensor | None, heads: int, dropout: float = 0.0) -> Tensor:
    """Attention of every place of a block to every one that holds an object.

    Args:
        qkv: queries, keys and values side by side, shape ``[B, n, 3 D]``.
        mask: True where there is an object, shape ``[B, n]``, or where a target hears of a source,
            ``[B, n, n]``; None everywhere.
        bias: added to the logits, shape ``[B, n, n, heads]``, target before source.
        heads: number of heads.
        dropout: probability of dropping a weight.

    Returns:
        Shape ``[B, n, D]``.
    """
    q, k, v = _split(qkv, heads)
    added: Tensor | None = None
    if bias is not None:
        added = bias.permute(0, 3, 1, 2)
        if mask is not None:
            added = added.masked_fill(~_of_pairs(mask), -math.inf)
    elif mask is not None:
        added = _additive(mask, q)
    out = F.scaled_dot_product_attention(q, k, v, attn_mask=added, dropout_p=dropout)
    return out.transpose(1, 2).reshape(qkv.size(0), qkv.size(1), qkv.size(2) // 3)


def _split(qkv: Tensor, heads: int) -> tuple[Tensor, ...]:
    """Queries, keys and values, each ``[B, heads, n, d]``."""
    events, size, width = qkv.shape
    return qkv.view(events, size, 3, heads, width // (3 * heads)).permute(2, 0, 3, 1, 4).unbind(0)


def _of_pairs(mask: Tensor) -> Tensor:
    """The mask as heads, targets and sources: ``[B, 1, 1 or n, n]``."""
    return mask[:, None, None, :] if mask.dim() == 2 else mask[:, None]


def _additive(mask: Tensor, like: Tensor) -> Tensor:
    mask = _of_pairs(mask)
    return torch.zeros(mask.shape, dtype=like.dtype, device=like.device).masked_fill(~mask, -math.inf)


@torch.library.custom_op("pyg_hep::attention_within", mutates_args=())
def attention_within(qkv: Tensor, ptr: Tensor, heads: int) -> Tensor:
    """Attention from every object of an event to every one.

    Args:
        qkv: queries, keys and values side by side, shape ``[N, 3 D]``.
        ptr: where each event begins, and the end, shape ``[B + 1]``.
        heads: number of heads.

    Returns:
        Shape ``[N, D]``.
    """
    buckets = SizeBuckets.of(ptr.diff())
    if not buckets.blocks:
        return qkv.new_empty(0, qkv.size(1) // 3)
    parts = zip(buckets.spread(qkv), buckets.blocks, strict=True)
    return buckets.pack([attend(part, block.mask, None, heads) for part, block in parts])


@attention_within.register_fake
def _(qkv: Tensor, ptr: Tensor, heads: int) -> Tensor:
    return qkv.new_empty(qkv.size(0), qkv.size(1) // 3)


@torch.library.custom_op("pyg_hep::attention_within_backward", mutates_args=())
def _backward(grad: Tensor, qkv: Tensor, ptr: Tensor, heads: int) -> Tensor:
    """Gradient of ``qkv``; the weights are worked out again rather than kept."""
    buckets = SizeBuckets.of(ptr.diff())
    if not buckets.blocks:
        return torch.zeros_like(qkv)
    # The last of the repeated rows in the padding must not count: their gradient is zero from the start.
    taken = torch.zeros(buckets.rows.numel(), 1, dtype=grad.dtype, device=grad.device)
    taken[buckets.places] = 1.0
    sizes = [block.events * block.size for block in buckets.blocks]
    parts = []
    for part, out, flag, block in zip(
        buckets.spread(qkv), buckets.spread(grad), taken.split(sizes), buckets.blocks, strict=True
    ):
        events, size = block.events, block.size
        q, k, v = _split(part, heads)
        received = (out * flag.view(events, size, 1)).view(events, size, heads, -1).transpose(1, 2)
        scale = 1 / math.sqrt(q.size(-1))
        logits = q @ k.transpose(-1, -2) * scale
        if block.mask is not None:
            logits = logits + _additive(block.mask, q)
        weight = logits.softmax(-1)
        of_weight = received @ v.transpose(-1, -2)
        of_logits = weight * (of_weight - (of_weight * weight).sum(-1, keepdim=True)) * scale
        gradients = [of_logits @ k, of_logits.transpose(-1, -2) @ q, weight.transpose(-1, -2) @ received]
        parts.append(torch.stack(gradients, dim=2).permute(0, 3, 2, 1, 4).reshape(events, size, -1))
    return buckets.pack(parts)


@_backward.register_fake
def _(grad: Tensor, qkv: Tensor, ptr: Tensor, heads: int) -> Tensor:
    return torch.empty_like(qkv)


def _setup(ctx: object, inputs: tuple[Tensor, Tensor, int], output: Tensor) -> None:
    ctx.save_for_backward(*inputs[:2])  # type: ignore[attr-defined]
    ctx.heads = inputs[2]  # type: ignore[attr-defined]


def _gradient(ctx: object, grad: Tensor) -> tuple[Tensor | None, ...]:
    qkv, ptr = ctx.saved_tensors  # type: ignore[attr-defined]
    return _backward(grad, qkv, ptr, ctx.heads), None, None  # type: ignore[attr-defined]


attention_within.register_autograd(_gradient, setup_context=_setup)
