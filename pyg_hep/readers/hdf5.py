"""HDF5 files through h5py: data sets, fields of tables, lists of variable length, text, and links to other files."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from pyg_hep.errors import ReaderError
from pyg_hep.readers.arrays import ArraySource
from pyg_hep.readers.columns import Column
from pyg_hep.readers.flat import decoded
from pyg_hep.readers.hdf5_heap import check_heaps
from pyg_hep.readers.hdf5_links import Links
from pyg_hep.readers.source import NoColumnError, is_remote, open_binary, reading, too_deep


class _Names(frozenset[str]):
    """Names that can be read, and those below a link without a target, so that asking for one names the target."""

    blocked: frozenset[str] = frozenset()

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name) or bool(blocking(str(name), self.blocked))


def blocking(name: str, blocked: Iterable[str]) -> str | None:
    """The one of ``blocked`` that is ``name`` or a group around it."""
    return next((link for link in blocked if name == link or name.startswith(f"{link}/")), None)


class HDF5Source(ArraySource):
    """Data sets of an HDF5 file by their path; fields of a table (also one that pandas wrote) as ``path/field``.

    Soft links, external links and virtual data sets are followed; a column whose target is missing is an error that
    names the target, when the column is asked for. Raw files are never read. Lists of variable length have counts, and
    text is text.

    Args:
        path: a local path or an address.

    Raises:
        ReaderError: when the file is missing, cannot be read, or h5py is not installed.
    """

    def __init__(self, path: str | os.PathLike[str]):
        super().__init__(path)
        try:
            import h5py
            import hdf5plugin  # noqa: F401 (importing it registers the compressions that pandas and others use)
        except ImportError:
            raise ReaderError(f"{self.path}: HDF5 files need 'pip install pyg_hep[hdf5]'") from None
        self._shapes, self._types = {}, {}
        self._place: dict[str, tuple[Any, tuple[str, ...]]] = {}
        self._stream = None
        with reading(self.path, "the file"):
            if is_remote(self.path):
                self._stream = open_binary(self.path)
            else:
                check_heaps(self.path)
            try:
                # By its path where it has one: HDF5 looks for what a file links to only beside a path.
                self._file = h5py.File(self._stream or self.path, "r", locking=False)
            except BaseException:
                if self._stream is not None:
                    self._stream.close()
                raise
        self._links = Links(self._file, is_remote(self.path))
        try:
            with reading(self.path, "the list of its content"):
                for name, dataset in self._links.datasets():
                    self._note(name, dataset)
        except BaseException:
            self.close()
            raise
        names = _Names(self._place)
        names.blocked = frozenset(self._links.blocked)
        self.branches = names

    def _note(self, name: str, dataset: Any) -> None:
        shape = dataset.shape or ()  # none where the data set holds nothing
        for fields, kind in _fields_of(dataset.dtype):
            full = "/".join((name, *fields))
            self._place[full] = (dataset, fields)
            self._shapes[full], self._types[full] = (*shape, *kind.shape), kind.base

    def close(self) -> None:
        """Close the file and those that it links to."""
        self._links.close()
        self._file.close()
        if self._stream is not None:
            self._stream.close()

    def num_entries_of(self, branches: Iterable[str]) -> int:
        """Rows of the data sets, which must be the same for all."""
        names = sorted(branches)
        for name in names:
            with reading(self.path, f"column {name!r}"):
                self._check(name)
        return super().num_entries_of(names)

    def bytes_per_entry(self, branches: Iterable[str]) -> float:
        """Bytes of a row; those of the first rows where their size varies."""
        names = sorted(branches)
        if any(self._types[name].hasobject for name in names):
            return self.bytes_of_sample(names, self.num_entries_of(names))
        return super().bytes_per_entry(names)

    def _check(self, name: str) -> None:
        if name in self._place:
            return
        link = blocking(name, self._links.blocked)
        raise NoColumnError(self._links.blocked[link] if link else "it is not in the file")

    def _arrays(self, names: list[str], start: int, stop: int) -> dict[str, Column]:
        result, tables = {}, {}
        for name in names:
            self._check(name)
            dataset, fields = self._place[name]
            _check_filters(dataset)
            if not fields:
                result[name] = _column(dataset[start:stop], self._types[name])
                continue
            if dataset.id not in tables:
                asked = sorted({f[0] for d, f in (self._place[n] for n in names) if f and d.id == dataset.id})
                tables[dataset.id] = dataset.fields(asked)[start:stop]
            values = tables[dataset.id]
            for field in fields:
                values = values[field]
            result[name] = _column(np.ascontiguousarray(values), self._types[name])
        return result


def _fields_of(kind: np.dtype[Any]) -> Iterator[tuple[tuple[str, ...], np.dtype[Any]]]:
    if kind.names is None:
        yield (), kind
        return
    for name in kind.names:
        for inner, type_of_inner in _fields_of(kind[name]):
            yield (name, *inner), type_of_inner


def _check_filters(dataset: Any) -> None:
    import h5py

    plan = dataset.id.get_create_plist()
    for number in range(plan.get_nfilters()):
        code, _, _, name = plan.get_filter(number)
        if not h5py.h5z.filter_avail(code):
            called = name.decode("ascii", "replace") or str(code)
            raise NoColumnError(f"it is compressed by the HDF5 filter {called}, which is not installed")


def _column(values: np.ndarray, kind: np.dtype[Any]) -> Column:
    import h5py

    if h5py.check_string_dtype(kind) is not None:
        return Column(decoded(values))
    inner = h5py.check_vlen_dtype(kind)
    if inner is None:
        if kind.hasobject or kind.kind == "V":
            raise NoColumnError("it holds references or bytes without a meaning, neither numbers nor text")
        return Column(values)
    if values.ndim > 1 or h5py.check_vlen_dtype(inner) is not None:
        raise too_deep(2)
    counts = np.array([len(part) for part in values], dtype=np.int64)
    flat = np.concatenate([*values, np.zeros(0, inner)]).astype(inner, copy=False)
    return Column(_column(flat, inner).values, counts)
