"""Awkward arrays as columns: numbers or text, one per entry, a fixed shape of them, or one level of lists."""

from __future__ import annotations

from typing import Any

import awkward as ak
import numpy as np

from pyg_hep.readers.columns import Column
from pyg_hep.readers.source import NoColumnError, too_deep


def flat_column(array: ak.Array) -> Column:
    """An array as a column.

    Arrays of a fixed shape stay as they are, ``[N, k]``, and so does a fixed shape inside of lists, ``[n, k]``. Missing
    numbers are NaN, missing text is empty, missing lists are empty.

    Raises:
        NoColumnError: for deeper lists, for records, and where the type differs from entry to entry.
    """
    column = _plain_column(array.layout)
    if column is not None:
        return column
    layout = _without_missing(ak.to_packed(array).layout)
    counts = None
    if layout.is_list and not layout.is_regular and not is_text(layout):
        listed = ak.Array(layout)
        counts = ak.to_numpy(ak.num(listed, axis=1), allow_missing=False)
        layout = _without_missing(ak.flatten(listed, axis=1).layout)
    return Column(_rectangle(layout, 0 if counts is None else 1), counts)


def is_text(part: Any) -> bool:
    """Whether an awkward layout or form is one of strings, not of lists of characters."""
    return part.parameter("__array__") in ("string", "bytestring")


def _plain_column(layout: ak.contents.Content) -> Column | None:
    """Numbers, or one level of sound lists of numbers, without the detours that a file of few entries is slow by."""
    if isinstance(layout, ak.contents.NumpyArray):
        return Column(np.ascontiguousarray(layout.data))
    if not isinstance(layout, ak.contents.ListOffsetArray) or not isinstance(layout.content, ak.contents.NumpyArray):
        return None
    offsets, values = np.asarray(layout.offsets.data).astype(np.int64), layout.content.data
    counts = np.diff(offsets)
    if is_text(layout) or offsets[0] < 0 or offsets[-1] > len(values) or (counts < 0).any():
        return None
    return Column(np.ascontiguousarray(values[offsets[0] : offsets[-1]]), counts)


def _without_missing(layout: ak.contents.Content) -> ak.contents.Content:
    """The layout with something in the place of what is missing at its outermost level."""
    while layout.is_indexed and not layout.is_option:  # dictionary-encoded
        layout = layout.project()
    if not layout.is_option:
        return layout
    inner = layout.content
    while inner.is_option or inner.is_indexed:
        inner = inner.content
    filler: Any = "" if is_text(inner) else [] if inner.is_list else float("nan")
    if inner.is_record or inner.is_union:
        return layout
    return _without_missing(ak.fill_none(ak.Array(layout), filler, axis=0).layout)


def _rectangle(layout: ak.contents.Content, levels: int) -> np.ndarray:
    """Numbers or text of one shape per row, below ``levels`` of lists."""
    inner, missing = layout, False
    while not is_text(inner) and (inner.is_list or inner.is_option or inner.is_indexed):
        if inner.is_list and not inner.is_regular:
            raise too_deep(max(levels, 1) + 1 + _lists_in(inner.content))  # a fixed shape around it counts as one
        missing |= inner.is_option
        inner = inner.content
    if inner.is_record:
        raise NoColumnError(f"it holds records, not numbers; their fields are {', '.join(inner.fields)}")
    if inner.is_union:
        raise NoColumnError("the type of what it holds differs from entry to entry")
    array = ak.Array(layout)
    if is_text(inner):
        return _texts(ak.fill_none(array, "", axis=-1) if missing else array)
    return np.asarray(
        ak.to_numpy(ak.fill_none(array, float("nan"), axis=-1) if missing else array, allow_missing=False)
    )


def _lists_in(layout: ak.contents.Content) -> int:
    levels = 0
    while not is_text(layout) and (layout.is_list or layout.is_option or layout.is_indexed):
        levels += layout.is_list
        layout = layout.content
    return levels


def _texts(array: ak.Array) -> np.ndarray:
    if len(array) == 0:
        return np.zeros(0, "U1")
    return decoded(ak.to_numpy(array, allow_missing=False))


def decoded(values: np.ndarray) -> np.ndarray:
    """Text of any numpy type as ``U``.

    Raises:
        NoColumnError: for bytes that are no text in UTF-8.
    """
    if values.dtype.kind == "U":
        return values
    try:
        if values.dtype.kind == "S":
            return np.asarray(np.char.decode(values, "utf-8"))
        texts = [text.decode("utf-8") if isinstance(text, bytes) else str(text or "") for text in values.flat]
    except UnicodeDecodeError:
        raise NoColumnError("it holds bytes that are no text in UTF-8") from None
    return np.array(texts, dtype=str if texts else "U1").reshape(values.shape)
