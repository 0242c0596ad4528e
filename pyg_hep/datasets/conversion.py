"""Files to column storage: chunks are read, here or on an executor, and appended in order."""

from __future__ import annotations

import json
import shutil
import sys
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Executor, Future
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from filelock import FileLock
from tqdm import tqdm

from pyg_hep import __version__
from pyg_hep.datasets.event_keys import SeenEvents, event_keys
from pyg_hep.datasets.fingerprint import SourceFile, file_number
from pyg_hep.datasets.journal import Journal
from pyg_hep.datasets.preprocess import GraphFunction, preprocess
from pyg_hep.datasets.storage import MANIFEST, NOT_IN_GRAPHS, StorageWriter
from pyg_hep.errors import PygHepError, ReaderError
from pyg_hep.readers import Card, EventColumns, FileReader, ReadReport
from pyg_hep.schema import EVENT_COLUMNS, NODE_COLUMNS, OPTIONAL_EVENT_COLUMNS, OPTIONAL_NODE_COLUMNS, Column

STEP_SIZE: str | int = "50 MB"
# Chunks handed to an executor beyond the one being written: enough to keep it busy, few enough for the memory.
_IN_FLIGHT = 8

Chunk = tuple[EventColumns, ReadReport]


@dataclass
class Survey:
    """What one look into a file says.

    Attributes:
        ranges: entries of its chunks.
        identity: whether its events carry run, luminosity block and event number.
        generator_weights: sum of generator weights before any selection, where the file has it.
        report: what it lacks.
    """

    ranges: list[tuple[int, int]]
    identity: bool
    generator_weights: float | None
    report: ReadReport


def survey_file(source: SourceFile, card: Card, step_size: str | int) -> Survey:
    """Look into a file; a function of its own so that any executor can run it."""
    with FileReader(source.path, card, source.label) as reader:
        weights = reader.source.sum_of_generator_weights()
        return Survey(reader.chunks(step_size), reader.has_identity, weights, reader.report)


def read_chunk(source: SourceFile, card: Card, start: int, stop: int) -> Chunk:
    """Read one range of entries; a function of its own so that any executor can run it."""
    with FileReader(source.path, card, source.label) as reader:
        return reader.read(start, stop)


class _Chunks:
    """The chunks of all files in order, read here or ahead of time on an executor."""

    def __init__(
        self, files: list[SourceFile], card: Card, tasks: list[tuple[int, int, int]], executor: Executor | None
    ):
        self.files, self.card, self.executor = files, card, executor
        self.tasks = deque(tasks)
        self.waiting: deque[tuple[int, Future[Chunk]]] = deque()

    def drop(self, position: int) -> None:
        """Nothing more of a file."""
        self.tasks = deque(task for task in self.tasks if task[0] != position)
        for waiting in [w for w in self.waiting if w[0] == position]:
            waiting[1].cancel()
            self.waiting.remove(waiting)

    def __iter__(self) -> Iterator[tuple[int, Chunk | PygHepError]]:
        if self.executor is None:
            yield from self._read_here()
            return
        try:
            while self.tasks or self.waiting:
                while self.tasks and len(self.waiting) <= _IN_FLIGHT:
                    position, start, stop = self.tasks.popleft()
                    future = self.executor.submit(read_chunk, self.files[position], self.card, start, stop)
                    self.waiting.append((position, future))
                position, future = self.waiting.popleft()
                try:
                    result: Chunk | PygHepError = future.result()
                except PygHepError as error:
                    result = error
                yield position, result
        finally:
            for _, future in self.waiting:
                future.cancel()

    def _read_here(self) -> Iterator[tuple[int, Chunk | PygHepError]]:
        """One open file at a time."""
        with ExitStack() as stack:
            opened, reader = -1, None
            while self.tasks:
                position, start, stop = self.tasks.popleft()
                result: Chunk | PygHepError
                try:
                    if reader is None or position != opened:
                        stack.close()
                        source = self.files[position]
                        reader = stack.enter_context(FileReader(source.path, self.card, source.label))
                        opened = position
                    result = reader.read(start, stop)
                except PygHepError as error:
                    result = error
                yield position, result


