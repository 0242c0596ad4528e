"""Events per second and core of the simulation: ttbar without multiparton interactions, one worker."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from timing import row, seconds

from pyg_hep.simulation import simulate

EVENTS = 3000


def run() -> list[dict[str, Any]]:
    """Rows of this benchmark; start-up of the generator is part of the time."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ttbar.root"
        simulate("ttbar", 100, 1, path, workers=1, progress=False)
        values = [
            EVENTS / seconds(lambda s=s: simulate("ttbar", EVENTS, s, path, workers=1, progress=False))
            for s in (1, 2, 3)
        ]
    return [row("simulation_ttbar_events_per_s_per_core", values, "events/s", "", "", 1)]
