"""``simulate``: checks its arguments, hands chunks to the workers and their events to the file."""

from __future__ import annotations

import math
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from pyg_hep.errors import ConfigError
from pyg_hep.simulation.chunk import CHUNK_SIZE, Chunk, make_chunk
from pyg_hep.simulation.chunks import check_arguments, run_chunks
from pyg_hep.simulation.lhe import HardEvents, Slice
from pyg_hep.simulation.output import EventWriter
from pyg_hep.simulation.processes import PROCESSES, find_process
from pyg_hep.simulation.sherpa import HOW_TO_GET_IT, RUN_CARDS, find_sherpa, make_hard_events


def simulate(
    process: str,
    events: int,
    seed: int,
    output: str | Path,
    workers: int | None = None,
    mpi: bool = False,
    lhe: str | Path | Sequence[str | Path] | None = None,
    progress: bool = True,
    *,
    lhe_part: tuple[float, float] = (0.0, 1.0),
    settings: Sequence[str] = (),
) -> Path:
    """Generate collisions, pass them through the parametrised detector and write a NanoAOD-like ROOT file.

    The same arguments give the same arrays, whatever the number of workers. With one worker, or up to
    1,000 events, all happens in this process. Failed events are replaced. A summary goes to standard error.

    Args:
        process: a key of :data:`pyg_hep.simulation.PROCESSES`.
        events: number of events in the file.
        seed: of all random numbers, 0 or larger.
        output: the ROOT file; an existing one is replaced when the new one is complete.
        workers: number of processes; None takes one per core.
        mpi: whether to generate multiparton interactions (four to six times slower).
        lhe: Les Houches event file or files with the hard process. Where they hold fewer than ``events`` events
            they are showered again with other random numbers; such an event keeps its event number.
            How several files are mixed: :class:`pyg_hep.simulation.lhe.HardEvents`. Events without colours
            get a random leading-colour flow (:mod:`pyg_hep.simulation.colours`), and the summary says so. A merged
            MLM sample is matched to the shower with the settings of its header (:mod:`pyg_hep.simulation.matching`);
            ``settings`` such as ``"JetMatching:qCut = 30"`` change them. Without
            files, a process that is not in Pythia 8 takes its hard events from the program ``Sherpa``, where it is
            on the PATH and the package has a run card (:mod:`pyg_hep.simulation.sherpa`).
        progress: whether to show a bar and the summary on standard error.
        lhe_part: which hard events of every file are used, as fractions [first, last) of its length. Samples of
            parts that do not overlap (training, test) have no hard event in common.
        settings: further Pythia settings, such as ``"PartonShowers:model = 2"``; they come last and win.

    Returns:
        The path of the file: trees ``Events`` (names and types of NanoAOD) and ``Runs`` (number of events, sums
        of weights, cross section in pb with its error, failed attempts). The cross section of an LHE process
        whose decays are forced (H to two photons) is multiplied by the branching fraction, that of a merged sample
        by the share that its matching keeps (``genEventVetoed`` counts the events that it took out). ``spinWeight``,
        not a part of ``genWeight``, gives the top pairs with two leptons of native processes the spin correlations
        that Pythia leaves out (:mod:`pyg_hep.simulation.spins`); its mean is 1, and it is 1 for all other events.

    Raises:
        ConfigError: for an unknown process or an argument out of range.
        ReaderError: for an LHE file that cannot be used.
        PygHepError: if a package is missing or the generator fails.
    """
    output = Path(output)
    how = find_process(process)
    files = [lhe] if isinstance(lhe, str | Path) else list(lhe or [])
    _check(process, events, seed, output, workers, bool(files))
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="pyg_hep-") as folder:
        if not files and not how.native:
            files = list(make_hard_events(process, events, seed, Path(folder) / "sherpa"))
        hard = HardEvents(files, lhe_part) if files else None
        slices: list[Slice] | None = None
        if hard is not None:
            slices = hard.write_slices(Path(folder), events, CHUNK_SIZE)
        matching = None if hard is None else hard.matching
        chunks = _chunks(process, events, seed, mpi, slices, tuple(settings), matching.lines() if matching else ())
        results = []
        with (
            EventWriter(output) as writer,
            tqdm(total=events, desc=process, unit=" events", disable=not progress, file=sys.stderr) as bar,
        ):
            sizes = [chunk.events for chunk in chunks]
            for result in run_chunks(make_chunk, chunks, sizes, workers or os.cpu_count() or 1, bar):
                writer.write(result.columns)
                results.append(
                    (
                        result.columns.scalars["event"].size,
                        result.failed,
                        result.cross_section,
                        result.cross_section_error,
                        result.vetoed,
                        result.matched,
                        result.tried,
                    )
                )
            size, failed, value, error, vetoes, matched, tried = np.array(results).T
            vetoed = None if matching is None else int(vetoes.sum())
            if hard is None:
                cross_section = float(np.average(value, weights=size))
                uncertainty = float(np.hypot.reduce(size * error) / size.sum())
            else:
                cross_section, uncertainty = (x * how.branching_fraction for x in hard.cross_section)
            if vetoed is not None:
                kept = float(matched.sum() / tried.sum())
                binomial = math.sqrt(vetoed / events / (events + vetoed))  # relative error of the share that is kept
                uncertainty = abs(kept) * math.hypot(uncertainty, cross_section * binomial)
                cross_section *= kept
            writer.finish(cross_section, uncertainty, int(failed.sum()), vetoed)
    if progress:
        seconds = time.monotonic() - started
        lost = int(failed.sum())
        text = f"{process}: {events} events in {seconds:.1f} s, cross section {cross_section:.4g} +- "
        text += f"{uncertainty:.2g} pb, {lost} failed ({lost / (events + lost):.2%})"
        if hard is not None:
            text += f", {hard.distinct} distinct hard events"
            if vetoed is not None:
                text += f"; matched by MLM, {vetoed} of {events + vetoed} events vetoed, cross section after matching"
            colourless = [file.path.name for file in hard.files if not file.has_colours]
            if colourless:
                text += f"; random leading-colour flows given to the events of {', '.join(colourless)}"
        print(text, file=sys.stderr)
    return output


def _check(process: str, events: int, seed: int, output: Path, workers: int | None, has_lhe: bool) -> None:
    check_arguments(output, events=(events, 1), seed=(seed, 0), workers=(workers, 1))
    how = PROCESSES[process]
    if not how.native and not has_lhe and find_sherpa(process) is None:
        native = ", ".join(name for name, p in PROCESSES.items() if p.native)
        raise ConfigError(
            f"process {process!r} is not in Pythia 8: give LHE files with {how.lhe}"
            f"{f', {HOW_TO_GET_IT}' if process in RUN_CARDS else ''} (processes that need neither: {native})"
        )


def _chunks(
    process: str, events: int, seed: int, mpi: bool, slices: list[Slice] | None, settings: tuple[str, ...],
    matching: tuple[str, ...],
) -> list[Chunk]:  # fmt: skip
    size = [min(CHUNK_SIZE, events - first) for first in range(0, events, CHUNK_SIZE)]
    return [
        Chunk(process, int(seed), k, size[k], mpi, slices[k] if slices else None, settings, matching)
        for k, first in enumerate(range(0, events, CHUNK_SIZE))
    ]
