"""One matrix product, ``linear``, with all that may be fused into it; no module and no parameter lives here.

On CPUs with AVX-512, in float32, it calls oneDNN, which torch otherwise reserves for convolutions and lower
precisions: on 64 channels (AMD EPYC) forward and backward take half of the time of ``torch.nn.functional.linear``.
Without AVX-512 torch's own product is faster by up to two: there oneDNN's is no better, and it compiles a kernel for
every new number of rows, which in training is almost every batch. There and elsewhere (GPU, float64, autocast,
export, ``torch.backends.mkldnn.flags(enabled=False)``) it is plain torch, which is also the form that torch's FLOP
counter sees.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from pyg_hep.nn.autograd import apply

# An operator that torch's own compiler emits; a build without it lacks the attribute.
_FAST = torch.backends.mkldnn.is_available() and torch.backends.cpu.get_cpu_capability().startswith("AVX512")
_ONEDNN = getattr(torch.ops.mkldnn, "_linear_pointwise", None) if _FAST else None


def linear(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, addend: Tensor | None = None, relu: bool = False
) -> Tensor:
    r"""Linear map with an optional addend and rectifier, differentiable any number of times.

    .. math:: y = \max(0, \; x W^\top + b + a)

    Args:
        x: input, shape ``[..., C]``.
        weight: shape ``[D, C]``.
        bias: shape ``[D]``.
        addend: added before the rectifier, shape of the result.
        relu: apply the rectifier.

    Returns:
        Shape ``[..., D]``. The two implementations differ by rounding only.
    """
    if _uses_onednn(x, weight, addend):
        return apply(_OneDNNLinear, x, weight, bias, addend, relu)
    out = F.linear(x, weight, bias)
    # In place: the product's gradient does not need it, and a new array of this size costs as much as the sum.
    if addend is not None:
        out = out.add_(addend)
    return out.relu_() if relu else out


def _uses_onednn(x: Tensor, weight: Tensor, addend: Tensor | None) -> bool:
    return (
        _ONEDNN is not None
        and x.device.type == "cpu"
        and x.dim() == 2
        and x.dtype == weight.dtype == torch.float32
        and (addend is None or addend.dtype == torch.float32)
        and min(x.shape) > 0
        and bool(torch.backends.mkldnn.enabled)
        and not torch.is_autocast_enabled("cpu")
        and not torch.compiler.is_compiling()
        and not torch.jit.is_tracing()
    )


class _OneDNNLinear(torch.autograd.Function):
    """The fused product; its gradients are again calls of :func:`linear`."""

    @staticmethod
    def forward(x: Tensor, weight: Tensor, bias: Tensor | None, addend: Tensor | None, relu: bool) -> Tensor:
        assert _ONEDNN is not None
        # Rows with gaps, as in a block of a weight, would fall to oneDNN's reference kernel: 1000 times slower.
        x = x.contiguous()
        if not weight.t().is_contiguous():
            weight = weight.contiguous()
        if addend is None:
            out: Tensor = _ONEDNN(x, weight, bias, "relu" if relu else "none", [], "")
            return out
        out = _ONEDNN.binary(x, addend.contiguous(), weight, bias, "add")
        return out.relu_() if relu else out

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        x, weight, _, _, ctx.relu = inputs
        ctx.save_for_backward(x, weight, output if ctx.relu else None)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        x, weight, out = ctx.saved_tensors
        if ctx.relu:
            grad = torch.ops.aten.threshold_backward(grad, out, 0)
        needs_x, needs_weight, needs_bias, needs_addend, _ = ctx.needs_input_grad
        return (
            linear(grad, weight.t()) if needs_x else None,
            # The product over all rows is faster on a transposed copy, the copy included.
            linear(grad.t().contiguous(), x.t()) if needs_weight else None,
            grad.sum(0) if needs_bias else None,
            grad if needs_addend else None,
            None,
        )
