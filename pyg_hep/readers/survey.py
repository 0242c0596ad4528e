"""A first look into input files, and ranges of their events: functions that any process runs, without torch."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from pyg_hep.errors import PygHepError
from pyg_hep.readers.card import Card
from pyg_hep.readers.events import EventColumns, FileReader
from pyg_hep.readers.report import ReadReport

# Entries that are read to learn the shapes of the columns that a card keeps.
_PROBE = 10
# A file of up to so many entries is read at once, as opening it takes longer than reading it.
_SMALL = 1000

Shapes = dict[str, tuple[int, ...]]
Chunk = tuple[EventColumns, ReadReport]


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

    @property
    def nbytes(self) -> int:
        """Memory of the chunk."""
        if self.chunk is None:
            return 0
        return sum(c.nbytes for c in (*self.chunk[0].nodes.values(), *self.chunk[0].events.values()))


@dataclass(frozen=True)
class Batch:
    """Files that are looked into one after the other.

    Attributes:
        files: paths, each with the label of its events where the card reads none.
        card: how to read them.
        step_size: memory, or number of entries, of a chunk.
        most_kept: bytes of small files that are read at once.
    """

    files: Sequence[tuple[str, int]]
    card: Card
    step_size: str | int
    most_kept: int


def survey_file(path: str, label: int, card: Card, step_size: str | int, at_once: bool = True) -> Survey:
    """Look into a file.

    Args:
        path: the file.
        label: the label of its events where the card reads none.
        card: how to read it.
        step_size: memory, or number of entries, of a chunk.
        at_once: read all of it where it is small.

    Raises:
        ReaderError: when it cannot be read or lacks what the card requires.
    """
    with FileReader(path, card, label) as reader:
        weights = reader.source.sum_of_generator_weights()
        ranges = reader.chunks(step_size)
        chunk = _all_of(reader, ranges) if at_once else None
        if chunk is None and ranges and (card.keep or card.node_columns()):
            reader.read(0, min(_PROBE, reader.num_entries))
        return Survey(ranges, reader.has_identity, weights, reader.shapes, reader.report, chunk)


def survey_batch(batch: Batch) -> list[Survey | PygHepError]:
    """Look into some files; of one that cannot be used there is the error."""
    results: list[Survey | PygHepError] = []
    left = batch.most_kept
    with rare_collections():
        for path, label in batch.files:
            try:
                survey = survey_file(path, label, batch.card, batch.step_size, at_once=left > 0)
            except PygHepError as error:
                results.append(error)
                continue
            left -= survey.nbytes
            if left < 0:
                survey.chunk = None
            results.append(survey)
    return results


def read_chunk(path: str, label: int, card: Card, start: int, stop: int) -> Chunk:
    """Read one range of entries.

    Raises:
        ReaderError: when the file cannot be read or lacks what the card requires.
    """
    with FileReader(path, card, label) as reader:
        return reader.read(start, stop)


def _all_of(reader: FileReader, ranges: list[tuple[int, int]]) -> Chunk | None:
    if len(ranges) != 1 or reader.num_entries > _SMALL:
        return None
    try:
        return reader.read(*ranges[0])
    except PygHepError:
        return None  # raised again, and dealt with, where the file has its turn


@contextmanager
def rare_collections() -> Iterator[None]:
    """Every file leaves thousands of objects behind; Python would look through all others as often for garbage."""
    before = gc.get_threshold()
    if before[0]:
        gc.set_threshold(max(before[0], 20_000), *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
