"""Les Houches event files: checks them, mixes several and cuts them into slices; the generator showers them.

Format: Alwall et al., hep-ph/0609017. Plain and gzip-compressed files are read as a stream, never as a whole.
"""

from __future__ import annotations

import gzip
import itertools
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

import numpy as np

from pyg_hep.errors import ConfigError, ReaderError
from pyg_hep.simulation.columns import Floats, Ints

_SAMPLED = 200  # events from whose flavours and colours a file is judged


@dataclass(frozen=True)
class HardEvent:
    """One ``<event>`` block: its header's fields and the lines of its particles."""

    header: list[bytes]
    particles: list[bytes]

    @property
    def weight(self) -> float:
        """XWGTUP."""
        return float(self.header[2])

    @property
    def flavours(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Sorted PDG numbers of the incoming and of the final particles: which subprocess this is."""
        rows = [line.split() for line in self.particles]
        incoming = tuple(sorted(int(row[0]) for row in rows if row[1] == b"-1"))
        return incoming, tuple(sorted(int(row[0]) for row in rows if row[1] == b"1"))

    @property
    def has_colours(self) -> bool:
        """Whether every quark and gluon carries a colour tag."""
        rows = [line.split() for line in self.particles]
        coloured = [row for row in rows if abs(int(row[0])) in (1, 2, 3, 4, 5, 6, 21)]
        return all(row[4] != b"0" or row[5] != b"0" for row in coloured)


@dataclass(frozen=True)
class HardEventFile:
    """What was found in one LHE file."""

    path: Path
    beams: bytes
    cross_section: float
    cross_section_error: float
    events: int
    subprocesses: frozenset[tuple[tuple[int, ...], tuple[int, ...]]]
    equal_weights: bool


@dataclass(frozen=True)
class Slice:
    """Hard events of one chunk: the file to shower, and number and weight of each event in it, ``[n]``."""

    path: Path
    numbers: Ints
    weights: Floats


def _open(path: Path) -> IO[bytes]:
    with path.open("rb") as stream:
        compressed = stream.read(2) == b"\x1f\x8b"
    return cast(IO[bytes], gzip.open(path) if compressed else path.open("rb"))


def _lines(path: Path) -> Iterator[bytes]:
    try:
        with _open(path) as stream:
            yield from stream
    except FileNotFoundError as error:
        raise ReaderError(f"LHE file {path} does not exist") from error
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ReaderError(f"LHE file {path} is truncated or damaged: {error}") from error
    except OSError as error:
        raise ReaderError(f"LHE file {path} cannot be read: {error}") from error


def _block(lines: Iterator[bytes], end: bytes, path: Path) -> list[bytes]:
    """Lines up to the closing tag without comments and empty ones."""
    block: list[bytes] = []
    for line in lines:
        text = line.strip()
        if text.startswith(end):
            return block
        if text and not text.startswith(b"#"):
            block.append(text)
    raise ReaderError(f"LHE file {path} ends before the closing tag {end.decode()}>")


def _read(path: Path) -> Iterator[list[bytes] | HardEvent]:
    """The ``<init>`` block as a list of lines, then every event."""
    lines = _lines(path)
    number = 0
    for line in lines:
        text = line.lstrip()
        if text.startswith(b"<init>"):
            yield _block(lines, b"</init", path)
        elif text.startswith(b"<event"):
            block = _block(lines, b"</event", path)
            header = block[0].split() if block else []
            particles = block[1 : 1 + int(header[0])] if len(header) == 6 and header[0].isdigit() else []
            broken = not particles or len(particles) != int(header[0])
            if broken or any(len(row.split()) != 13 for row in particles):
                raise ReaderError(f"LHE file {path}: event {number} (counted from 0) is malformed")
            yield HardEvent(header, particles)
            number += 1


def events_of(path: Path) -> Iterator[HardEvent]:
    """Every event of a file, in order."""
    return (item for item in _read(path) if isinstance(item, HardEvent))


def scan(path: str | Path) -> HardEventFile:
    """Read a file once from end to end.

    Raises:
        ReaderError: if it is missing, damaged, no LHE file, without events, or has no colour flow.
    """
    path = Path(path)
    init: list[bytes] = []
    subprocesses = set()
    weights: set[float] = set()
    events = 0
    for item in _read(path):
        if isinstance(item, list):
            init = item
            continue
        if events < _SAMPLED:
            subprocesses.add(item.flavours)
            if not item.has_colours:
                raise ReaderError(
                    f"LHE file {path}: event {events} has a quark or gluon without colour tags, so that it cannot "
                    "be showered (Sherpa writes none unless its own shower runs); assign a colour flow first"
                )
        if len(weights) < 2:
            weights.add(abs(item.weight))
        events += 1
    if not init:
        raise ReaderError(f"{path} is no LHE file: it has no <init> block")
    if not events:
        raise ReaderError(f"LHE file {path} holds no event")
    try:
        rows = [[float(x) for x in line.split()[:2]] for line in init[1 : 1 + int(init[0].split()[9])]]
    except (ValueError, IndexError) as error:
        raise ReaderError(f"LHE file {path}: the <init> block is malformed ({error})") from error
    values, errors = np.array(rows).T
    beams = b" ".join(init[0].split()[:8])
    total, uncertainty = float(values.sum()), float(np.hypot.reduce(errors))
    return HardEventFile(path, beams, total, uncertainty, events, frozenset(subprocesses), len(weights) == 1)


class HardEvents:
    """One sample of hard events out of one or several LHE files.

    Files that share a subprocess (same incoming and final flavours) are parts of one process: their events
    follow each other and their cross sections are averaged. Files without a common subprocess are different
    processes: their cross sections add, and their events are mixed in that proportion.
    When a process has no events left, its files start again.

    Args:
        paths: the files.

    Raises:
        ReaderError: for a file that cannot be used.
        ConfigError: for files of different beams, or different processes of which one is weighted.
    """

    def __init__(self, paths: Sequence[str | Path]) -> None:
        self.files = [scan(path) for path in paths]
        for file in self.files:
            if file.beams != self.files[0].beams:
                raise ConfigError(f"LHE files {self.files[0].path} and {file.path} have different beams")
        self.groups: list[list[int]] = []
        for k, file in enumerate(self.files):
            related = [g for g in self.groups if any(file.subprocesses & self.files[m].subprocesses for m in g)]
            merged = [*itertools.chain.from_iterable(related), k]
            self.groups = [g for g in self.groups if g not in related] + [merged]
        weighted = [str(file.path) for file in self.files if not file.equal_weights]
        if len(self.groups) > 1 and weighted:
            raise ConfigError(f"weighted LHE files of different processes cannot be mixed: {', '.join(weighted)}")
        self.offsets = np.cumsum([0] + [file.events for file in self.files])
        self.distinct = 0
        """Number of different hard events in the slices written last."""

    @property
    def cross_section(self) -> tuple[float, float]:
        """Cross section and its error in pb."""
        values, errors = [], []
        for group in self.groups:
            members = [self.files[k] for k in group]
            values.append(sum(m.cross_section for m in members) / len(members))
            errors.append(float(np.hypot.reduce([m.cross_section_error for m in members])) / len(members))
        return sum(values), float(np.hypot.reduce(errors))

    def _of_group(self, group: list[int]) -> Iterator[tuple[int, HardEvent]]:
        while True:
            for k in group:
                for position, event in enumerate(events_of(self.files[k].path)):
                    yield int(self.offsets[k]) + position, event

    def _mixture(self) -> Iterator[tuple[int, int, HardEvent]]:
        sources = [self._of_group(group) for group in self.groups]
        cross_sections = [sum(self.files[k].cross_section for k in g) / len(g) for g in self.groups]
        share = np.array(cross_sections) / sum(cross_sections) if len(sources) > 1 else np.ones(1)
        taken = np.zeros(len(sources))
        for n in itertools.count(1):
            g = int(np.argmax(share * n - taken))  # the group furthest behind its share
            taken[g] += 1
            number, event = next(sources[g])
            yield g, number, event

    def write_slices(self, folder: Path, events: int, chunk_size: int) -> list[Slice]:
        """Write the first ``events`` hard events of the mixture as one small LHE file per chunk.

        The weight of an event is kept beside its slice: within, all are +1 or -1, as the generator shall take
        every event once and in order.
        """
        mixture = self._mixture()
        slices = []
        taken = np.zeros(len(self.groups), dtype=np.int64)
        for chunk, first in enumerate(range(0, events, chunk_size)):
            numbers, weights, blocks = [], [], []
            for group, number, event in itertools.islice(mixture, min(chunk_size, events - first)):
                taken[group] += 1
                numbers.append(number)
                weights.append(event.weight if len(self.groups) == 1 else np.sign(event.weight))
                blocks.append(event)
            path = folder / f"slice_{chunk}.lhe"
            write_slice(path, self.files[0].beams, blocks)
            slices.append(Slice(path, np.array(numbers), np.array(weights, dtype=np.float64)))
        held = [sum(self.files[k].events for k in group) for group in self.groups]
        self.distinct = int(np.minimum(taken, held).sum())
        return slices


def write_slice(path: Path, beams: bytes, events: Sequence[HardEvent]) -> None:
    """Write events to a plain LHE file of one process with weights +1 and -1."""
    with path.open("wb") as stream:
        stream.write(b'<LesHouchesEvents version="1.0">\n<init>\n' + beams + b" -3 1\n1.0 1.0 1.0 1\n</init>\n")
        for event in events:
            sign = b"-1" if event.weight < 0 else b"1"
            header = b" ".join([event.header[0], b"1", sign, *event.header[3:]])
            stream.write(b"\n".join([b"<event>", header, *event.particles, b"</event>\n"]))
        stream.write(b"</LesHouchesEvents>\n")
