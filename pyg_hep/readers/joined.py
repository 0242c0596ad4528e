"""Friends: further tables whose columns stand beside those of a file, row by row or by the numbers of events."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from pyg_hep.errors import ReaderError
from pyg_hep.readers.columns import Column
from pyg_hep.readers.grouped import check_branches
from pyg_hep.readers.keys import KeyIndex
from pyg_hep.readers.source import Source
from pyg_hep.readers.wrapped import WrappedSource


class Friend:
    """A table beside the events of a file.

    Args:
        name: what its columns begin with: ``name.column``.
        source: the table, which is closed with the friend.
        on: integer columns of the file and of the table that say which rows belong together; the rows of the same
            number where empty.
        card: names the card in messages.

    Raises:
        ReaderError: when a column of ``on`` is missing or holds no integers, or two rows of the table have the same.
    """

    def __init__(self, name: str, source: Source, on: tuple[str, ...], card: str):
        self.name, self.source, self.on, self.card = name, source, on, card
        if not on:
            return
        check_branches(source, on, self.key, card)
        size = source.num_entries_of(on)
        keys = self.integers(source.read(on, 0, size), source.path)
        self._index = KeyIndex(keys)
        repeated = self._index.repeated()
        if repeated is not None:
            one, other = repeated
            event = ", ".join(f"{name} = {values[other]}" for name, values in zip(on, keys, strict=True))
            raise ReaderError(
                f"{source.path}: rows {one} and {other} are both those of {event}, the key {self.key!r} of {card}: a "
                "friend has one row for each event"
            )

    @property
    def key(self) -> str:
        """The card's key that says how it is joined."""
        return f"friends.{self.name}.on"

    def integers(self, columns: Mapping[str, Column], path: str) -> list[np.ndarray]:
        """The columns of ``on`` of either table.

        Raises:
            ReaderError: when they are no integers.
        """
        for name in self.on:
            column = columns[name]
            if column.counts is not None or column.values.ndim != 1 or column.values.dtype.kind not in "iu":
                what = "lists" if column.counts is not None or column.values.ndim != 1 else column.values.dtype
                where = f"{path}: column {name!r}, the key {self.key!r} of {self.card}"
                raise ReaderError(f"{where}: expected integers, found {what}")
        return [columns[name].values.astype(np.int64) for name in self.on]

    def read(self, names: list[str], main: Mapping[str, Column], path: str, start: int, stop: int) -> dict[str, Column]:
        """Columns of the table for entries ``start`` to ``stop`` of the file, NaN where it has no row for them.

        Args:
            names: of the columns.
            main: columns of these entries of the file, among them those of ``on``.
            path: of the file.
            start: first entry.
            stop: entry after the last.
        """
        if not self.on:
            return self.source.read(names, start, stop)
        rows = self._index.rows(self.integers(main, path))
        there = rows[rows >= 0]
        first, last = (int(there.min()), int(there.max()) + 1) if len(there) else (0, 0)
        columns = self.source.read(names, first, last)
        return {name: _taken(column, np.where(rows >= 0, rows - first, -1)) for name, column in columns.items()}


def _taken(column: Column, rows: np.ndarray) -> Column:
    """Rows of a column; for -1 a row that is not there: NaN, a list of one NaN, or an empty text."""
    values, counts = column.values, column.counts
    if np.any(rows < 0):
        if values.dtype.kind != "U":
            values = values.astype(np.result_type(values.dtype, np.float32), copy=False)
        absent = np.full((1, *values.shape[1:]), "" if values.dtype.kind == "U" else np.nan, dtype=values.dtype)
        values = np.concatenate([values, absent])  # the last row, which is what -1 asks for
        counts = None if counts is None else np.append(counts, 1)
    if counts is None:
        return Column(values[rows])
    first, sizes = (np.cumsum(counts) - counts)[rows], counts[rows]
    inside = np.arange(int(sizes.sum())) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return Column(values[np.repeat(first, sizes) + inside], sizes)


class JoinedSource(WrappedSource):
    """A source with the columns of friends beside its own.

    Args:
        inner: the file.
        friends: the tables; a friend is closed with the file.

    Raises:
        ReaderError: when a friend's column has the name of one of the file, or the file lacks a column to join by.
    """

    def __init__(self, inner: Source, friends: Iterable[Friend]):
        super().__init__(inner)
        self._place: dict[str, tuple[Friend, str]] = {}
        self._friends = list(friends)
        for friend in self._friends:
            check_branches(inner, friend.on, friend.key, friend.card)
            self._place |= {f"{friend.name}.{branch}": (friend, branch) for branch in friend.source.branches}
        for name in self._place:
            if name in inner.branches:
                raise ReaderError(
                    f"{self.path}: has a column {name!r} of its own: give the friend another name in the key 'friends' "
                    f"of {self._place[name][0].card}"
                )
        self.branches = inner.branches | set(self._place)

    def close(self) -> None:
        """Close all files."""
        for friend in self._friends:
            friend.source.close()
        super().close()

    def _split(self, names: Iterable[str]) -> tuple[list[str], list[tuple[Friend, list[str]]]]:
        """Columns of the file, and of each friend by the friend's own names."""
        own: list[str] = []
        others: dict[str, tuple[Friend, list[str]]] = {}
        for name in names:
            if name not in self._place:
                own.append(name)
                continue
            friend, branch = self._place[name]
            others.setdefault(friend.name, (friend, []))[1].append(branch)
        return own, list(others.values())

    def num_entries_of(self, branches: Iterable[str]) -> int:
        """Entries of the file, which friends without ``on`` must have too."""
        own, others = self._split(branches)
        own += [key for friend, _ in others for key in friend.on]
        entries = self.inner.num_entries_of(own) if own else None
        for friend, names in others:
            size = friend.source.num_entries_of([*names, *friend.on])
            if friend.on:
                continue
            entries = size if entries is None else entries
            if size != entries:
                raise ReaderError(
                    f"{self.path}: {entries} entries, its friend {friend.name} has {size} ({friend.source.path}): they "
                    f"must agree, or be joined by the numbers of events with the key {friend.key!r} of {friend.card}"
                )
        return self.inner.num_entries_of([]) if entries is None else entries

    def bytes_per_entry(self, branches: Iterable[str]) -> float:
        """Bytes of an entry in all files."""
        own, others = self._split(branches)
        size = self.inner.bytes_per_entry(own) if own else 0.0
        return size + sum(friend.source.bytes_per_entry(names) for friend, names in others)

    def _arrays(self, names: list[str], start: int, stop: int) -> Mapping[str, Any]:
        own, others = self._split(names)
        own = sorted({*own, *(key for friend, _ in others for key in friend.on)})
        main = self.inner.read(own, start, stop) if own else {}
        result = dict(main)
        for friend, branches in others:
            columns = friend.read(branches, main, self.path, start, stop)
            result |= {f"{friend.name}.{branch}": column for branch, column in columns.items()}
        return result
