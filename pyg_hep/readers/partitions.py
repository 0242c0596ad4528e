"""Columns that the folders of a partitioned data set stand for: ``run=3/part-0.parquet`` has a column ``run``."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import unquote

import numpy as np

from pyg_hep.readers.columns import Column
from pyg_hep.readers.source import Source
from pyg_hep.readers.wrapped import WrappedSource

_MISSING = "__HIVE_DEFAULT_PARTITION__"
_BYTES = 8


def partition_keys(path: str) -> dict[str, int | float | str]:
    """Key -> value of the folders ``key=value`` around a file: an integer, a number, a text, or NaN if missing."""
    folders = [folder.partition("=") for folder in path.split("/")[:-1]]
    return {unquote(key): _value(unquote(value)) for key, equals, value in folders if key and equals}


def _value(text: str) -> int | float | str:
    if text == _MISSING:
        return float("nan")
    if text.isascii() and text.removeprefix("-").isdigit() and abs(int(text)) < 2**63:
        return int(text)
    try:
        return float(text)
    except ValueError:
        return text


class PartitionedSource(WrappedSource):
    """A file of a partitioned data set, with a column for each key of its folders that is no column of its own."""

    def __init__(self, inner: Source):
        super().__init__(inner)
        keys = partition_keys(self.path)
        self._values = {key: np.asarray(value) for key, value in keys.items() if key not in inner.branches}
        self.branches = inner.branches | set(self._values)

    def _own(self, names: Iterable[str]) -> list[str]:
        return [name for name in names if name not in self._values]

    def num_entries_of(self, branches: Iterable[str]) -> int:
        """Rows of the file."""
        return self.inner.num_entries_of(self._own(branches))

    def bytes_per_entry(self, branches: Iterable[str]) -> float:
        """Bytes of a row."""
        names = list(branches)
        own = self._own(names)
        return (self.inner.bytes_per_entry(own) if own else 0.0) + _BYTES * (len(names) - len(own))

    def _arrays(self, names: list[str], start: int, stop: int) -> dict[str, Column]:
        own = self._own(names)
        result = self.inner.read(own, start, stop) if own else {}
        for name in set(names) - set(own):
            result[name] = Column(np.full(stop - start, self._values[name]))
        return result
