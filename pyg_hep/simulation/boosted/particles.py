"""Final particles with their production vertices, and pile-up that is laid over them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pyg_hep.simulation.boosted.detectors import MAX_ETA
from pyg_hep.simulation.columns import Floats, GeneratedEvents, Ints, Mask, Rows
from pyg_hep.simulation.generator import Generator
from pyg_hep.simulation.geometry import expand_ranges, pt_eta_phi
from pyg_hep.simulation.truth import INVISIBLE

_MIN_PT = 0.1  # GeV; softer ones reach no calorimeter
_SPREAD = 50.0  # mm between vertices along the beam: sqrt(2) times the 35 mm of the LHC's luminous region (CMS, 2016)

_CHARGES = {11: -1, 13: -1, 211: 1, 321: 1, 2212: 1, 3112: -1, 3222: 1, 3312: -1, 3334: -1}


@dataclass(frozen=True)
class Particles(Rows):
    """Final visible particles within abs(eta) < 3 and above 0.1 GeV, sorted by event, shape ``[V]`` each.

    ``vertex`` [V, 3] is where they were made, in mm relative to the hard collision; ``pile_up`` marks other collisions.
    """

    event: Ints
    pdg_id: Ints
    px: Floats
    py: Floats
    pz: Floats
    energy: Floats
    vertex: Floats
    pile_up: Mask

    @property
    def charge(self) -> Ints:
        """In units of e; those that live long enough to be final in the generator."""
        charge = np.zeros(self.pdg_id.size, dtype=np.int64)
        for number, value in _CHARGES.items():
            charge[np.abs(self.pdg_id) == number] = value
        return charge * np.sign(self.pdg_id)


def final_particles(events: GeneratedEvents) -> Particles:
    """What a detector can see of generated events that have vertices."""
    final = (events.status > 0) & ~np.isin(np.abs(events.pdg_id), INVISIBLE)
    pt, eta, _ = pt_eta_phi(events.px, events.py, events.pz)
    keep = np.flatnonzero(final & (pt > _MIN_PT) & (np.abs(eta) < MAX_ETA))
    assert events.vertex is not None
    names = ("event", "pdg_id", "px", "py", "pz", "energy", "vertex")
    return Particles(*(getattr(events, name)[keep] for name in names), pile_up=np.zeros(keep.size, dtype=bool))


class PileUp:
    """Minimum-bias collisions of one chunk, to be laid over its events.

    Every one of the collisions that Pythia makes (``SoftQCD:nonDiffractive`` with multiparton interactions) is used
    again and again, each time rotated about the beam by a random angle, with a random direction of the beam and a
    vertex of its own.

    Args:
        seed: of Pythia.
        mean: of the Poisson number of collisions per event.
        library: number of different collisions.
    """

    def __init__(self, seed: int, mean: float, library: int = 300) -> None:
        lines = [
            "Print:quiet = on", "Random:setSeed = on", f"Random:seed = {seed}", "Beams:eCM = 13000.0",
            "ParticleDecays:limitTau0 = on", "ParticleDecays:tau0Max = 10.0", "SoftQCD:nonDiffractive = on",
        ]  # fmt: skip
        made = [e for e, _ in Generator(lines, vertices=True).batches(library) if e is not None]
        parts = [final_particles(events) for events in made]
        counts = np.concatenate(
            [np.bincount(part.event, minlength=e.count) for part, e in zip(parts, made, strict=True)]
        )
        self.mean = mean
        self.stop = np.cumsum(counts)
        self.first = self.stop - counts
        self.library = Particles.concatenate(parts)

    def overlay(self, particles: Particles, count: int, rng: np.random.Generator) -> Particles:
        """The particles of ``count`` events with those of a random number of further collisions."""
        number = rng.poisson(self.mean, count)
        event = np.repeat(np.arange(count), number)
        chosen = rng.integers(self.first.size, size=event.size)
        angle = rng.uniform(0.0, 2 * np.pi, event.size)
        side = rng.choice(np.array((-1.0, 1.0)), event.size)
        place = rng.normal(0.0, _SPREAD, event.size)
        collision, position = expand_ranges(self.first[chosen], self.stop[chosen] - 1)
        added = self.library.select(position)
        cos, sin, side = np.cos(angle)[collision], np.sin(angle)[collision], side[collision]
        x, y, z = added.vertex.T
        added = Particles(
            event=event[collision],
            pdg_id=added.pdg_id,
            px=cos * added.px - sin * added.py,
            py=sin * added.px + cos * added.py,
            pz=side * added.pz,
            energy=added.energy,
            vertex=np.column_stack([cos * x - sin * y, sin * x + cos * y, side * z + place[collision]]),
            pile_up=np.ones(collision.size, dtype=bool),
        )
        both = Particles.concatenate([particles, added])
        return both.select(np.argsort(both.event, kind="stable"))
