"""Files whose columns are arrays with one row per entry; npz archives through numpy. Nothing is ever unpickled."""

from __future__ import annotations

import math
import os
import zipfile
from collections.abc import Iterable
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy

from pyg_hep.errors import ReaderError
from pyg_hep.readers.columns import Column
from pyg_hep.readers.flat import decoded
from pyg_hep.readers.source import Source, open_binary, reading

# Read and forgotten at a time while skipping forward in a compressed archive.
_SKIP = 1 << 22


class ArraySource(Source):
    """A file whose columns are arrays with one row per entry."""

    _shapes: dict[str, tuple[int, ...]]
    _types: dict[str, np.dtype[Any]]

    def num_entries_of(self, branches: Iterable[str]) -> int:
        """Rows of the arrays, which must be the same for all."""
        names = sorted(branches)
        if not names:
            return 0
        for name in names:
            if not self._shapes[name]:
                raise ReaderError(f"{self.path}: column {name!r} is a single value, not one per entry")
        rows = {name: self._shapes[name][0] for name in names}
        first = names[0]
        for name in names:
            if rows[name] != rows[first]:
                raise ReaderError(f"{self.path}: column {name!r} has {rows[name]} entries, {first!r} has {rows[first]}")
        return rows[first]

    def bytes_per_entry(self, branches: Iterable[str]) -> float:
        """Bytes of a row of the arrays."""
        return float(sum(np.prod(self._shapes[n][1:], dtype=float) * self._types[n].itemsize for n in branches))


class NpzSource(ArraySource):
    """Arrays of an ``.npz`` archive, read as a stream: memory holds the rows asked for, not the array.

    Args:
        path: a local path or an address.

    Raises:
        ReaderError: when the file is missing or cannot be read.
    """

    def __init__(self, path: str | os.PathLike[str]):
        super().__init__(path)
        self._streams: dict[str, tuple[IO[bytes], int]] = {}
        self._shapes, self._types = {}, {}
        with reading(self.path, "the file"):
            self._file = open_binary(self.path)
        try:
            with reading(self.path, "the file"):
                self._archive = zipfile.ZipFile(self._file)
            for member in self._archive.infolist():
                if member.filename.endswith(".npy"):
                    self._note(member)
        except BaseException:
            self._file.close()
            raise
        self.branches = frozenset(self._shapes)

    def _note(self, member: zipfile.ZipInfo) -> None:
        name = member.filename.removesuffix(".npy")
        with reading(self.path, f"column {name!r}"), self._archive.open(member) as stream:
            shape, kind = _npy_header(stream, f"{self.path}: {name!r}")
            # The checksum is compared at the member's end, which an array that is shorter would never reach.
            size, there = math.prod(shape) * kind.itemsize, member.file_size - stream.tell()
        if size != there or min(shape, default=0) < 0:
            raise ReaderError(f"{self.path}: column {name!r} has {there} bytes, its shape {shape} takes {size}")
        self._shapes[name], self._types[name] = shape, kind

    def close(self) -> None:
        """Close the archive."""
        for stream, _ in self._streams.values():
            stream.close()
        self._archive.close()
        self._file.close()

    def _arrays(self, names: list[str], start: int, stop: int) -> dict[str, Column]:
        rows = {name: self._rows(name, start, stop) for name in names}
        return {name: Column(decoded(v) if v.dtype.kind == "S" else v) for name, v in rows.items()}

    def _rows(self, name: str, start: int, stop: int) -> np.ndarray:
        shape, kind = self._shapes[name], self._types[name]
        row = int(np.prod(shape[1:], dtype=np.int64)) * kind.itemsize
        stream, position = self._streams.pop(name, (None, 0))
        if stream is None or position > start:
            if stream is not None:
                stream.close()
            stream, position = self._archive.open(f"{name}.npy"), 0
            _npy_header(stream, name)
        _skip(stream, (start - position) * row)
        stop = min(stop, shape[0])
        content = stream.read((stop - start) * row)
        if stop == shape[0]:
            stream.read(1)  # the checksum is compared where the stream ends
            stream.close()
        else:
            self._streams[name] = (stream, stop)
        if len(content) != (stop - start) * row:
            raise EOFError(f"{len(content)} of {(stop - start) * row} bytes")
        return np.frombuffer(content, dtype=kind).reshape(stop - start, *shape[1:])


def _skip(stream: IO[bytes], size: int) -> None:
    while size > 0:
        found = len(stream.read(min(size, _SKIP)))
        if not found:
            raise EOFError("the array ends early")
        size -= found


def _npy_header(stream: IO[bytes], where: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
    version = npy.read_magic(stream)
    read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, fortran_order, kind = read_header(stream)
    if kind.hasobject:
        raise ReaderError(f"{where}: holds Python objects, which are never loaded")
    if fortran_order and len(shape) > 1:
        raise ReaderError(f"{where}: is stored column by column; save it with numpy.ascontiguousarray")
    return shape, kind
