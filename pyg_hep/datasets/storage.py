"""Column storage of a data set: one memory-mapped ``.npy`` file per column, event offsets, a JSON manifest.

Nothing is ever unpickled, and a pickled storage is a path, not the data.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pyg_hep.datasets.column_file import ColumnFile, content_hash
from pyg_hep.errors import ReaderError
from pyg_hep.schema import Column

NOT_IN_GRAPHS: dict[str, Column] = {
    "split_key": Column((), "int64", "int64", "", "hash of the hard event"),
    "entry": Column((), "int64", "int64", "", "position of the event in its file"),
}
"""Event columns that are stored beside the graphs."""
MANIFEST = "manifest.json"


def _described(column: Column) -> dict[str, Any]:
    return {"shape": list(column.shape), "dtype": column.dtype, "stored": column.stored}


def columns_digest(columns: Mapping[str, str]) -> str:
    """One hash of the descriptions of columns by name; their order does not matter."""
    total = content_hash()
    total.update(json.dumps(columns, sort_keys=True).encode())
    return total.hexdigest()


class StorageWriter:
    """Writes columns into ``folder``; as a context manager it closes them.

    Args:
        folder: an existing folder.
        node_columns: columns with one row per node.
        event_columns: columns with one row per event.
        num_events: events that are there already and stay.
        num_nodes: their nodes.

    Raises:
        ReaderError: when less is there.
    """

    def __init__(
        self,
        folder: Path,
        node_columns: Mapping[str, Column],
        event_columns: Mapping[str, Column],
        num_events: int = 0,
        num_nodes: int = 0,
    ):
        self.folder = folder
        self._node_columns, self._event_columns = dict(node_columns), dict(event_columns)
        self._files = {name: ColumnFile(folder / f"{name}.npy", c, num_nodes) for name, c in node_columns.items()}
        self._files |= {name: ColumnFile(folder / f"{name}.npy", c, num_events) for name, c in event_columns.items()}
        offsets = Column((), "int64", "int64", "", "first node of each event, and the end")
        self._files["offsets"] = ColumnFile(folder / "offsets.npy", offsets, num_events + 1 if num_events else 0)
        if not num_events:
            self._files["offsets"].append(np.zeros(1))
        self.num_events, self._num_nodes = num_events, num_nodes

    @property
    def num_nodes(self) -> int:
        """Nodes written."""
        return self._num_nodes

    def first_node(self, event: int) -> int:
        """First node of an event that was written, or of the next one."""
        return int(self._files["offsets"].read(event, event + 1)[0])

    def stored(self, name: str) -> np.ndarray:
        """A column as written so far."""
        return self._files[name].read(0, self._files[name].rows)

    def append(self, nodes: Mapping[str, np.ndarray], counts: np.ndarray, events: Mapping[str, np.ndarray]) -> None:
        """Append events."""
        for name in self._node_columns:
            self._files[name].append(nodes[name])
        for name in self._event_columns:
            self._files[name].append(events[name])
        self._files["offsets"].append(self._num_nodes + np.cumsum(counts))
        self._num_nodes += int(counts.sum())
        self.num_events += len(counts)

    def flush(self) -> None:
        """Hand everything to the operating system."""
        for file in self._files.values():
            file.flush()

    def rollback(self, num_events: int, num_nodes: int) -> None:
        """Go back to an earlier state."""
        for name in self._node_columns:
            self._files[name].truncate(num_nodes)
        for name in self._event_columns:
            self._files[name].truncate(num_events)
        self._files["offsets"].truncate(num_events + 1)
        self.num_events, self._num_nodes = num_events, num_nodes

    def digest(self) -> str:
        """Hash of what graphs hold: names, types and rows of their columns, and where every event starts."""
        columns = self._node_columns | {n: c for n, c in self._event_columns.items() if n not in NOT_IN_GRAPHS}
        return columns_digest(
            {"offsets": self._files["offsets"].digest()}
            | {name: f"{_described(column)} {self._files[name].digest()}" for name, column in columns.items()}
        )

    def finish(self, manifest: Mapping[str, Any]) -> None:
        """Close all columns and write the manifest, the file whose presence says that the rest is complete."""
        digest = self.digest()
        self.close()
        content = {
            **manifest,
            "num_events": self.num_events,
            "num_nodes": self._num_nodes,
            "node_columns": {name: _described(column) for name, column in self._node_columns.items()},
            "event_columns": {name: _described(column) for name, column in self._event_columns.items()},
            "digest": digest,
        }
        (self.folder / MANIFEST).write_text(json.dumps(content, indent=1), encoding="utf-8")

    def close(self) -> None:
        """Close all columns."""
        for file in self._files.values():
            file.close()

    def __enter__(self) -> StorageWriter:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def node_rows(first: Tensor, counts: Tensor) -> Tensor:
    """Rows of the nodes of some events, event after event: ``first[k]`` to ``first[k] + counts[k] - 1`` of each."""
    start = counts.cumsum(0) - counts
    total = int(counts.sum())
    return torch.arange(total) + torch.repeat_interleave(first - start, counts, output_size=total)


_MAPPED = ("offsets", "nodes", "events", "entry", "split_key", "_types")


def _columns(described: Mapping[str, Mapping[str, Any]]) -> dict[str, Column]:
    return {name: Column(tuple(d["shape"]), str(d["dtype"]), str(d["stored"]), "", "") for name, d in described.items()}


class EventStorage:
    """Events in columns, memory-mapped; pickles as its path.

    Args:
        folder: what :class:`StorageWriter` wrote.

    Raises:
        ReaderError: when the manifest or a column is missing or damaged.
    """

    def __init__(self, folder: str | Path):
        self.folder = Path(folder)
        try:
            self.manifest: dict[str, Any] = json.loads((self.folder / MANIFEST).read_text(encoding="utf-8"))
            self.num_events = int(self.manifest["num_events"])
            self.node_columns = _columns(self.manifest["node_columns"])
            self.event_columns = {
                name: column
                for name, column in _columns(self.manifest["event_columns"]).items()
                if name not in NOT_IN_GRAPHS
            }
            self.digest = str(self.manifest["digest"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ReaderError(f"{self.folder}: not a processed data set ({error})") from None

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name not in _MAPPED}

    def _map(self, name: str, rows: int) -> Tensor:
        path = self.folder / f"{name}.npy"
        try:
            # Copy-on-write: torch wants writable memory, the file must never change.
            column = np.load(path, mmap_mode="c", allow_pickle=False)
        except (OSError, ValueError) as error:
            raise ReaderError(f"{path}: column cannot be read ({error}); use force_reload=True") from None
        if len(column) != rows:
            raise ReaderError(f"{path}: {len(column)} rows instead of {rows}; use force_reload=True")
        return torch.from_numpy(column)

    @functools.cached_property
    def offsets(self) -> Tensor:
        """First node of every event and the end of the last, shape ``[num_events + 1]``."""
        return self._map("offsets", self.num_events + 1)

    @functools.cached_property
    def nodes(self) -> dict[str, Tensor]:
        """Columns with one row per node."""
        rows = int(self.manifest["num_nodes"])
        return {name: self._map(name, rows) for name in self.node_columns}

    @functools.cached_property
    def events(self) -> dict[str, Tensor]:
        """Columns with one row per event that belong into a graph."""
        return {name: self._map(name, self.num_events) for name in self.event_columns}

    @functools.cached_property
    def _types(self) -> dict[str, torch.dtype]:
        columns = self.node_columns | self.event_columns
        return {name: getattr(torch, column.dtype) for name, column in columns.items()}

    @functools.cached_property
    def entry(self) -> Tensor:
        """Position of every event in the file it was read from."""
        return self._map("entry", self.num_events)

    @functools.cached_property
    def split_key(self) -> np.ndarray:
        """Hash of each hard event as a number in [0, 1)."""
        key = self._map("split_key", self.num_events).numpy().view(np.uint64)
        return (key >> np.uint64(11)).astype(np.float64) / 2.0**53

    def counts(self, events: Tensor) -> Tensor:
        """Nodes of some events, shape ``[B]``."""
        return self.offsets[events + 1] - self.offsets[events]

    def column(self, name: str, events: Tensor) -> Tensor:
        """An event column of some events, shape ``[B, ...]``."""
        return self.events[name][events].to(self._types[name])

    def gather(self, events: Tensor) -> tuple[dict[str, Tensor], dict[str, Tensor], Tensor]:
        """Copy the rows of some events, in the order given.

        Args:
            events: positions, shape ``[B]``, int64.

        Returns:
            Node columns ``[n, ...]``, event columns ``[B, ...]``, and the nodes of each event, shape ``[B]``; types
            as in the graph.
        """
        first = self.offsets[events]
        counts = self.offsets[events + 1] - first
        rows = node_rows(first, counts)
        nodes = {name: column[rows].to(self._types[name]) for name, column in self.nodes.items()}
        return nodes, {name: column[events].to(self._types[name]) for name, column in self.events.items()}, counts
