"""ROOT trees through uproot: open, list, and read ranges of entries; every failure becomes a ``ReaderError``."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import awkward as ak
import numpy as np
import uproot

from pyg_hep.errors import ReaderError, nearest

# What uproot, its decompressors and fsspec raise on files that are missing, cut off or damaged.
_UNREADABLE = (
    OSError,
    ValueError,
    KeyError,
    IndexError,
    TypeError,
    AttributeError,
    AssertionError,
    NotImplementedError,
    RuntimeError,
    ArithmeticError,
    MemoryError,
    EOFError,
    ImportError,
    struct.error,
    zlib.error,
    uproot.DeserializationError,
    uproot.exceptions.KeyInFileError,
)


def is_remote(path: str) -> bool:
    """Whether ``path`` is an address such as ``root://`` or ``https://`` rather than a file of this machine."""
    return "://" in path


@contextmanager
def _reading(path: str, what: str) -> Iterator[None]:
    try:
        yield
    except ReaderError:
        raise
    except _UNREADABLE as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise ReaderError(f"{path}: cannot read {what}, the file is damaged or incomplete ({reason})") from error


class RootTree:
    """One tree of one ROOT file.

    Args:
        path: a local path or an address uproot can open.
        tree: name of the tree.

    Raises:
        ReaderError: when the file is missing, cannot be read, or lacks the tree.
    """

    def __init__(self, path: str | os.PathLike[str], tree: str):
        self.path = os.fspath(path)
        self.tree_name = tree
        if not is_remote(self.path) and not Path(self.path).is_file():
            raise ReaderError(f"{self.path}: no such file")
        with _reading(self.path, "the file"):
            self._file = uproot.open(self.path)
            names = {key.split(";")[0] for key in self._file.keys(recursive=True)}
        if tree not in names:
            self.close()
            raise ReaderError(f"{self.path}: no tree {tree!r} in the file, {nearest(tree, names)}")
        with _reading(self.path, f"tree {tree!r}"):
            self._tree = self._file[tree]
            self.num_entries = int(self._tree.num_entries)
            self.branches = frozenset(self._tree.keys(recursive=False))

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> RootTree:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def entries_per_chunk(self, branches: Iterable[str], step_size: str | int) -> int:
        """Entries that hold ``step_size`` (``"100 MB"`` of memory, or a number of entries) of ``branches``."""
        if isinstance(step_size, int):
            return max(step_size, 1)
        with _reading(self.path, "the sizes of its branches"):
            return max(int(self._tree.num_entries_for(step_size, sorted(branches))), 1)

    def read(self, branches: Iterable[str], start: int, stop: int) -> Mapping[str, ak.Array]:
        """Read entries ``start`` to ``stop`` of ``branches``.

        Raises:
            ReaderError: when a branch cannot be read or has another length than asked for.
        """
        names = sorted(branches)
        what = f"entries {start} to {stop} of {', '.join(names[:3])}{' ...' if len(names) > 3 else ''}"
        with _reading(self.path, what):
            arrays = self._tree.arrays(names, entry_start=start, entry_stop=stop, library="ak", how=dict)
        for name in names:
            if len(arrays[name]) != stop - start:
                found = len(arrays[name])
                problem = f"branch {name!r} has {found} entries between {start} and {stop}"
                raise ReaderError(f"{self.path}: {problem}: the file is damaged or incomplete")
        return arrays


def flat(array: ak.Array, what: str) -> tuple[np.ndarray, np.ndarray | None]:
    """Flat content and counts of a jagged array (counts are None for one value per event).

    Raises:
        ReaderError: when the array is neither numbers nor one level of lists of numbers.
    """
    with _reading(what, "its content"):
        layout = ak.to_packed(array).layout
        if array.ndim == 1:
            return ak.to_numpy(ak.Array(layout)), None
        if array.ndim == 2:
            listed = ak.Array(layout)
            return ak.to_numpy(ak.flatten(listed, axis=1)), ak.to_numpy(ak.num(listed, axis=1))
    raise ReaderError(f"{what}: expected numbers or lists of numbers, found {array.type}")
