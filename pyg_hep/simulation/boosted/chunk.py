"""Makes one chunk of jets, generator and detector together: the unit of work, and of the random numbers."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pyg_hep.errors import PygHepError
from pyg_hep.simulation.boosted.clouds import find_jets, jet_columns, select_jets
from pyg_hep.simulation.boosted.detectors import Detector, find_detector
from pyg_hep.simulation.boosted.particle_flow import reconstruct, without_pile_up
from pyg_hep.simulation.boosted.particles import PileUp, final_particles
from pyg_hep.simulation.boosted.processes import MAX_PT, MIN_PT, JetProcess, find_jet_process
from pyg_hep.simulation.boosted.truth import matched_jets
from pyg_hep.simulation.columns import EventColumns, Floats, GeneratedEvents, Ints, Mask
from pyg_hep.simulation.generator import BATCH, Generator, generator_seed, generator_settings
from pyg_hep.simulation.geometry import pt_eta_phi
from pyg_hep.simulation.truth import generator_particles

CHUNK_SIZE = 1000
"""Jets per chunk; fixed, so that the same seed gives the same jets with any number of workers."""

_BARREN = 20  # batches without a jet


@dataclass(frozen=True)
class JetChunk:
    """What a worker needs to know; ``number`` is the chunk's position, ``settings`` go to Pythia last."""

    process: str
    detector: str
    seed: int
    number: int
    jets: int
    mpi: bool = False
    settings: tuple[str, ...] = ()

    def seed_sequence(self, *key: int) -> np.random.SeedSequence:
        """Random numbers of this chunk; the names of process and detector enter as their CRC-32."""
        name = zlib.crc32(f"{self.process} {self.detector}".encode())
        return np.random.SeedSequence(self.seed, spawn_key=(name, self.number, *key))

    def generator_seed(self, generator: int) -> int:
        """A seed that Pythia accepts, 1 to 900,000,000."""
        return generator_seed(self.seed_sequence(1, generator))


@dataclass(frozen=True)
class JetCounts:
    """What was made on the way to the jets that are written.

    Attributes:
        tried: events that were asked of the generator.
        failed: those of them that it could not make.
        in_range: events that have a jet within the range of pT and eta.
        leading_matched: of these, events whose leading such jet is of the class by the truth.
        matched: events with any jet of the class.
        cross_section: of all events, the sum of the channels, decays included, in pb; with its statistical error.
        cross_section_error: see ``cross_section``.
    """

    tried: int = 0
    failed: int = 0
    in_range: int = 0
    leading_matched: int = 0
    matched: int = 0
    cross_section: float = 0.0
    cross_section_error: float = 0.0


def make_jets(chunk: JetChunk, report: Callable[[int], object] | None = None) -> tuple[EventColumns, JetCounts]:
    """Generate and reconstruct the jets of one chunk: in every event the leading one that is of the class.

    Args:
        chunk: what to make.
        report: called with the number of jets made, batch by batch.

    Raises:
        PygHepError: if Pythia cannot start, or no jets of the class are found.
    """
    process, detector = find_jet_process(chunk.process), find_detector(chunk.detector)
    rng = np.random.default_rng(chunk.seed_sequence(0))
    generators = []
    for k, (_, lines) in enumerate(process.channels):
        common = generator_settings(process.generator_process(), chunk.generator_seed(k), chunk.mpi, None, None)
        generators.append(Generator([*common, *lines, *chunk.settings], vertices=True))
    shares = np.array([share for share, _ in process.channels])
    pile_up = PileUp(chunk.generator_seed(1000), detector.pile_up) if detector.pile_up else None

    parts: list[EventColumns] = []
    made, barren = 0, 0
    tally = np.zeros(5, dtype=np.int64)
    while made < chunk.jets:
        before = made
        batch = min(BATCH, 20 + 2 * (chunk.jets - made))
        for generator, size in zip(generators, rng.multinomial(batch, shares), strict=True):
            if not size or made == chunk.jets:
                continue
            events, worked = generator.batch(int(size))
            tally[:2] += size, int((~worked).sum())
            if events is None:
                continue
            columns, found = _jets_of(events, process, detector, pile_up, chunk.jets - made, rng)
            tally[2:] += found
            if columns is not None:
                parts.append(columns)
                size = columns.scalars["jet_pt"].size
                made += size
                if report is not None:
                    report(size)
        barren = barren + 1 if made == before else 0
        if barren == _BARREN:
            raise PygHepError(f"no jet of {chunk.process!r} in {tally[0]} events: {'; '.join(chunk.settings)}")
    columns = EventColumns.concatenate(parts)
    number = chunk.number * CHUNK_SIZE + np.arange(chunk.jets)
    columns.scalars |= {
        "run": np.ones(chunk.jets, dtype=np.uint32),
        "luminosityBlock": np.full(chunk.jets, chunk.number + 1, dtype=np.uint32),
        "event": number.astype(np.uint64),
        "genWeight": np.ones(chunk.jets, dtype=np.float32),
    }
    value, error = np.array([generator.cross_section for generator in generators]).T
    tried, failed, in_range, leading, matched = tally.tolist()
    counts = JetCounts(tried, failed, in_range, leading, matched, float(value.sum()), float(np.hypot.reduce(error)))
    return columns, counts


def _jets_of(
    events: GeneratedEvents, process: JetProcess, detector: Detector, pile_up: PileUp | None, most: int,
    rng: np.random.Generator,
) -> tuple[EventColumns | None, tuple[int, int, int]]:  # fmt: skip
    """At most ``most`` jets, and the last three of :class:`JetCounts`."""
    count = events.count
    particles = final_particles(events)
    if pile_up is not None:
        particles = pile_up.overlay(particles, count, rng)
    found = without_pile_up(reconstruct(particles, detector, rng), detector)
    event, p4, members = find_jets(found, count, detector)
    if not event.size:
        return None, (0, 0, 0)
    pt, eta, phi = pt_eta_phi(*p4[:, :3].T)
    matched = matched_jets(process, generator_particles(events), event, eta, phi)
    leading = _leading(np.ones(event.size, dtype=bool), event, pt)
    chosen = _leading(matched, event, pt)
    counts = int(leading.sum()), int((leading & matched).sum()), int(chosen.sum())
    if process.acceptance:
        bins = np.minimum(((pt - MIN_PT) / (MAX_PT - MIN_PT) * 10).astype(np.int64), 9)
        chosen &= rng.random(pt.size) < np.array(process.acceptance)[bins]
    chosen[np.flatnonzero(chosen)[most:]] = False
    if not chosen.any():
        return None, counts
    _, p4, members = select_jets(chosen, event, p4, members)
    return jet_columns(process.label, p4, members), counts


def _leading(among: Mask, event: Ints, pt: Floats) -> Mask:
    """Of the jets of a mask, the one with the highest pT in every event."""
    position = np.flatnonzero(among)
    position = position[np.lexsort((-pt[position], event[position]))]
    of = event[position]
    first = np.concatenate([[True], of[1:] != of[:-1]]) if of.size else np.zeros(0, dtype=bool)
    mask = np.zeros(event.size, dtype=bool)
    mask[position[first]] = True
    return mask
