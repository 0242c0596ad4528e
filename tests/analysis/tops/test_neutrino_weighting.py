import numpy as np

from pyg_hep.analysis.tops import NeutrinoWeighting
from pyg_hep.analysis.tops.momenta import on_shell
from pyg_hep.analysis.tops.neutrino_weighting import neutrinos_at

from .partons import as_events, mass


def test_solutions_at_a_pseudorapidity_have_it_and_both_masses(toys):
    eta = np.linspace(-3, 3, 31)
    found = neutrinos_at(eta, toys["antilepton"], toys["b"], 172.5, 80.4)
    assert found.shape == (50, 62, 3)
    n, k = np.nonzero(np.isfinite(found).all(-1))
    assert len(n) > 500
    neutrino = on_shell(found[n, k])
    np.testing.assert_allclose(np.arcsinh(neutrino[:, 2] / np.hypot(*neutrino[:, :2].T)), np.tile(eta, 2)[k], atol=1e-7)
    w = neutrino + toys["antilepton"][n]
    np.testing.assert_allclose(mass(w), 80.4, rtol=1e-6)
    np.testing.assert_allclose(mass(w + toys["b"][n]), 172.5, rtol=1e-6)


def test_the_true_pseudorapidity_has_the_true_neutrino(toys):
    for n in range(50):
        true = toys["neutrino"][n]
        eta = np.arcsinh(true[2:3] / np.hypot(*true[:2]))
        found = neutrinos_at(eta, toys["antilepton"][n : n + 1], toys["b"][n : n + 1], 172.5, 80.4)
        assert np.nanmin(np.sqrt(((found[0] - true[:3]) ** 2).sum(-1))) < 0.05


def test_perfect_events_are_weighted_near_one(toys):
    found = NeutrinoWeighting(top_masses=(172.5,))(as_events(toys))
    assert found.valid.mean() > 0.9  # a neutrino may lie beyond the scan
    assert np.median(found.weight) > 0.9
    assert (found.weight <= 1.0).all()


def test_the_weight_is_that_of_the_missing_momentum(toys):
    events = as_events(toys)
    events = events[NeutrinoWeighting()(events).valid]
    found = NeutrinoWeighting()(events)
    missed = (found.neutrino + found.antineutrino)[:, :2] - events.met
    np.testing.assert_allclose(found.weight, np.exp(-0.5 * (missed**2).sum(1) / 100.0), rtol=1e-9)
    wide = NeutrinoWeighting(sigma=20.0)(events)
    np.testing.assert_allclose(wide.weight, found.weight**0.25, rtol=1e-9)


def test_events_do_not_depend_on_their_chunk(toys):
    events = as_events(toys)
    method = NeutrinoWeighting(eta_step=0.5, top_masses=(172.5,))
    np.testing.assert_array_equal(method(events[40:45]).top, method(events).top[40:45])
