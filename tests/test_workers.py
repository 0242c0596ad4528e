from __future__ import annotations

import contextlib
import functools
import math
import multiprocessing
import operator
import os
import subprocess
import sys
import time

import pytest

from pyg_hep.errors import PygHepError
from pyg_hep.workers import as_they_end, in_order, run_in_processes


def alive_children() -> int:
    return len(multiprocessing.active_children())


def test_every_task_is_answered_with_its_position():
    results = list(run_in_processes(math.factorial, range(8), 2))
    assert sorted(results) == [(k, math.factorial(k)) for k in range(8)]


def test_results_can_be_put_in_the_order_of_the_tasks():
    assert list(in_order(iter([(2, "c"), (0, "a"), (3, "d"), (1, "b")]))) == ["a", "b", "c", "d"]


def test_an_error_of_a_task_is_raised_here_with_its_traceback_and_ends_the_processes():
    before = alive_children()
    with pytest.raises(ValueError, match="negative") as raised:
        list(run_in_processes(math.factorial, [3, -1, 4], 2))
    assert "in a worker process" in str(raised.value.__cause__)
    assert alive_children() == before


def test_a_dead_worker_is_one_sentence():
    with pytest.raises(PygHepError, match="worker process died"):
        list(run_in_processes(os._exit, [3], 1))


def test_a_result_that_cannot_be_sent_is_one_sentence():
    with pytest.raises(PygHepError, match="cannot be sent"):
        list(run_in_processes(memoryview, [b"a"], 1))


def test_processes_end_when_the_iteration_is_left():
    before = alive_children()
    results = run_in_processes(time.sleep, [0.0, 60.0, 60.0], 2)
    next(results)
    started = time.monotonic()
    results.close()
    assert alive_children() == before
    assert time.monotonic() - started < 30  # they were not waited for: the tasks last a minute


@pytest.mark.parametrize(
    ("function", "tasks", "leave"),
    [
        pytest.param("bytes", "[100_000_000] * 4", "results.close()", id="while large results are on their way"),
        pytest.param("time.sleep", "[0.0, 600.0]", "", id="an unfinished iteration is forgotten"),
    ],
)
def test_the_interpreter_ends(function, tasks, leave):
    code = (
        "import time\n"
        "from pyg_hep.workers import run_in_processes\n"
        f"results = run_in_processes({function}, {tasks}, 2)\n"
        "next(results)\n"
        f"{leave}\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


def test_functions_with_bound_arguments_can_be_run():
    results = run_in_processes(functools.partial(operator.mul, 3), [1, 2], 1)
    with contextlib.closing(results):
        assert list(results) == [(0, 3), (1, 6)]


def test_results_are_the_same_in_this_process_and_in_others():
    assert list(as_they_end(math.factorial, range(5), 1)) == [1, 1, 2, 6, 24]
    assert sorted(as_they_end(math.factorial, range(5), 2)) == [1, 1, 2, 6, 24]
    assert list(as_they_end(math.factorial, [], 2)) == []
