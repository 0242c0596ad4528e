"""Runs Pythia 8: settings, seeds and batches of event records; what a detector makes of them is elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from pyg_hep.errors import PygHepError
from pyg_hep.simulation.columns import Floats, GeneratedEvents, Mask
from pyg_hep.simulation.processes import COMMON_SETTINGS, Process

BATCH = 200
"""Events per call of the generator: bounds the memory (with multiparton interactions 200 MB) and how long an
interrupt waits. Part of the result, as the random numbers of the detector are drawn per batch."""

BEAM_ENERGY = 13000.0

_FIELDS = ("id", "status", "mother1", "daughter1", "daughter2")


def generator_settings(process: Process, seed: int, mpi: bool, lhe: Path | None, slha: Path | None) -> list[str]:
    """The lines that configure Pythia for one process, without those of its variant.

    Args:
        process: what to generate.
        seed: of Pythia, 1 to 900,000,000.
        mpi: whether to generate multiparton interactions.
        lhe: file with hard events, replaces the hard process of ``process``.
        slha: file with the spectrum, for processes that need one.
    """
    lines = ["Print:quiet = on", "SLHA:verbose = 0", "Random:setSeed = on", f"Random:seed = {seed}"]
    lines += COMMON_SETTINGS
    # What lives longer than 10 mm / c (K0S, Lambda, ...) reaches the calorimeters: the LHC convention.
    lines += ["ParticleDecays:limitTau0 = on", "ParticleDecays:tau0Max = 10.0"]
    if lhe is not None:
        lines += ["Beams:frameType = 4", f"Beams:LHEF = {lhe}"]
    else:
        lines += [f"Beams:eCM = {BEAM_ENERGY}"]
        if slha is not None:
            lines += [f"SLHA:file = {slha}"]
        lines += process.settings
    lines += process.decays
    if not mpi:
        lines += ["PartonLevel:MPI = off"]
    return lines


def generator_seed(random: np.random.SeedSequence) -> int:
    """A seed that Pythia accepts, 1 to 900,000,000."""
    state = random.generate_state(1, np.uint64)[0]
    return int(state % np.uint64(900_000_000)) + 1


class Generator:
    """One initialised Pythia, source of event batches.

    Args:
        lines: settings, as from :func:`generator_settings`.
        hook: what may veto events, such as :func:`pyg_hep.simulation.matching.veto_hook`.
        vertices: whether the events have production vertices.

    Raises:
        PygHepError: if Pythia refuses a setting or cannot start.
    """

    def __init__(self, lines: list[str], hook: Any = None, vertices: bool = False) -> None:
        import pythia8mc

        self.vertices = vertices
        self.pythia = pythia8mc.Pythia("", False)
        if hook is not None and not self.pythia.setUserHooksPtr(hook):
            raise PygHepError("Pythia 8 does not take the hook that matches jets")
        for line in lines:
            if not self.pythia.readString(line):
                raise PygHepError(f"Pythia 8 does not know the setting {line!r}")
        if not self.pythia.init():
            raise PygHepError("Pythia 8 could not be initialised with: " + "; ".join(lines))

    def batch(self, events: int) -> tuple[GeneratedEvents | None, Mask]:
        """Try ``events`` events.

        Returns:
            The events that worked (None if none did), and which of the attempts did, shape ``[events]``.
        """
        layout = self.pythia.nextBatch(events, "none").layout
        worked = np.asarray(layout.index) >= 0 if layout.is_option else np.ones(events, dtype=bool)
        # Without an event, Pythia's record has no columns.
        made = _flatten(layout.content if layout.is_option else layout, self.vertices) if worked.any() else None
        return made, worked

    def batches(self, events: int) -> Iterator[tuple[GeneratedEvents | None, Mask]]:
        """Try ``events`` events in batches of at most :data:`BATCH`."""
        for first in range(0, events, BATCH):
            yield self.batch(min(BATCH, events - first))

    @property
    def cross_section(self) -> tuple[float, float]:
        """Cross section of the events so far and its statistical error, in pb (Pythia counts in mb)."""
        info = self.pythia.infoPython()
        return info.sigmaGen() * 1e9, info.sigmaErr() * 1e9


def _flatten(record: Any, vertices: bool) -> GeneratedEvents:
    """Flat arrays out of the awkward record of Pythia's ``nextBatch``, without copying the four-vectors."""
    particles, info = record["prt"], record["info"]
    offsets = np.asarray(particles.offsets).astype(np.int64)
    count = offsets.size - 1
    first, stop = offsets[0], offsets[-1]
    content = particles.content
    raw = {name: np.asarray(content[name].data)[first:stop].astype(np.int64) for name in _FIELDS}
    momentum = {name: np.asarray(content["p"][name].data)[first:stop] for name in ("px", "py", "pz", "e")}
    event = np.repeat(np.arange(count), np.diff(offsets))
    start = (offsets[:-1] - first)[event]
    per_event = {name: np.asarray(info[name].data)[:count] for name in ("id1", "id2", "x1", "x2", "Q2Fac")}
    weights = info["weights"]
    nominal = np.asarray(weights.content.data)[np.asarray(weights.offsets)[:count]]
    return GeneratedEvents(
        count=count,
        event=event,
        pdg_id=raw["id"],
        status=raw["status"],
        mother=raw["mother1"] + start,
        daughter1=raw["daughter1"] + start,
        daughter2=raw["daughter2"] + start,
        px=momentum["px"],
        py=momentum["py"],
        pz=momentum["pz"],
        energy=momentum["e"],
        mass=np.asarray(content["m"].data)[first:stop],
        info={
            "id1": per_event["id1"],
            "id2": per_event["id2"],
            "x1": per_event["x1"],
            "x2": per_event["x2"],
            "scale": np.sqrt(per_event["Q2Fac"]),
            "weight": nominal,
        },
        vertex=_vertices(content["vProd"], first, stop) if vertices else None,
    )


def _vertices(points: Any, first: int, stop: int) -> Floats:
    """Production vertices (x, y, z) in mm; what Pythia gives none was made at the origin."""
    index = np.asarray(points.index.data)[first:stop]
    place = np.column_stack([np.asarray(points.content[name].data) for name in ("px", "py", "pz")])
    return np.where((index >= 0)[:, None], place[np.maximum(index, 0)], 0.0)
