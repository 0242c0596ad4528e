"""Runs carried out one by one or side by side, and their records kept as they end."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from pyg_hep.metrics import roc_curve
from pyg_hep.studies.plan import Run
from pyg_hep.studies.recent import fit, with_their_parts
from pyg_hep.studies.records import Records
from pyg_hep.studies.statistics import label, measure, with_error
from pyg_hep.training import EventModel, process
from pyg_hep.workers import as_they_end

EFFICIENCIES = np.linspace(0.02, 1.0, 50)
"""Of the signal, where the curve of a record is taken."""
NOTE = "run.json"
"""In the folder of a run: which run has left what lies there."""


def execute(run: Run) -> dict[str, Any]:
    """Train and test one run.

    Returns:
        Its record: the run's columns, figures, their ``replicas`` under resampled test events, of a network epochs,
        times and validation figures, and of two classes ``roc``, the background's efficiency at those of the signal in
        :data:`EFFICIENCIES`, all plain JSON; besides ``history`` and ``probability``, arrays for plots.
    """
    run.output.mkdir(parents=True, exist_ok=True)
    (run.output / NOTE).unlink(missing_ok=True)
    task = run.task.draw(run.size, run.seed)
    with process.isolated(run.threads):
        fitted = fit(run.method, task, run.seed, run.output)
    (run.output / NOTE).write_text(json.dumps(run.columns, indent=1), encoding="utf-8")
    tested = fitted.predictions
    record = run.columns | fitted.columns() | {"val_events": len(task.val), "test_events": len(tested.y)}
    record |= measure(tested, task.measures)
    if fitted.history:
        record["history"] = fitted.history
    if getattr(tested, "probability", None) is not None:
        record["probability"] = tested.probability.astype(np.float32)
        if tested.probability.shape[1] == 2:
            signal, background = roc_curve(tested.y, tested.probability[:, 1], tested.weight)
            record["roc"] = np.interp(EFFICIENCIES, signal, background).round(6).tolist()
    return record


def execute_all(runs: Sequence[Run], workers: int = 1) -> Iterator[dict[str, Any]]:
    """Records of all runs as they end, in this process or on ``workers`` processes with one thread each.

    One of several processes takes a mean of methods and its parts, whose records come together.
    """
    for run in runs:
        run.key  # noqa: B018  found before anything is trained: what is missing is said at once
    groups = with_their_parts(runs) if workers > 1 else [[run] for run in runs]
    with tqdm(total=len(runs), desc="Training", unit="run", disable=None) as bar:
        for records in as_they_end(_execute_each, groups, workers, import_main=True):
            for record in records:
                yield record
                bar.update()


def _execute_each(runs: Sequence[Run]) -> list[dict[str, Any]]:
    return [execute(run) for run in runs]


def finish(runs: Sequence[Run], records: Records, workers: int = 1, note: Mapping[str, Any] | None = None) -> None:
    """Train every run that has no record yet; the record of each is written, and a line printed, as it ends.

    Args:
        runs: all runs of a study.
        records: those that are finished.
        workers: processes that train at the same time, one thread each.
        note: further entries of every new record, such as the commit and the date.

    Raises:
        ConfigError: for a pretrained model that is not there.
    """
    every = {run.key: run for run in runs}  # groups of a study share methods
    waiting = [run for key, run in every.items() if key not in records]
    print(f"{len(waiting)} trainings to do, {len(every) - len(waiting)} recorded in {records.path}")
    for record in execute_all(waiting, workers):
        records.append({**record, **(note or {})})
        figures = ", ".join(f"{name} {with_error(record[name], None, 4)}" for name in record["figures"])
        print(f"{record['task']} {label(record)} {record['size']} seed {record['seed']}: {figures}", flush=True)


def trained(run: Run) -> EventModel | None:
    """The network that a run has left in its folder, or None where there is none or that of another run."""
    note = run.output / NOTE
    if not note.is_file() or json.loads(note.read_text(encoding="utf-8")).get("key") != run.key:
        return None
    folder = Path(run.output) / "model"
    return EventModel.from_pretrained(folder) if folder.is_dir() else None
