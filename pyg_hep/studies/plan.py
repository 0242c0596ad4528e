"""``Run`` and ``plan``: every training of a study, and the columns that tell each from all others."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyg_hep.errors import ConfigError
from pyg_hep.studies.methods import Method, modules_of
from pyg_hep.studies.records import code_digest, key_of
from pyg_hep.studies.task import Size, Task


@dataclass(frozen=True)
class Run:
    """One training.

    Args:
        task: what is learned.
        method: how, with the epochs, batches and rate of its size.
        size: training events per class.
        seed: of everything random.
        output: folder for what the training leaves behind.
        threads: of the training; None leaves the process alone.
    """

    task: Task
    method: Method
    size: int
    seed: int
    output: Path
    threads: int | None = None

    @functools.cached_property
    def columns(self) -> dict[str, Any]:
        """What its record says of it before it ran, plain JSON.

        Besides names, size and seed: digests of the data, of the pretrained weights and of the code, all arguments,
        and the ``key`` of it all. A run of which one of them has changed is another run.

        Raises:
            ConfigError: when the pretrained model is not there, an argument has no plain value, or a column of the
                method has the name of another.
        """
        own = {
            "task": self.task.name, "size": self.size, "seed": self.seed,
            "figures": list(self.task.measures), "data": self.task.digest, "weights": self.method.weights(),
            "arguments": self.arguments(), "code": self.code(),
        }  # fmt: skip
        names = self.method.names()
        for name in names:
            if name in own:
                raise ConfigError(
                    f"{name!r} is a column of every record: {self.method.label} needs another name for its own"
                )
        columns = {**names, **own}
        return {**columns, "key": key_of(columns)}

    def arguments(self) -> dict[str, Any]:
        """Those of the method, and what the task says of the training."""
        objective = self.task.objective
        learned = None if objective is None else {"class": type(objective).__name__, "arguments": objective.config()}
        return {**self.method.arguments(), "objective": learned}

    def code(self) -> str:
        """Digest of the library, and of the modules of the method, its parts and the figures, wherever they are."""
        modules = modules_of(*self.method.parts(), self.task.objective)
        return code_digest(*sorted(modules | {figure.__module__ for figure in self.task.measures.values()}))

    @property
    def key(self) -> str:
        """What tells its record from all others."""
        return str(self.columns["key"])


def plan(
    tasks: Sequence[Task],
    methods: Sequence[Method],
    sizes: Sequence[Size],
    output: Path,
    threads: int | None = None,
) -> list[Run]:
    """One run per size, seed, task and method, each with a folder of its own; one seed of all tasks comes first.

    Args:
        tasks: the tasks.
        methods: the methods.
        sizes: the sizes; of no events are as many as a task has per class.
        output: folder of the runs' folders.
        threads: of each run.
    """
    runs = []
    for size in sizes:
        for seed in size.numbers:
            for task in tasks:
                events = size.events or task.most
                for method in methods:
                    folder = output / task.name / f"{method.label.replace('/', '-')}-{events}-{seed}"
                    runs.append(Run(task, method.at(size), events, seed, folder, threads))
    return runs
