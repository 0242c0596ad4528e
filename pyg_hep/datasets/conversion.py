"""Files to column storage: chunks are read, here or on an executor, and appended in order."""

from __future__ import annotations

import json
import shutil
from concurrent.futures import Executor
from pathlib import Path

from filelock import FileLock
from tqdm import tqdm

from pyg_hep import __version__
from pyg_hep.datasets.chunks import Chunks
from pyg_hep.datasets.conversion_writer import ConversionWriter
from pyg_hep.datasets.fingerprint import SourceFile
from pyg_hep.datasets.journal import Journal
from pyg_hep.datasets.preprocess import GraphFunction
from pyg_hep.datasets.storage import MANIFEST
from pyg_hep.datasets.survey import survey_files
from pyg_hep.errors import PygHepError
from pyg_hep.readers import Card
from pyg_hep.readers.report import say_left_out

STEP_SIZE: str | int = "50 MB"


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
    verbose: bool = True,
) -> None:
    """Convert files into a storage at ``folder``, which appears when it is complete, or not at all.

    A second process that wants the same storage waits for the first. What a killed conversion had is used by the
    next one.

    Args:
        files: the inputs with their labels.
        card: how to read them.
        folder: the storage; an existing one is replaced at the very end.
        executor: where chunks are read; None reads them in this process, see :mod:`pyg_hep.datasets.survey` for many
            files.
        on_error: ``"raise"``, or ``"skip"`` to leave out files that cannot be read and record them.
        pre_transform: applied to every event before it is stored.
        pre_filter: events for which it is false are not stored.
        progress: show a progress bar where standard error is a terminal.
        force: convert again, from the start.
        verbose: say on standard error what reading left out.

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
        surveys, skipped, shapes = survey_files(files, card, STEP_SIZE, executor, on_error)
        ranges = {position: survey.ranges for position, survey in surveys.items()}
        task = {
            "version": __version__,
            "identity": sorted(position for position, survey in surveys.items() if survey.identity),
            "shapes": shapes,
            "ranges": [[p, r] for p, r in ranges.items()],
        }
        journal = Journal(partial, json.loads(json.dumps(task)))
        try:
            hooks = (pre_transform, pre_filter)
            writer = ConversionWriter(files, card, partial, journal, surveys, shapes, hooks, on_error)
            tasks = [
                (position, *chunk) for position, r in ranges.items() for chunk in r[journal.of(position).chunks :]
                if journal.of(position).skipped is None
            ]  # fmt: skip
            total = sum(stop - start for _, start, stop in tasks)
            bar = tqdm(total=total, unit=" events", desc=f"Converting {card.name}", disable=None if progress else True)
            ready = {position: survey.chunk for position, survey in surveys.items() if survey.chunk is not None}
            chunks = Chunks(files, card, tasks, executor, ready)
            with bar, writer.storage:
                for position, result in chunks:
                    if isinstance(result, PygHepError):
                        writer.fail(position, result)
                        chunks.drop(position)
                    elif not writer.append(position, *result):
                        chunks.drop(position)
                    else:
                        bar.update(result[1].entries)
                report = writer.finish(skipped)
        except PygHepError:
            journal.close()
            shutil.rmtree(partial, ignore_errors=True)
            raise
        except BaseException:
            journal.close()  # the next conversion goes on from here
            raise
        journal.close(remove=True)
        _put_in_place(partial, folder)
    if verbose:
        say_left_out(report, card.name)


def _put_in_place(partial: Path, folder: Path) -> None:
    """Swap the finished storage in; at every moment either the old or the new one is complete on disk."""
    retired = partial.with_name(partial.name + ".old")
    shutil.rmtree(retired, ignore_errors=True)
    if folder.exists():
        folder.rename(retired)
    partial.rename(folder)
    shutil.rmtree(retired, ignore_errors=True)
