"""What every file format offers the readers: names, lengths, and ranges of entries as columns.

A new format is a subclass of :class:`Source` and one line in ``formats.py``. Every failure of the library behind
a format becomes a ``ReaderError``.
"""

from __future__ import annotations

import abc
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from pyg_hep.errors import ReaderError
from pyg_hep.readers.columns import Column

# Entries whose size is measured where the file does not say how large its columns are.
_SAMPLE = 1000
# Compression makes real columns 2 to 20 times smaller, and repetitions of one value up to a few 1000 times.
_MOST_BYTES_PER_BYTE = 10_000
_LARGEST_ENTRY = 1 << 30


def is_remote(path: str) -> bool:
    """Whether ``path`` is an address such as ``root://`` or ``https://`` rather than a file of this machine."""
    return "://" in path


def open_binary(path: str) -> BinaryIO:
    """A local file or an address that fsspec knows, for reading."""
    if not is_remote(path):
        return Path(path).open("rb")
    import fsspec

    file: BinaryIO = fsspec.open(path, "rb").open()
    return file


class NoColumnError(Exception):
    """Sound content of a file that cannot be a column; the text says why, in a sentence about the column."""


def too_deep(levels: int) -> NoColumnError:
    """The exception for more than one level of lists."""
    number = {2: "two", 3: "three"}.get(levels, str(levels))
    return NoColumnError(f"it holds {number} levels of lists, and a column has at most one")


@contextmanager
def reading(path: str, what: str) -> Iterator[None]:
    """Turn whatever goes wrong inside into a ``ReaderError`` that names the file, ``what`` was read, and why not."""
    try:
        yield
    except ReaderError:
        raise
    # Not a list of types: uproot, h5py, pyarrow, numpy, fsspec and a dozen decompressors each raise their own.
    except Exception as error:
        raise ReaderError(f"{path}: cannot read {what}{_why(error)}") from error


def _why(error: Exception) -> str:
    """What kind of failure it was: most are damage, but a sound file is never called damaged."""
    reason = " ".join(str(error).split())[:200] or type(error).__name__
    if isinstance(error, NoColumnError):
        return f": {error}"
    if isinstance(error, ImportError):
        return f": a package that it needs is not installed ({reason})"
    if isinstance(error, NotImplementedError):
        return f": it is of a kind that cannot be read ({reason})"
    if isinstance(error, (PermissionError, FileNotFoundError, IsADirectoryError, ConnectionError, TimeoutError)):
        return f": it cannot be opened ({reason})"
    return f", the file is damaged or incomplete ({reason})"


def bytes_of(step_size: str) -> int:
    """Bytes of a size such as ``"100 MB"``.

    Raises:
        ReaderError: when it is none.
    """
    units = {"b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 2**10, "mib": 2**20, "gib": 2**30}
    text = step_size.strip().lower()
    unit = text.lstrip("0123456789. ")
    try:
        return int(float(text[: len(text) - len(unit)]) * units[unit])
    except (KeyError, ValueError):
        raise ReaderError(f"step_size {step_size!r} is no size such as '100 MB'") from None


class Source(abc.ABC):
    """One input file.

    Args:
        path: a local path or an address.

    Attributes:
        branches: names that can be read.
        identity: column of the schema -> branch, where the source itself knows what numbers its events.

    Raises:
        ReaderError: when the file is missing or cannot be read.
    """

    branches: frozenset[str]
    identity: Mapping[str, str] = {}

    def __init__(self, path: str | os.PathLike[str]):
        self.path = os.fspath(path)
        if not is_remote(self.path) and not Path(self.path).is_file():
            raise ReaderError(f"{self.path}: no such file")

    @abc.abstractmethod
    def close(self) -> None:
        """Close the file."""

    @abc.abstractmethod
    def num_entries_of(self, branches: Iterable[str]) -> int:
        """Entries of these branches.

        Raises:
            ReaderError: when they differ in length.
        """

    @abc.abstractmethod
    def bytes_per_entry(self, branches: Iterable[str]) -> float:
        """Memory that one entry of ``branches`` takes, on average."""

    @abc.abstractmethod
    def _arrays(self, names: list[str], start: int, stop: int) -> Mapping[str, Column]:
        """Read; may raise anything that :func:`reading` understands."""

    def sum_of_generator_weights(self) -> float | None:
        """Sum of weights before any selection, where the file keeps it beside the events."""
        return None

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def chunks(self, branches: Iterable[str], step_size: str | int) -> list[tuple[int, int]]:
        """Ranges of entries that hold ``step_size`` of ``branches``: memory such as ``"100 MB"``, or a number.

        Raises:
            ReaderError: when the file states more entries, or larger ones, than it can hold.
        """
        names = sorted(branches)
        total = self.num_entries_of(names)
        with reading(self.path, "the sizes of its columns"):
            size = self.bytes_per_entry(names)
        self._check_size(total, size)
        step = int(bytes_of(step_size) / max(size, 1e-9)) if isinstance(step_size, str) else step_size
        step = min(max(step, 1), max(total, 1))
        return [(start, min(start + step, total)) for start in range(0, total, step)]

    def bytes_of_sample(self, branches: Iterable[str], total: int) -> float:
        """Memory that one of the first entries takes, where a file of ``total`` entries does not state it."""
        count = min(_SAMPLE, total)
        columns = self.read(branches, 0, count).values() if count > 0 else ()
        return sum(c.values.nbytes + 8 * (c.counts is not None) * count for c in columns) / max(count, 1)

    def _check_size(self, total: int, size: float) -> None:
        """A damaged header can state any length; reading it would fill the memory or never end."""
        with reading(self.path, "the file"):
            content = _LARGEST_ENTRY if is_remote(self.path) else Path(self.path).stat().st_size
        if size > _LARGEST_ENTRY or total * max(size, 1) > _MOST_BYTES_PER_BYTE * content:
            raise ReaderError(
                f"{self.path}: states {total} entries of {size:.0f} bytes, more than it can hold: the file is damaged"
            )

    def read(self, branches: Iterable[str], start: int, stop: int) -> dict[str, Column]:
        """Read entries ``start`` to ``stop`` of ``branches``.

        Raises:
            ReaderError: when a branch cannot be read or has another length than asked for; names the branch.
        """
        names = sorted(branches)
        try:
            with reading(self.path, f"entries {start} to {stop}"):
                arrays = self._arrays(names, start, stop)
        except ReaderError:
            # Which column is it? The others may well be fine.
            for name in names:
                with reading(self.path, f"entries {start} to {stop} of column {name!r}"):
                    self._arrays([name], start, stop)
            raise
        for name in names:
            if len(arrays[name]) != stop - start:
                raise ReaderError(
                    f"{self.path}: column {name!r} has {len(arrays[name])} entries between {start} and {stop}: "
                    "the file is damaged or incomplete"
                )
        return {name: arrays[name] for name in names}
