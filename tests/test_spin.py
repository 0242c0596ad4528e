"""Spin observables and leading-order weights against Sherpa's events with full spin correlations (arXiv:2003.02280)."""

from pathlib import Path

import numpy as np
import pytest
import torch

from pyg_hep.errors import PygHepError
from pyg_hep.spin import (
    boost_to_rest,
    c_han,
    c_hel,
    gluon_fusion,
    has_leading_order,
    lepton_directions,
    quark_annihilation,
    singlet_weight,
    spin_axes,
    spin_weight,
)

LHE = Path(__file__).resolve().parents[2] / "shared" / "data" / "lhe" / "ttbar_dilepton.lhe.gz"
TOP_MASS = 172.5


def unit_vectors(count, seed):
    vectors = np.random.default_rng(seed).standard_normal((count, 3))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def mean_and_error(values, weights=1.0):
    weights = np.broadcast_to(weights, values.shape)
    mean = (weights * values).sum() / weights.sum()
    return mean, np.sqrt((weights**2 * (values - mean) ** 2).sum()) / weights.sum()


def at_momentum(p, mass):
    return np.concatenate([p, np.sqrt((p**2).sum(-1, keepdims=True) + mass**2)], axis=-1)


def boosted(p4, velocity):
    """Out of the rest frame of something that moves with a velocity ``[3]``."""
    frame = np.append(-np.asarray(velocity), 1.0)
    return boost_to_rest(p4, np.broadcast_to(frame, p4.shape))


@pytest.fixture(scope="module")
def pairs():
    """4,000 random top pairs at rest with an isotropic massless lepton from each top: top, antitop, plus, minus."""
    count = 4000
    momentum = np.random.default_rng(0).uniform(1.0, 900.0, (count, 1)) * unit_vectors(count, 1)
    top, antitop = at_momentum(momentum, TOP_MASS), at_momentum(-momentum, TOP_MASS)
    plus, minus = (40.0 * unit_vectors(count, seed) for seed in (2, 3))
    against = [np.concatenate([-t[:, :3], t[:, 3:]], axis=1) for t in (top, antitop)]
    leptons = [boost_to_rest(at_momentum(p, 0.0), f) for p, f in zip((plus, minus), against, strict=True)]
    return top, antitop, *leptons


@pytest.fixture(scope="module")
def hard_events():
    """Top, antitop, positive and negative lepton ``[N, 4]`` of the file, and whether gluons made the pair ``[N]``."""
    if not LHE.exists():
        pytest.skip(f"{LHE} is not there")
    from pyg_hep.simulation.lhe import events_of

    momenta, gluons = [], []
    for event in events_of(LHE):
        rows = [line.split() for line in event.particles]
        found = {int(row[0]): row[6:10] for row in rows[2:]}
        plus, minus = (next(i for i in found if abs(i) in (11, 13, 15) and i * s > 0) for s in (-1, 1))
        momenta.append([found[6], found[-6], found[plus], found[minus]])
        gluons.append(rows[0][0] == b"21")
    p = np.array(momenta, dtype=np.float64)
    return p[:, 0], p[:, 1], p[:, 2], p[:, 3], np.array(gluons)


def test_boost_goes_to_the_rest_frame_and_keeps_masses(pairs):
    top, antitop, plus, _ = pairs
    moving = boosted(top, (0.3, -0.2, 0.9))
    rest = boost_to_rest(moving, moving)
    np.testing.assert_allclose(rest[:, :3], 0.0, atol=1e-9)
    np.testing.assert_allclose(rest[:, 3], TOP_MASS, rtol=1e-9)
    inside = boost_to_rest(plus, top)
    np.testing.assert_allclose(inside[:, 3], 40.0, rtol=1e-9)
    np.testing.assert_allclose(boost_to_rest(antitop, top + antitop), antitop, rtol=1e-12)


def test_directions_are_those_the_leptons_were_made_with_in_any_laboratory(pairs):
    plus, minus = lepton_directions(*pairs)
    np.testing.assert_allclose(plus, unit_vectors(4000, 2), atol=1e-9)
    np.testing.assert_allclose(minus, unit_vectors(4000, 3), atol=1e-9)
    k = spin_axes(*pairs[:2]).k
    moving = [boosted(p, (0.1, 0.3, -0.8)) for p in pairs]
    found = lepton_directions(*moving)
    there = spin_axes(*moving[:2]).k
    np.testing.assert_allclose(c_hel(*found), c_hel(plus, minus), atol=1e-8)
    np.testing.assert_allclose(c_han(*found, there), c_han(plus, minus, k), atol=1e-8)
    # Straight from the laboratory to the tops' rest frames the axes are turned: another, wrong angle.
    straight = [boost_to_rest(lepton, of)[:, :3] for of, lepton in zip(moving[:2], moving[2:], strict=True)]
    wrong = c_hel(*(v / np.linalg.norm(v, axis=1, keepdims=True) for v in straight))
    assert np.abs(wrong - c_hel(plus, minus)).max() > 0.1


