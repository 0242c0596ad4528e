"""One matrix product, ``linear``, with all that may be fused into it; no module and no parameter lives here."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def linear(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, addend: Tensor | None = None, relu: bool = False
) -> Tensor:
    r"""Linear map with an optional addend and rectifier.

    .. math:: y = \max(0, \; x W^\top + b + a)

    Args:
        x: input, shape ``[..., C]``.
        weight: shape ``[D, C]``.
        bias: shape ``[D]``.
        addend: added before the rectifier, shape of the result.
        relu: apply the rectifier.

    Returns:
        Shape ``[..., D]``.
    """
    out = F.linear(x, weight, bias)
    # In place: the product's gradient does not need it, and a new array of this size costs as much as the sum.
    if addend is not None:
        out = out.add_(addend)
    return out.relu_() if relu else out