def convert(
    files: list[SourceFile],
    card: Card,
    folder: Path,
    *,
    executor: Executor | None = None,
    on_error: str = "raise",
    pre_transform: GraphFunction = None,
    pre_filter: GraphFunction = None,
    progress: bool = True,
    force: bool = False,
) -> None:
    """Convert files into a storage at ``folder``, which appears when it is complete, or not at all.

    A second process that wants the same storage waits for the first. What a killed conversion had is used by the
    next one.

    Args:
        files: the inputs with their labels.
        card: how to read them.
        folder: the storage; an existing one is replaced at the very end.
        executor: where chunks are read; None reads them in this process.
        on_error: ``"raise"``, or ``"skip"`` to leave out files that cannot be read and record them.
        pre_transform: applied to every event before it is stored.
        pre_filter: events for which it is false are not stored.
        progress: show a progress bar where standard error is a terminal.
        force: convert again, from the start.

    Raises:
        ReaderError: when a file cannot be read, or when a process has no event left.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = folder.with_name(f".{folder.name}.partial")
    with FileLock(folder.with_name(f".{folder.name}.lock")):
        if force:
            shutil.rmtree(partial, ignore_errors=True)
        elif (folder / MANIFEST).is_file():
            return
        surveys, skipped = _survey(files, card, executor, on_error)
        identity = all(survey.identity for survey in surveys.values())
        ranges = {position: survey.ranges for position, survey in surveys.items()}
        task = {"version": __version__, "identity": identity, "ranges": [[p, r] for p, r in ranges.items()]}
        journal = Journal(partial, json.loads(json.dumps(task)))
        try:
            writer = _Writer(files, card, partial, journal, identity, (pre_transform, pre_filter), on_error)
            tasks = [
                (position, *chunk) for position, r in ranges.items() for chunk in r[journal.of(position).chunks :]
                if journal.of(position).skipped is None
            ]  # fmt: skip
            total = sum(stop - start for _, start, stop in tasks)
            bar = tqdm(total=total, unit=" events", desc=f"Converting {card.name}", disable=None if progress else True)
            chunks = _Chunks(files, card, tasks, executor)
            with bar, writer.storage:
                for position, result in chunks:
                    if isinstance(result, PygHepError):
                        writer.fail(position, result)
                        chunks.drop(position)
                    elif not writer.append(position, *result):
                        chunks.drop(position)
                    else:
                        bar.update(result[1].entries)
                writer.finish(surveys, skipped)
        except PygHepError:
            journal.close()
            shutil.rmtree(partial, ignore_errors=True)
            raise
        except BaseException:
            journal.close()  # the next conversion goes on from here
            raise
        journal.close(remove=True)
        _put_in_place(partial, folder)


def _survey(
    files: list[SourceFile], card: Card, executor: Executor | None, on_error: str
) -> tuple[dict[int, Survey], dict[int, str]]:
    """Look into every file; position -> survey, and position -> why it cannot be read."""
    surveys, skipped = {}, {}
    futures = [executor.submit(survey_file, source, card, STEP_SIZE) for source in files] if executor else []
    for position, source in enumerate(files):
        try:
            surveys[position] = futures[position].result() if futures else survey_file(source, card, STEP_SIZE)
        except ReaderError as error:
            if on_error != "skip":
                for future in futures:
                    future.cancel()
                raise
            skipped[position] = str(error)
    return surveys, skipped


class _Writer:
    """Appends chunks to the storage and keeps the books."""

    def __init__(
        self,
        files: list[SourceFile],
        card: Card,
        partial: Path,
        journal: Journal,
        identity: bool,
        hooks: tuple[GraphFunction, GraphFunction],
        on_error: str,
    ):
        self.files, self.card, self.journal = files, card, journal
        self.identity, self.hooks, self.on_error = identity, hooks, on_error
        nodes, events = columns_of(card, identity)
        self._node_columns = nodes
        self.storage = StorageWriter(partial, nodes, events, journal.num_events, journal.num_nodes)
        self._start = (journal.num_events, journal.num_nodes)
        self._current = -1
        self._seen: dict[str, SeenEvents] = {}
        self._numbers: dict[int, int] = {}
        if identity and journal.num_events:
            self._remember()

    def _remember(self) -> None:
        """Keys of what an earlier run wrote, process by process; files were written in order."""
        keys = self.storage.stored("split_key")
        first = 0
        for position in sorted(self.journal.files):
            count = self.journal.of(position).events
            self._seen_of(position).first_time(keys[first : first + count])
            first += count

    def _seen_of(self, position: int) -> SeenEvents:
        return self._seen.setdefault(self.files[position].process, SeenEvents())

    def append(self, position: int, chunk: EventColumns, report: ReadReport) -> bool:
        """Write a chunk; false when it made its file fail."""
        self._mark(position)
        storage = self.storage
        try:
            chunk = self._prepared(position, chunk, report)
        except PygHepError as error:
            self.fail(position, error)
            return False
        y = chunk.events["y"]
        storage.append(chunk.nodes, chunk.counts, chunk.events)
        storage.flush()
        weight = float(chunk.events["weight"].sum(dtype=np.float64))
        largest = int(y.max(initial=-1)) if y.ndim == 1 else -1
        self.journal.write_chunk(position, storage.num_events, storage.num_nodes, weight, largest, report)
        return True

    def _prepared(self, position: int, chunk: EventColumns, report: ReadReport) -> EventColumns:
        nodes = {**chunk.nodes, "p4": np.stack([chunk.nodes[c] for c in ("pt", "eta", "phi", "mass")], axis=1)}
        source = self.files[position]
        if position not in self._numbers:
            self._numbers[position] = file_number(source.path)
        keys = event_keys(chunk, self._numbers[position], self.identity)
        chunk = EventColumns(nodes, chunk.counts, {**chunk.events, "split_key": keys})
        if self.identity:
            first = self._seen_of(position).first_time(keys)
            repeated = int((~first).sum())
            report.duplicates += repeated
            if repeated and self.card.duplicates == "error":
                raise ReaderError(f"{source.path}: {repeated} events were there before (duplicates: error)")
            if repeated and self.card.duplicates == "drop":
                chunk = chunk.select(first)
        if any(self.hooks):
            chunk = preprocess(chunk, self._node_columns, *self.hooks)
        return chunk

    def _mark(self, position: int) -> None:
        """Remember where a file starts in the columns."""
        if position != self._current:
            before = self.journal.of(position).events
            # A file that an earlier run began starts that many events back.
            start = (self.storage.num_events - before, self.storage.first_node(self.storage.num_events - before))
            self._start, self._current = start, position

    def fail(self, position: int, error: PygHepError) -> None:
        """Leave a file out, or raise."""
        if self.on_error != "skip":
            raise error
        self._mark(position)
        self.storage.rollback(*self._start)
        self.journal.write_skipped(position, *self._start, str(error))

    def finish(self, surveys: dict[int, Survey], skipped: dict[int, str]) -> None:
        """Write the manifest.

        Raises:
            ReaderError: when a process has no event.
        """
        report = ReadReport()
        left_out = {}
        processes = list(dict.fromkeys(source.process for source in self.files))
        events, sums = dict.fromkeys(processes, 0), dict.fromkeys(processes, 0.0)
        read = dict.fromkeys(processes, 0.0)
        generated: dict[str, float | None] = dict.fromkeys(processes, 0.0)
        largest_label = -1
        for position, source in enumerate(self.files):
            progress = self.journal.of(position)
            reason = skipped.get(position, progress.skipped)
            if reason is not None:
                report.note(f"skipped: {reason}", source.path)
                left_out[source.path] = reason
                continue
            survey = surveys[position]
            report.add(survey.report)
            report.add(progress.report)
            events[source.process] += progress.events
            sums[source.process] += progress.weight
            read[source.process] += progress.report.sum_of_weights
            before, mine = generated[source.process], survey.generator_weights
            generated[source.process] = None if before is None or mine is None else before + mine
            largest_label = max(largest_label, progress.largest_label)
        empty = [name for name, count in events.items() if count == 0]
        if empty:
            steps = "; ".join(report.lines())
            raise ReaderError(f"no event of {', '.join(empty)} passes the selection of {self.card.source}: {steps}")
        names = self.card.class_names or (processes if self.card.label is None else [])
        if left_out:
            print(f"{len(left_out)} of {len(self.files)} files were left out:", file=sys.stderr)
            print(*(f"  {reason}" for reason in left_out.values()), sep="\n", file=sys.stderr)
        self.storage.finish(
            {
                "version": __version__,
                "card": self.card.as_dict(),
                "processes": processes,
                "events_per_process": events,
                "sum_of_weights_per_process": sums,
                "sum_of_weights_read_per_process": read,
                "generator_weights_per_process": generated,
                "class_names": names,
                "num_classes": max(largest_label + 1, len(names)),
                "skipped": left_out,
                "files": [[f.process, f.label, f.path] for f in self.files],
                "report": report.as_dict(),
            }
        )


def columns_of(card: Card, identity: bool) -> tuple[dict[str, Column], dict[str, Column]]:
    """Node and event columns that the events of a card have."""
    optional = {"btag_score": card.keep_btag_score, "pdg_id": card.keep_pdg_id}
    nodes = NODE_COLUMNS | {name: column for name, column in OPTIONAL_NODE_COLUMNS.items() if optional[name]}
    events = EVENT_COLUMNS | (OPTIONAL_EVENT_COLUMNS if identity else {}) | NOT_IN_GRAPHS
    if card.label is not None and (card.label.multilabel or card.label.computed):
        events["y"] = Column((len(card.class_names),), "float32", "float32", "", "labels")
    events |= {name: Column((), "float32", "float32", "", e.text) for name, e in card.keep.items()}
    return nodes, events


def _put_in_place(partial: Path, folder: Path) -> None:
    """Swap the finished storage in; at every moment either the old or the new one is complete on disk."""
    retired = partial.with_name(partial.name + ".old")
    shutil.rmtree(retired, ignore_errors=True)
    if folder.exists():
        folder.rename(retired)
    partial.rename(folder)
    shutil.rmtree(retired, ignore_errors=True)
