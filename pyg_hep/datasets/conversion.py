"""Files to column storage: chunks are read, here or on an executor, and appended in order."""

from __future__ import annotations

import os
import shutil
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Executor, Future
from pathlib import Path

import numpy as np
from tqdm import tqdm

from pyg_hep import __version__
from pyg_hep.datasets.fingerprint import SourceFile
from pyg_hep.datasets.preprocess import GraphFunction, preprocess
from pyg_hep.datasets.storage import ALL_EVENT_COLUMNS, ALL_NODE_COLUMNS, StorageWriter
from pyg_hep.errors import PygHepError, ReaderError
from pyg_hep.readers import Card, EventColumns, FileReader, ReadReport
from pyg_hep.schema import OPTIONAL_EVENT_COLUMNS

STEP_SIZE = "100 MB"
# Chunks handed to an executor beyond the one being written: enough to keep it busy, few enough for the memory.
_IN_FLIGHT = 8

Chunk = tuple[EventColumns, ReadReport]


def read_chunk(source: SourceFile, card: Card, start: int, stop: int) -> Chunk:
    """Read one range of entries; a function of its own so that any executor can run it."""
    with FileReader(source.path, card, source.label) as reader:
        return reader.read(start, stop)


def _chunks(source: SourceFile, card: Card, executor: Executor | None) -> Iterator[Chunk]:
    with FileReader(source.path, card, source.label) as reader:
        ranges = reader.chunks(STEP_SIZE)
        if executor is None:
            for start, stop in ranges:
                yield reader.read(start, stop)
            return
    waiting: deque[Future[Chunk]] = deque()
    try:
        for start, stop in ranges:
            waiting.append(executor.submit(read_chunk, source, card, start, stop))
            if len(waiting) > _IN_FLIGHT:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()


def hash_events(*columns: np.ndarray) -> np.ndarray:
    """One well-mixed 64-bit number per event from its integer columns (the finaliser of splitmix64)."""
    mixed = np.zeros(len(columns[0]), dtype=np.uint64)
    with np.errstate(over="ignore"):
        for column in columns:
            mixed = (mixed ^ column.astype(np.int64).view(np.uint64)) + np.uint64(0x9E3779B97F4A7C15)
            for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
                mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
            mixed ^= mixed >> np.uint64(31)
    return mixed.view(np.int64)


def _storable(chunk: EventColumns, file_position: int, identity: bool) -> EventColumns:
    """Add the stacked four-vector and the split key."""
    nodes, events = dict(chunk.nodes), dict(chunk.events)
    nodes["p4"] = np.stack([nodes[c] for c in ("pt", "eta", "phi", "mass")], axis=1)
    if identity:
        key = hash_events(*(events[c] for c in OPTIONAL_EVENT_COLUMNS))
    else:
        key = hash_events(np.full(len(chunk.counts), file_position), events["entry"])
    events["split_key"] = key
    return EventColumns(nodes, chunk.counts, events)


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
) -> ReadReport:
    """Convert files into a storage at ``folder``, which appears when it is complete, or not at all.

    Args:
        files: the inputs with their labels.
        card: how to read them.
        folder: the storage; an existing one is replaced at the very end.
        executor: where chunks are read; None reads them in this process.
        on_error: ``"raise"``, or ``"skip"`` to leave out files that cannot be read and record them.
        pre_transform: applied to every event before it is stored.
        pre_filter: events for which it is false are not stored.
        progress: show a progress bar where standard error is a terminal.

    Raises:
        ReaderError: when a file cannot be read, or when a process has no event left.
    """
    report = ReadReport()
    identity, readable = _survey(files, card, on_error, report)
    node_columns = [n for n in ALL_NODE_COLUMNS if n != "pdg_id" and (n != "btag_score" or card.keep_btag_score)]
    event_columns = [n for n in ALL_EVENT_COLUMNS if identity or n not in OPTIONAL_EVENT_COLUMNS]
    per_process = {f.process: 0 for f in files}
    sums = {f.process: 0.0 for f in files}
    largest_label = -1
    partial = _fresh_partial_folder(folder)
    hooks = pre_transform is not None or pre_filter is not None
    bar = tqdm(total=None, unit=" events", desc=f"Converting {card.name}", disable=None if progress else True)
    with bar, StorageWriter(partial, node_columns, event_columns) as writer:
        for position, source in enumerate(files):
            if source not in readable:
                continue
            mark = (writer.num_events, writer.num_nodes)
            counted = ReadReport()
            total, labels = 0.0, -1
            try:
                for chunk, chunk_report in _chunks(source, card, executor):
                    stored = _storable(chunk, position, identity)
                    if hooks:
                        stored = preprocess(stored, pre_transform, pre_filter)
                    y = stored.events["y"]
                    if len(y) and y.min() < 0:
                        raise ReaderError(f"{source.path}: label {y.min()} in branch {card.label!r} is negative")
                    writer.append(stored.nodes, stored.counts, stored.events)
                    counted.add(chunk_report)
                    total += float(stored.events["weight"].sum(dtype=np.float64))
                    labels = max(labels, int(y.max(initial=-1)))
                    bar.update(chunk_report.entries)
            except PygHepError as error:
                if on_error != "skip":
                    raise
                writer.rollback(*mark)
                report.note(f"skipped: {error}", source.path)
                continue
            report.add(counted)
            per_process[source.process] += writer.num_events - mark[0]
            sums[source.process] += total
            largest_label = max(largest_label, labels)
        _require_events(per_process, card, report)
        writer.finish(
            {
                "version": __version__,
                "card": card.as_dict(),
                "processes": list(per_process),
                "events_per_process": per_process,
                "sum_of_weights_per_process": sums,
                "num_classes": max(largest_label + 1, len(per_process) if card.label is None else 0),
                "files": [[f.process, f.label, f.path] for f in files],
                "report": report.as_dict(),
            }
        )
    _put_in_place(partial, folder)
    return report


def _survey(files: list[SourceFile], card: Card, on_error: str, report: ReadReport) -> tuple[bool, list[SourceFile]]:
    """Open every file once: do all carry event numbers, and which can be read at all?"""
    identity, readable = True, []
    for source in files:
        try:
            with FileReader(source.path, card, source.label) as reader:
                identity &= reader.has_identity
                report.add(reader.report)
        except ReaderError as error:
            if on_error != "skip":
                raise
            report.note(f"skipped: {error}", source.path)
            continue
        readable.append(source)
    return identity, readable


def _require_events(per_process: dict[str, int], card: Card, report: ReadReport) -> None:
    empty = [name for name, count in per_process.items() if count == 0]
    if empty:
        steps = "; ".join(report.lines())
        raise ReaderError(f"no event of {', '.join(empty)} passes the selection of {card.source}: {steps}")


def _fresh_partial_folder(folder: Path) -> Path:
    """A folder name for this process; what dead processes left behind for the same target is removed."""
    for left in folder.parent.glob(f".{folder.name}.partial-*"):
        owner = left.name.rpartition("-")[2]
        if owner.isdigit() and not _is_running(int(owner)):
            shutil.rmtree(left, ignore_errors=True)
    return folder.parent / f".{folder.name}.partial-{os.getpid()}"


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _put_in_place(partial: Path, folder: Path) -> None:
    """Swap the finished storage in; at every moment either the old or the new one is complete on disk."""
    retired = partial.with_name(partial.name + ".old")
    if folder.exists():
        folder.rename(retired)
    partial.rename(folder)
    shutil.rmtree(retired, ignore_errors=True)
