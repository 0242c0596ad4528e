"""Names of columns in files, and the arrays they become; which file format they come from does not matter here."""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pyg_hep.errors import ConfigError, ReaderError
from pyg_hep.readers.positions import Positions, at_positions, parse_positions

_NAME = re.compile(
    r"(?P<head>[^\[\]{}]*)(?:\{(?P<first>\d{1,6})\.\.(?P<last>\d{1,6})\}(?P<tail>[^\[\]{}]*))?(?:\[(?P<index>[^\[\]{}]*)\])?"
)
_MOST_NUMBERED = 10_000


# Asked of the same few texts for every file.
@functools.lru_cache(4096)
def _parsed(text: str) -> tuple[tuple[str, ...], Positions]:
    match = _NAME.fullmatch(text)
    if match is None or not match["head"] + (match["tail"] or "") + (match["first"] or ""):
        raise ConfigError(
            f"{text!r:.80} is no column: expected a name, name[position], name[from:to:step] or name_{{1..3}}"
        )
    names: tuple[str, ...] = (match["head"],)
    if match["first"] is not None:
        first, last = int(match["first"]), int(match["last"])
        if not 0 <= last - first < _MOST_NUMBERED:
            raise ConfigError(f"{text!r}: the numbers run from {first} to {last}")
        names = tuple(f"{match['head']}{number}{match['tail']}" for number in range(first, last + 1))
    try:
        return names, () if match["index"] is None else parse_positions(match["index"])
    except ConfigError as error:
        raise ConfigError(f"{text!r}: {error}") from None


@dataclass
class Column:
    """Values of one column for a range of entries.

    Attributes:
        values: one row per entry, or, where ``counts`` is given, one row per object of all entries.
        counts: objects of each entry; None for one row per entry. Rows may have any shape.
        grouped: the objects were rows of a table, in which what belongs to the event is repeated.
        single: there is one value of each entry, which is absent where ``counts`` is 0.
    """

    values: np.ndarray
    counts: np.ndarray | None = None
    grouped: bool = False
    single: bool = False

    def __len__(self) -> int:
        return len(self.values if self.counts is None else self.counts)


@dataclass(frozen=True)
class FileColumn:
    """Where a column is in a file.

    Args:
        text: ``Jet_pt`` (a name), ``jets[2]`` or ``particles[:,0]`` or ``table[1:800:4]`` (positions within what
            is stored for one entry), ``lepton_{1..3}_pt`` (separate columns that together are a list).

    Raises:
        ConfigError: for a text that is none of these.
    """

    text: str

    def __post_init__(self) -> None:
        _parsed(self.text)

    @property
    def names(self) -> tuple[str, ...]:
        """What is read of the file: one name, or one per number."""
        return _parsed(self.text)[0]

    def take(self, arrays: Mapping[str, Column], where: str) -> Column:
        """The column out of what was read.

        Raises:
            ReaderError: when it has fewer dimensions or positions than the text asks for.
        """
        names, positions = _parsed(self.text)
        if len(names) > 1:
            parts = [arrays[name] for name in names]
            if any(part.counts is not None or part.values.ndim != 1 for part in parts):
                raise ReaderError(f"{where}, column {self.text!r}: numbered columns must hold one value per entry")
            column = Column(np.stack([part.values for part in parts], axis=1))
        else:
            column = arrays[names[0]]
        if not positions:
            return column
        try:
            values, counts = at_positions(column.values, column.counts, positions)
        except IndexError:
            shape = column.values.shape[1:] if column.counts is None else ("any", *column.values.shape[1:])
            raise ReaderError(
                f"{where}, column {self.text!r}: there is no such position in the shape {shape} of one entry"
            ) from None
        single = counts is not None and isinstance(positions[0], int)
        return dataclasses.replace(column, values=values, counts=counts, single=single)


def event_value(column: Column, where: str) -> np.ndarray | Column:
    """What expressions over whole events read: numbers or texts, one or k per entry, or lists of them.

    A single position of a list is one value per entry, NaN (or an empty text) where it is absent.

    Raises:
        ReaderError: for deeper lists, and for what is neither number nor text.
    """
    values, counts = column.values, column.counts
    if values.ndim > (2 if counts is None else 1):
        raise ReaderError(f"{where}: holds lists of lists, of which an expression can take a position such as x[:,0]")
    values = values if values.dtype.kind == "U" else numbers(values, where)
    if counts is None:
        return values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values
    column = dataclasses.replace(column, values=values)
    return _single_value(column) if column.single else column


def _single_value(column: Column) -> np.ndarray:
    counts, values = column.counts, column.values
    assert counts is not None
    if len(values) == len(counts):
        return values
    kind = values.dtype if values.dtype.kind in "fU" else np.dtype(np.float64)
    result = np.full(len(counts), "" if kind.kind == "U" else np.nan, kind)
    result[counts > 0] = values
    return result


