"""Columns that number events, by their usual names, and rows that repeat an event where each should be one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from pyg_hep.errors import ReaderError
from pyg_hep.readers.columns import Column, FileColumn
from pyg_hep.readers.source import Source

EVENT_IDS = (
    "event", "eventnumber", "eventnum", "eventno", "eventid", "eventindex", "evt", "evtnumber", "evtnum", "evtid", "ev",
    "ievent", "ievt", "entry", "indexlevel0",
)  # fmt: skip
"""Usual names of the number of an event, without capital letters and signs; the likelier first."""
_RUNS = ("run", "runnumber", "runnum", "experiment", "luminosityblock", "lumi", "lumiblock")


def _plain(name: str) -> str:
    """``jets/eventNumber`` and ``__event__`` as ``eventnumber`` and ``event``."""
    last = name.replace("/", ".").rpartition(".")[2]
    return "".join(c for c in last.lower() if c.isalnum())


def usual_ids(branches: Iterable[str]) -> tuple[str, ...]:
    """The columns that by their names together tell events apart; empty where none of ``branches`` numbers events."""
    names = sorted(branches, key=lambda name: (len(name), name))
    by_plain: dict[str, str] = {}
    for name in names:
        by_plain.setdefault(_plain(name), name)
    event = next((by_plain[plain] for plain in EVENT_IDS if plain in by_plain), None)
    return () if event is None else (*(by_plain[plain] for plain in _RUNS if plain in by_plain), event)


def identity_of(keys: Sequence[str], values: Sequence[np.ndarray]) -> dict[str, str]:
    """Column of the schema -> which of up to three keys it is, where they are integers; else empty.

    The event number is the key that is called so, or the last; the run number the one with ``run`` in its name, or the
    first; what is left is kept as the luminosity block.
    """
    if len(keys) > 3 or any(v.dtype.kind not in "iu" for v in values) or any("[" in k or "{" in k for k in keys):
        return {}
    *others, event = sorted(keys, key=lambda key: _plain(key) in EVENT_IDS)
    result = {"event_number": event}
    if others:
        run = next((key for key in others if "run" in key.lower()), others[0])
        result["run_number"] = run
        rest = [key for key in others if key != run]
        result |= {"luminosity_block": rest[0]} if rest else {}
    return result


class RowCheck:
    """Refuses a table without lists that has several rows for one event: its rows are objects, not events.

    Args:
        source: the file.
        columns: what objects are made of.
        identity: columns that tell events apart; where empty, those of the usual names are looked for.
        card: names the card in messages.

    Attributes:
        branches: columns to read with every chunk, known after the first one.
    """

    def __init__(self, source: Source, columns: Sequence[FileColumn], identity: Sequence[str], card: str):
        self.source, self.columns, self.identity, self.card = source, columns, identity, card
        self.branches: frozenset[str] = frozenset()
        self._ids: list[str] | None = None
        self._end, self._last = -1, {}  # type: int, dict[str, np.ndarray]

    def check(self, arrays: Mapping[str, Column], start: int, stop: int) -> None:
        """Look at what was read of entries ``start`` to ``stop``.

        Raises:
            ReaderError: names the columns of ids and the key to set.
        """
        if self._ids is None:
            self._ids = self._ids_of_rows(arrays)
            self.branches = frozenset(self._ids)
            arrays = self.source.read(self._ids, start, stop) if self._ids else arrays
        if not self._ids or start == stop or not all(_is_flat(arrays[name]) for name in self._ids):
            return
        goes_on = start == self._end
        same = np.ones(stop - start - (not goes_on), dtype=bool)
        for name in self._ids:
            values = arrays[name].values
            before = np.concatenate([self._last[name], values]) if goes_on else values
            same &= before[1:] == before[:-1]
            self._last[name] = values[-1:]
        self._end = stop
        if same.any():
            row = start + int(np.flatnonzero(same)[0]) + (not goes_on)
            joined = ", ".join(self._ids)
            names = joined if len(self._ids) == 1 else f"[{joined}]"
            raise ReaderError(
                f"{self.source.path}: rows {row - 1} and {row} have the same {joined}: set the key "
                f"'group_by: {names}' of {self.card} where the rows of an event are its objects, or 'group_by: []' "
                "where each row is an event"
            )

    def _ids_of_rows(self, arrays: Mapping[str, Column]) -> list[str]:
        """Columns that number the rows of a table without lists; none for other files."""
        columns = self.columns
        if not columns or any(len(c.names) > 1 or not _is_flat(c.take(arrays, self.source.path)) for c in columns):
            return []
        ids = [name for name in self.identity or usual_ids(self.source.branches) if name in self.source.branches]
        size = self.source.num_entries_of(name for column in columns for name in column.names)
        return ids if all(self.source.num_entries_of([name]) == size for name in ids) else []


def _is_flat(column: Column) -> bool:
    return column.counts is None and column.values.ndim == 1
