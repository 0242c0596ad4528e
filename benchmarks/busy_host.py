"""What a training keeps of its speed beside two busy processes: the quickstart's pretraining on two cores.

    python benchmarks/busy_host.py --threads 2 --wait passive

measures another number of threads, or threads that wait without spinning. Three jobs on two cores have a fair share of
0.67 each; threads that spin while they wait for one that is not running lose far more.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from timing import row

EVENTS, BATCH, EPOCHS, PAIRS, BUSY = 5_000, 256, 2, 5, 2
THREADS = 1
"""Of the quickstart's trainings."""


def speed(folder: str, threads: int) -> float:
    """Training events per second of a pretraining like the quickstart's."""
    from pyg_hep.datasets import EventDataset
    from pyg_hep.nn import GraphNetwork
    from pyg_hep.objectives import Classification
    from pyg_hep.training import EventModel, TrainingSettings, pretrain

    dataset = EventDataset(folder, "simulated_events")
    settings = TrainingSettings(
        epochs=EPOCHS, batch_size=BATCH, threads=threads, accelerator="cpu", progress=False, checkpoints=False,
        tensorboard=False,
    )  # fmt: skip
    model = EventModel(GraphNetwork.ho(), Classification(2))
    return EPOCHS * EVENTS / pretrain(model, dataset, output=Path(folder) / "run", settings=settings).seconds


def pairs(folder: str, threads: int) -> list[tuple[float, float]]:
    """Speed alone and beside busy processes, in turns; the first pair warms up."""
    measured = []
    for _ in range(PAIRS + 1):
        alone = speed(folder, threads)
        busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(BUSY)]
        try:
            time.sleep(0.5)
            measured.append((alone, speed(folder, threads)))
        finally:
            for process in busy:
                process.kill()
                process.wait()
    return measured[1:]


def measure(threads: int, wait: str | None = None) -> list[tuple[float, float]]:
    """Pairs of speeds of a new process, because OpenMP reads how to wait when torch is loaded."""
    from pyg_hep.datasets import EventDataset
    from pyg_hep.testing.files import write_nanoaod

    environment = {name: value for name, value in os.environ.items() if not name.startswith("OMP_")}
    if wait is not None:
        environment["OMP_WAIT_POLICY"] = wait
    with tempfile.TemporaryDirectory() as folder:
        files = [write_nanoaod(Path(folder) / f"{i}.root", EVENTS // 2, seed=i) for i in range(2)]
        EventDataset(folder, "simulated_events", files)
        done = subprocess.run(
            [sys.executable, __file__, "--folder", folder, "--threads", str(threads)],
            stdout=subprocess.PIPE, text=True, check=True, env=environment,
        )  # fmt: skip
    return [(alone, beside) for alone, beside in json.loads(done.stdout.splitlines()[-1])]


def run() -> list[dict[str, Any]]:
    """Rows of this benchmark."""
    measured = measure(THREADS)
    alone = sorted(first for first, _ in measured)[len(measured) // 2]
    return [
        row(
            "training_on_a_busy_host", [beside / first for first, beside in measured], "ratio",
            f"the same beside nothing instead of {BUSY} busy processes", torch.__version__, THREADS,
            alone_events_per_s=alone, cores=os.cpu_count(),
        )
    ]  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=THREADS)
    parser.add_argument("--wait", choices=["passive", "active"], help="how OpenMP's threads wait; default: its own way")
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.folder:
        print(json.dumps(pairs(options.folder, options.threads)))
    else:
        for alone, beside in measure(options.threads, options.wait):
            print(f"{alone:8.0f} events/s alone, {beside:8.0f} beside {BUSY} busy processes: {beside / alone:.2f}")
