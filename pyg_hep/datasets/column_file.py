"""One column on disk: a ``.npy`` file that grows and knows a digest of its content."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.lib import format as npy

from pyg_hep.errors import ReaderError
from pyg_hep.schema import Column

_BLOCK = 1 << 24


def content_hash() -> hashlib.blake2b:
    """The hash of stored columns: 128 bits, faster than a disk."""
    return hashlib.blake2b(digest_size=16)


class ColumnFile:
    """A ``.npy`` file that grows: rows are appended, the header is written again when it is closed.

    Args:
        path: the file.
        column: shape and type of a row.
        rows: of a file that is there already, the rows that are kept.

    Raises:
        ReaderError: when the file has fewer rows.
    """

    def __init__(self, path: Path, column: Column, rows: int = 0):
        self.rows = rows
        self._shape, self._dtype = column.shape, np.dtype(column.stored)
        self._file: BinaryIO = path.open("r+b" if rows else "w+b")
        self._hash: hashlib.blake2b | None = None if rows else content_hash()
        self._data_start = self._write_header()
        if rows:
            if path.stat().st_size < self._end(rows):
                raise ReaderError(f"{path}: the file is shorter than {rows} rows; use force_reload=True")
            self.truncate(rows)

    def _end(self, rows: int) -> int:
        return self._data_start + rows * self._dtype.itemsize * int(np.prod(self._shape, dtype=np.int64))

    def _write_header(self) -> int:
        # numpy pads its header so that the first axis can grow to any length without moving the data.
        header = {
            "descr": npy.dtype_to_descr(self._dtype),
            "fortran_order": False,
            "shape": (self.rows, *self._shape),
        }
        self._file.seek(0)
        npy.write_array_header_1_0(self._file, header)
        return self._file.tell()

    def append(self, values: np.ndarray) -> None:
        """Append rows."""
        content = np.ascontiguousarray(values, dtype=self._dtype).tobytes()
        self._file.write(content)
        if self._hash is not None:
            self._hash.update(content)
        self.rows += len(values)

    def flush(self) -> None:
        """Hand what was appended to the operating system, where the end of this process cannot lose it."""
        self._file.flush()

    def read(self, start: int, stop: int) -> np.ndarray:
        """Rows that were appended."""
        self._file.flush()
        self._file.seek(self._end(start))
        content = self._file.read(self._end(stop) - self._end(start))
        self._file.seek(0, 2)
        return np.frombuffer(content, dtype=self._dtype).reshape(stop - start, *self._shape)

    def truncate(self, rows: int) -> None:
        """Forget all rows after the first ``rows``."""
        self._file.truncate(self._end(rows))
        self._file.seek(0, 2)
        self.rows = rows
        self._hash = None  # a hash cannot go back: digest() reads what stayed

    def digest(self) -> str:
        """Hash of all rows, the same however they were appended."""
        if self._hash is None:
            self._hash = content_hash()
            self._file.flush()
            self._file.seek(self._data_start)
            while block := self._file.read(_BLOCK):
                self._hash.update(block)
        return self._hash.hexdigest()

    def close(self) -> None:
        """Write the final header and close the file."""
        if self._file.closed:
            return
        if self._write_header() != self._data_start:
            raise RuntimeError("the header of a column grew over its data")
        self._file.close()
