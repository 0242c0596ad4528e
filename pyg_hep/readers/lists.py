"""Arithmetic on columns whose entries hold lists: element by element, one position of each list, and reductions.

A value is an array with one row per entry (``[N]``, or ``[N, k]`` where every entry holds k numbers), a
:class:`~pyg_hep.readers.columns.Column` with lists of different lengths, or a single number.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from pyg_hep.readers.columns import Column

Value = Any
"""What an expression works with: an array, a column with lists, or a number."""


def elementwise(function: Callable[..., Any], *values: Value) -> Value:
    """``function`` of numpy arrays, with one number per entry repeated for each element of its list.

    Raises:
        TypeError: when lists of different lengths meet, or lists and arrays of fixed size.
    """
    lists = [value for value in values if isinstance(value, Column)]
    if not lists:
        arrays = [value for value in values if isinstance(value, np.ndarray)]
        if any(array.ndim > 1 for array in arrays):
            values = tuple(v[:, None] if isinstance(v, np.ndarray) and v.ndim == 1 else v for v in values)
        return function(*values)
    counts = lists[0].counts
    assert counts is not None
    for other in lists[1:]:
        if other.counts is None or not np.array_equal(counts, other.counts):
            raise TypeError("lists of different lengths")
    if any(isinstance(value, np.ndarray) and value.ndim > 1 for value in values):
        raise TypeError("lists beside arrays of fixed size")
    flat = [
        value.values if isinstance(value, Column) else np.repeat(value, counts) if np.ndim(value) else value
        for value in values
    ]
    return dataclasses.replace(lists[0], values=function(*flat))


def _lists_of(value: Value) -> Column:
    if isinstance(value, Column) and value.counts is not None and value.values.ndim == 1:
        return value
    if isinstance(value, np.ndarray) and value.ndim == 2:
        return Column(value.reshape(-1), np.full(len(value), value.shape[1], dtype=np.int64))
    what = "lists of lists" if isinstance(value, Column) else "one value per entry"
    raise TypeError(f"a function of lists, on {what}")


def total(value: Value) -> np.ndarray:
    """Sum over each list; 0 for an empty one."""
    column = _lists_of(value)
    sums = np.bincount(_entries(column), weights=column.values, minlength=len(column))
    return sums if column.values.dtype.kind == "f" else sums.astype(np.int64)


def number_of(value: Value) -> np.ndarray:
    """How many elements each list has or, of lists of true and false, how many are true."""
    column = _lists_of(value)
    if column.values.dtype.kind == "b":
        return total(column)
    assert column.counts is not None
    return column.counts.astype(np.int64)


def any_of(value: Value) -> np.ndarray:
    """Whether any element of each list is true; false for an empty one."""
    column = _lists_of(value)
    return total(dataclasses.replace(column, values=column.values.astype(bool))) > 0


def all_of(value: Value) -> np.ndarray:
    """Whether every element of each list is true; true for an empty one."""
    column = _lists_of(value)
    return total(dataclasses.replace(column, values=~column.values.astype(bool))) == 0


def mean(value: Value) -> np.ndarray:
    """Mean of each list; absent (NaN) for an empty one."""
    column = _lists_of(value)
    sums = total(column).astype(np.float64)
    return np.where(_counts(column) > 0, sums / np.maximum(_counts(column), 1), np.nan)


def largest(value: Value) -> np.ndarray:
    """Largest element of each list; absent (NaN) for an empty one."""
    return _extreme(np.maximum, value)


def smallest(value: Value) -> np.ndarray:
    """Smallest element of each list; absent (NaN) for an empty one."""
    return _extreme(np.minimum, value)


def position_of_largest(value: Value) -> np.ndarray:
    """Position of the first largest element of each list; absent (NaN) for an empty one."""
    column = _lists_of(value)
    counts, entry = _counts(column), _entries(column)
    first = np.cumsum(counts) - counts
    values = column.values
    wide = values.astype(np.float64)
    is_largest = wide == largest(column)[entry]
    rank = np.where(is_largest, np.arange(len(values)) - first[entry], np.iinfo(np.int64).max)
    result = np.full(len(counts), np.nan)
    filled = counts > 0
    if filled.any():
        result[filled] = np.minimum.reduceat(rank, first[filled])
    return result


def _extreme(function: np.ufunc, value: Value) -> np.ndarray:
    column = _lists_of(value)
    counts = _counts(column)
    filled = counts > 0
    first = (np.cumsum(counts) - counts)[filled]
    kind = column.values.dtype
    result = np.full(len(counts), np.nan, kind if kind.kind == "f" else np.float64)
    if len(first):
        result[filled] = function.reduceat(column.values, first)
    return result


def _counts(column: Column) -> np.ndarray:
    assert column.counts is not None
    return column.counts


def _entries(column: Column) -> np.ndarray:
    return np.repeat(np.arange(len(column)), _counts(column))


REDUCTIONS: dict[str, Callable[[Value], np.ndarray]] = {
    "sum": total,
    "count": number_of,
    "any": any_of,
    "all": all_of,
    "mean": mean,
    "min": smallest,
    "max": largest,
    "argmax": position_of_largest,
}
"""Name in an expression -> function of a list per entry that gives one number per entry."""
