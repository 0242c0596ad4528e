"""Tables with one row per object as events: the rows of an event become lists. They may come from any format."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from pyg_hep.errors import ReaderError, nearest
from pyg_hep.readers.columns import Column, FileColumn, per_event
from pyg_hep.readers.event_ids import identity_of
from pyg_hep.readers.keys import KeyIndex
from pyg_hep.readers.source import Source
from pyg_hep.readers.wrapped import WrappedSource

# Of the columns that tell events apart, at a time.
_STEP: str | int = "100 MB"


class GroupedSource(WrappedSource):
    """A source whose entries are groups of consecutive rows of the one below.

    A column with one row per object becomes lists, marked as ``grouped``: where it repeats one value in all rows of
    each event it can be read as an event column. A column with one row per group stays as it is.

    Args:
        inner: the source below.
        offsets: start of a column's name -> position of the first row of each group and of the end, shape ``[N + 1]``;
            the longest start that fits counts.
        identity: column of the schema -> branch, where the groups have numbers.

    Raises:
        ReaderError: when two sets of offsets disagree on the number of groups.
    """

    def __init__(self, inner: Source, offsets: Mapping[str, np.ndarray], identity: Mapping[str, str] | None = None):
        super().__init__(inner)
        self._offsets = dict(offsets)
        self.identity = identity or inner.identity
        sizes = {start: len(values) - 1 for start, values in offsets.items()}
        self.num_entries = next(iter(sizes.values()))
        for start, size in sizes.items():
            if size != self.num_entries:
                raise ReaderError(
                    f"{self.path}: {size} events by the numbers of {start!r}, {self.num_entries} by others"
                )
        self._lengths: dict[str, int] = {}

    def _start_of(self, name: str) -> str | None:
        """Which offsets cut a column; None for one row per group."""
        starts = [start for start in self._offsets if name.startswith(start)]
        if name not in self._lengths:
            self._lengths[name] = self.inner.num_entries_of([name])
        length = self._lengths[name]
        start = max(starts, key=len, default=None)
        rows = None if start is None else int(self._offsets[start][-1])
        if start is not None and length == rows:
            if length == self.num_entries and start == "" and np.any(np.diff(self._offsets[start]) != 1):
                raise ReaderError(
                    f"{self.path}: {length} events and as many objects: say which columns are those of objects, with "
                    "the start of their names in the card's key 'counts' or 'offsets'"
                )
            return start
        if length == self.num_entries:
            return None
        objects = "" if rows is None else f" and {rows} objects"
        raise ReaderError(f"{self.path}: column {name!r} has {length} rows, for {self.num_entries} events{objects}")

    def _by_start(self, names: Iterable[str]) -> dict[str | None, list[str]]:
        result: dict[str | None, list[str]] = {}
        for name in sorted(names):
            result.setdefault(self._start_of(name), []).append(name)
        return result

    def num_entries_of(self, branches: Iterable[str]) -> int:
        """Number of groups; every column must have one row for each, or one for each of their objects."""
        self._by_start(branches)
        return self.num_entries

    def bytes_per_entry(self, branches: Iterable[str]) -> float:
        """Bytes of the rows of an average group."""
        total = 0.0
        for start, names in self._by_start(branches).items():
            rows = self.num_entries if start is None else int(self._offsets[start][-1])
            total += rows * self.inner.bytes_per_entry(names) + 8 * self.num_entries * (start is not None)
        return total / max(self.num_entries, 1)

    def _arrays(self, names: list[str], start: int, stop: int) -> dict[str, Column]:
        result: dict[str, Column] = {}
        for cut, group in self._by_start(names).items():
            if cut is None:
                result |= self.inner.read(group, start, stop)
                continue
            offsets = self._offsets[cut]
            counts = np.diff(offsets[start : stop + 1])
            for name, column in self.inner.read(group, int(offsets[start]), int(offsets[stop])).items():
                if column.counts is not None:
                    raise ReaderError(
                        f"{self.path}: column {name!r} holds a list in each row, and rows are objects here"
                    )
                result[name] = Column(column.values, counts, grouped=True)
        return result


def grouped_by(source: Source, keys: Sequence[str], card: str) -> GroupedSource:
    """Consecutive rows with equal keys are an event.

    Args:
        source: a table with one row per object.
        keys: columns that tell events apart, numbers or text.
        card: names the card in messages.

    Raises:
        ReaderError: when a key is missing, is not one number or text per row, or is NaN, and when the rows of an event
            are not all next to each other.
    """
    columns = [FileColumn(key) for key in keys]
    branches = [name for column in columns for name in column.names]
    check_branches(source, branches, "group_by", card)
    rows, last, parts = source.num_entries_of(branches), None, []
    first = [np.zeros(0, np.int64)]
    for start, stop in source.chunks(branches, _STEP):
        arrays = source.read(branches, start, stop)
        values = [_key(column, arrays, source.path, card) for column in columns]
        new = np.zeros(stop - start, dtype=bool)
        for position, column in enumerate(values):
            new[1:] |= column[1:] != column[:-1]
            new[0] |= last is None or bool(column[0] != last[position])
        last = [column[-1] for column in values]
        first.append(start + np.flatnonzero(new))
        parts.append([column[new] for column in values])
    firsts = np.concatenate(first)
    groups = [np.concatenate([part[i] for part in parts]) if parts else np.zeros(0, np.int64) for i in range(len(keys))]
    repeated = KeyIndex(groups).repeated()
    if repeated is not None:
        one, other = repeated
        event = ", ".join(f"{key} = {group[other]}" for key, group in zip(keys, groups, strict=True))
        raise ReaderError(
            f"{source.path}: the rows of {event} are not next to each other, they begin in rows {firsts[one]} and "
            f"{firsts[other]}: sort the file, or tell the events apart by more columns in the key 'group_by' of {card}"
        )
    offsets = np.append(firsts, rows)
    return GroupedSource(source, {"": offsets}, identity_of(keys, groups))


def _key(column: FileColumn, arrays: Mapping[str, Column], path: str, card: str) -> np.ndarray:
    taken = column.take(arrays, path)
    if taken.counts is not None or taken.values.ndim != 1:
        raise ReaderError(
            f"{path}: column {column.text!r}, the key 'group_by' of {card}, holds lists: it needs one value in each row"
        )
    if taken.values.dtype.kind == "f" and np.isnan(taken.values).any():
        row = int(np.flatnonzero(np.isnan(taken.values))[0])
        raise ReaderError(f"{path}: column {column.text!r}, the key 'group_by' of {card}, is NaN, first in row {row}")
    return taken.values


def grouped_by_numbers(source: Source, kind: str, names: Mapping[str, str], card: str) -> GroupedSource:
    """Arrays of objects, beside one with the number of objects of each event, or with the position of its first one.

    Args:
        source: a file of arrays with one row per object or one row per event.
        kind: ``counts``, or ``offsets``, which may have the end as one more value.
        names: start of the objects' columns -> column of these numbers.
        card: names the card in messages.

    Raises:
        ReaderError: when the numbers are missing, are none, or cannot be those of the columns.
    """
    offsets = {}
    for start, name in names.items():
        column = FileColumn(name)
        check_branches(source, column.names, kind, card)
        where = f"{source.path}: column {name!r}, the key {kind!r} of {card}"
        size = source.num_entries_of(column.names)
        values = per_event(column.take(source.read(column.names, 0, size), source.path), where)
        if values.dtype.kind not in "iu" or np.any(values < 0):
            raise ReaderError(f"{where}: expected numbers of objects, found {values.dtype if size else 'nothing'}")
        values = values.astype(np.int64)
        if kind == "counts":
            offsets[start] = np.append(0, np.cumsum(values))
            continue
        if not size or values[0] != 0 or np.any(np.diff(values) < 0):
            raise ReaderError(f"{where}: expected positions that begin with 0 and never fall")
        offsets[start] = _with_end(source, start, column.names, values, where)
    return GroupedSource(source, offsets)


def _with_end(source: Source, start: str, own: Sequence[str], values: np.ndarray, where: str) -> np.ndarray:
    """Positions of first objects with the number of all objects behind them, where it is not there."""
    lengths: dict[str, int] = {}
    for other in sorted(set(source.branches) - set(own)):
        try:
            lengths[other] = source.num_entries_of([other])
        except ReaderError:
            continue  # said where the column is asked for
    size, last = len(values), int(values[-1])
    objects = {length for other, length in lengths.items() if other.startswith(start)} - {size, size - 1}
    # The last event may be empty: then its position is the number of all objects, as an end would be.
    if last in objects and not (size in lengths.values() and size - 1 not in lengths.values()):
        return values
    longer = {length for length in objects if length >= last}
    if len(longer) != 1:
        raise ReaderError(
            f"{where}: the last event begins at {last}, and the columns of objects have "
            f"{', '.join(map(str, sorted(objects))) or 'none but as many rows as there are events'}: give their start "
            "as in 'offsets: {jets/: jets/first}'"
        )
    return np.append(values, longer.pop())


def check_branches(source: Source, names: Iterable[str], key: str, card: str) -> None:
    """Raise where a column that a card's key names is not there.

    Raises:
        ReaderError: names the key and the nearest column.
    """
    for name in names:
        if name not in source.branches:
            hint = f"{nearest(name, source.branches):.300}"
            raise ReaderError(f"{source.path}: no branch {name!r} for the key {key!r} of {card}, {hint}")
