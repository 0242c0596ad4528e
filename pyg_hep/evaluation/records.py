"""``RunRecords``: finished runs of a study, one JSON line each, so that a study can stop and go on."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock

from pyg_hep.errors import ConfigError

_NOT_KEPT = ("history", "probability")  # arrays for plots, too large for a line


class RunRecords:
    """Records of finished runs in a file of JSON lines.

    Several processes may append to one file. A last line that a kill cut short is dropped when the next is
    written; any other damage is an error.

    Args:
        path: the file; it and its folder are made with the first record.
        key: names of the entries that tell one run from another.

    Raises:
        ConfigError: for a line that is no record.
    """

    def __init__(self, path: str | Path, key: Sequence[str]):
        self.path, self.key = Path(path), tuple(key)
        self.records: list[dict[str, Any]] = []
        self._whole = 0  # bytes of complete lines
        self._read()

    def _read(self) -> None:
        if not self.path.is_file():
            return
        content = self.path.read_bytes()
        self._whole = content.rfind(b"\n") + 1
        self.records = []
        for number, line in enumerate(content[: self._whole].splitlines(), start=1):
            try:
                record = json.loads(line)
                self.key_of(record)
            except (ValueError, KeyError, TypeError) as error:
                raise ConfigError(f"{self.path}, line {number}, is no record of a run: {error}") from None
            self.records.append(record)

    def key_of(self, record: Mapping[str, Any]) -> tuple[Any, ...]:
        """What tells a record from others."""
        return tuple(record[name] for name in self.key)

    def __contains__(self, key: object) -> bool:
        return any(self.key_of(record) == key for record in self.records)

    def __len__(self) -> int:
        return len(self.records)

    def append(self, record: Mapping[str, Any]) -> None:
        """Write one record; arrays for plots (``history``, ``probability``) are left out."""
        kept = {name: value for name, value in record.items() if name not in _NOT_KEPT}
        line = json.dumps(kept, default=_plain)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(self.path.with_name(f".{self.path.name}.lock")):
            self._read()
            with self.path.open("r+b" if self.path.is_file() else "w+b") as file:
                file.truncate(self._whole)
                file.seek(self._whole)
                file.write(line.encode() + b"\n")
        self._read()

    def keep(self, entries: Sequence[str], values: Iterable[tuple[Any, ...]]) -> None:
        """Forget, in memory only, all records whose entries have other values: those of other settings, say."""
        wanted = set(values)
        self.records = [r for r in self.records if tuple(r[name] for name in entries) in wanted]

    def select(self, **wanted: Any) -> list[dict[str, Any]]:
        """Records with these entries, ordered by seed where they have one; a tuple allows any of its values."""
        found = [
            record
            for record in self.records
            if all(record.get(k) in v if isinstance(v, tuple) else record.get(k) == v for k, v in wanted.items())
        ]
        return sorted(found, key=lambda record: record.get("seed", 0))


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"a record of a run holds plain JSON, found {type(value).__name__}")
