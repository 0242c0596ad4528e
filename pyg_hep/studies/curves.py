"""``learning_curve``: figures of a task against the number of training events, for methods side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pyg_hep.studies.execution import execute_all
from pyg_hep.studies.methods import Method
from pyg_hep.studies.plan import plan
from pyg_hep.studies.statistics import compare
from pyg_hep.studies.task import Size, Task


def learning_curve(
    task: Task, methods: Sequence[Method], sizes: Sequence[Size], *, output: str | Path, workers: int = 1
) -> tuple[dict[int, dict[str, dict[str, Any]]], list[dict[str, Any]]]:
    """Train a task by several methods at several sizes.

    Every seed draws its own training subset, shared by all methods, and its own initial weights.

    Args:
        task: the task.
        methods: what is compared.
        sizes: training events per class, seeds, and what else a size says.
        output: folder of the runs.
        workers: processes that train at the same time.

    Returns:
        Events per class -> method -> figures with errors (None where there is one seed), and with ``gain`` over the
        method's baseline where that was trained with the same seeds; and the records of all runs, ordered by
        method and seed.
    """
    runs = plan([task], methods, sizes, Path(output), threads=1 if workers > 1 else None)
    place = {run.key: k for k, run in enumerate(runs)}
    records = sorted(execute_all(runs, workers), key=lambda record: place[record["key"]])
    per_size = dict.fromkeys(run.size for run in runs)
    return {size: compare([r for r in records if r["size"] == size]) for size in per_size}, records
