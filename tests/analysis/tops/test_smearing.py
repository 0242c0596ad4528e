import itertools

import numpy as np
import pytest

from pyg_hep.analysis.tops import DileptonEvents, Resolution, SmearedEllipse, lepton_b_density, reconstruct_tops
from pyg_hep.analysis.tops import smearing as module
from pyg_hep.analysis.tops.smearing import random_numbers, smear

from .partons import as_events, mass


def test_an_event_has_the_same_tops_in_any_company_and_chunk(toys, monkeypatch):
    events = as_events(toys)
    method = SmearedEllipse(copies=10)
    whole = method(events)
    some = np.array([31, 3, 17])
    np.testing.assert_array_equal(method(events[some]).top, whole.top[some])
    monkeypatch.setattr(module, "_CHUNK", 60)
    np.testing.assert_array_equal(method(events).top, whole.top)
    assert not np.array_equal(SmearedEllipse(copies=10, seed=1)(events).top, whole.top, equal_nan=True)


def test_random_numbers_are_normal_and_uniform_and_of_each_event_alone():
    normal, uniform = random_numbers(np.arange(2000), 3, 20)
    assert normal.shape == (2000, 20, 6)
    assert normal.mean() == pytest.approx(0.0, abs=0.01)
    assert normal.std() == pytest.approx(1.0, abs=0.01)
    assert (abs(normal) < 1.0).mean() == pytest.approx(0.6827, abs=0.005)
    correlation = np.corrcoef(np.concatenate([normal, uniform], axis=-1).reshape(-1, 8).T)
    assert abs(correlation - np.eye(8)).max() < 0.02
    assert abs(np.corrcoef(normal[:-1].ravel(), normal[1:].ravel())[0, 1]) < 0.01
    assert uniform.mean() == pytest.approx(0.5, abs=0.005)
    np.testing.assert_array_equal(random_numbers(np.array([7]), 3, 20)[0][0], normal[7])


def test_copies_spread_by_the_resolution_and_keep_the_momentum_balance(toys):
    events = as_events(toys)[:1]
    resolution = Resolution(met=0.0)
    leptons, jets, met = smear(events, resolution, random_numbers(events.key, 0, 20_000)[0])
    relative = jets[0, :, :, 0] / events.jets[0, :, 0] - 1.0
    np.testing.assert_allclose(relative.std(0), resolution.jet(events.jets[0]), rtol=0.03)
    visible = leptons.sum(2) + jets.sum(2)
    before = events.antilepton + events.lepton + events.jets.sum(1)
    np.testing.assert_allclose(visible[..., :2] + met, np.broadcast_to(before[:, None, :2] + events.met, met.shape))
    # Shapes of four-vectors stay: masses scale with momenta.
    np.testing.assert_allclose(mass(jets) / jets[..., 3], np.broadcast_to(
        mass(events.jets) / events.jets[..., 3], (*jets.shape[:1], 1, 2)).repeat(20_000, 1), rtol=1e-6)  # fmt: skip
    soft = smear(events, Resolution(0.0, 0.0, 0.0, 0.0, 6.0), random_numbers(events.key, 0, 20_000)[0])[2][0]
    np.testing.assert_allclose(soft.std(0), 6.0, rtol=0.03)


def test_the_density_of_lepton_and_b_is_that_of_true_top_decays(pairs):
    points = np.linspace(0.0, 160.0, 16_001)
    assert np.trapezoid(lepton_b_density(points), points) == pytest.approx(1.0, abs=1e-4)
    assert (lepton_b_density(np.array([152.7, 200.0, 1e4])) == 0).all()
    masses = np.concatenate([mass(pairs["antilepton"] + pairs["b"]), mass(pairs["lepton"] + pairs["antib"])])
    edges = np.linspace(0, 150, 16)
    found = np.histogram(masses, edges)[0]
    expected = np.array([
        np.trapezoid(lepton_b_density(np.linspace(a, b, 50)), np.linspace(a, b, 50))
        for a, b in itertools.pairwise(edges)
    ]) * len(masses)  # fmt: skip
    # 8,000 decays: four standard deviations of each bin, and 5 % for the widths and the mass of the b quark.
    assert (abs(found - expected)[:-1] < 4.0 * np.sqrt(expected[:-1]) + 0.05 * expected[:-1]).all()
    assert ((found - expected)[:-1] ** 2 / expected[:-1]).sum() < 60


def test_smearing_solves_nearly_all_events_and_tops_have_their_mass(measured):
    events, _ = measured
    found = reconstruct_tops(events[:300])
    assert found.valid.mean() > 0.95
    np.testing.assert_allclose(mass(found.top[found.valid]), 172.5, rtol=1e-6)
    assert ((found.weight > 0) == found.valid).all()
    more = reconstruct_tops(events[:300], copies=100, seed=2)
    both = found.valid & more.valid
    assert np.median(abs(more.m_ttbar[both] / found.m_ttbar[both] - 1.0)) < 0.03


def test_a_jet_without_momentum_gives_no_tops(toys):
    events = as_events(toys)[:3]
    jets = events.jets.copy()
    jets[1, 0] = 0.0
    found = reconstruct_tops(DileptonEvents(events.antilepton, events.lepton, jets, events.met))
    assert list(found.valid) == [True, False, True]
