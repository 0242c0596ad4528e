from __future__ import annotations

import numpy as np
import pytest

from pyg_hep.simulation import objects, response
from pyg_hep.simulation.columns import GeneratedEvents
from pyg_hep.simulation.detector import simulate_detector
from pyg_hep.simulation.truth import INVISIBLE

EVENTS = 2000


def particle_gun(particles: list[tuple[int, float, float, float]], mother: int = 24) -> GeneratedEvents:
    """EVENTS equal events: a mother (entry 0, decayed) and massless final particles (id, pt, eta, phi)."""
    n = len(particles) + 1
    pdg_id, pt, eta, phi = np.array([(mother, 1.0, 0.0, 0.0), *particles]).T
    rows = np.tile(
        np.column_stack([pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta), pt * np.cosh(eta)]), (EVENTS, 1)
    )
    event = np.repeat(np.arange(EVENTS), n)
    status = np.tile([-41] + [1] * (n - 1), EVENTS)
    first = event * n
    ones = np.ones(EVENTS)
    info = dict.fromkeys(("id1", "id2", "x1", "x2", "scale", "weight"), ones)
    return GeneratedEvents(
        EVENTS,
        event,
        np.tile(pdg_id.astype(int), EVENTS),
        status,
        first,
        first,
        first,
        *rows.T,
        np.zeros(n * EVENTS),
        info,
    )


def count(columns, name: str) -> np.ndarray:
    return columns.collections[name].counts


@pytest.mark.parametrize(
    ("pdg_id", "name", "efficiency"),
    [
        (11, "Electron", response.electron_efficiency),
        (-13, "Muon", response.muon_efficiency),
        (22, "Photon", response.photon_efficiency),
    ],
)
def test_isolated_objects_are_found_with_the_stated_efficiency_and_never_counted_twice(pdg_id, name, efficiency):
    columns = simulate_detector(particle_gun([(pdg_id, 50.0, 0.3, 1.0)]), np.random.default_rng(1))
    found, jets = count(columns, name), count(columns, "Jet")
    expected = efficiency(np.array([50.0]), np.array([0.3]))[0]
    # fakes: jets that were a missed electron or photon can be taken for one (below 0.3 % of a few percent)
    assert abs(found.mean() - expected) < 4 * np.sqrt(expected * (1 - expected) / EVENTS)
    if pdg_id == -13:
        assert jets.sum() == 0  # a missed muon leaves no energy
    else:
        others = sum(count(columns, other) for other in ("Electron", "Photon"))
        assert np.all(others + jets == 1)


def test_objects_are_smeared_around_their_true_momentum_and_keep_their_charge():
    columns = simulate_detector(particle_gun([(-11, 50.0, 0.3, 1.0)]), np.random.default_rng(2))
    electrons = columns.collections["Electron"].fields
    width = response.calorimeter_resolution(np.array([50 * np.cosh(0.3)]), np.array([0.3]))[0]
    n = electrons["pt"].size
    assert abs(electrons["pt"].mean() / 50 - 1) < 4 * width / np.sqrt(n)
    assert abs(electrons["pt"].std() / 50 / width - 1) < 4 / np.sqrt(2 * n)
    # positron; charge flips at 0.2 % of 1,900
    assert (electrons["charge"] == -1).sum() < 15
    assert (electrons["charge"] == 1).sum() > 0.99 * n - 15


def test_charge_flips_are_as_frequent_as_stated():
    columns = simulate_detector(particle_gun([(11, 50.0, 2.0, 1.0)]), np.random.default_rng(3))
    flipped = (columns.collections["Electron"].fields["charge"] == 1).mean()
    n = columns.collections["Electron"].fields["charge"].size
    assert abs(flipped - 0.015) < 4 * np.sqrt(0.015 / n)
    muons = simulate_detector(particle_gun([(13, 50.0, 2.0, 1.0)]), np.random.default_rng(3)).collections["Muon"]
    assert set(muons.fields["charge"].tolist()) == {-1}


def test_leptons_inside_jets_stay_in_the_jet():
    hadrons = [(211, 20.0, 0.3, 1.1), (-211, 20.0, 0.4, 1.0)]
    for lepton in (11, 13):
        columns = simulate_detector(particle_gun([(lepton, 30.0, 0.3, 1.0), *hadrons]), np.random.default_rng(4))
        # electrons: jets taken for one, 0.0048 exp(-0.035 * 70) = 0.04 %
        assert count(columns, "Electron").sum() + count(columns, "Muon").sum() < 0.003 * EVENTS
        assert columns.collections["Jet"].fields["pt"].mean() == pytest.approx(70.0, rel=0.02)


def test_photons_of_hadrons_are_no_photon_candidates():
    gun = particle_gun([(22, 50.0, 0.3, 1.0)], mother=111)
    columns = simulate_detector(gun, np.random.default_rng(5))
    # jets taken for photons: 0.0093 exp(-50 / 27.5) = 0.15 % of 2,000
    assert count(columns, "Photon").sum() < 15
    assert count(columns, "Jet").mean() > 0.98


def test_photons_radiated_by_an_electron_belong_to_it():
    gun = particle_gun([(11, 40.0, 0.3, 1.0), (22, 10.0, 0.33, 1.03)], mother=24)
    columns = simulate_detector(gun, np.random.default_rng(6))
    assert columns.collections["Electron"].fields["pt"].mean() == pytest.approx(50.0, rel=0.005)
    # only jets of missed electrons (7 %) can fake a photon
    assert count(columns, "Photon").sum() < 5


def test_invisible_and_forward_particles_are_not_seen():
    gun = particle_gun([(12, 50.0, 0.0, 0.0), (54, 50.0, 0.0, 1.0), (1000022, 50.0, 0.0, 2.0), (211, 5.0, 5.2, 3.0)])
    assert objects.visible_particles(gun, INVISIBLE).event.size == 0
    columns = simulate_detector(gun, np.random.default_rng(7))
    x, y = 50 * (np.cos(0) + np.cos(1) + np.cos(2)), 50 * (np.sin(0) + np.sin(1) + np.sin(2))
    np.testing.assert_allclose(columns.scalars["GenMET_pt"], np.hypot(x, y), rtol=1e-6)
    # nothing visible: only the soft term, 6 GeV per component, Rayleigh mean 6 sqrt(pi / 2) = 7.52, width 3.93
    assert abs(columns.scalars["MET_pt"].mean() - 7.52) < 4 * 3.93 / np.sqrt(EVENTS)
