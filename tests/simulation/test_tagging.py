from __future__ import annotations

import numpy as np
import pytest

from pyg_hep.simulation.tagging import WORKING_POINT, btag_efficiency, btag_score

N = 200_000


def rate(flavour: int, pt: float, cut: float) -> float:
    rng = np.random.default_rng(flavour)
    score = btag_score(np.full(N, flavour), np.full(N, pt), np.zeros(N), rng)
    assert 0 <= score.min() <= score.max() <= 1
    return float((score > cut).mean())


@pytest.mark.parametrize("pt", [30.0, 80.0, 400.0])
@pytest.mark.parametrize("flavour", [5, 4, 0])
def test_score_passes_the_working_point_with_the_stated_efficiency(flavour: int, pt: float):
    expected = btag_efficiency(np.array([flavour]), np.array([pt]))[0]
    assert rate(flavour, pt, WORKING_POINT) == pytest.approx(expected, abs=4 * np.sqrt(expected * (1 - expected) / N))


def test_other_working_points_have_the_mistag_rates_that_define_them():
    # DeepJet: loose is 10 % and tight 0.1 % light mistags; 80 GeV, where the medium one is 1 %
    assert rate(0, 80.0, 0.0480) == pytest.approx(0.10, rel=0.1)
    assert rate(0, 80.0, 0.6377) == pytest.approx(0.001, rel=0.3)
    assert 0.85 < rate(5, 80.0, 0.0480) < 0.95
    assert 0.5 < rate(5, 80.0, 0.6377) < 0.65


def test_flavours_are_ordered_at_every_pt():
    pt = np.linspace(15.0, 1500.0, 200)
    b, c, light = (btag_efficiency(np.full(200, flavour), pt) for flavour in (5, 4, 0))
    assert np.all(b > c)
    assert np.all(c > light)
    assert np.all((light > 0) & (b < 1))


def test_no_tag_outside_the_tracker():
    score = btag_score(np.full(100, 5), np.full(100, 100.0), np.full(100, -2.6), np.random.default_rng(1))
    assert np.all(score == 0)
