"""Makes one chunk of events, generator and detector together: the unit of work, and of the random numbers."""

from __future__ import annotations

import tempfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from pyg_hep.errors import PygHepError
from pyg_hep.simulation.columns import Array, EventColumns, Floats, GeneratedEvents, Ints
from pyg_hep.simulation.detector import simulate_detector
from pyg_hep.simulation.generator import BATCH, Generator, generator_seed, generator_settings
from pyg_hep.simulation.lhe import Slice, events_of, write_slice
from pyg_hep.simulation.matching import standard_output_closed, veto_hook
from pyg_hep.simulation.processes import find_process
from pyg_hep.simulation.slha import stop_spectrum
from pyg_hep.simulation.spins import spin_weights

CHUNK_SIZE = 1000
"""Events per chunk; fixed, so that the same seed gives the same events with any number of workers."""

_ATTEMPTS = 20


@dataclass(frozen=True)
class Chunk:
    """What a worker needs to know.

    ``number`` is the chunk's position, ``slice`` its LHE events if it has any, ``matching`` the settings by which they
    are matched to the shower if they are a merged sample, ``settings`` go to Pythia last.
    """

    process: str
    seed: int
    number: int
    events: int
    mpi: bool
    slice: Slice | None = None
    settings: tuple[str, ...] = ()
    matching: tuple[str, ...] = ()

    def seed_sequence(self, *key: int) -> np.random.SeedSequence:
        """Random numbers of this chunk; a process's name enters as its CRC-32, which no run can change."""
        return np.random.SeedSequence(self.seed, spawn_key=(zlib.crc32(self.process.encode()), self.number, *key))

    def generator_seed(self, variant: int, attempt: int) -> int:
        """A seed that Pythia accepts, 1 to 900,000,000."""
        return generator_seed(self.seed_sequence(1, variant, attempt))


@dataclass(frozen=True)
class ChunkResult:
    """The events of a chunk, the number of failed attempts, and the generator's cross section [pb].

    Of a merged sample also ``vetoed``, the number of events that the matching took out, and ``matched`` and ``tried``,
    the sums of weights of the events that stayed and of all.
    """

    columns: EventColumns
    failed: int
    cross_section: float
    cross_section_error: float
    vetoed: int = 0
    matched: float = 0.0
    tried: float = 0.0


