"""Column storage of a data set: one memory-mapped ``.npy`` file per column, event offsets, a JSON manifest.

Nothing is ever unpickled, and a pickled storage is a path, not the data.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from numpy.lib import format as npy
from torch import Tensor

from pyg_hep.errors import ReaderError
from pyg_hep.schema import EVENT_COLUMNS, NODE_COLUMNS, OPTIONAL_EVENT_COLUMNS, OPTIONAL_NODE_COLUMNS, Column

ALL_NODE_COLUMNS = NODE_COLUMNS | OPTIONAL_NODE_COLUMNS
ALL_EVENT_COLUMNS = (
    EVENT_COLUMNS
    | OPTIONAL_EVENT_COLUMNS
    | {
        "split_key": Column((), "int64", "int64", "", "hash of the hard event"),
        "entry": Column((), "int64", "int64", "", "position of the event in its file"),
    }
)
NOT_IN_GRAPHS = ("split_key", "entry")
"""Event columns that are stored beside the graphs."""
MANIFEST = "manifest.json"


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
        self._file.write(np.ascontiguousarray(values, dtype=self._dtype).tobytes())
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

    def close(self) -> None:
        """Write the final header and close the file."""
        if self._file.closed:
            return
        if self._write_header() != self._data_start:
            raise RuntimeError("the header of a column grew over its data")
        self._file.close()


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
        self._node_columns, self._event_columns = list(node_columns), list(event_columns)
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

    def finish(self, manifest: Mapping[str, Any]) -> None:
        """Close all columns and write the manifest, the file whose presence says that the rest is complete."""
        self.close()
        content = {
            **manifest,
            "num_events": self.num_events,
            "num_nodes": self._num_nodes,
            "node_columns": self._node_columns,
            "event_columns": self._event_columns,
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
        except (OSError, ValueError, KeyError) as error:
            raise ReaderError(f"{self.folder}: not a processed data set ({error})") from None

    def __getstate__(self) -> dict[str, Any]:
        return {"folder": self.folder, "manifest": self.manifest, "num_events": self.num_events}

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
        return {name: self._map(name, rows) for name in self.manifest["node_columns"]}

    @functools.cached_property
    def events(self) -> dict[str, Tensor]:
        """Columns with one row per event that belong into a graph."""
        names = [n for n in self.manifest["event_columns"] if n not in NOT_IN_GRAPHS]
        return {name: self._map(name, self.num_events) for name in names}

    @functools.cached_property
    def entry(self) -> Tensor:
        """Position of every event in the file it was read from."""
        return self._map("entry", self.num_events)

    @functools.cached_property
    def split_key(self) -> np.ndarray:
        """Hash of each hard event as a number in [0, 1)."""
        key = self._map("split_key", self.num_events).numpy().view(np.uint64)
        return (key >> np.uint64(11)).astype(np.float64) / 2.0**53

    def gather(self, events: Tensor) -> tuple[dict[str, Tensor], dict[str, Tensor], Tensor]:
        """Copy the rows of some events, in the order given.

        Args:
            events: positions, shape ``[B]``, int64.

        Returns:
            Node columns, event columns, and the nodes of each event, shape ``[B]``; types as in the graph.
        """
        first = self.offsets[events]
        counts = self.offsets[events + 1] - first
        start = counts.cumsum(0) - counts
        total = int(counts.sum())
        rows = torch.arange(total) + torch.repeat_interleave(first - start, counts, output_size=total)
        nodes = {
            name: column[rows].to(getattr(torch, ALL_NODE_COLUMNS[name].dtype)) for name, column in self.nodes.items()
        }
        return nodes, {name: column[events] for name, column in self.events.items()}, counts
