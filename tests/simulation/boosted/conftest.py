"""Jets that several tests share, made once per session in this process."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from pyg_hep.simulation.boosted.chunk import JetChunk, JetCounts, make_jets
from pyg_hep.simulation.columns import Array, EventColumns

Made = tuple[dict[str, Array], dict[str, Array], Array, JetCounts]


@pytest.fixture(scope="session")
def jets() -> Callable[..., Made]:
    """Scalars, particle columns, jet of every particle, and counts, of jets with seed 1."""
    made: dict[tuple[str, int, str], tuple[EventColumns, JetCounts]] = {}

    def make(process: str, number: int = 100, detector: str = "fast") -> Made:
        key = process, number, detector
        if key not in made:
            made[key] = make_jets(JetChunk(process, detector, 1, 0, number))
        columns, counts = made[key]
        part = columns.collections["part"]
        return columns.scalars, part.fields, np.repeat(np.arange(number), part.counts), counts

    return make
