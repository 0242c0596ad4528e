"""Les Houches event files: checks them, mixes several and cuts them into slices; the generator showers them.

Format: Alwall et al., hep-ph/0609017. Plain and gzip-compressed files are read as a stream, never as a whole.
"""

from __future__ import annotations

import gzip
import itertools
import math
import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, cast

import numpy as np

from pyg_hep.errors import ConfigError, ReaderError
from pyg_hep.simulation.colours import Leg, random_flow
from pyg_hep.simulation.columns import Floats, Ints
from pyg_hep.simulation.matching import Matching, MergingHints, common_matching, jets_of

_SAMPLED = 200  # events from whose flavours and colours a file is judged
_TRIES = 2  # hard events of a merged sample per event that is made: about half of them are vetoed


@dataclass(frozen=True)
class HardEvent:
    """One ``<event>`` block: its header's fields and the lines of its particles."""

    header: list[bytes]
    particles: list[bytes]
    trials: float | None = None
    """Attempts that this event took, where the generator (Sherpa) writes them."""
    scales: tuple[bytes, ...] = ()
    """Lines ``<scales .../>``, by which MadGraph tells jets of QCD from other partons."""

    @property
    def weight(self) -> float:
        """XWGTUP."""
        return float(self.header[2])

    @property
    def incoming(self) -> tuple[list[bytes], ...]:
        """Momenta (px, py, pz, E) of the incoming particles, as written."""
        rows = [line.split() for line in self.particles]
        return tuple(row[6:10] for row in rows if row[1] == b"-1")

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

    def with_colours(self, rng: np.random.Generator) -> HardEvent | None:
        """The event with a random leading-colour flow; None where there is no flow for its particles."""
        rows = [line.split() for line in self.particles]
        outer = [k for k, row in enumerate(rows) if row[1] in (b"-1", b"1")]
        tags = random_flow([Leg(int(rows[k][0]), rows[k][1] == b"-1") for k in outer], rng)
        if tags is None or len(outer) < len(rows):
            return None
        for k, (colour, anticolour) in zip(outer, tags, strict=True):
            rows[k][4:6] = [b"%d" % colour, b"%d" % anticolour]
        return replace(self, particles=[b" ".join(row) for row in rows])


@dataclass(frozen=True)
class HardEventFile:
    """What was found in one LHE file."""

    path: Path
    beams: bytes
    cross_section: float
    cross_section_error: float
    events: int
    distinct: int
    subprocesses: frozenset[tuple[tuple[int, ...], tuple[int, ...]]]
    equal_weights: bool
    has_colours: bool
    matching: Matching | None = None


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


def _read(path: Path, hints: MergingHints | None = None) -> Iterator[list[bytes] | HardEvent]:
    """The ``<init>`` block as a list of lines, then every event; the lines between them go to ``hints``."""
    lines = _lines(path)
    number = 0
    for line in lines:
        text = line.lstrip()
        if hints is not None:
            hints.read(text)
        if text.startswith(b"<init>"):
            yield _block(lines, b"</init", path)
        elif text.startswith(b"<event"):
            block = _block(lines, b"</event", path)
            header = block[0].split() if block else []
            particles = block[1 : 1 + int(header[0])] if len(header) == 6 and header[0].isdigit() else []
            broken = not particles or len(particles) != int(header[0])
            if broken or any(len(row.split()) != 13 for row in particles):
                raise ReaderError(f"LHE file {path}: event {number} (counted from 0) is malformed")
            scales = tuple(row for row in block[1 + len(particles) :] if row.startswith(b"<scales"))
            yield HardEvent(header, particles, _trials(text), scales)
            number += 1


def _trials(tag: bytes) -> float | None:
    found = re.search(rb"trials=['\"]([0-9.eE+-]+)['\"]", tag)
    return float(found[1]) if found else None


