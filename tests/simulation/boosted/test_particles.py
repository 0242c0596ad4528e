from __future__ import annotations

import numpy as np
import pytest

from pyg_hep.simulation.boosted.detectors import FULL
from pyg_hep.simulation.boosted.particle_flow import reconstruct, without_pile_up
from pyg_hep.simulation.boosted.particles import Particles, PileUp, final_particles
from pyg_hep.simulation.boosted.processes import JET_PROCESSES
from pyg_hep.simulation.generator import Generator, generator_settings
from pyg_hep.simulation.geometry import pt_eta_phi


@pytest.fixture(scope="module")
def bottom() -> Particles:
    """Particles of 40 H to b bbar."""
    lines = generator_settings(JET_PROCESSES["Hbb"].generator_process(), 1, False, None, None)
    events, _ = Generator(lines, vertices=True).batch(40)
    assert events is not None
    return final_particles(events)


@pytest.fixture(scope="module")
def pile_up() -> PileUp:
    return PileUp(7, 20.0, 100)


def test_final_particles_have_their_charge_and_vertex(bottom: Particles):
    _, eta, _ = pt_eta_phi(bottom.px, bottom.py, bottom.pz)
    assert np.abs(eta).max() < 3.0
    for number, charge in ((211, 1), (-211, -1), (11, -1), (-13, 1), (2212, 1), (22, 0), (130, 0)):
        assert (bottom.charge[bottom.pdg_id == number] == charge).all()
    # Every kind of final particle that Pythia makes has its charge: the table has no gaps.
    import pythia8mc

    table = pythia8mc.Pythia("", False).particleData
    for number in np.unique(bottom.pdg_id):
        assert table.chargeType(int(number)) // 3 == bottom.charge[bottom.pdg_id == number][0]
    # B hadrons of 300 GeV fly 300 / 5.3 * 0.45 mm = 25 mm; most particles are made at the collision.
    flight = np.linalg.norm(bottom.vertex, axis=1)
    assert np.median(flight) < 1e-3
    assert 1.0 < np.percentile(flight, 90) < 300.0


def test_pile_up_adds_collisions_of_their_own_vertices_and_keeps_the_event(bottom: Particles, pile_up: PileUp):
    both = pile_up.overlay(bottom, 40, np.random.default_rng(1))
    assert (np.diff(both.event) >= 0).all()
    hard = both.select(~both.pile_up)
    for name in ("event", "pdg_id", "px", "energy"):
        np.testing.assert_array_equal(getattr(hard, name), getattr(bottom, name))
    added = both.select(both.pile_up)
    # mean 20 per event: 800 +- 28 collisions, each of one vertex but for decays in flight
    expected = 800 * pile_up.library.event.size / pile_up.first.size
    assert added.event.size == pytest.approx(expected, rel=0.25)  # 100 collisions of unequal size, 800 of them drawn
    assert added.vertex[:, 2].std() == pytest.approx(50.0, rel=0.15)  # 800 vertices give 2.5 %, unequal sizes more
    mass2 = added.energy**2 - added.px**2 - added.py**2 - added.pz**2
    assert mass2.min() > -1e-6 * added.energy.max() ** 2
    # A rotation leaves transverse momenta as they were, and no direction in azimuth is preferred.
    assert set(np.round(np.hypot(added.px, added.py), 6)) <= set(
        np.round(np.hypot(pile_up.library.px, pile_up.library.py), 6)
    )


def test_pile_up_is_mostly_removed_and_the_event_mostly_kept(bottom: Particles, pile_up: PileUp):
    rng = np.random.default_rng(2)
    found = reconstruct(pile_up.overlay(bottom, 40, rng), FULL, rng)
    cleaned = without_pile_up(found, FULL)
    assert cleaned.pile_up.sum() < 0.2 * found.pile_up.sum()
    track, hard = cleaned.charge != 0, ~found.pile_up & (found.charge != 0)
    # Tracks within 2 mm of the vertex: 2 * 2 / (50 * sqrt(2 pi)) = 3 % of those of pile-up.
    assert (cleaned.pile_up & track).sum() < 0.06 * (found.pile_up & (found.charge != 0)).sum()
    assert (~cleaned.pile_up & track).sum() > 0.95 * hard.sum()
