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


def check_rows_are_events(
    source: Source,
    columns: Sequence[FileColumn],
    arrays: Mapping[str, Column],
    start: int,
    stop: int,
    identity: Sequence[str],
    card: str,
) -> None:
    """Raise where a table without lists has several rows for one event: its rows are objects, not events.

    Args:
        source: the file.
        columns: what objects are made of.
        arrays: these columns of entries ``start`` to ``stop``.
        start: first entry.
        stop: entry after the last.
        identity: columns that tell events apart; where empty, those of the usual names are looked for.
        card: names the card in messages.

    Raises:
        ReaderError: names the columns of ids and the key to set.
    """
    flat = columns and all(len(c.names) == 1 and _is_flat(c.take(arrays, source.path)) for c in columns)
    if not flat:
        return
    ids = [name for name in identity or usual_ids(source.branches) if name in source.branches]
    size = source.num_entries_of(name for column in columns for name in column.names)
    if not ids or any(source.num_entries_of([name]) != size for name in ids):
        return
    first = max(start - 1, 0)  # the event before may go on
    read = source.read(ids, first, stop)
    if not all(_is_flat(column) for column in read.values()):
        return
    same = np.ones(max(stop - first - 1, 0), dtype=bool)
    for column in read.values():
        same &= column.values[1:] == column.values[:-1]
    if same.any():
        row = first + 1 + int(np.flatnonzero(same)[0])
        joined = ", ".join(ids)
        names = joined if len(ids) == 1 else f"[{joined}]"
        raise ReaderError(
            f"{source.path}: rows {row - 1} and {row} have the same {joined}: set the key 'group_by: {names}' of "
            f"{card} where the rows of an event are its objects, or 'group_by: []' where each row is an event"
        )


def _is_flat(column: Column) -> bool:
    return column.counts is None and column.values.ndim == 1
