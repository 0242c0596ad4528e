from __future__ import annotations

import numpy as np

from pyg_hep.simulation import jets
from pyg_hep.simulation.columns import GeneratedEvents
from pyg_hep.simulation.objects import Visible


def visible(event: list[int], p4: np.ndarray) -> Visible:
    px, py, pz, energy = p4.T
    pt = np.hypot(px, py)
    n = len(event)
    return Visible(
        np.array(event), np.full(n, 211), np.ones(n, dtype=bool), px, py, pz, energy, pt, np.arcsinh(pz / pt),
        np.arctan2(py, px),
    )  # fmt: skip


def massless(pt: float, eta: float, phi: float) -> list[float]:
    return [pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta), pt * np.cosh(eta)]


def test_clustering_of_many_events_is_that_of_each_event(capfd):
    close = [massless(30, 0.0, 0.0), massless(10, 0.1, 0.1)]
    particles = visible([0, 0, 2, 2], np.array([*close, massless(20, 1.0, 3.0), massless(25, -1.0, 0.0)]))
    event, p4 = jets.cluster(particles, np.ones(4, dtype=bool), 3)
    assert event.tolist() == [0, 2, 2]  # event 1 is empty
    np.testing.assert_allclose(p4[0], np.sum(close, axis=0), rtol=1e-12)
    assert capfd.readouterr().out == ""  # no banner of the jet finder


def test_unused_and_soft_particles_make_no_jets():
    particles = visible([0, 0, 0], np.array([massless(50, 0, 0), massless(40, 0, 2), massless(4, 0, -2)]))
    _, p4 = jets.cluster(particles, np.array([False, True, True]), 1)
    np.testing.assert_allclose(p4, [massless(40, 0, 2)], atol=1e-12)


def test_smeared_jets_have_the_stated_resolution_and_no_bias():
    # 0.05 + 0.8 / sqrt(pT) + 4 / pT in quadrature: 0.1025 at 100 GeV; 20,000 jets: 0.5 % on the width
    n = 20_000
    p4 = np.tile(massless(100.0, 0.5, 3.1), (n, 1))
    found = jets.smeared_jets(np.zeros(n, dtype=int), p4, np.random.default_rng(1))
    width = np.sqrt(0.05**2 + 0.08**2 + 0.04**2)
    assert abs(found.pt.mean() / 100 - 1) < 4 * width / np.sqrt(n)
    assert abs(found.pt.std() / 100 / width - 1) < 4 / np.sqrt(2 * n)
    assert abs(found.eta.mean() - 0.5) < 4 * 0.011 / np.sqrt(n)
    assert np.all(np.abs(found.phi) <= np.pi)


def test_hadron_flavour_prefers_b_and_the_nearest_jet():
    rows = np.array([
        massless(30, 0.0, 0.0),  # B0 between two jets, nearer to the second
        massless(20, 0.0, 0.05),  # D0 in the second jet too
        massless(20, 0.0, 2.0),  # D+ in the third
        massless(3, 0.0, -2.0),  # B+ too soft
        massless(50, 0.0, -2.0),  # a b quark is no hadron
    ])  # fmt: skip
    n = len(rows)
    zeros = np.zeros(n, dtype=int)
    events = GeneratedEvents(
        1,
        zeros,
        np.array([511, -421, 411, 521, 5]),
        np.full(n, -83),
        zeros,
        zeros,
        zeros,
        *rows.T,
        np.zeros(n),
        {},
    )
    phi = np.array([-0.2, 0.1, 2.1, -2.0])
    flavour = jets.hadron_flavour(events, np.zeros(4, dtype=int), np.zeros(4), phi)
    assert flavour.tolist() == [0, 5, 4, 0]
