"""Runs tasks in spawned processes that end with this one, whatever happens; what a task is does not matter here."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
import traceback
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from typing import Any, TypeVar

from pyg_hep.errors import PygHepError

Task = TypeVar("Task")
Result = TypeVar("Result")

_DIED = "a worker process died (out of memory, killed, or crashed)"


def run_in_processes(
    function: Callable[[Task], Result], tasks: Sequence[Task], workers: int, *, import_main: bool = False
) -> Generator[tuple[int, Result], None, None]:
    """Pairs of position and ``function(task)``, as the tasks end.

    A process pool of the standard library waits at exit for a result whose sender was ended in the middle of it.
    Here every process has a pipe of its own and no thread stands in between: leaving the iteration (an interrupt,
    an error, the end) ends all processes at once, and so does the death of this process.

    Args:
        function: importable by name.
        tasks: arguments; one is handed to a process when the result of its last one has arrived.
        workers: number of processes.
        import_main: let the processes import the main script, for functions and classes that live there. A script
            without ``if __name__ == "__main__"`` then starts over in each, and standard input cannot be imported.

    Raises:
        PygHepError: if a process dies.
        Exception: what ``function`` raised, with its own traceback as the cause.
    """
    context = multiprocessing.get_context("spawn")
    processes: dict[Connection, Any] = {}
    try:
        with contextlib.nullcontext() if import_main else _without_main(), _interrupts_ignored():
            for _ in range(min(workers, len(tasks))):
                here, there = context.Pipe()
                process = context.Process(target=_work, args=(there, function), daemon=True)
                processes[here] = process
                process.start()
                there.close()
        waiting = deque(enumerate(tasks))
        for connection in processes:
            _send(connection, waiting.popleft())
        for _ in tasks:
            connection = _next_ready(processes)
            position, result, error, trace = _receive(connection)
            if error is not None:
                raise error from RuntimeError(f"in a worker process:\n{trace}")
            if waiting:
                _send(connection, waiting.popleft())
            yield position, result
    finally:
        for connection, process in processes.items():
            if process.pid is not None:
                process.kill()
                process.join()
            connection.close()


def as_they_end(
    function: Callable[[Task], Result], tasks: Sequence[Task], workers: int, *, import_main: bool = False
) -> Iterator[Result]:
    """Results as the tasks end: one by one in this process, or of several; arguments of :func:`run_in_processes`."""
    if workers <= 1:
        return map(function, tasks)
    return (result for _, result in run_in_processes(function, tasks, workers, import_main=import_main))


def in_order(results: Iterable[tuple[int, Result]]) -> Iterator[Result]:
    """The results of :func:`run_in_processes` in the order of the tasks."""
    early: dict[int, Result] = {}
    following = 0
    for position, result in results:
        early[position] = result
        while following in early:
            yield early.pop(following)
            following += 1


def _next_ready(processes: dict[Connection, Any]) -> Connection:
    return next(c for c in wait(list(processes)) if isinstance(c, Connection))


def _send(connection: Connection, task: tuple[int, Any]) -> None:
    try:
        connection.send(task)
    except OSError as error:
        raise PygHepError(_DIED) from error


def _receive(connection: Connection) -> tuple[int, Any, Exception | None, str]:
    try:
        return connection.recv()
    except (EOFError, OSError) as error:
        raise PygHepError(_DIED) from error


def _work(connection: Connection, function: Callable[[Any], Any]) -> None:
    """The life of a worker: interrupts are the parent's, and without the parent there is nothing to do."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_exit_with, args=(parent.join,), daemon=True).start()
    while True:
        try:
            position, task = connection.recv()
        except EOFError:
            return
        try:
            answer: tuple[int, Any, Exception | None, str] = (position, function(task), None, "")
        except Exception as error:
            answer = (position, None, error, traceback.format_exc())
        try:
            connection.send(answer)
        except (AttributeError, TypeError, ValueError) as error:  # what pickle raises, depending on the object
            failure = PygHepError(f"the result of a worker process cannot be sent: {answer[2] or error}")
            connection.send((position, None, failure, answer[3]))


def _exit_with(wait_for: Callable[[], object]) -> None:
    wait_for()
    os._exit(1)


@contextlib.contextmanager
def _without_main() -> Iterator[None]:
    """Hide the main script from processes started inside the block.

    Spawned processes import the main script again, which fails for code from standard input and starts over
    where a script has no ``if __name__ == "__main__"``.
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
