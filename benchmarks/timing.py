"""Interleaved timing of two ways to do the same thing, and the row of a table it makes."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any


def seconds(function: Callable[[], Any]) -> float:
    """Wall time of one call."""
    started = time.perf_counter()
    function()
    return time.perf_counter() - started


def ratios(ours: Callable[[], Any], theirs: Callable[[], Any], repeats: int = 7) -> list[float]:
    """Their time over ours, pair by pair, after one call of each that does not count."""
    ours()
    theirs()
    return [seconds(theirs) / seconds(ours) for _ in range(repeats)]


def row(
    name: str, values: list[float], unit: str, peer: str, peer_version: str, threads: int, **more: Any
) -> dict[str, Any]:
    """Median, with the smallest and largest value as spread."""
    return {
        "name": name,
        "value": statistics.median(values),
        "unit": unit,
        "peer": peer,
        "peer_version": peer_version,
        "spread": [min(values), max(values)],
        "threads": threads,
        **more,
    }
