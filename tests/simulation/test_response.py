from __future__ import annotations

import numpy as np
import pytest

from pyg_hep.simulation import response

PT = np.geomspace(5.0, 2000.0, 60)


def test_jet_resolution_is_that_of_cms():
    # arXiv:1607.03663, abstract: 15-20 % at 30 GeV, 10 % at 100 GeV, 5 % at 1 TeV
    at_30, at_100, at_1000 = response.jet_resolution(np.array([30.0, 100.0, 1000.0]))
    assert 0.15 < at_30 < 0.21
    assert at_100 == pytest.approx(0.10, abs=0.005)
    assert at_1000 == pytest.approx(0.05, abs=0.007)


def test_calorimeter_and_muon_resolutions_are_near_1_percent_for_electrons_and_muons_of_z_bosons():
    # electrons about 1.5 %, muons 1 to 2 % at 45 GeV
    assert response.calorimeter_resolution(np.array([45.0]), np.array([0.5]))[0] == pytest.approx(0.019, abs=0.002)
    muon = response.muon_resolution(np.full(3, 45.0), np.array([0.2, 1.0, -2.0]))
    np.testing.assert_allclose(muon, np.hypot([0.010, 0.015, 0.025], [0.0045, 0.00675, 0.01575]))


@pytest.mark.parametrize(
    "efficiency", [response.electron_efficiency, response.muon_efficiency, response.photon_efficiency]
)
def test_efficiencies_rise_to_a_plateau_and_end_with_the_detector(efficiency):
    central = efficiency(PT, np.zeros_like(PT))
    assert np.all(np.diff(central) >= 0)
    assert 0.9 < central[-1] <= 1.0
    assert np.all(central >= efficiency(PT, np.full_like(PT, 2.0)))
    assert np.all(efficiency(PT, np.full_like(PT, -2.75)) == 0)


def test_tau_efficiency_by_prongs():
    # Delphes ATLAS card: 0.70 and 0.60
    plateau = response.tau_efficiency(np.full(4, 500.0), np.zeros(4), np.array([1, 3, 0, 5]))
    np.testing.assert_allclose(plateau, [0.70, 0.60, 0.0, 0.0])


def test_fake_rates_are_rare_and_end_with_the_tracker():
    for rate in (response.jet_to_electron_rate, response.jet_to_photon_rate, response.jet_to_tau_rate):
        assert np.all(rate(PT, np.zeros_like(PT)) <= 0.01)
        assert np.all(rate(PT, np.full_like(PT, 2.6)) == 0)
    assert response.jet_to_photon_rate(np.array([27.5]), np.zeros(1))[0] == pytest.approx(0.0093 / np.e)
