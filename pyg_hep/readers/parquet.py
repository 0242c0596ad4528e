"""Parquet files through pyarrow, batch by batch."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import Any

from pyg_hep.errors import ReaderError
from pyg_hep.readers.arrow import arrow_column, fields_of
from pyg_hep.readers.columns import Column
from pyg_hep.readers.source import NoColumnError, Source, open_binary, reading

_BATCH = 16_384


class ParquetSource(Source):
    """Columns of a Parquet file: numbers, text, lists of them; fields of records, in lists or not, as ``jets.pt``.

    Args:
        path: a local path or an address.

    Raises:
        ReaderError: when the file is missing, cannot be read, or pyarrow is not installed.
    """

    def __init__(self, path: str | os.PathLike[str]):
        super().__init__(path)
        try:
            import pyarrow.parquet as pq
        except ImportError:
            raise ReaderError(f"{self.path}: Parquet files need 'pip install pyg_hep[parquet]'") from None
        with reading(self.path, "the file"):
            self._stream = open_binary(self.path)
            self._file = pq.ParquetFile(self._stream)
            self.num_entries = int(self._file.metadata.num_rows)
            # Name as cards write it -> column and field.
            self._place: dict[str, tuple[str, tuple[str, ...]]] = {}
            for field in self._file.schema_arrow:
                for inner in fields_of(field.type):
                    self._place.setdefault(".".join((field.name, *inner)), (field.name, inner))
        self.branches = frozenset(self._place)
        self._batches: Iterator[Any] = iter(())
        self._next = 0
        self._columns: list[str] = []

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        self._stream.close()

    def num_entries_of(self, branches: Iterable[str]) -> int:
        """Rows of the file."""
        return self.num_entries

    def bytes_per_entry(self, branches: Iterable[str]) -> float:
        """Bytes of the first entries: asking pyarrow for the sizes of a damaged column ends the interpreter."""
        return self.bytes_of_sample(branches, self.num_entries)

    def _arrays(self, names: list[str], start: int, stop: int) -> dict[str, Column]:
        columns = sorted({self._place[name][0] for name in names})
        for column in columns:
            if self._file.schema_arrow.names.count(column) > 1:
                raise NoColumnError(f"the file has several columns {column!r}")
        table = self._rows(columns, start, stop)
        places = {name: self._place[name] for name in names}
        return {name: arrow_column(table.column(column), fields) for name, (column, fields) in places.items()}

    def _rows(self, columns: list[str], start: int, stop: int) -> Any:
        """Rows ``start`` to ``stop``; reading on where the last call stopped decodes nothing twice."""
        import pyarrow as pa

        if self._columns != columns or self._next != start:
            self._seek(columns, start)
        parts, missing = [], stop - start
        while missing > 0:
            batch = next(self._batches, None)
            if batch is None:
                break
            if batch.num_rows > missing:
                rest = batch.slice(missing)
                self._batches = _chain(rest, self._batches)
                batch = batch.slice(0, missing)
            parts.append(batch)
            missing -= batch.num_rows
        self._next = stop
        if missing:
            raise EOFError(f"{missing} rows are missing before row {stop}")
        return pa.Table.from_batches(parts) if parts else self._file.schema_arrow.empty_table().select(columns)

    def _seek(self, columns: list[str], start: int) -> None:
        group, first = 0, 0
        while group < self._file.num_row_groups:
            rows = self._file.metadata.row_group(group).num_rows
            if first + rows > start:
                break
            group, first = group + 1, first + rows
        groups = list(range(group, self._file.num_row_groups))
        batches = self._file.iter_batches(_BATCH, row_groups=groups, columns=columns)
        self._columns, self._next, skip = columns, start, start - first
        while skip > 0:
            batch = next(batches)
            if batch.num_rows > skip:
                batches = _chain(batch.slice(skip), batches)
            skip -= batch.num_rows
        self._batches = iter(batches)


def _chain(first: Any, rest: Iterable[Any]) -> Iterator[Any]:
    yield first
    yield from rest