def make_chunk(chunk: Chunk, report: Callable[[int], object] | None = None) -> ChunkResult:
    """Generate and reconstruct the events of one chunk.

    Args:
        chunk: what to make.
        report: called with the number of events made, batch by batch.

    Raises:
        PygHepError: if Pythia cannot start, or fails again and again.
    """
    rng = np.random.default_rng(chunk.seed_sequence(0))
    parts: list[EventColumns] = []
    with tempfile.TemporaryDirectory(prefix="pyg_hep-") as folder:
        source: _Native | _LesHouches | _Matched
        if chunk.slice is None:
            source = _Native(chunk, Path(folder))
        elif chunk.matching:
            source = _Matched(chunk, chunk.slice)
        else:
            source = _LesHouches(chunk, chunk.slice, Path(folder))
        for events, numbers, weights in source:
            columns = simulate_detector(events, rng)
            columns.scalars["event"] = numbers.astype(np.uint64)
            columns.scalars["genWeight"] = weights.astype(np.float32)
            columns.scalars["spinWeight"] = _spin_weights(chunk, columns)
            parts.append(columns)
            if report is not None:
                report(events.count)
    columns = EventColumns.concatenate(parts)
    # Run 1 for every process: the number has to fit what a real file holds, and one that depended on the process
    # would give the answer away to a network that is fed the identifiers.
    columns.scalars["run"] = np.ones(chunk.events, dtype=np.uint32)
    # From the event number, not the chunk: a hard event that is showered again keeps its whole name, and so its split.
    columns.scalars["luminosityBlock"] = (columns.scalars["event"] // CHUNK_SIZE + 1).astype(np.uint32)
    result = ChunkResult(columns, source.failed, *source.cross_section)
    if isinstance(source, _Matched):
        return replace(result, vetoed=source.vetoed, matched=source.matched, tried=source.tried)
    return result


def _spin_weights(chunk: Chunk, columns: EventColumns) -> Array:
    """Weights for the spins that Pythia leaves out; LHE files bring theirs, or decays that are not known here: 1."""
    state = find_process(chunk.process).spin if chunk.slice is None else ""
    partons = (columns.scalars[f"Generator_id{k}"].astype(np.int64) for k in (1, 2))
    return spin_weights(state, columns.collections["GenPart"], *partons).astype(np.float32)


class _Native:
    """Events of a process that Pythia makes itself; failed ones are replaced by further ones."""

    def __init__(self, chunk: Chunk, folder: Path) -> None:
        process = find_process(chunk.process)
        slha = None
        if process.slha:
            slha = folder / "spectrum.slha"
            slha.write_text(stop_spectrum(), encoding="ascii")
        self.chunk = chunk
        self.generators = []
        for k, variant in enumerate(process.variants):
            lines = generator_settings(process, chunk.generator_seed(k, 0), chunk.mpi, None, slha)
            self.generators.append(Generator([*lines, *variant, *chunk.settings]))
        self.failed = 0

    def __iter__(self) -> Iterator[tuple[GeneratedEvents, Ints, Array]]:
        made, barren = 0, 0
        while made < self.chunk.events:
            # Every generator makes its share of every batch: all of them stand in the first events of a file.
            batch = min(BATCH, self.chunk.events - made)
            shares = [part.size for part in np.array_split(np.arange(batch), len(self.generators))]
            for generator, share in zip(self.generators, shares, strict=True):
                if not share:
                    continue
                events, worked = generator.batch(share)
                self.failed += int((~worked).sum())
                barren = 0 if worked.any() else barren + 1
                if barren == _ATTEMPTS:
                    raise PygHepError(f"Pythia 8 fails in every event of process {self.chunk.process!r}")
                if events is not None:
                    number = self.chunk.number * CHUNK_SIZE + made
                    yield events, number + np.arange(events.count), events.info["weight"]
                    made += events.count

    @property
    def cross_section(self) -> tuple[float, float]:
        """Mean over the variants, in pb: they make equal shares of the events."""
        values, errors = np.array([generator.cross_section for generator in self.generators]).T
        return float(values.mean()), float(np.hypot.reduce(errors)) / values.size


class _LesHouches:
    """Hard events of a slice; failed ones are showered again, then replaced by others of the slice."""

    def __init__(self, chunk: Chunk, hard: Slice, folder: Path) -> None:
        self.chunk, self.hard, self.folder = chunk, hard, folder
        self.failed = 0
        self.cross_section = (0.0, 0.0)  # of the files, known to the caller

    def __iter__(self) -> Iterator[tuple[GeneratedEvents, Ints, Floats]]:
        process = find_process(self.chunk.process)
        pending = np.arange(self.chunk.events)
        good: list[int] = []
        path = self.hard.path
        for attempt in range(_ATTEMPTS):
            if attempt:
                path = self._write(pending)
            seed = self.chunk.generator_seed(0, attempt)
            lines = generator_settings(process, seed, self.chunk.mpi, path, None)
            generator = Generator([*lines, *self.chunk.settings])
            failed: list[int] = []
            done = 0
            for events, worked in generator.batches(pending.size):
                rows = pending[done : done + worked.size]
                done += worked.size
                failed += rows[~worked].tolist()
                rows = rows[worked]
                good += rows.tolist()
                if events is not None:
                    yield events, self.hard.numbers[rows], self.hard.weights[rows]
            self.failed += len(failed)
            if not failed:
                return
            pending = np.array(failed)
            if attempt >= 2 and good:
                # An event that fails with three seeds is hopeless: others take its place, and keep their number.
                pending = np.array((good * len(failed))[: len(failed)])
        raise PygHepError(
            f"Pythia 8 cannot shower {len(failed)} of the {self.chunk.events} hard events of chunk "
            f"{self.chunk.number}, the first of them event {self.hard.numbers[failed[0]]} of the LHE files"
        )

    def _write(self, rows: Ints) -> Path:
        events = list(events_of(self.hard.path))
        beams = self.hard.path.read_bytes().split(b"<init>\n", 1)[1].split(b" -3 1\n", 1)[0]
        path = self.folder / "again.lhe"
        write_slice(path, beams, [events[row] for row in rows])
        return path


class _Matched:
    """Hard events of a merged sample that its matching keeps; vetoed ones are dropped, the next take their place.

    A slice that has no events left is showered again from its first with another seed.
    """

    cross_section = (0.0, 0.0)  # of the files, known to the caller

    def __init__(self, chunk: Chunk, hard: Slice) -> None:
        self.chunk, self.hard = chunk, hard
        self.failed = self.vetoed = 0
        self.matched = self.tried = 0.0

    def __iter__(self) -> Iterator[tuple[GeneratedEvents, Ints, Floats]]:
        process = find_process(self.chunk.process)
        made, size = 0, self.hard.numbers.size
        for attempt in range(_ATTEMPTS):
            seed = self.chunk.generator_seed(0, attempt)
            lines = generator_settings(process, seed, self.chunk.mpi, self.hard.path, None)
            hook = veto_hook()
            with standard_output_closed():
                generator = Generator([*lines, *self.chunk.matching, *self.chunk.settings], hook)
            done = 0
            while done < size and made < self.chunk.events:
                # Never more attempts than events that are missing: the last attempt of a chunk is its last event.
                vetoes = hook.vetoes
                events, worked = generator.batch(min(BATCH, size - done, self.chunk.events - made))
                rows = np.arange(done, done + worked.size)
                done += worked.size
                self.vetoed += hook.vetoes - vetoes
                self.failed += int((~worked).sum()) - (hook.vetoes - vetoes)
                self.tried += float(self.hard.weights[rows].sum())
                self.matched += float(self.hard.weights[rows[worked]].sum())
                made += int(worked.sum())
                if events is not None:
                    yield events, self.hard.numbers[rows[worked]], self.hard.weights[rows[worked]]
            with standard_output_closed():
                del generator, hook
            if made == self.chunk.events:
                return
        raise PygHepError(
            f"the matching keeps {made} of {_ATTEMPTS * size} hard events of chunk {self.chunk.number} and vetoes "
            f"{self.vetoed}, fewer than the {self.chunk.events} that were asked for: {'; '.join(self.chunk.matching)}"
        )
