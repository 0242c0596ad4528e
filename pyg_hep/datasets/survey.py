"""A first look into every input file, in this process, in several, or on an executor; what it says does not differ."""

from __future__ import annotations

import multiprocessing
import os
import warnings
from collections.abc import Generator, Iterator
from concurrent.futures import Executor
from contextlib import closing

from pyg_hep.datasets.fingerprint import SourceFile
from pyg_hep.errors import PygHepError, ReaderError
from pyg_hep.readers import Card
from pyg_hep.readers.source import is_remote
from pyg_hep.readers.survey import Batch, Shapes, Survey, rare_collections, survey_batch, survey_file
from pyg_hep.workers import in_order, run_in_processes

# What is kept of small files until it is written has at most so many bytes.
_MOST_KEPT = 200_000_000
# Files from which on several processes pay: one starts in about a second, which is what 100 files take.
_MANY = 200
_FILES_OF_PROCESS = 100
_MOST_PROCESSES = 8
_FILES_OF_BATCH = 25


def survey_files(
    files: list[SourceFile], card: Card, step_size: str | int, executor: Executor | None, on_error: str
) -> tuple[dict[int, Survey], dict[int, str], Shapes]:
    """Look into every file.

    Without an executor, many files are looked into by several processes where this one may use several cores.

    Returns:
        Position -> survey, position -> why a file cannot be used, and the shapes that all files agree on.

    Raises:
        ReaderError: for a file that cannot be used, unless ``on_error`` is ``"skip"``.
    """
    surveys: dict[int, Survey] = {}
    skipped: dict[int, str] = {}
    shapes: Shapes = {}
    kept = 0
    with closing(_results(files, card, step_size, executor)) as results:
        for position, survey in enumerate(results):
            try:
                if isinstance(survey, PygHepError):
                    raise survey
                for name, shape in survey.shapes.items():
                    check_shape(name, shape, shapes.get(name, shape), files[position].path)
            except ReaderError as error:
                if on_error != "skip":
                    raise
                skipped[position] = str(error)
                continue
            kept += survey.nbytes
            if kept > _MOST_KEPT:
                survey.chunk = None
            surveys[position] = survey
            shapes |= survey.shapes
    return surveys, skipped, shapes


def _results(
    files: list[SourceFile], card: Card, step_size: str | int, executor: Executor | None
) -> Generator[Survey | PygHepError, None, None]:
    """Survey or error of every file, in order."""
    if executor is not None:
        yield from _on_executor(files, card, step_size, executor)
        return
    done = 0
    processes = _processes(files)
    if processes > 1:
        try:
            for result in _in_processes(files, card, step_size, processes):
                done += 1
                yield result
        # A worker may lack memory, or what this process alone has (a format of the user's): this process may not.
        except Exception as error:
            warnings.warn(f"{error}: {len(files) - done} files are looked into by one process", stacklevel=2)
    left = _MOST_KEPT
    with rare_collections():
        for source in files[done:]:
            try:
                survey = survey_file(source.path, source.label, card, step_size, at_once=left > 0)
            except PygHepError as error:
                yield error
            else:
                left -= survey.nbytes
                yield survey


def _on_executor(
    files: list[SourceFile], card: Card, step_size: str | int, executor: Executor
) -> Iterator[Survey | PygHepError]:
    futures = [executor.submit(survey_file, source.path, source.label, card, step_size) for source in files]
    try:
        for future in futures:
            try:
                result: Survey | PygHepError = future.result()
            except PygHepError as error:
                result = error
            yield result
    finally:
        for future in futures:
            future.cancel()


def _in_processes(
    files: list[SourceFile], card: Card, step_size: str | int, processes: int
) -> Iterator[Survey | PygHepError]:
    parts = [files[start : start + _FILES_OF_BATCH] for start in range(0, len(files), _FILES_OF_BATCH)]
    tasks = [
        Batch([(source.path, source.label) for source in part], card, step_size, _MOST_KEPT // len(parts))
        for part in parts
    ]
    with closing(run_in_processes(survey_batch, tasks, processes)) as answers:
        for results in in_order(answers):
            yield from results


def _processes(files: list[SourceFile]) -> int:
    """How many processes look into the files; 1 is this one."""
    local = sum(not is_remote(source.path) for source in files)
    # Processes such as the workers of a DataLoader may not start any.
    if local < _MANY or multiprocessing.current_process().daemon:
        return 1
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, local // _FILES_OF_PROCESS, _MOST_PROCESSES)


def check_shape(name: str, shape: tuple[int, ...], expected: tuple[int, ...], path: str) -> None:
    """Raise where a column of a file has another shape than in the files before.

    Raises:
        ReaderError: names file and column.
    """
    if shape != expected:
        raise ReaderError(
            f"{path}: the column {name!r} has the shape {shape} per row, the files before have {expected}: what a card "
            "keeps must have the same size in all of them"
        )
