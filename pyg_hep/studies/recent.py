"""Trainings of this process that were made a moment ago: a mean of methods does not train its parts again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pyg_hep.studies.methods import Fitted, Method, plain
from pyg_hep.studies.plan import Run
from pyg_hep.studies.records import key_of
from pyg_hep.studies.task import Task

_RECENT: dict[str, np.ndarray] = {}
"""Class probabilities of test events by what tells trainings apart, the oldest first."""
_MOST_RECENT = 32


def fit(method: Method, task: Task, seed: int, output: Path) -> Fitted:
    """Train and test; what is said of test events is kept in memory for a while, see :func:`probability`."""
    fitted = method.fit(task, seed, output)
    if (said := getattr(fitted.predictions, "probability", None)) is not None:
        while len(_RECENT) >= _MOST_RECENT:
            del _RECENT[next(iter(_RECENT))]
        _RECENT[_key(method, task, seed)] = said
    return fitted


def probability(method: Method, task: Task, seed: int, output: Path) -> np.ndarray:
    """Class probabilities ``[N, C]`` of the test events, trained for unless this process has just made them."""
    said = _RECENT.get(_key(method, task, seed))
    return fit(method, task, seed, output).predictions.probability if said is None else said


def _key(method: Method, task: Task, seed: int) -> str:
    objective = None if task.objective is None else plain(task.objective, "objective")
    return key_of({"method": _method_key(method), "seed": seed, "data": task.digest, "objective": objective})


def _method_key(method: Method) -> str:
    return key_of({"arguments": method.arguments(), "weights": method.weights()})


def with_their_parts(runs: Sequence[Run]) -> list[list[Run]]:
    """Runs in groups, to be carried out by one process each: a mean after its parts, every other run alone."""
    columns = [(run.task.name, run.size, run.seed) for run in runs]
    place = {(*where, _method_key(run.method)): k for k, (where, run) in enumerate(zip(columns, runs, strict=True))}
    parts = [[p for p in run.method.parts() if isinstance(p, Method) and p is not run.method] for run in runs]
    group_of = {k: [k] for k in range(len(runs))}
    for k, where in enumerate(columns):
        for part in parts[k]:
            mine, other = group_of[k], group_of[place.get((*where, _method_key(part)), k)]
            if mine is not other:
                other += mine
                group_of.update(dict.fromkeys(mine, other))
    groups = {min(group): sorted(group, key=lambda k: (len(parts[k]), k)) for group in group_of.values()}
    return [[runs[k] for k in groups[first]] for first in sorted(groups)]
