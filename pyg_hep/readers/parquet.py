"""Parquet files through pyarrow, batch by batch."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import Any

import awkward as ak

from pyg_hep.errors import ReaderError
from pyg_hep.readers.columns import Column
from pyg_hep.readers.flat import flat_column
from pyg_hep.readers.source import Source, open_binary, reading

_BATCH = 16_384


class ParquetSource(Source):
    """Columns of a Parquet file: numbers, lists of numbers, and fields of lists of records as ``jets.pt``.

    Args:
        path: a local path or an address.

    Raises:
        ReaderError: when the file is missing, cannot be read, or pyarrow is not installed.
    """

    def __init__(self, path: str | os.PathLike[str]):
        super().__init__(path)
        try:
            import pyarrow as pa
            import pyarrow.parquet as pq
        except ImportError:
            raise ReaderError(f"{self.path}: Parquet files need 'pip install pyg_hep[parquet]'") from None
        with reading(self.path, "the file"):
            self._stream = open_binary(self.path)
            self._file = pq.ParquetFile(self._stream)
            self.num_entries = int(self._file.metadata.num_rows)
            # Name as cards write it -> column and field.
            self._place: dict[str, tuple[str, str | None]] = {}
            for field in self._file.schema_arrow:
                inner = getattr(field.type, "value_type", field.type)
                if pa.types.is_struct(inner):
                    self._place |= {f"{field.name}.{f.name}": (field.name, f.name) for f in inner}
                else:
                    self._place[field.name] = (field.name, None)
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
        table = self._rows(columns, start, stop)
        result = {}
        for name in names:
            column, field = self._place[name]
            array = ak.from_arrow(table.column(column))
            result[name] = flat_column(_without_missing(array if field is None else array[field]))
        return result

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


def _without_missing(array: ak.Array) -> ak.Array:
    """Missing lists are empty; missing numbers are NaN, so that their events are dropped and counted."""
    if array.ndim > 1:
        array = ak.fill_none(array, [], axis=0)
    return ak.fill_none(array, float("nan"), axis=-1) if ak.any(ak.is_none(array, axis=-1), axis=None) else array