def events_of(path: Path) -> Iterator[HardEvent]:
    """Every event of a file, in order."""
    return (item for item in _read(path) if isinstance(item, HardEvent))


def numbered(events: Iterable[HardEvent]) -> Iterator[tuple[int, HardEvent]]:
    """Events with the number of their kinematics: copies in a row have one number.

    Unweighting leaves an event whose weight is above the maximum several times in a row (Sherpa; each copy may
    have a colour flow of its own). Copies are the same collision, so they must share a split.
    """
    number, before = -1, None
    for event in events:
        now = event.incoming
        if now != before:
            number, before = number + 1, now
        yield number, event


def scan(path: str | Path) -> HardEventFile:
    """Read a file once from end to end.

    Raises:
        ReaderError: if it is missing, damaged, no LHE file, without events, or its events have no colour flow and
            none can be given to them, or it is a merged sample that cannot be matched here.
    """
    path = Path(path)
    init: list[bytes] = []
    subprocesses = set()
    weights: set[float] = set()
    events = distinct = 0
    has_colours, rng = True, np.random.default_rng(0)
    sum_of_weights = trials = 0.0
    hints, jets = MergingHints(path), 0
    matching: Matching | None = None

    def blocks() -> Iterator[HardEvent]:
        for item in _read(path, hints):
            if isinstance(item, HardEvent):
                yield item
            else:
                init.extend(item)

    for number, item in numbered(blocks()):
        distinct = number + 1
        if not events:
            matching = hints.matching()
        if matching is not None:
            jets = max(jets, jets_of(item.particles, matching.largest_flavour))
        if events < _SAMPLED:
            subprocesses.add(item.flavours)
            if not item.has_colours:
                has_colours = False
                if item.with_colours(rng) is None:
                    raise ReaderError(
                        f"LHE file {path}: event {events} has a quark or gluon without colour tags and no simple "
                        "colour flow can be given to it, so that it cannot be showered"
                    )
        if len(weights) < 2:
            weights.add(abs(item.weight))
        sum_of_weights += item.weight
        trials += item.trials or 0.0
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
    matching = hints.matching()
    beams = b" ".join(init[0].split()[:8])
    total, uncertainty = float(values.sum()), float(np.hypot.reduce(errors))
    if trials and (values == 1.0).all() and (errors == 1.0).all():
        # Sherpa leaves ones in <init>; the accepted fraction of its trials has the cross section.
        total = sum_of_weights / trials
        uncertainty = abs(total) * math.sqrt(max(0.0, 1.0 - events / trials) / events)
    return HardEventFile(
        path, beams, total, uncertainty, events, distinct, frozenset(subprocesses), len(weights) == 1, has_colours,
        None if matching is None else replace(matching, jets=jets),
    )  # fmt: skip


