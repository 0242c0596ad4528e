"""A first look into every input file: the ranges of its chunks, its event numbers, and the shapes of what is kept."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass

from pyg_hep.datasets.chunks import Chunk
from pyg_hep.datasets.fingerprint import SourceFile
from pyg_hep.errors import PygHepError, ReaderError
from pyg_hep.readers import Card, FileReader, ReadReport

# Entries that are read to learn the shapes of the columns that a card keeps.
_PROBE = 10
# A file of up to so many entries is read at once, as opening it takes longer than reading it ...
_SMALL = 1000
# ... until what is kept of such files until it is written has so many bytes.
_MOST_KEPT = 200_000_000

Shapes = dict[str, tuple[int, ...]]


@dataclass
class Survey:
    """What one look into a file says.

    Attributes:
        ranges: entries of its chunks.
        identity: whether its events carry run, luminosity block and event number.
        generator_weights: sum of generator weights before any selection, where the file has it.
        shapes: column that the card keeps -> shape of one row, where the file has the column and any entry.
        report: what it lacks.
        chunk: all of a small file; None where it is read later.
    """

    ranges: list[tuple[int, int]]
    identity: bool
    generator_weights: float | None
    shapes: Shapes
    report: ReadReport
    chunk: Chunk | None = None


def survey_file(source: SourceFile, card: Card, step_size: str | int) -> Survey:
    """Look into a file; a function of its own so that any executor can run it."""
    with FileReader(source.path, card, source.label) as reader:
        weights = reader.source.sum_of_generator_weights()
        ranges = reader.chunks(step_size)
        chunk = _all_of(reader, ranges)
        if chunk is None and ranges and (card.keep or card.node_columns()):
            reader.read(0, min(_PROBE, reader.num_entries))
        return Survey(ranges, reader.has_identity, weights, reader.shapes, reader.report, chunk)


def _all_of(reader: FileReader, ranges: list[tuple[int, int]]) -> Chunk | None:
    if len(ranges) != 1 or reader.num_entries > _SMALL:
        return None
    try:
        return reader.read(*ranges[0])
    except PygHepError:
        return None  # raised again, and dealt with, where the file has its turn


@contextmanager
def _rare_collections() -> Iterator[None]:
    """Every file leaves thousands of objects behind; Python would look through all others as often for garbage."""
    before = gc.get_threshold()
    if before[0]:
        gc.set_threshold(max(before[0], 20_000), *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


def survey_files(
    files: list[SourceFile], card: Card, step_size: str | int, executor: Executor | None, on_error: str
) -> tuple[dict[int, Survey], dict[int, str], Shapes]:
    """Look into every file.

    Returns:
        Position -> survey, position -> why a file cannot be used, and the shapes that all files agree on.

    Raises:
        ReaderError: for a file that cannot be used, unless ``on_error`` is ``"skip"``.
    """
    with _rare_collections():
        return _survey_files(files, card, step_size, executor, on_error)


def _survey_files(
    files: list[SourceFile], card: Card, step_size: str | int, executor: Executor | None, on_error: str
) -> tuple[dict[int, Survey], dict[int, str], Shapes]:
    surveys: dict[int, Survey] = {}
    skipped: dict[int, str] = {}
    shapes: Shapes = {}
    kept = 0
    futures = [executor.submit(survey_file, source, card, step_size) for source in files] if executor else []
    for position, source in enumerate(files):
        try:
            survey = futures[position].result() if futures else survey_file(source, card, step_size)
            for name, shape in survey.shapes.items():
                check_shape(name, shape, shapes.get(name, shape), source.path)
        except ReaderError as error:
            if on_error != "skip":
                for future in futures:
                    future.cancel()
                raise
            skipped[position] = str(error)
            continue
        if survey.chunk is not None:
            kept += sum(c.nbytes for c in (*survey.chunk[0].nodes.values(), *survey.chunk[0].events.values()))
            if kept > _MOST_KEPT:
                survey.chunk = None
        surveys[position] = survey
        shapes |= survey.shapes
    return surveys, skipped, shapes


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
