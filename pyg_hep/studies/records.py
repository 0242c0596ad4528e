"""``Records``: finished runs of a study, one JSON line each, and what tells a run from every other one."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock

import pyg_hep
from pyg_hep import identity
from pyg_hep.datasets import EventDataset
from pyg_hep.errors import ConfigError

_NOT_KEPT = ("history", "probability")  # arrays for plots, too large for a line


def key_of(columns: Mapping[str, Any]) -> str:
    """Sixteen hexadecimal digits of everything that shapes a run, as plain JSON."""
    return hashlib.sha256(json.dumps(columns, sort_keys=True).encode()).hexdigest()[:16]


def data_digest(*datasets: EventDataset) -> str:
    """Digest of what some data sets hold, in their order."""
    return key_of({"data": [dataset.digest for dataset in datasets]})


def weights_digest(folder: Path) -> str:
    """Digest of a saved model: its weights, and what the network is made of."""
    files = [folder / name for name in ("config.json", "model.safetensors")]
    stamps = tuple((path.stat().st_mtime_ns, path.stat().st_size) for path in files)
    return _weights_digest(folder.resolve(), stamps)


@functools.cache
def _weights_digest(folder: Path, stamps: tuple[tuple[int, int], ...]) -> str:
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    # Where it was made, when and by which version leaves the network as it is.
    shaping = {name: config.get(name) for name in ("backbone", "view")}
    digest = hashlib.sha256(json.dumps(shaping, sort_keys=True).encode())
    digest.update((folder / "model.safetensors").read_bytes())
    return digest.hexdigest()[:16]


# Rooms and modules that change no figure of a training: files and cards enter by the digest of the events, arguments of
# a study by themselves. What is not named here counts.
_WITHOUT_INFLUENCE = (
    "analysis.entropy", "command", "errors", "export", "provenance", "readers", "simulation", "testing", "workers",
    "evaluation.cost", "evaluation.event_display", "evaluation.plots", "evaluation.report", "evaluation.similarity",
    "evaluation.two_sample",
    "studies.abasov", "studies.bumblebee", "studies.command", "studies.curves", "studies.earlier", "studies.ho",
    "studies.kishimoto", "studies.omnilearn", "studies.place",
)  # fmt: skip


@functools.cache
def code_digest(*modules: str) -> str:
    """Digest of the library's code, as syntax trees without docstrings, but for what changes no training.

    Args:
        modules: those whose code enters too, by name.
    """
    root = Path(pyg_hep.__file__).parent
    names = [path.relative_to(root).with_suffix("").parts for path in sorted(root.rglob("*.py"))]
    counted = [".".join(("pyg_hep", *parts)) for parts in names if _has_influence(".".join(parts))]
    return identity.code_digest([name.removesuffix(".__init__") for name in (*counted, *modules)])[:16]


def _has_influence(name: str) -> bool:
    return not any(name == without or name.startswith(f"{without}.") for without in _WITHOUT_INFLUENCE)


class Records:
    """Records of finished runs in a file of JSON lines, each with the ``key`` of its run.

    Several processes may append to one file. A last line that a kill cut short is dropped when the next is
    written; any other damage is an error.

    Args:
        path: the file; it and its folder are made with the first record.

    Raises:
        ConfigError: for a line that is no record, or one of an earlier version without a key: figures published
            earlier never stand among new ones, see :mod:`pyg_hep.studies.earlier`.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self.records: list[dict[str, Any]] = []
        self._whole = 0  # bytes of complete lines
        self._read()

    def _read(self) -> None:
        if not self.path.is_file():
            return
        content = self.path.read_bytes()
        self._whole = content.rfind(b"\n") + 1
        self.records = [self._parsed(n, line) for n, line in enumerate(content[: self._whole].splitlines(), start=1)]

    def _parsed(self, number: int, line: bytes) -> dict[str, Any]:
        try:
            record = json.loads(line)
            columns = dict(record)
        except (ValueError, TypeError) as error:
            raise ConfigError(f"{self.path}, line {number}, is no record of a run: {error}") from None
        if "key" not in columns:
            raise ConfigError(
                f"{self.path}, line {number}, was published earlier and has no key that says which data, weights and "
                "code made it: new records need a file of their own (--records), old ones go to --earlier"
            )
        return columns

    def __contains__(self, key: object) -> bool:
        return any(record["key"] == key for record in self.records)

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

    def keep(self, keys: Iterable[str]) -> None:
        """Forget, in memory only, the records of all other runs: those of changed code, data or arguments, say.

        The records of these runs then stand in the order of the keys.
        """
        place = {key: position for position, key in enumerate(keys)}
        kept = [record for record in self.records if record["key"] in place]
        self.records = sorted(kept, key=lambda record: place[record["key"]])

    def select(self, **columns: Any) -> list[dict[str, Any]]:
        """Records with these entries, ordered by seed where they have one; a tuple allows any of its values."""
        rows = [
            record
            for record in self.records
            if all(record.get(k) in v if isinstance(v, tuple) else record.get(k) == v for k, v in columns.items())
        ]
        return sorted(rows, key=lambda record: record.get("seed", 0))


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"a record of a run holds plain JSON, found {type(value).__name__}")