class HardEvents:
    """One sample of hard events out of one or several LHE files.

    Files that share a subprocess (same incoming and final flavours) are parts of one process: their events
    follow each other and their cross sections are averaged. Files without a common subprocess are different
    processes: their cross sections add, and their events are mixed in that proportion.
    When a process has no events left, its files start again.

    Args:
        paths: the files.
        part: which of every file's hard events are used, as fractions [first, last) of its length. Samples made
            from parts that do not overlap have no hard event in common.

    Raises:
        ReaderError: for a file that cannot be used.
        ConfigError: for files of different beams or matching, or different processes of which one is weighted.
    """

    def __init__(self, paths: Sequence[str | Path], part: tuple[float, float] = (0.0, 1.0)) -> None:
        if not 0.0 <= part[0] < part[1] <= 1.0:
            raise ConfigError(f"a part of LHE files is two fractions 0 <= first < last <= 1, found {part}")
        self.files = [scan(path) for path in paths]
        for file in self.files:
            if file.beams != self.files[0].beams:
                raise ConfigError(f"LHE files {self.files[0].path} and {file.path} have different beams")
        self.matching = common_matching({file.path: file.matching for file in self.files})
        """How the events of a merged sample are matched; None for any other."""
        self.groups: list[list[int]] = []
        for k, file in enumerate(self.files):
            related = [g for g in self.groups if any(file.subprocesses & self.files[m].subprocesses for m in g)]
            merged = [*itertools.chain.from_iterable(related), k]
            self.groups = [g for g in self.groups if g not in related] + [merged]
        weighted = [str(file.path) for file in self.files if not file.equal_weights]
        if len(self.groups) > 1 and weighted:
            raise ConfigError(f"weighted LHE files of different processes cannot be mixed: {', '.join(weighted)}")
        self.offsets = np.cumsum([0] + [file.distinct for file in self.files])
        self.ranges = [tuple(round(edge * file.distinct) for edge in part) for file in self.files]
        for file, (first, last) in zip(self.files, self.ranges, strict=True):
            if first == last:
                raise ConfigError(f"LHE file {file.path} has no event in the part {part} of its {file.distinct}")
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
                first, last = self.ranges[k]
                for number, event in numbered(events_of(self.files[k].path)):
                    if number >= last:
                        break
                    if number >= first:
                        yield int(self.offsets[k]) + number, event

    def _mixture(self) -> Iterator[tuple[int, HardEvent]]:
        sources = [self._of_group(group) for group in self.groups]
        cross_sections = [sum(self.files[k].cross_section for k in g) / len(g) for g in self.groups]
        share = np.array(cross_sections) / sum(cross_sections) if len(sources) > 1 else np.ones(1)
        taken = np.zeros(len(sources))
        for n in itertools.count(1):
            g = int(np.argmax(share * n - taken))  # the group furthest behind its share
            taken[g] += 1
            yield next(sources[g])

    def write_slices(self, folder: Path, events: int, chunk_size: int) -> list[Slice]:
        """Write the first ``events`` hard events of the mixture as one small LHE file per chunk.

        The weight of an event is kept beside its slice: within, all are +1 or -1, as the generator shall take
        every event once and in order. Of a merged sample a slice has twice the events: some will be vetoed.
        """
        mixture = self._mixture()
        # Every pass over a file draws its flows anew.
        rng = np.random.default_rng(0)
        slices = []
        tries = 1 if self.matching is None else _TRIES
        seen: set[int] = set()
        for chunk, first in enumerate(range(0, events, chunk_size)):
            numbers, weights, blocks = [], [], []
            for number, event in itertools.islice(mixture, tries * min(chunk_size, events - first)):
                numbers.append(number)
                weights.append(event.weight if len(self.groups) == 1 else np.sign(event.weight))
                coloured = event if event.has_colours else event.with_colours(rng)
                if coloured is None:
                    raise ReaderError(f"LHE files: no colour flow for the hard event with the number {number}")
                blocks.append(coloured)
            seen.update(numbers)
            path = folder / f"slice_{chunk}.lhe"
            write_slice(path, self.files[0].beams, blocks, self.matching is not None)
            slices.append(Slice(path, np.array(numbers), np.array(weights, dtype=np.float64)))
        self.distinct = len(seen)
        return slices


def write_slice(path: Path, beams: bytes, events: Sequence[HardEvent], scales: bool = False) -> None:
    """Write events to a plain LHE file of one process with weights +1 and -1, with or without ``<scales>``."""
    with path.open("wb") as stream:
        stream.write(b'<LesHouchesEvents version="1.0">\n<init>\n' + beams + b" -3 1\n1.0 1.0 1.0 1\n</init>\n")
        for event in events:
            sign = b"-1" if event.weight < 0 else b"1"
            header = b" ".join([event.header[0], b"1", sign, *event.header[3:]])
            more = event.scales if scales else ()
            stream.write(b"\n".join([b"<event>", header, *event.particles, *more, b"</event>\n"]))
        stream.write(b"</LesHouchesEvents>\n")
