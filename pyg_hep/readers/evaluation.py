"""Expressions on what was read: errors name the file, and the result has the shape that is needed."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from pyg_hep.errors import ConfigError, ReaderError
from pyg_hep.readers.columns import Column, per_event, vector_per_event
from pyg_hep.readers.expression import Expression

Columns = Mapping[str, np.ndarray | Column]


def value_of(expression: Expression, columns: Columns, where: str) -> np.ndarray | Column:
    """Value of an expression on columns of a file; a :class:`Column` where it has lists of different lengths.

    Raises:
        ReaderError: when the types of the columns do not allow it, such as a bit of a fraction.
    """
    try:
        return expression.evaluate(columns)
    except (TypeError, ValueError, OverflowError) as error:
        if isinstance(error, ConfigError):
            raise
        read = sorted(name for name in expression.names if name in columns)
        types = ", ".join(f"{name}: {_type(columns[name])}" for name in read)
        raise ReaderError(f"{where}: cannot evaluate {expression.text!r} on columns {types}: {error}") from None


def _type(value: np.ndarray | Column) -> str:
    return f"lists of {value.values.dtype}" if isinstance(value, Column) else str(value.dtype)


def evaluate(expression: Expression, columns: Columns, where: str) -> np.ndarray:
    """As :func:`value_of`: one number per row, shape ``[N]``, or k, shape ``[N, k]`` where a column has vectors.

    Raises:
        ReaderError: also for lists of different lengths, and for text.
    """
    value = value_of(expression, columns, where)
    if isinstance(value, Column):
        value = vector_per_event(value, f"{where}: {expression.text!r}")
    return _number(value, expression, where)


def evaluate_number(expression: Expression, columns: Columns, where: str) -> np.ndarray:
    """As :func:`value_of`, where one number is needed for each event or object.

    Raises:
        ReaderError: also for vectors, lists and text.
    """
    value = value_of(expression, columns, where)
    if isinstance(value, Column):
        value = per_event(value, f"{where}: {expression.text!r}")
    if value.ndim > 1:
        raise ReaderError(f"{where}: {expression.text!r} gives vectors of {value.shape[1]}, one number is needed")
    return _number(value, expression, where)


def _number(value: np.ndarray, expression: Expression, where: str) -> np.ndarray:
    if value.dtype.kind == "U":
        text = expression.text
        raise ReaderError(f"{where}: {text!r} is text, a number is needed: compare it, as in {text} == 'a value'")
    return value


def as_float32(values: np.ndarray, size: int) -> np.ndarray:
    """``size`` rows of float32; what float32 cannot hold becomes infinite."""
    with np.errstate(over="ignore"):
        return np.broadcast_to(values, (size, *values.shape[1:])).astype(np.float32)
