from __future__ import annotations

import numpy as np
import pytest

from pyg_hep.errors import ConfigError
from pyg_hep.simulation.boosted.detectors import FAST, FULL, find_detector


def test_resolutions_are_those_of_the_delphes_card():
    # delphes_card_CMS.tcl: sqrt(0.01^2 + pt^2 1.5e-4^2) within 0.5; sqrt(0.40^2 + 0.11^2 E + 0.008^2 E^2) and
    # sqrt(1.5^2 E + 0.05^2 E^2) at eta = 0.
    at = np.zeros(1)
    assert FAST.track_resolution(np.array([100.0]), at) == pytest.approx(np.hypot(0.01, 0.015))
    assert FAST.ecal.resolution(np.array([50.0]), at) == pytest.approx(np.sqrt(0.16 + 0.0121 * 50 + 0.16))
    assert FAST.hcal.resolution(np.array([50.0]), at) == pytest.approx(np.sqrt(2.25 * 50 + 6.25))


def test_impact_parameters_are_measured_as_by_cms():
    # arXiv:1405.6569, abstract: 25 to 90 and 45 to 150 micrometres for 10 to 1 GeV; rounded to 2 micrometres here.
    d0, dz = FAST.impact_errors(np.array([10.0, 1.0]), np.zeros(2))
    np.testing.assert_allclose(d0, [0.025, 0.090], atol=0.002)
    np.testing.assert_allclose(dz, [0.045, 0.150], atol=0.002)


def test_tracks_end_at_the_threshold_and_the_tracker():
    pt, eta = np.array([0.2, 0.7, 5.0, 5.0, 5.0]), np.array([0.0, 0.0, 0.0, 2.0, 2.6])
    pion = np.full(5, -211)
    np.testing.assert_allclose(FAST.track_efficiency(pt, eta, pion), [0, 0.95 * 0.75, 0.95, 0.85, 0])
    assert (FULL.track_efficiency(pt, eta, pion) <= FAST.track_efficiency(pt, eta, pion)).all()
    assert FAST.track_efficiency(pt[2:3], eta[2:3], np.array([13])) == pytest.approx(0.99)


def test_an_unknown_detector_names_the_nearest():
    with pytest.raises(ConfigError, match="unknown detector 'fst'; did you mean 'fast'"):
        find_detector("fst")
