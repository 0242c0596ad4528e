"""One number per hard event: it decides the split, and tells whether an event was there before."""

from __future__ import annotations

import numpy as np

from pyg_hep.readers import EventColumns
from pyg_hep.schema import OPTIONAL_EVENT_COLUMNS


def hash_events(*columns: np.ndarray) -> np.ndarray:
    """One well-mixed 64-bit number per event from its integer columns (the finaliser of splitmix64)."""
    mixed = np.zeros(len(columns[0]), dtype=np.uint64)
    with np.errstate(over="ignore"):
        for column in columns:
            mixed = (mixed ^ column.astype(np.int64).view(np.uint64)) + np.uint64(0x9E3779B97F4A7C15)
            for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
                mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
            mixed ^= mixed >> np.uint64(31)
    return mixed.view(np.int64)


def event_keys(chunk: EventColumns, file_number: int) -> np.ndarray:
    """Keys of the events of a chunk: of run, luminosity block and event number, where their file has them.

    A file without them never changes the keys of another one's events.

    Args:
        chunk: the events of one file.
        file_number: a number made of the file's content, which with the entry names an event that has no other name.
    """
    if all(name in chunk.events for name in OPTIONAL_EVENT_COLUMNS):
        return hash_events(*(chunk.events[name] for name in OPTIONAL_EVENT_COLUMNS))
    return hash_events(np.full(len(chunk.counts), file_number, dtype=np.int64), chunk.events["entry"])


class SeenEvents:
    """Keys that were there already, 8 bytes an event."""

    def __init__(self, keys: np.ndarray | None = None):
        self._sorted = np.sort(keys) if keys is not None else np.zeros(0, np.int64)

    def first_time(self, keys: np.ndarray) -> np.ndarray:
        """Mask of the keys that were neither here before nor earlier in ``keys``; remembers them."""
        unique, position = np.unique(keys, return_index=True)
        place = np.searchsorted(self._sorted, unique)
        inside = place < len(self._sorted)
        known = np.zeros(len(unique), dtype=bool)
        known[inside] = self._sorted[place[inside]] == unique[inside]
        first = np.zeros(len(keys), dtype=bool)
        first[position[~known]] = True
        self._sorted = np.insert(self._sorted, place[~known], unique[~known])
        return first
