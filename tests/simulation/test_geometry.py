from __future__ import annotations

import numpy as np

from pyg_hep.simulation.geometry import (
    boost,
    delta_r,
    expand_ranges,
    group_sums,
    invariant_mass,
    pairs,
    pt_eta_phi,
)


def random_p4(n: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    momentum = rng.normal(0, 50, size=(n, 3))
    mass = rng.uniform(1, 100, size=n)
    return np.column_stack([momentum, np.sqrt((momentum**2).sum(axis=1) + mass**2)])


def test_boost_into_the_own_rest_frame_leaves_the_mass_alone():
    p4 = random_p4(200, 1)
    rest = boost(p4, p4, -1.0)
    np.testing.assert_allclose(rest[:, :3], 0.0, atol=1e-9)
    np.testing.assert_allclose(rest[:, 3], invariant_mass(*p4.T), rtol=1e-9)


def test_boost_out_undoes_boost_in_and_keeps_masses():
    p4, frame = random_p4(200, 2), random_p4(200, 3)
    inside = boost(p4, frame, -1.0)
    np.testing.assert_allclose(boost(inside, frame, 1.0), p4, rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(invariant_mass(*inside.T), invariant_mass(*p4.T), rtol=1e-6)


def test_pt_eta_phi_inverts_the_definition():
    pt, eta, phi = np.array([1.0, 20.0, 300.0]), np.array([-4.0, 0.0, 2.5]), np.array([-3.0, 0.1, 3.1])
    got = pt_eta_phi(pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta))
    np.testing.assert_allclose(got, [pt, eta, phi], rtol=1e-12, atol=1e-12)


def test_pseudorapidity_along_the_beam_is_finite():
    assert np.isfinite(pt_eta_phi(np.zeros(1), np.zeros(1), np.array([100.0]))[1]).all()


def test_delta_r_wraps_the_azimuth():
    np.testing.assert_allclose(delta_r(np.zeros(1), np.array([3.1]), np.zeros(1), np.array([-3.1])), 2 * np.pi - 6.2)


def test_pairs_are_those_of_a_double_loop():
    rng = np.random.default_rng(4)
    left, right = rng.integers(0, 6, 20), np.sort(rng.integers(0, 6, 15))
    expected = {(i, j) for i in range(20) for j in range(15) if left[i] == right[j]}
    i, j = pairs(left, right, 6)
    assert i.size == len(expected)
    assert set(zip(i.tolist(), j.tolist(), strict=True)) == expected


def test_pairs_of_nothing_are_nothing():
    none = np.zeros(0, dtype=np.int64)
    assert pairs(none, np.array([0, 1]), 2)[0].size == pairs(np.array([0, 1]), none, 2)[0].size == 0


def test_ranges_and_sums():
    i, member = expand_ranges(np.array([3, 7]), np.array([5, 7]))
    assert (i.tolist(), member.tolist()) == ([0, 0, 0, 1], [3, 4, 5, 7])
    assert group_sums(np.array([2, 0, 2]), np.array([1.0, 2.0, 4.0]), 4).tolist() == [2.0, 0.0, 5.0, 0.0]
