"""``simulate_jets``: checks its arguments, hands chunks to the workers and their jets to the file."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from pyg_hep.simulation.boosted.chunk import CHUNK_SIZE, JetChunk, JetCounts, make_jets
from pyg_hep.simulation.boosted.detectors import find_detector
from pyg_hep.simulation.boosted.processes import find_jet_process
from pyg_hep.simulation.chunks import check_arguments, run_chunks
from pyg_hep.simulation.output import EventWriter


def simulate_jets(
    process: str,
    jets: int,
    seed: int,
    output: str | Path,
    detector: str = "fast",
    workers: int | None = None,
    progress: bool = True,
    *,
    mpi: bool = False,
    settings: Sequence[str] = (),
) -> Path:
    """Generate jets of one class and write them as a ROOT file with the branches of JetClass (card ``jetclass``).

    An entry is the leading anti-kt jet of radius 0.8 of a collision at 13 TeV with 500 < pT < 1000 GeV and abs(eta) < 2
    that holds all visible decay products of its particle (for QCD: the parton). The same arguments give the same
    arrays, whatever the number of workers.

    Args:
        process: a key of :data:`pyg_hep.simulation.boosted.JET_PROCESSES`.
        jets: number of jets in the file.
        seed: of all random numbers, 0 or larger.
        output: the ROOT file; an existing one is replaced when the new one is complete.
        detector: a key of :data:`pyg_hep.simulation.boosted.DETECTORS`.
        workers: number of processes; None takes one per core.
        progress: whether to show a bar on standard error.
        mpi: whether to generate multiparton interactions (four to six times slower).
        settings: further Pythia settings; they come last and win.

    Returns:
        The path of the file. Tree ``tree``: ``part_px`` and the other branches of up to 128 particles per jet, momenta
        in GeV, impact parameters in mm; ``jet_*``; ``label_*``. Tree ``Runs`` counts: ``genEventTried`` collisions,
        ``genEventFailed`` of them, ``jetsInRange`` that have a jet within the range, ``jetsLeadingMatched`` of these
        whose leading one is of the class by the truth, ``jetsMatched`` collisions with any such jet.

    Raises:
        ConfigError: for an unknown process or detector, or an argument out of range.
        PygHepError: if a package is missing or the generator fails.
    """
    output = Path(output)
    find_jet_process(process)
    find_detector(detector)
    check_arguments(output, jets=(jets, 1), seed=(seed, 0), workers=(workers, 1))
    chunks = [
        JetChunk(process, detector, int(seed), k, min(CHUNK_SIZE, jets - first), mpi, tuple(settings))
        for k, first in enumerate(range(0, jets, CHUNK_SIZE))
    ]
    counts: list[JetCounts] = []
    with (
        EventWriter(output, "tree") as writer,
        tqdm(total=jets, desc=process, unit=" jets", disable=not progress, file=sys.stderr) as bar,
    ):
        sizes = [chunk.jets for chunk in chunks]
        for columns, found in run_chunks(make_jets, chunks, sizes, workers or os.cpu_count() or 1, bar):
            writer.write(columns)
            counts.append(found)
        value, error = np.array([(found.cross_section, found.cross_section_error) for found in counts]).T
        writer.finish(
            float(value.mean()),
            float(np.hypot.reduce(error)) / value.size,
            sum(found.failed for found in counts),
            genEventTried=sum(found.tried for found in counts),
            jetsInRange=sum(found.in_range for found in counts),
            jetsLeadingMatched=sum(found.leading_matched for found in counts),
            jetsMatched=sum(found.matched for found in counts),
        )
    return output