def once_per_event(column: Column, where: str) -> Column:
    """The value that the rows of each event repeat, for columns of grouped rows; others stay as they are.

    An event without rows has none: it gets NaN.

    Raises:
        ReaderError: when rows of one event differ.
    """
    if not column.grouped or column.single or column.counts is None:
        return column
    values, counts = column.values, column.counts
    there = counts > 0
    first = (np.cumsum(counts) - counts)[there]
    repeated = np.repeat(values[first], counts[there], axis=0)
    same = (values == repeated) | ((values != values) & (repeated != repeated))
    if not same.all():
        row = int(np.flatnonzero(~same.reshape(len(values), -1).all(axis=1))[0])
        event = int(np.searchsorted(np.cumsum(counts), row, side="right"))
        raise ReaderError(
            f"{where}: differs between the rows of one event ({repeated[row]} and {values[row]}, first in entry "
            f"{event} of the chunk), so it is no event column"
        )
    if there.all():
        return Column(values[first])
    result = np.full((len(counts), *values.shape[1:]), np.nan, np.result_type(values.dtype, np.float32))
    result[there] = values[first]
    return Column(result)


def per_event(column: Column, where: str) -> np.ndarray:
    """One number or text per entry; lists of exactly one (as Delphes stores event weights) are opened.

    Raises:
        ReaderError: for longer lists or arrays, and for what is neither number nor text.
    """
    value = event_value(once_per_event(column, where), where)
    if isinstance(value, Column):
        if np.any(value.counts != 1):
            raise ReaderError(f"{where}: holds lists, not one value per event (take x[0], max(x), sum(x), ...)")
        return value.values
    if value.ndim != 1:
        raise ReaderError(f"{where}: holds lists, not one value per event (take x[0], max(x), sum(x), ...)")
    return value


def vector_per_event(column: Column, where: str) -> np.ndarray:
    """One number per entry, shape ``[N]``, or equally many, shape ``[N, k]``; vectors of exactly one are opened.

    Raises:
        ReaderError: for lists of different lengths, deeper lists, and for what is no number.
    """
    column = once_per_event(column, where)
    values, counts = column.values, column.counts
    if counts is not None and values.ndim == 1 and len(counts):
        other = np.flatnonzero(counts != counts[0])
        if len(other) or not counts[0]:
            what = f"{counts[0]} values in one event, {counts[other[0]]} in another" if len(other) else "empty lists"
            raise ReaderError(f"{where}: holds {what}; what is kept needs as many in every event")
        values = values.reshape(len(counts), -1)
    elif counts is not None and values.ndim > 1:
        raise ReaderError(f"{where}: holds lists of lists, not numbers")
    return _opened(values, where)


def per_object(column: Column, where: str) -> tuple[np.ndarray, np.ndarray]:
    """One number or text per object, and the objects of each entry.

    Raises:
        ReaderError: for deeper lists, and for what is neither number nor text.
    """
    if column.values.ndim > (2 if column.counts is None else 1):
        raise ReaderError(f"{where}: expected one number per object, found the shape {column.values.shape[1:]}")
    return vector_per_object(column, where)


def vector_per_object(column: Column, where: str) -> tuple[np.ndarray, np.ndarray]:
    """One number or text per object, shape ``[n]``, or equally many, shape ``[n, k]``, and the objects of each entry.

    Vectors of exactly one are opened.

    Raises:
        ReaderError: for deeper lists, and for what is neither number nor text.
    """
    values, counts = column.values, column.counts
    if counts is None:
        width = values.shape[1] if values.ndim > 1 else 1
        counts = np.full(len(values), width, dtype=np.int64)
        values = values.reshape(-1, *values.shape[2:])
    return _opened(values, where), counts


def _opened(values: np.ndarray, where: str) -> np.ndarray:
    if values.ndim > 2:
        raise ReaderError(f"{where}: expected a number or a vector of numbers, found the shape {values.shape[1:]}")
    values = values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values
    return values if values.dtype.kind == "U" else numbers(values, where)


def numbers(values: np.ndarray, where: str) -> np.ndarray:
    """``values`` in the machine's byte order; small integers become int64, so that arithmetic does not overflow.

    Raises:
        ReaderError: for what is no number.
    """
    kind = values.dtype.kind
    if kind == "b":
        return values
    if kind == "i" or (kind == "u" and values.dtype.itemsize < 8):
        return values.astype(np.int64, copy=False)
    if kind == "u":
        return values.astype(np.uint64, copy=False)
    if kind == "f":
        return values.astype(np.float64 if values.dtype.itemsize > 4 else np.float32, copy=False)
    raise ReaderError(f"{where}: expected numbers, found {values.dtype}")
