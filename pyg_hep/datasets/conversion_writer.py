"""Writes the chunks of a conversion and keeps its books: what came of every file, and the sums of weights."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pyg_hep import __version__
from pyg_hep.datasets.event_keys import SeenEvents, event_keys
from pyg_hep.datasets.fingerprint import SourceFile, file_number
from pyg_hep.datasets.journal import FileProgress, Journal
from pyg_hep.datasets.preprocess import GraphFunction, preprocess
from pyg_hep.datasets.storage import NOT_IN_GRAPHS, StorageWriter
from pyg_hep.datasets.survey import check_shape
from pyg_hep.errors import PygHepError, ReaderError
from pyg_hep.readers import Card, EventColumns, ReadReport
from pyg_hep.readers.report import SKIPPED_FILE
from pyg_hep.readers.survey import Shapes, Survey
from pyg_hep.schema import (
    EVENT_COLUMNS,
    NO_IDENTITY,
    NODE_COLUMNS,
    OPTIONAL_EVENT_COLUMNS,
    OPTIONAL_NODE_COLUMNS,
    Column,
)


class ConversionWriter:
    """Appends chunks to the storage and keeps the books.

    Args:
        files: the inputs with their labels.
        card: how they are read.
        partial: folder of the unfinished storage.
        journal: what an earlier run has written there.
        surveys: position of a file -> what a look into it said.
        shapes: column that the card keeps -> shape of one row.
        hooks: ``pre_transform`` and ``pre_filter``.
        on_error: ``"raise"``, or ``"skip"`` to leave out files that cannot be read.
    """

    def __init__(
        self,
        files: list[SourceFile],
        card: Card,
        partial: Path,
        journal: Journal,
        surveys: Mapping[int, Survey],
        shapes: Shapes,
        hooks: tuple[GraphFunction, GraphFunction],
        on_error: str,
    ):
        self.files, self.card, self.journal, self.surveys = files, card, journal, surveys
        self.hooks, self.on_error = hooks, on_error
        self.identity = any(survey.identity for survey in surveys.values())
        self.nodes, self.events = columns_of(card, self.identity, shapes)
        self.storage = StorageWriter(partial, self.nodes, self.events, journal.num_events, journal.num_nodes)
        self._start = (journal.num_events, journal.num_nodes)
        self._current = -1
        self._seen: dict[str, SeenEvents] = {}
        self._numbers: dict[int, int] = {}
        self._remember()

    def _remember(self) -> None:
        """Take over the keys of what is stored, process by process; files were written in order."""
        self._seen = {}
        keys = self.storage.stored("split_key")
        first = 0
        for position in sorted(self.journal.files):
            count = self.journal.of(position).events
            if count and self.surveys[position].identity:
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
        """What is stored of a chunk.

        Events that ``negative: drop`` leaves out pass the filter as well, and repeats are looked for after it: yields
        count all events that are selected, whatever is done with them afterwards.
        """
        left_out = chunk.left_out
        chunk = self._complete(position, chunk)
        if any(self.hooks):
            chunk = preprocess(chunk, self.nodes, *self.hooks)
            report.selected_weights = float(chunk.events["weight"].sum(dtype=np.float64))
            if left_out is not None:
                filtered = preprocess(self._complete(position, left_out), self.nodes, *self.hooks)
                report.selected_weights += float(filtered.events["weight"].sum(dtype=np.float64))
        return self._without_repeats(position, chunk, report) if self.surveys[position].identity else chunk

    def _complete(self, position: int, chunk: EventColumns) -> EventColumns:
        """The chunk with every column of the storage."""
        source = self.files[position]
        if position not in self._numbers:
            self._numbers[position] = file_number(source.path)
        nodes = {**chunk.nodes, "p4": np.stack([chunk.nodes[c] for c in ("pt", "eta", "phi", "mass")], axis=1)}
        events = {**chunk.events, "split_key": event_keys(chunk, self._numbers[position])}
        for name in self.card.node_columns():
            column = self.nodes[name]
            if name not in self.surveys[position].shapes and nodes[name].ndim == 1:
                # No object of this file has the column: every row is the card's fill.
                rows = nodes[name].reshape(-1, *[1] * len(column.shape))
                nodes[name] = np.broadcast_to(rows, (len(rows), *column.shape)).copy()
            check_shape(name, nodes[name].shape[1:], column.shape, source.path)
        for name in self.card.keep:
            check_shape(name, events[name].shape[1:], self.events[name].shape, source.path)
        if self.identity and not self.surveys[position].identity:
            events |= {name: np.full(len(chunk.counts), NO_IDENTITY, np.int64) for name in OPTIONAL_EVENT_COLUMNS}
        return EventColumns(nodes, chunk.counts, events)

    def _without_repeats(self, position: int, chunk: EventColumns, report: ReadReport) -> EventColumns:
        first = self._seen_of(position).first_time(chunk.events["split_key"])
        repeated = int((~first).sum())
        report.duplicates += repeated
        if repeated and self.card.duplicates == "error":
            path = self.files[position].path
            raise ReaderError(f"{path}: {repeated} events were there before (duplicates: error)")
        return chunk.select(first) if repeated and self.card.duplicates == "drop" else chunk

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
        self._remember()  # what a file that is left out held was not there before

    def finish(self, skipped: Mapping[int, str]) -> ReadReport:
        """Write the manifest; return what was read, dropped and skipped.

        Args:
            skipped: position of a file -> why it could not be looked into.

        Raises:
            ReaderError: when a process has no event.
        """
        report = ReadReport()
        left_out = {}
        processes = list(dict.fromkeys(source.process for source in self.files))
        books = {name: _Books() for name in processes}
        largest_label = -1
        for position, source in enumerate(self.files):
            progress = self.journal.of(position)
            reason = skipped.get(position, progress.skipped)
            if reason is not None:
                report.note(f"{SKIPPED_FILE}{reason}", source.path)
                left_out[source.path] = reason
                continue
            report.add(self.surveys[position].report)
            report.add(progress.report)
            books[source.process].add(progress, self.surveys[position].generator_weights)
            largest_label = max(largest_label, progress.largest_label)
        empty = [name for name, book in books.items() if book.events == 0]
        if empty:
            steps = "; ".join(report.lines())
            raise ReaderError(f"no event of {', '.join(empty)} passes the selection of {self.card.source}: {steps}")
        without_identity = [
            self.files[position].path
            for position, survey in self.surveys.items()
            if not survey.identity and self.files[position].path not in left_out
        ]
        names = self.card.class_names or (processes if self.card.label is None else [])
        if left_out:
            print(f"{len(left_out)} of {len(self.files)} files were left out:", file=sys.stderr)
            print(*(f"  {reason}" for reason in left_out.values()), sep="\n", file=sys.stderr)
        self.storage.finish(
            {
                "version": __version__,
                "card": self.card.as_dict(),
                "processes": processes,
                **{key: {name: getattr(book, field) for name, book in books.items()} for key, field in _SUMS.items()},
                "class_names": names,
                "num_classes": max(largest_label + 1, len(names)),
                "skipped": left_out,
                "files": [[f.process, f.label, f.path] for f in self.files],
                "files_without_identity": without_identity,
                "report": report.as_dict(),
            }
        )
        return report


@dataclass
class _Books:
    """Events and sums of weights of one process, in the files that were not left out.

    Attributes:
        events: events stored.
        stored: sum of their weights.
        selected: sum of the weights of all selected events, stored or not.
        read: sum of the weights of all events.
        invalid: of those, sum of the weights of the events that hold impossible values.
        generated: sum of the generator's weights before any selection; None where a file does not have it.
    """

    events: int = 0
    stored: float = 0.0
    selected: float = 0.0
    read: float = 0.0
    invalid: float = 0.0
    generated: float | None = 0.0

    def add(self, progress: FileProgress, generated: float | None) -> None:
        """Count a file."""
        self.events += progress.events
        self.stored += progress.weight
        self.selected += progress.report.selected_weights
        self.read += progress.report.sum_of_weights
        self.invalid += progress.report.invalid_weights
        self.generated = None if self.generated is None or generated is None else self.generated + generated


_SUMS = {
    "events_per_process": "events",
    "sum_of_weights_per_process": "stored",
    "sum_of_weights_selected_per_process": "selected",
    "sum_of_weights_read_per_process": "read",
    "sum_of_weights_invalid_per_process": "invalid",
    "generator_weights_per_process": "generated",
}
"""Key of the manifest -> what it holds of every process."""


def columns_of(card: Card, identity: bool, shapes: Shapes) -> tuple[dict[str, Column], dict[str, Column]]:
    """Node and event columns that the events of a card have.

    Args:
        card: the card.
        identity: whether any file has run, luminosity block and event number.
        shapes: column that the card keeps -> shape of one row; a single number where it is not there.
    """
    optional = {"btag_score": card.keep_btag_score, "pdg_id": card.keep_pdg_id}
    nodes = NODE_COLUMNS | {name: column for name, column in OPTIONAL_NODE_COLUMNS.items() if optional[name]}
    events = EVENT_COLUMNS | (OPTIONAL_EVENT_COLUMNS if identity else {}) | NOT_IN_GRAPHS
    if card.label is not None and (card.label.numbers or card.label.computed):
        events["y"] = Column((len(card.class_names),), "float32", "float32", "", ", ".join(card.class_names))
    kept = card.node_columns()
    nodes |= {name: Column(shapes.get(name, ()), "float32", "float32", "", text) for name, text in kept.items()}
    events |= {name: Column(shapes.get(name, ()), "float32", "float32", "", e.text) for name, e in card.keep.items()}
    return nodes, events
