"""``EventLoader`` with edges against PyG's ``DataLoader`` on the same data set: 20,000 events, batch 512."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import torch
import torch_geometric
from timing import ratios, row, seconds
from torch_geometric.loader import DataLoader

from pyg_hep.datasets import EventDataset
from pyg_hep.loader import EventLoader
from pyg_hep.testing.files import write_nanoaod

EVENTS, BATCH = 20_000, 512


def exhaust(loader: Any) -> None:
    """Make every batch."""
    for _ in loader:
        pass


def run() -> list[dict[str, Any]]:
    """Rows of this benchmark."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        path = write_nanoaod(Path(folder) / "events.root", EVENTS)
        dataset = EventDataset(folder, "simulated_events", path)
        ours = EventLoader(dataset, BATCH, shuffle=True, edges=True, seed=1)
        bare = EventLoader(dataset, BATCH, shuffle=True, seed=1)
        theirs = DataLoader(dataset, batch_size=BATCH, shuffle=True)
        # What the loops take is microseconds against seconds: several passes of ours for one of theirs.
        passes = 20
        values = ratios(lambda: [exhaust(ours) for _ in range(passes)], lambda: exhaust(theirs), repeats=3)
        speeds = [EVENTS / seconds(lambda: exhaust(ours)) for _ in range(7)]
        bare_speeds = [EVENTS / seconds(lambda: exhaust(bare)) for _ in range(7)]
    version = torch_geometric.__version__
    peer = "torch_geometric.loader.DataLoader"
    return [
        row("loader_vs_pyg_dataloader", [passes * v for v in values], "ratio", peer, version, 1),
        row("loader_with_edges_events_per_s", speeds, "events/s", "", "", 1),
        row("loader_events_per_s", bare_speeds, "events/s", "", "", 1),
    ]
