"""What the trainer costs beside a bare loop over the same steps, and the speed of pretraining."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import lightning
import torch
from timing import row

from pyg_hep.datasets import EventDataset
from pyg_hep.loader import EventLoader
from pyg_hep.nn import GraphNetwork
from pyg_hep.objectives import Classification
from pyg_hep.testing.files import write_nanoaod
from pyg_hep.training import EventModel, TrainingSettings, fit

EVENTS, BATCH, EPOCHS = 10_000, 512, 3


def bare_loop(model: EventModel, dataset: EventDataset) -> float:
    """Seconds of the same epochs in a loop of five lines."""
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-4)
    loader = EventLoader(dataset, BATCH, shuffle=True, seed=0)
    started = time.perf_counter()
    for _ in range(EPOCHS):
        for batch in loader:
            optimiser.zero_grad()
            losses = model.objective.step(batch, model, None, training=True).losses
            sum(loss.numerator / loss.denominator for loss in losses.values()).backward()
            optimiser.step()
    return time.perf_counter() - started


def run() -> list[dict[str, Any]]:
    """Rows of this benchmark."""
    torch.set_num_threads(1)
    overheads, speeds = [], []
    with tempfile.TemporaryDirectory() as folder:
        files = [write_nanoaod(Path(folder) / f"{i}.root", EVENTS // 2, seed=i) for i in range(2)]
        dataset = EventDataset(folder, "simulated_events", files)
        settings = TrainingSettings(epochs=EPOCHS, batch_size=BATCH, accelerator="cpu", progress=False)
        for repeat in range(4):
            lightning.seed_everything(repeat, verbose=False)
            model = EventModel(GraphNetwork.ho(), Classification(2))
            model.view.measure(dataset)
            bare = bare_loop(model, dataset)
            trained = fit(model, dataset, output=Path(folder) / "run", settings=settings).seconds
            if repeat:  # the first pair warms up
                overheads.append(100 * (trained / bare - 1))
                speeds.append(EPOCHS * EVENTS / trained)
    return [
        row("trainer_overhead_percent", overheads, "percent", "a bare PyTorch loop", torch.__version__, 1),
        row("pretrain_events_per_s", speeds, "events/s", "", "", 1),
    ]
