"""Arrow arrays as columns, for the formats that pyarrow reads: numbers, text, and one level of lists of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from pyg_hep.readers.columns import Column
from pyg_hep.readers.flat import decoded
from pyg_hep.readers.source import NoColumnError, too_deep


def fields_of(kind: Any) -> Iterator[tuple[str, ...]]:
    """Paths of the fields of an Arrow type that hold values, through structs and lists; ``()`` for a type without."""
    import pyarrow as pa

    while _is_list(kind):
        kind = kind.value_type
    if not pa.types.is_struct(kind):
        yield ()
        return
    for field in kind:
        for inner in fields_of(field.type):
            yield (field.name, *inner)


def arrow_column(array: Any, fields: tuple[str, ...]) -> Column:
    """A column of Arrow's chunked array, or of one of its fields.

    Lists have counts, lists of fixed size are arrays ``[N, k]``, text is ``U``. Missing numbers are NaN, missing text
    is empty, missing lists are empty, or all NaN where their size is fixed.

    Raises:
        NoColumnError: for what is neither numbers nor text, and for more than one level of lists.
    """
    import pyarrow as pa

    chunks = array.chunks or [pa.array([], array.type)]
    columns = [_column(chunk, fields) for chunk in chunks]
    if len(columns) == 1:
        return columns[0]
    counts = [column.counts for column in columns if column.counts is not None]
    return Column(np.concatenate([column.values for column in columns]), np.concatenate(counts) if counts else None)


def _column(array: Any, fields: tuple[str, ...]) -> Column:
    import pyarrow as pa
    import pyarrow.compute as pc

    counts, shape, pending = None, [], list(fields)
    while True:
        kind = array.type
        if isinstance(kind, pa.BaseExtensionType):
            array = array.storage
        elif pa.types.is_dictionary(kind):
            array = array.dictionary_decode()
        elif pa.types.is_struct(kind) and pending:
            array = pc.struct_field(array, [_position(kind, pending.pop(0))])
        elif pa.types.is_fixed_size_list(kind):
            shape.append(kind.list_size)
            array = pc.list_flatten(_filled(array))
        elif _is_list(kind):
            if counts is not None or shape:
                raise too_deep(2 + _lists_in(kind.value_type))
            counts = pc.list_value_length(array).fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64)
            array = pc.list_flatten(array)
        else:
            break
    rows = len(array) if not shape else -1
    values = _values(array)
    return Column(values.reshape(rows, *shape) if all(shape) else values.reshape(0, *shape), counts)


def _position(kind: Any, name: str) -> int:
    position = int(kind.get_field_index(name))
    if position < 0:
        raise NoColumnError(f"it has several fields {name!r}")
    return position


def _filled(array: Any) -> Any:
    """Lists of fixed size with missing values in the place of missing lists, which flattening would leave out."""
    import pyarrow as pa

    if not array.null_count:
        return array
    size = array.type.list_size
    start = array.offset * size
    rows = np.repeat(np.asarray(array.is_valid()), size)
    taken = pa.array(np.arange(start, start + len(rows)), mask=~rows)
    return pa.FixedSizeListArray.from_arrays(array.values.take(taken), size)


def _values(array: Any) -> np.ndarray:
    import pyarrow as pa

    kind, types = array.type, pa.types
    if types.is_decimal(kind):
        array = array.cast(pa.float64())
    elif types.is_null(kind):
        return np.full(len(array), np.nan)
    elif types.is_boolean(kind) or types.is_integer(kind):
        if array.null_count:
            array = array.cast(pa.float64(), safe=False) if not types.is_boolean(kind) else array.cast(pa.int8())
            return np.asarray(array.to_numpy(zero_copy_only=False), dtype=np.float64)
    elif types.is_struct(kind):
        raise NoColumnError(f"it holds records, not numbers; their fields are {', '.join(f.name for f in kind)}")
    elif _is_text(kind):
        filled = array.fill_null(b"" if types.is_binary(kind) or types.is_large_binary(kind) else "")
        return decoded(filled.to_numpy(zero_copy_only=False))
    elif not types.is_floating(kind):
        raise NoColumnError(f"it holds values of the type {kind}, which are neither numbers nor text")
    return np.asarray(array.to_numpy(zero_copy_only=False))


def _is_text(kind: Any) -> bool:
    import pyarrow as pa

    tests = ("is_string", "is_large_string", "is_string_view", "is_binary", "is_large_binary")
    return any(getattr(pa.types, test)(kind) for test in tests if hasattr(pa.types, test))


def _is_list(kind: Any) -> bool:
    import pyarrow as pa

    tests = ("is_list", "is_large_list", "is_fixed_size_list", "is_list_view", "is_large_list_view")
    return any(getattr(pa.types, test)(kind) for test in tests if hasattr(pa.types, test))


def _lists_in(kind: Any) -> int:
    levels = 0
    while _is_list(kind):
        kind, levels = kind.value_type, levels + 1
    return levels
