"""Text files of one row per event or object: CSV with commas, semicolons or tabs, through pyarrow."""

from __future__ import annotations

import csv
import gzip
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from pyg_hep.errors import ReaderError
from pyg_hep.readers.arrow import arrow_column
from pyg_hep.readers.columns import Column
from pyg_hep.readers.source import NoColumnError, Source, open_binary, reading

_DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab"}
_NO_NUMBER = ("", "nan", "NaN", "NAN", "-nan", "NA", "N/A", "n/a", "null", "NULL", "None", "<NA>")
_MISSING = [space + text for text in _NO_NUMBER for space in ("", " ")]
_QUOTED = re.compile(r'"[^"]*"')
_GZIP = b"\x1f\x8b"
# Lines after the header that tell what stands between and in the numbers; a line is not longer than that.
_SAMPLE, _LONGEST = 20, 1 << 20
_DECIMAL_COMMA = re.compile(r"\s*[+-]?\d+,\d+(e[+-]?\d+)?\s*", re.IGNORECASE)


class CSVSource(Source):
    """Columns of a text file whose first line names them, also compressed by gzip.

    Commas, semicolons or tabs stand between the columns; with the last two, numbers may have a decimal comma. An empty
    field, ``nan`` or ``NA`` in a column of numbers is NaN. A column that is not all numbers is text. A file cut
    within its last value or behind a line looks like a shorter one, as nothing in it says how long it was.

    Args:
        path: a local path or an address.

    Raises:
        ReaderError: when the file is missing, cannot be read or has no line of names, or pyarrow is not installed.
    """

    def __init__(self, path: str | os.PathLike[str]):
        super().__init__(path)
        try:
            import pyarrow.csv  # noqa: F401 (looked for here, needed later)
        except ImportError:
            raise ReaderError(f"{self.path}: CSV files need 'pip install pyg_hep[parquet]'") from None
        with reading(self.path, "the file"), self._open() as stream:
            self._header, lines = _first_lines(stream)
        self._delimiter = self._find_delimiter(lines)
        self._names = [name.strip() for name in self._row(lines[0].removeprefix("#"))]
        if all(_is_number(name) for name in self._names if name):
            raise ReaderError(f"{self.path}: the first line holds no names of columns but numbers; add one with names")
        values = [value for line in lines[1:] for value in self._row(line)]
        decimal_comma = self._delimiter != "," and any(_DECIMAL_COMMA.fullmatch(value) for value in values)
        self._decimal_point = "," if decimal_comma else "."
        self.branches = frozenset(name for name in self._names if name)
        self._columns: dict[str, Column] = {}

    @contextmanager
    def _open(self) -> Iterator[Any]:
        with open_binary(self.path) as stream:
            start = stream.read(len(_GZIP))
            stream.seek(0)
            if start != _GZIP:
                yield stream
                return
            with gzip.open(stream) as content:
                yield content

    def _find_delimiter(self, lines: list[str]) -> str:
        """The one that divides the first lines into equally many parts."""
        if not lines:
            raise ReaderError(f"{self.path}: the file is empty")
        bare = [_QUOTED.sub("", line) for line in lines]
        numbers = {d: {line.count(d) for line in bare} for d in _DELIMITERS}
        several = [d for d in _DELIMITERS if max(numbers[d])]
        equal = [d for d in several if len(numbers[d]) == 1] or several
        if len(equal) != 1:
            found = " or ".join(_DELIMITERS[d] for d in equal) or "none of them"
            raise ReaderError(f"{self.path}: a comma, semicolon or tab must stand between columns; it may be {found}")
        return equal[0]

    def _row(self, line: str) -> list[str]:
        return next(csv.reader([line], delimiter=self._delimiter), [])

    def close(self) -> None:
        """Forget what was read."""
        self._columns.clear()

    def num_entries_of(self, branches: Iterable[str]) -> int:
        """Lines after the names."""
        names = sorted(branches)
        if not names:
            return 0
        with reading(self.path, f"column {names[0]!r}"):
            self._parse(names)
        return len(self._columns[names[0]])

    def bytes_per_entry(self, branches: Iterable[str]) -> float:
        """Bytes of a line as numbers and text."""
        names = sorted(branches)
        lines = self.num_entries_of(names)
        return sum(self._columns[name].values.nbytes for name in names) / max(lines, 1)

    def _arrays(self, names: list[str], start: int, stop: int) -> dict[str, Column]:
        self._parse(names)
        return {name: Column(self._columns[name].values[start:stop]) for name in names}

    def _parse(self, names: Iterable[str]) -> None:
        """Read columns of all lines: what is a number and what is text is known at the end only."""
        missing = [name for name in names if name not in self._columns]
        if not missing:
            return
        for name in missing:
            if self._names.count(name) != 1:
                raise NoColumnError(f"the file has {self._names.count(name) or 'no'} columns {name!r}")
        import pyarrow as pa
        from pyarrow import csv as arrow

        # By position, as names may be empty or repeated.
        places = {name: str(self._names.index(name)) for name in missing}
        with self._open() as stream:
            table = arrow.read_csv(
                stream,
                arrow.ReadOptions(
                    column_names=[str(number) for number in range(len(self._names))],
                    skip_rows=self._header,
                ),
                arrow.ParseOptions(delimiter=self._delimiter),
                arrow.ConvertOptions(
                    include_columns=list(places.values()),
                    null_values=_MISSING,
                    decimal_point=self._decimal_point,
                    timestamp_parsers=["not a time"],
                ),
            )
        for name, place in places.items():
            column = table.column(place)
            if pa.types.is_temporal(column.type):
                column = column.cast(pa.string())
            values = arrow_column(column, ()).values
            self._columns[name] = Column(np.char.strip(values) if values.dtype.kind == "U" else values)


def _first_lines(stream: Any) -> tuple[int, list[str]]:
    """Lines up to the end of the names, and the first lines that are not empty."""
    lines: list[str] = []
    header = 0
    while len(lines) < _SAMPLE and (line := stream.readline(_LONGEST)):
        # What is wrong with a value is said when its column is asked for; the names must be right.
        text = line.decode("utf-8", "replace") if lines else line.decode("utf-8-sig")
        text = text.strip("\r\n")
        header += not lines
        lines += [text] if text.strip() else []
    return header, lines


def _is_number(text: str) -> bool:
    try:
        float(text.replace(",", "."))
    except ValueError:
        return False
    return True
