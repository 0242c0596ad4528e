"""Events and jets per second and core, without multiparton interactions, one worker: ttbar, jets of H to b bbar."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from timing import row, seconds

from pyg_hep.simulation import simulate
from pyg_hep.simulation.boosted import simulate_jets

EVENTS = 3000
JETS = 1000


def run() -> list[dict[str, Any]]:
    """Rows of this benchmark; start-up of the generator is part of the time."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ttbar.root"
        simulate("ttbar", 100, 1, path, workers=1, progress=False)
        values = [
            EVENTS / seconds(lambda s=s: simulate("ttbar", EVENTS, s, path, workers=1, progress=False))
            for s in (1, 2, 3)
        ]
        path = Path(folder) / "jets.root"
        simulate_jets("Hbb", 50, 1, path, workers=1, progress=False)
        jets = [
            JETS / seconds(lambda s=s: simulate_jets("Hbb", JETS, s, path, workers=1, progress=False))
            for s in (1, 2, 3)
        ]
    return [
        row("simulation_ttbar_events_per_s_per_core", values, "events/s", "", "", 1),
        row("simulation_hbb_jets_per_s_per_core", jets, "jets/s", "", "", 1),
    ]
