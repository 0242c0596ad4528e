"""Operators that four-vector algebra needs and the exporter does not know, though ONNX has them."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

_SINCE = 9  # the opset that brought them
_NAMES = {"aten::sinh": "Sinh", "aten::cosh": "Cosh", "aten::asinh": "Asinh"}


def _elementwise(name: str) -> Any:
    def symbolic(graph: Any, x: Any) -> Any:
        return graph.op(name, x).setType(x.type())

    return symbolic


@contextmanager
def known_operators() -> Iterator[None]:
    """Let the exporter know the operators; afterwards it is as before.

    Its warnings of what a trace cannot follow are silent: sizes are compared with numbers, which raises an error or
    changes nothing. That no size became a constant is shown by running the file on events of other sizes.
    """
    for name, operator in _NAMES.items():
        torch.onnx.register_custom_op_symbolic(name, _elementwise(operator), _SINCE)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", torch.jit.TracerWarning)
            warnings.simplefilter("ignore", DeprecationWarning)  # of the only exporter that writes opset 17 itself
            yield
    finally:
        for name in _NAMES:
            torch.onnx.unregister_custom_op_symbolic(name, _SINCE)
