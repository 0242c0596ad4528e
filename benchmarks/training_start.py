"""How soon a training is on its way: seconds to the end of its first step, in a new process.

The attention is compiled there, so this is the transformer's; that of the graph network is in the row too.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
from timing import row

from pyg_hep.datasets import EventDataset
from pyg_hep.testing.files import write_nanoaod

EVENTS, REPEATS = 2_000, 3

SCRIPT = """
import os, sys, time, torch
from pyg_hep.datasets import EventDataset
from pyg_hep.nn import EventTransformer, GraphNetwork
from pyg_hep.objectives import Classification
from pyg_hep.training import EventModel, TrainingSettings, pretrain

class Timed(EventModel):
    def optimizer_step(self, *arguments, **options):
        super().optimizer_step(*arguments, **options)
        print(time.perf_counter() - started, flush=True)
        os._exit(0)

torch.set_num_threads(1)
dataset = EventDataset(sys.argv[1], "simulated_events")
backbone = GraphNetwork.ho() if sys.argv[2] == "graph_network" else EventTransformer.kishimoto()
model = Timed(backbone, Classification(2))
settings = TrainingSettings(epochs=1, batch_size=256, accelerator="cpu", progress=False, checkpoints=False,
                            tensorboard=False)
started = time.perf_counter()
pretrain(model, dataset, output=sys.argv[3], settings=settings)
"""


def first_step(folder: str, network: str) -> float:
    """Seconds from the call of ``pretrain`` to the end of the first step."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, folder, network, str(Path(folder) / "run")],
        capture_output=True, text=True, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    return float(json.loads(done.stdout.split()[-1]))


def run() -> list[dict[str, Any]]:
    """Rows of this benchmark."""
    with tempfile.TemporaryDirectory() as folder:
        files = [write_nanoaod(Path(folder) / f"{i}.root", EVENTS // 2, seed=i) for i in range(2)]
        EventDataset(folder, "simulated_events", files)
        times = {name: [first_step(folder, name) for _ in range(REPEATS)] for name in ("transformer", "graph_network")}
    graph = row("", times["graph_network"], "s", "", "", 1)
    return [
        row(
            "first_training_step_seconds", times["transformer"], "s", "", torch.__version__, 1,
            graph_network=graph["value"], graph_network_spread=graph["spread"],
        )
    ]  # fmt: skip