def test_axes_are_a_basis_and_beta_is_the_velocity_of_the_tops(pairs):
    top, antitop = pairs[:2]
    axes = spin_axes(top, antitop)
    basis = np.stack([axes.r, axes.k, axes.n], axis=1)
    np.testing.assert_allclose(basis @ basis.transpose(0, 2, 1), np.broadcast_to(np.eye(3), basis.shape), atol=1e-12)
    np.testing.assert_allclose(np.linalg.det(basis), 1.0)
    p = np.array([0.0, 0.0, 1.0])
    np.testing.assert_allclose(axes.cosine, axes.k[:, 2])
    sine = np.sqrt(1 - axes.cosine**2)[:, None]
    np.testing.assert_allclose(axes.n, np.cross(p, axes.k) / sine, atol=1e-9)
    np.testing.assert_allclose(axes.r, (p - axes.cosine[:, None] * axes.k) / sine, atol=1e-9)
    np.testing.assert_allclose(axes.beta, np.linalg.norm(top[:, :3], axis=1) / top[:, 3])
    # Along the beam nothing changes; the transverse momentum of the pair turns the beam by little.
    along = spin_axes(*(boosted(p, (0.0, 0.0, 0.9)) for p in (top, antitop)))
    np.testing.assert_allclose(along.n, axes.n, atol=1e-8)
    aside = spin_axes(*(boosted(p, (0.1, 0.0, 0.9)) for p in (top, antitop)))
    np.testing.assert_allclose(aside.cosine, axes.cosine, atol=0.3)


def test_singlet_and_scalar_have_the_slopes_of_their_states():
    # (1 + c_hel) and (1 - c_han) are the decays of a pseudoscalar and of a scalar: slopes 1, 1/3 and -1, -1/3.
    plus, minus = unit_vectors(200_000, 1), unit_vectors(200_000, 2)
    k = np.array([0.0, 0.6, 0.8])
    hel, han = c_hel(plus, minus), c_han(plus, minus, k)
    parts = plus * minus
    np.testing.assert_allclose(han, parts.sum(1) - 2 * (plus @ k) * (minus @ k), atol=1e-12)
    weight = singlet_weight(hel)
    assert weight.min() >= 0
    assert weight.max() <= 2
    for values, weights, slope in (
        (hel, weight, 1.0), (han, weight, 1 / 3), (han, 1 - han, -1.0), (hel, 1 - han, -1 / 3),
    ):  # fmt: skip
        mean, error = mean_and_error(3 * values, weights)
        assert error < 0.005
        assert abs(mean - slope) < 4 * error


@pytest.mark.parametrize("id1", [21, 2])
def test_weights_lie_between_0_and_2_everywhere(pairs, id1):
    top, antitop, plus, minus = pairs
    ids = np.full(len(top), id1), np.full(len(top), id1 if id1 == 21 else -id1)
    weights = spin_weight(top, antitop, plus, minus, *ids)
    assert weights.min() >= -1e-12
    assert weights.max() <= 2 + 1e-12
    assert abs(weights.mean() - 1) < 4 * weights.std() / np.sqrt(weights.size)


def test_which_beam_the_quark_came_from_makes_no_difference(pairs):
    quark = np.full(len(pairs[0]), 3)
    turned = [p * np.array([1.0, -1.0, -1.0, 1.0]) for p in pairs]  # half a turn: the beams change places
    expected = spin_weight(*pairs, quark, -quark)
    np.testing.assert_allclose(spin_weight(*pairs, -quark, quark), expected, atol=1e-12)
    np.testing.assert_allclose(spin_weight(*turned, quark, -quark), expected, atol=1e-9)


def test_top_at_rest_is_the_limit_of_a_slow_one():
    # At threshold gluons make a singlet, quarks two spins along the beam: w = 1 + c_hel and 1 - l+_z l-_z.
    count = 500
    plus, minus = unit_vectors(count, 5), unit_vectors(count, 6)
    hel, along = c_hel(plus, minus), plus[:, 2] * minus[:, 2]
    for size in (0.0, 1e-9, 1e-3):
        momentum = size * unit_vectors(count, 4)
        tops = [at_momentum(sign * momentum, TOP_MASS) for sign in (1, -1)]
        leptons = [at_momentum(40.0 * v, 0.0) for v in (plus, minus)]
        gluon, quark = np.full(count, 21), np.full(count, 1)
        axes = spin_axes(*tops)
        assert np.isfinite(np.stack([axes.k, axes.r, axes.n])).all()
        np.testing.assert_allclose(spin_weight(*tops, *leptons, gluon, gluon), 1 + hel, atol=1e-4)
        np.testing.assert_allclose(spin_weight(*tops, *leptons, -quark, quark), 1 - along, atol=1e-4)


