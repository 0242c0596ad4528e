"""Runs chunks in this process or in several spawned ones, in order; what a chunk is does not matter here."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from pyg_hep.errors import PygHepError

Task = TypeVar("Task")
Result = TypeVar("Result")


def run_in_processes(
    function: Callable[[Task], Result],
    tasks: Sequence[Task],
    workers: int,
    done: Callable[[Task], object],
) -> Iterator[Result]:
    """Results of ``function(task)`` in the order of the tasks, made by spawned processes.

    The processes end with this one: when the iteration is left (an interrupt, an error, the end), and also when
    this process is killed.

    Args:
        function: importable by name, not from the main script.
        tasks: arguments.
        workers: number of processes.
        done: called in this process, from another thread, as each task is finished.

    Raises:
        PygHepError: if a process dies.
    """
    context = multiprocessing.get_context("spawn")
    before = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_start_worker)
    futures: list[Future[Result]] = []
    finished = False
    try:
        with _without_main(), _interrupts_ignored():
            for task in tasks:
                future = pool.submit(function, task)
                future.add_done_callback(_notify(done, task))
                futures.append(future)
        futures.reverse()
        while futures:
            yield futures.pop().result()  # popped, so that a written chunk leaves the memory
        finished = True
    except BrokenProcessPool as error:
        raise PygHepError(
            "a worker process died (out of memory, killed, or crashed in the generator); nothing was written"
        ) from error
    finally:
        pool.shutdown(wait=finished, cancel_futures=True)
        if not finished:
            for process in set(multiprocessing.active_children()) - before:
                process.terminate()
                process.join()


def _notify(done: Callable[[Task], object], task: Task) -> Callable[[Future[Result]], None]:
    def callback(future: Future[Result]) -> None:
        if not future.cancelled() and future.exception() is None:
            done(task)

    return callback


def _start_worker() -> None:
    """Leave interrupts to the parent, and end when it is gone, however it went."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_exit_with, args=(parent.join,), daemon=True).start()


def _exit_with(wait: Callable[[], object]) -> None:
    wait()
    os._exit(1)


@contextlib.contextmanager
def _without_main() -> Iterator[None]:
    """Hide the main script from processes started inside the block.

    Spawned processes import the main script again, which fails for code from standard input and starts over
    where a script has no ``if __name__ == "__main__"``. Workers here need nothing of it.
    """
    main = sys.modules["__main__"]
    hidden: dict[str, object] = {
        name: main.__dict__.pop(name) for name in ("__file__", "__spec__") if name in main.__dict__
    }
    main.__dict__["__spec__"] = None
    try:
        yield
    finally:
        main.__dict__.update(hidden)


@contextlib.contextmanager
def _interrupts_ignored() -> Iterator[None]:
    """Processes started inside the block ignore Ctrl-C from their first instruction on."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)
