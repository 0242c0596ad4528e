from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from pyg_hep.simulation.boosted.substructure import soft_drop, subjettiness


def massless(jet: list[int], pt: list[float], eta: list[float], phi: list[float]) -> SimpleNamespace:
    p, e, f = (np.array(x) for x in (pt, eta, phi))
    return SimpleNamespace(
        event=np.array(jet), px=p * np.cos(f), py=p * np.sin(f), pz=p * np.sinh(e), energy=p * np.cosh(e)
    )


def test_soft_drop_removes_what_is_soft_and_wide_and_keeps_two_hard_prongs():
    # Two prongs of 300 GeV, 0.3 apart, with 20 GeV far away: 20 / 620 = 0.03 is below 0.1 and below 0.1 * 0.6 / 0.8.
    particles = massless([0, 0, 0, 1], [300.0, 300.0, 20.0, 50.0], [0.0, 0.3, -0.6, 1.0], [0.0, 0.0, 0.0, 1.0])
    mass, stays = soft_drop(particles, 2, 0.1, 0.0)
    assert stays.tolist() == [True, True, False, True]
    # m^2 = 2 pt1 pt2 (cosh(d eta) - cos(d phi))
    assert mass == pytest.approx([np.sqrt(2 * 300**2 * (np.cosh(0.3) - 1)), 0.0], abs=1e-4)
    # With beta = 1 the threshold falls with the angle: 20 GeV 0.1 away from a prong stay, 0.03 > 0.1 * 0.1 / 0.8.
    close = massless([0, 0], [600.0, 20.0], [0.0, 0.1], [0.0, 0.0])
    assert soft_drop(close, 1, 0.1, 0.0)[1].tolist() == [True, False]
    assert soft_drop(close, 1, 0.1, 1.0)[1].tolist() == [True, True]


def test_subjettiness_is_zero_with_as_many_axes_as_particles():
    particles = massless([0, 0, 0], [300.0, 200.0, 100.0], [0.0, 0.4, 0.0], [0.0, 0.0, 0.4])
    tau = subjettiness(particles, 1)
    assert tau.shape == (1, 4)
    assert tau[0, 0] > tau[0, 1] > 1e-3
    assert tau[0, 2:] == pytest.approx(0.0, abs=1e-9)
