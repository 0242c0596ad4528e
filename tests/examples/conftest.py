"""Runs the scripts of ``examples/``: in this process, where a test is not about a process of its own."""

from __future__ import annotations

import contextlib
import io
import json
import os
import runpy
import subprocess
import sys
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from pyg_hep.evaluation import baseline
from pyg_hep.training import process

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
Done = subprocess.CompletedProcess[str]


def in_this_process(command: list[str], cwd: Path) -> Done:
    """A script run as ``python script`` would, without the seconds that a new process takes to import torch and others.

    An exception that the script lets through is one of the test. What it changes of the process is put back.
    """
    out, err = io.StringIO(), io.StringIO()
    with (
        process.isolated(threads=1),
        pytest.MonkeyPatch.context() as patch,
        mock.patch.dict(os.environ),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        warnings.catch_warnings(),
    ):
        patch.setattr(sys, "argv", command)
        patch.chdir(cwd)
        # As Python shows them, on standard error: pytest would keep from a test what a user sees.
        warnings.resetwarnings()
        for kind in (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning):
            warnings.simplefilter("ignore", kind)
        warnings.showwarning = lambda *what, **how: err.write(warnings.formatwarning(*what[:4]))
        with pytest.raises(SystemExit) as end:  # every script ends by command.run
            runpy.run_path(command[0], run_name="__main__")
    return subprocess.CompletedProcess(command, end.value.code, out.getvalue(), err.getvalue())


def run_example(script: str, *arguments: object, cwd: Path, apart: bool = False) -> Done:
    """A script of ``examples/`` with these arguments; ``apart`` in a process of its own, as a user starts it."""
    command = [str(EXAMPLES / script), *map(str, arguments)]
    if not apart:
        return in_this_process(command, cwd)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, cwd=cwd, timeout=600, env=environment
    )


@pytest.fixture(scope="session", name="run_example")
def _run_example() -> Callable[..., Done]:
    return run_example


@dataclass(frozen=True)
class Study:
    """A script of a study at the size of a test, all trainings in the process of the script."""

    name: str
    changes: Mapping[str, Any]

    def __call__(self, folder: Path, *arguments: str, apart: bool = False) -> Done:
        """Run it in a folder; later options win."""
        options = ["--records", "records/runs.jsonl", "--summary", f"{self.name}.json", "--workers", "1"]
        options += ["--study", json.dumps(self.changes)]
        # Two settings of the trees to choose from, not six: the choice has tests of its own.
        with mock.patch.object(baseline, "GRID", baseline.GRID[2:4]):
            return run_example(f"{self.name}_study.py", *options, *arguments, cwd=folder, apart=apart)

    def finish(self, folder: Path, *arguments: str, apart: bool = False) -> Path:
        """Run it to its end; what it printed is then in ``folder/stdout``."""
        done = self(folder, *arguments, apart=apart)
        assert done.returncode == 0, done.stderr[-3000:]
        (folder / "stdout").write_text(done.stdout)
        return folder


@pytest.fixture(scope="session")
def study_of() -> type[Study]:
    return Study
