"""Operators that four-vector algebra and neighbours need and the exporter does not know, though ONNX has them."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.onnx.symbolic_helper import parse_args

_SINCE = 9  # the opset that brought them
_SORT, _SORT_SINCE = "aten::sort", 11
_NAMES = {"aten::sinh": "Sinh", "aten::cosh": "Cosh", "aten::asinh": "Asinh"}


def _elementwise(name: str) -> Any:
    def symbolic(graph: Any, x: Any) -> Any:
        return graph.op(name, x).setType(x.type())

    return symbolic


def _sort(graph: Any, x: Any, *arguments: Any) -> Any:
    """``sort`` along a dimension, whether or not ``stable`` is among its arguments, which the exporter cannot."""
    return _ordered(graph, x, *arguments[-2:])


@parse_args("v", "i", "i")
def _ordered(graph: Any, x: Any, dim: int, descending: int) -> Any:
    # ONNX's TopK puts the lower index first where two values are equal: it is stable.
    at = graph.op("Constant", value_t=torch.tensor([dim]))
    count = graph.op("Gather", graph.op("Shape", x), at, axis_i=0)
    return graph.op("TopK", x, count, axis_i=dim, largest_i=descending, sorted_i=1, outputs=2)


@contextmanager
def known_operators() -> Iterator[None]:
    """Let the exporter know the operators; afterwards it is as before.

    Its warnings of what a trace cannot follow are silent: sizes are compared with numbers, which raises an error or
    changes nothing. That no size became a constant is shown by running the file on events of other sizes.
    """
    for name, operator in _NAMES.items():
        torch.onnx.register_custom_op_symbolic(name, _elementwise(operator), _SINCE)
    torch.onnx.register_custom_op_symbolic(_SORT, _sort, _SORT_SINCE)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", torch.jit.TracerWarning)
            warnings.simplefilter("ignore", DeprecationWarning)  # of the only exporter that writes opset 17 itself
            yield
    finally:
        for name in _NAMES:
            torch.onnx.unregister_custom_op_symbolic(name, _SINCE)
        torch.onnx.unregister_custom_op_symbolic(_SORT, _SORT_SINCE)
