from __future__ import annotations

import functools
import math
import multiprocessing
import operator
import os
import time

import pytest

from pyg_hep.errors import PygHepError
from pyg_hep.simulation.workers import run_in_processes


def alive_children() -> int:
    return len(multiprocessing.active_children())


def test_results_come_in_the_order_of_the_tasks_and_every_task_is_reported():
    done: list[int] = []
    assert list(run_in_processes(math.factorial, range(8), 2, done.append)) == [math.factorial(k) for k in range(8)]
    assert sorted(done) == list(range(8))


def test_an_error_of_a_task_is_raised_here_and_ends_the_processes():
    before = alive_children()
    with pytest.raises(ValueError, match="negative"):
        list(run_in_processes(math.factorial, [3, -1, 4], 2, lambda task: None))
    assert alive_children() == before


def test_a_dead_worker_is_one_sentence():
    with pytest.raises(PygHepError, match="worker process died"):
        list(run_in_processes(os._exit, [3], 1, lambda task: None))


def test_processes_end_when_the_iteration_is_left():
    before = alive_children()
    results = run_in_processes(time.sleep, [0.0, 60.0, 60.0], 2, lambda task: None)
    next(results)
    started = time.monotonic()
    results.close()
    # The pool's own thread may be the one that reaps a child; its record is gone a moment later.
    while alive_children() > before and time.monotonic() - started < 10:
        time.sleep(0.01)
    assert alive_children() == before
    assert time.monotonic() - started < 30  # they were not waited for: the tasks last a minute


def test_functions_with_bound_arguments_can_be_run():
    assert list(run_in_processes(functools.partial(operator.mul, 3), [1, 2], 1, lambda task: None)) == [3, 6]