@pytest.mark.parametrize("direction", [1.0, -1.0])
@pytest.mark.parametrize("tilt", [0.0, 1e-12, 1e-5])
def test_top_along_the_beam_has_finite_axes_and_the_same_weight_as_beside_it(direction, tilt):
    count = 100
    momentum = np.broadcast_to([300.0 * tilt, 0.0, 300.0 * direction], (count, 3))
    tops = [at_momentum(sign * momentum, TOP_MASS) for sign in (1, -1)]
    plus, minus = unit_vectors(count, 5), unit_vectors(count, 6)
    axes = spin_axes(*tops)
    assert np.isfinite(np.stack([axes.k, axes.r, axes.n])).all()
    np.testing.assert_allclose((axes.r * axes.k).sum(1), 0.0, atol=1e-9)
    beside = np.broadcast_to([0.0, 300.0 * 1e-4, 300.0 * direction], (count, 3))
    close = spin_axes(*(at_momentum(sign * beside, TOP_MASS) for sign in (1, -1)))
    for density in (gluon_fusion, quark_annihilation):
        expected = density(close).weight(close, plus, minus)
        np.testing.assert_allclose(density(axes).weight(axes, plus, minus), expected, atol=2e-3)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 5e-3)])
def test_tensors_give_what_arrays_give(pairs, dtype, tolerance):
    ids = np.where(np.arange(len(pairs[0])) % 2, 21, 2)
    other = np.where(ids == 21, 21, -2)
    tensors = [torch.from_numpy(p).to(dtype) for p in pairs]
    weights = spin_weight(*tensors, torch.from_numpy(ids), torch.from_numpy(other))
    assert weights.dtype == dtype
    np.testing.assert_allclose(weights.numpy(), spin_weight(*pairs, ids, other), atol=tolerance)
    found = c_hel(*lepton_directions(*tensors))
    np.testing.assert_allclose(found.numpy(), c_hel(*lepton_directions(*pairs)), atol=tolerance)


def test_what_cannot_be_weighted_is_said(pairs):
    first = [p[:3] for p in pairs]
    with pytest.raises(PygHepError, match=r"1 of 3 events have other incoming partons, the first of them 21 and 2"):
        spin_weight(*first, np.array([21, 21, 2]), np.array([21, 2, -2]))
    assert has_leading_order(np.array([21, 21, 2, 0, 2]), np.array([21, 2, -2, 0, 2])).tolist() == [1, 0, 1, 0, 0]
    with pytest.raises(PygHepError, match=r"found shape \[3, 3\]"):
        boost_to_rest(first[0][:, :3], first[1])
    with pytest.raises(PygHepError, match="found ndarray and Tensor"):
        boost_to_rest(first[0], torch.from_numpy(first[1]))


def test_components_are_those_of_the_hard_events_with_full_spin_correlations(hard_events):
    top, antitop, plus, minus, gluons = hard_events
    axes = spin_axes(top, antitop)
    first, second = lepton_directions(top, antitop, plus, minus)
    along = {name: [(v * getattr(axes, name)).sum(1) for v in (first, second)] for name in "nrk"}
    turned = np.sign(axes.cosine)
    measured = {name * 2: 9 * one * two for name, (one, two) in along.items()}
    (r1, r2), (k1, k2) = along["r"], along["k"]
    measured["rk"] = 4.5 * (r1 * k2 + k1 * r2) * turned
    for gluon, density in ((True, gluon_fusion(axes)), (False, quark_annihilation(axes))):
        chosen = gluons == gluon
        expected = {"nn": -density.nn, "rr": -density.rr, "kk": -density.kk, "rk": -density.rk * turned}
        for name, values in measured.items():
            mean, error = mean_and_error(values[chosen])
            # 3.5 standard deviations: eight comparisons; the errors are 0.009 to 0.033.
            assert abs(mean - expected[name][chosen].mean()) < 3.5 * error, (gluon, name)
        mean, error = mean_and_error(3 * c_hel(first, second)[chosen])
        assert abs(mean - (0.290 if gluon else -0.333)) < 3 * error
    mean, error = mean_and_error(3 * c_hel(first, second))
    assert (mean, error) == (pytest.approx(0.201, abs=5e-4), pytest.approx(0.007, abs=5e-4))


def test_isotropic_decays_of_the_hard_tops_get_their_correlation_from_the_weights(hard_events):
    top, antitop, _, _, gluons = hard_events
    axes = spin_axes(top, antitop)
    count = len(top)
    values, weights = [], []
    for seed in range(10):
        plus, minus = unit_vectors(count, 2 * seed), unit_vectors(count, 2 * seed + 1)
        densities = gluon_fusion(axes), quark_annihilation(axes)
        weights.append(np.where(gluons, *(density.weight(axes, plus, minus) for density in densities)))
        values.append(3 * c_hel(plus, minus))
    c, w = np.concatenate(values), np.concatenate(weights)
    assert w.min() >= 0.0
    assert w.max() <= 2.0
    assert abs(w.mean() - 1) < 0.002
    assert w.sum() ** 2 / (w**2).sum() / w.size == pytest.approx(0.93, abs=0.01)
    mean, error = mean_and_error(c, w)
    assert error < 0.0025
    # The formula's own mean over these tops is 0.2051 +- 0.0013; the file's matrix element has 0.201 +- 0.007.
    assert abs(mean - 0.2051) < 4 * error
    assert abs(mean_and_error(c)[0]) < 4 * error
