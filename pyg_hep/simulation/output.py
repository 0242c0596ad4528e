"""Writes simulated events to a ROOT file, branches named as in NanoAOD; unfinished files never have the final name."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

import awkward as ak
import numpy as np
import uproot

from pyg_hep.errors import PygHepError
from pyg_hep.simulation.columns import Array, Collection, EventColumns

_BUFFERED = 10_000  # events per ROOT basket: many small ones make files large and slow to read


class EventWriter:
    """Context manager that writes a tree of events and the tree ``Runs``.

    Events go to ``<path>.part`` in the same folder. The file gets its name when the block ends without an
    exception; after any exception, an interrupt included, the part is removed and what was at ``path`` stays.

    Args:
        path: the file to write; missing folders are made.
        tree: name of the tree of events.

    Raises:
        PygHepError: if the file cannot be made.
    """

    def __init__(self, path: Path, tree: str = "Events") -> None:
        self.path, self.tree = path, tree
        self.part = path.with_name(path.name + ".part")
        self._waiting: list[EventColumns] = []
        self._events = 0
        self._sum = self._sum_of_squares = 0.0

    def __enter__(self) -> EventWriter:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = uproot.recreate(self.part)
        except OSError as error:
            raise PygHepError(f"cannot write {self.path}: {error}") from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        if kind is None:
            self.part.replace(self.path)
        else:
            self.part.unlink(missing_ok=True)

    def write(self, columns: EventColumns) -> None:
        """Append events; they reach the file 10,000 at a time."""
        self._waiting.append(columns)
        if sum(part.scalars["event"].size for part in self._waiting) >= _BUFFERED:
            self._flush()

    def finish(
        self, cross_section: float, cross_section_error: float, failed: int, vetoed: int | None = None, **counts: int
    ) -> None:  # fmt: skip
        """Write what waits, and ``Runs``: sums of weights, cross section [pb] with error, failed and vetoed ones.

        ``counts`` are further columns of ``Runs``.
        """
        self._flush()
        runs: dict[str, Array] = {
            "run": np.array([1], dtype=np.uint32),
            "genEventCount": np.array([self._events], dtype=np.int64),
            "genEventSumw": np.array([self._sum]),
            "genEventSumw2": np.array([self._sum_of_squares]),
            "genCrossSection": np.array([cross_section]),
            "genCrossSectionError": np.array([cross_section_error]),
            "genEventFailed": np.array([failed], dtype=np.int64),
        }
        if vetoed is not None:
            runs["genEventVetoed"] = np.array([vetoed], dtype=np.int64)
        runs |= {name: np.array([number], dtype=np.int64) for name, number in counts.items()}
        # mktree, as assigning a dictionary to a name would write an RNTuple.
        self._file.mktree("Runs", {name: values.dtype for name, values in runs.items()}).extend(runs)

    def _flush(self) -> None:
        if not self._waiting:
            return
        columns = EventColumns.concatenate(self._waiting)
        self._waiting = []
        names = ("run", "luminosityBlock", "event")
        scalars: dict[str, Array] = {name: columns.scalars[name] for name in names}
        scalars |= {name: values for name, values in columns.scalars.items() if name not in names}
        records = {name: _jagged(collection) for name, collection in columns.collections.items()}
        if not self._events:
            types = {name: values.dtype for name, values in scalars.items()}
            branches = types | {name: ak.type(record).content for name, record in records.items()}
            self._file.mktree(self.tree, branches, title="simulated by pyg_hep")
        self._file[self.tree].extend(scalars | records)
        weights = scalars["genWeight"].astype(np.float64)
        self._events += weights.size
        self._sum += float(weights.sum())
        self._sum_of_squares += float((weights**2).sum())


def _jagged(collection: Collection) -> ak.Array:
    """Jagged records; uproot names their branches ``Jet_pt`` and the counter ``nJet``, as NanoAOD does."""
    record = ak.zip({name: ak.Array(values) for name, values in collection.fields.items()})
    return ak.unflatten(record, collection.counts)
