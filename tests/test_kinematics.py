"""Four-vector algebra against float64, against the ``vector`` package and against closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import vector
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from pyg_hep.errors import PygHepError
from pyg_hep.kinematics import (
    BELOW_PI,
    PI,
    boost_z,
    delta_phi,
    delta_r,
    from_cartesian,
    hypot,
    invariant_mass,
    reflect_z,
    rotate_about,
    rotate_phi,
    to_cartesian,
    wrap_phi,
)

EPS32 = float(np.finfo(np.float32).eps)
EPS64 = float(np.finfo(np.float64).eps)

# The same examples in every run, and no time limit per example: neighbours on a busy machine are no failure.
REPEATABLE = settings(derandomize=True, deadline=None)


def float32s(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(float(np.float32(low)), float(np.float32(high)), width=32, allow_subnormal=False)


phis = float32s(-PI, BELOW_PI)
# Momenta of reconstructed objects: from a soft track to the LHC's highest jets, masses up to a heavy resonance.
four_vectors = st.tuples(float32s(0.125, 7000), float32s(-6, 6), phis, st.one_of(st.just(0.0), float32s(2**-10, 2000)))


def p4_of(values: object, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.tensor(values, dtype=torch.float64).to(dtype)


def as_vector(p4: Tensor) -> vector.VectorNumpy4D:
    columns = p4.double().numpy().reshape(-1, 4).T
    return vector.array(dict(zip(("pt", "eta", "phi", "mass"), columns, strict=True)))


def turns_apart(a: Tensor, b: Tensor) -> Tensor:
    """Distance of two angles on the circle, in float64."""
    difference = (a.double() - b.double()).abs() % (2 * math.pi)
    return torch.minimum(difference, 2 * math.pi - difference)


def random_p4(events: int, seed: int, dtype: torch.dtype = torch.float64) -> Tensor:
    rng = np.random.default_rng(seed)
    columns = (rng.uniform(5, 500, events), rng.normal(0, 2, events), rng.uniform(-3.14, 3.14, events))
    return torch.tensor(np.stack([*columns, rng.exponential(10, events)], axis=1)).to(dtype)


def test_the_interval_of_azimuths_is_that_of_float32_pi():
    assert np.float32(math.pi) == PI
    assert np.nextafter(np.float32(PI), np.float32(0)) == np.float32(BELOW_PI) == BELOW_PI


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@REPEATABLE
@given(phi=st.floats(-1000, 1000))
def test_wrapped_azimuth_stays_in_the_float32_interval_and_is_the_same_angle(dtype, phi):
    given_phi = torch.tensor([phi], dtype=dtype)
    wrapped = wrap_phi(given_phi)
    assert wrapped.dtype == dtype
    assert -PI <= wrapped.item() < PI
    # Also after a float64 azimuth is stored as float32.
    assert -PI <= wrapped.float().item() < PI
    # float32 as the docstring says; in float64 the comparison itself rounds by an ulp of phi.
    bound = EPS32 * (2 + abs(phi) / (2 * math.pi)) if dtype == torch.float32 else EPS64 * (2 + abs(phi))
    assert turns_apart(wrapped, given_phi).item() <= bound


@REPEATABLE
@given(phi=phis)
def test_azimuth_inside_the_interval_comes_back_bit_for_bit(phi):
    for dtype in (torch.float32, torch.float64):
        assert wrap_phi(torch.tensor(phi, dtype=dtype)).item() == phi


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_the_ends_of_the_interval_and_odd_multiples_of_pi(dtype):
    phi = torch.tensor([math.pi, -math.pi, PI, -PI, 3 * math.pi, -3 * math.pi, 101 * math.pi], dtype=dtype)
    wrapped = wrap_phi(phi)
    assert ((wrapped.double() >= -PI) & (wrapped.double() < PI)).all()
    # float32(pi) itself is outside and becomes the lower end.
    assert wrap_phi(torch.tensor(PI)).item() == -PI


def test_azimuth_that_is_not_a_number_stays_visible():
    assert wrap_phi(torch.tensor([math.nan, math.inf, -math.inf])).isnan().all()


@REPEATABLE
@given(phi1=phis, phi2=phis)
def test_azimuthal_difference_agrees_with_vector(phi1, phi2):
    a, b = (vector.obj(pt=1.0, phi=p) for p in (phi1, phi2))
    expected = torch.tensor(a.deltaphi(b), dtype=torch.float64)
    for dtype, bound in ((torch.float32, 5e-7), (torch.float64, 2e-15)):
        found = delta_phi(torch.tensor(phi1, dtype=dtype), torch.tensor(phi2, dtype=dtype))
        assert -PI <= found.item() < PI
        assert turns_apart(found, expected).item() <= bound


@REPEATABLE
@given(x=float32s(-7000, 7000), y=float32s(-7000, 7000))
def test_length_agrees_with_the_standard_library(x, y):
    expected = math.hypot(x, y)
    if expected > 1e-18:  # below, float32 squares underflow, as the docstring says
        found = hypot(torch.tensor(x), torch.tensor(y)).item()
        assert found == pytest.approx(expected, rel=2.4e-7)


def test_gradient_of_length_and_distance_is_zero_at_the_origin():
    zero = torch.zeros(3, requires_grad=True)
    assert torch.autograd.grad(hypot(zero, zero).sum(), zero)[0].equal(torch.zeros(3))
    eta, phi = torch.full((3,), 1.5, requires_grad=True), torch.full((3,), -3.0, requires_grad=True)
    distance = delta_r(eta, phi, eta.detach(), phi.detach())
    for gradient in torch.autograd.grad(distance.sum(), (eta, phi)):
        assert gradient.equal(torch.zeros(3))


@REPEATABLE
@given(a=four_vectors, b=four_vectors)
def test_angular_distance_agrees_with_vector(a, b):
    expected = vector.obj(eta=a[1], phi=a[2], pt=1.0).deltaR(vector.obj(eta=b[1], phi=b[2], pt=1.0))
    # Absolute: an ulp of |eta1 - eta2| <= 12 and the 5e-7 of the azimuth.
    # Between pi and float32(pi), both in the interval, an angle has two names that differ by 1.7e-7 in size.
    at_pi = abs(abs(a[2] - b[2]) - math.pi) < 1e-7
    for dtype, bound in ((torch.float32, 1.5e-6), (torch.float64, 2e-7 if at_pi else 5e-15)):
        p, q = p4_of(a, dtype), p4_of(b, dtype)
        assert delta_r(p[1], p[2], q[1], q[2]).item() == pytest.approx(expected, abs=bound)


@REPEATABLE
@given(values=four_vectors)
def test_cartesian_components_agree_with_vector(values):
    expected = vector.obj(**dict(zip(("pt", "eta", "phi", "mass"), values, strict=True)))
    for dtype, eps in ((torch.float32, EPS32), (torch.float64, EPS64)):
        px, py, pz, energy = to_cartesian(p4_of(values, dtype)).tolist()
        pt = values[0]
        # sin and cos are absolute in units of pt; sinh of a rounded argument costs 1 + |eta| ulps.
        assert px == pytest.approx(expected.px, abs=4 * eps * pt)
        assert py == pytest.approx(expected.py, abs=4 * eps * pt)
        assert pz == pytest.approx(expected.pz, rel=4 * eps * (1 + abs(values[1])))
        assert energy == pytest.approx(expected.E, rel=4 * eps * (1 + abs(values[1])))


@REPEATABLE
@given(values=four_vectors)
def test_round_trip_keeps_the_four_vector(values):
    for dtype, eps in ((torch.float32, EPS32), (torch.float64, EPS64)):
        cartesian = to_cartesian(p4_of(values, dtype))
        pt, eta, phi, mass = from_cartesian(cartesian).tolist()
        assert pt == pytest.approx(values[0], rel=4 * eps)
        assert eta == pytest.approx(values[1], abs=8 * eps * (1 + abs(values[1])))
        assert turns_apart(p4_of(phi), p4_of(values[2])).item() <= 8 * eps
        # m^2 = E^2 - p^2 is off by a few ulps of E^2, whatever is left of m.
        energy = cartesian[3].double().item()
        assert mass**2 == pytest.approx(values[3] ** 2, abs=16 * eps * (1 + abs(values[1])) * energy**2)


def test_mass_of_an_energetic_forward_jet_survives_in_float64_only():
    # pt 10 TeV, eta 6, mass 5 GeV: E^2 - p^2 is 25 of 4e12 GeV^2, below float32's resolution.
    jet = p4_of([10000.0, 6.0, 1.0, 5.0])
    assert from_cartesian(to_cartesian(jet))[3].item() == pytest.approx(5.0, abs=2e-3)
    lost = from_cartesian(to_cartesian(jet.float()))[3].item()
    assert lost < 0.1 or lost > 100.0


def test_mass_squared_below_zero_by_rounding_becomes_zero():
    p = torch.tensor([3.0, 4.0, 0.0, 5.0 - 1e-6], requires_grad=True)
    p4 = from_cartesian(p)
    assert p4[3].item() == 0.0
    assert torch.autograd.grad(p4.sum(), p)[0].isfinite().all()


def test_vector_without_transverse_momentum_gets_eta_and_phi_zero():
    assert from_cartesian(torch.tensor([0.0, 0.0, 7.0, 25.0])).tolist() == [0.0, 0.0, 0.0, 24.0]


def test_azimuth_of_a_vector_along_minus_x_is_inside_the_interval():
    for dtype in (torch.float32, torch.float64):
        phi = from_cartesian(torch.tensor([-1.0, 0.0, 0.0, 1.0], dtype=dtype))[2].item()
        assert -PI <= phi < PI
        assert phi == pytest.approx(-math.pi, abs=1e-6)


@REPEATABLE
@given(vectors=st.lists(four_vectors, min_size=1, max_size=4))
def test_invariant_mass_agrees_with_vector_up_to_its_cancellation(vectors):
    p4 = [p4_of(v) for v in vectors]
    total = sum((as_vector(p) for p in p4[1:]), as_vector(p4[0]))
    # vector takes E^2 - p^2, which is off by some ulps of E^2 (1 + |eta| of them each, from sinh and cosh).
    bound = 16 * len(vectors) * 7 * EPS64 * float(total.E[0]) ** 2
    assert invariant_mass(*p4).item() ** 2 == pytest.approx(float(total.mass2[0]), abs=bound)


@REPEATABLE
@given(a=four_vectors, b=four_vectors)
def test_invariant_mass_in_float32_is_as_good_as_its_inputs(a, b):
    exact = invariant_mass(p4_of(a), p4_of(b)).item()
    assert invariant_mass(p4_of(a, torch.float32), p4_of(b, torch.float32)).item() == pytest.approx(
        exact, rel=2e-6, abs=1e-6 * math.sqrt(a[0] * b[0])
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("eta", [0.0, 2.5, 6.0])
@pytest.mark.parametrize("distance", [2.0**-4, 2.0**-10])
def test_collinear_massless_pair_keeps_its_mass(dtype, eta, distance):
    # Closed form of two massless particles: m^2 = 2 pt1 pt2 (cosh d_eta - cos d_phi).
    # float32 forms E1 E2 - p1 p2 at eta 6 with an error of 1e-7 * 1.6e5 pt1 pt2 and could not see either mass.
    a = torch.tensor([50.0, eta, 0.25, 0.0], dtype=dtype)
    b = torch.tensor([20.0, eta + distance, 0.25 + distance, 0.0], dtype=dtype)
    half = 0.5 * distance
    expected = math.sqrt(2 * 50 * 20 * 2 * (math.sinh(half) ** 2 + math.sin(half) ** 2))
    assert invariant_mass(a, b).item() == pytest.approx(expected, rel=1e-6 if dtype == torch.float32 else 1e-13)


def test_mass_of_one_particle_and_of_particles_at_rest():
    assert invariant_mass(torch.tensor([30.0, 4.0, 1.0, 0.000511])).item() == pytest.approx(0.000511, rel=1e-6)
    at_rest = torch.tensor([[0.0, 0.0, 0.0, 3.0], [0.0, 0.0, 0.0, 4.0]])
    assert invariant_mass(at_rest[0], at_rest[1]).item() == pytest.approx(7.0, rel=1e-6)


def test_invariant_mass_broadcasts_all_pairs():
    p4 = random_p4(6, seed=1)
    table = invariant_mass(p4[:, None], p4[None])
    assert table.shape == (6, 6)
    assert torch.allclose(table, table.T, rtol=1e-12)
    assert torch.allclose(table.diagonal(), 2 * p4[:, 3], rtol=1e-12)


def test_invariant_mass_of_nothing_is_an_error():
    with pytest.raises(PygHepError, match="at least one four-vector"):
        invariant_mass()


@REPEATABLE
@given(values=four_vectors, beta=st.floats(-0.99, 0.99))
def test_boost_along_the_beam_agrees_with_vector(values, beta):
    expected = as_vector(p4_of(values)).boostZ(beta=beta)
    found = boost_z(p4_of(values), beta)
    # vector goes through (pz, E); gamma (1 + beta) <= 14 magnifies its rounding, in units of E / pt at small pz.
    assert found[1].item() == pytest.approx(float(expected.eta[0]), abs=1e-12 * (1 + values[3] / values[0]))
    assert found[[0, 2, 3]].tolist() == [values[0], values[2], values[3]]


@REPEATABLE
@given(values=four_vectors, beta=st.floats(-0.99, 0.99))
def test_boost_and_its_inverse_cancel(values, beta):
    there_and_back = boost_z(boost_z(p4_of(values), beta), -beta)
    assert there_and_back[1].item() == pytest.approx(values[1], abs=1e-11 * (1 + values[3] / values[0]))


def test_massless_particles_move_by_the_rapidity_of_the_boost():
    p4 = torch.tensor([[40.0, 1.25, 0.5, 0.0]], dtype=torch.float64)
    assert boost_z(p4, 0.6)[0, 1].item() == pytest.approx(1.25 + math.atanh(0.6), rel=1e-14)


def test_pair_masses_are_invariant_under_boosts_rotations_and_reflections():
    beta = torch.linspace(-0.9, 0.9, 2000, dtype=torch.float64)
    for dtype, tolerance in ((torch.float64, 1e-12), (torch.float32, 5e-6)):
        a, b = random_p4(2000, 2, dtype), random_p4(2000, 3, dtype)
        wide = delta_r(a[:, 1], a[:, 2], b[:, 1], b[:, 2]) > 0.4
        mass = invariant_mass(a, b)
        for change in (
            lambda p, d=dtype: boost_z(p, beta.to(d)),
            lambda p, d=dtype: rotate_phi(p, 10 * beta.to(d)),
            reflect_z,
        ):
            changed = invariant_mass(change(a), change(b))
            assert ((changed / mass - 1).abs()[wide] < tolerance).all()


def test_boost_leaves_a_vector_without_transverse_momentum_alone():
    met = torch.tensor([[0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 91.0]])
    assert boost_z(met, 0.5).equal(met)


@pytest.mark.parametrize("beta", [1.0, -1.0, 2.0, math.nan])
def test_boost_at_or_above_the_speed_of_light_is_an_error(beta):
    with pytest.raises(PygHepError, match="velocity between -1 and 1"):
        boost_z(random_p4(1, 0), beta)


def test_rotation_wraps_and_reflection_twice_is_the_identity():
    p4 = random_p4(1000, 4, torch.float32)
    rotated = rotate_phi(p4, 2.0)
    assert ((rotated[:, 2] >= -PI) & (rotated[:, 2] < PI)).all()
    assert turns_apart(rotated[:, 2], p4[:, 2].double() + 2.0).max() < 1e-6
    assert rotated[:, [0, 1, 3]].equal(p4[:, [0, 1, 3]])
    assert reflect_z(p4)[:, 1].equal(-p4[:, 1])
    assert reflect_z(reflect_z(p4)).equal(p4)


FUNCTIONS = {
    "to_cartesian": to_cartesian,
    "from_cartesian": lambda p: from_cartesian(p),
    "invariant_mass": lambda p: invariant_mass(p, p.flip(0)),
    "boost_z": lambda p: boost_z(p, 0.3),
    "rotate_phi": lambda p: rotate_phi(p, 1.0),
    "delta_r": lambda p: delta_r(p[:, 1], p[:, 2], p[:, 1].flip(0), p[:, 2].flip(0)),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_gradients_are_right(name):
    p4 = random_p4(4, seed=5)
    if name == "from_cartesian":
        p4 = to_cartesian(p4)
    assert torch.autograd.gradcheck(FUNCTIONS[name], (p4.requires_grad_(),), atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_gradients_are_finite_where_formulas_are_singular(name, dtype):
    # No momentum, no mass; at rest; two equal massless vectors (delta R = 0); back to back at the wrap.
    p4 = torch.tensor(
        [[0, 0, 0, 0], [0, 1, 1, 5], [20, 1, 1, 0], [20, -3, -PI, 0], [20, 1, 1, 0], [0, 0, 0, 0]], dtype=dtype
    )
    p4.requires_grad_()
    value = FUNCTIONS[name](p4)
    assert value.isfinite().all()
    assert torch.autograd.grad(value.sum(), p4)[0].isfinite().all()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_compile_without_graph_breaks(name):
    torch._dynamo.reset()
    compiled = torch.compile(FUNCTIONS[name], backend="eager", fullgraph=True)
    p4 = random_p4(8, seed=6)
    assert compiled(p4).equal(FUNCTIONS[name](p4))


def test_any_leading_shape_is_kept():
    p4 = random_p4(24, seed=7).reshape(2, 3, 4, 4)
    assert to_cartesian(p4).shape == from_cartesian(to_cartesian(p4)).shape == boost_z(p4, 0.1).shape == p4.shape
    assert boost_z(p4[0, 0, 0], torch.linspace(-0.5, 0.5, 5)).shape == (5, 4)
    assert invariant_mass(p4, p4).shape == (2, 3, 4)


def test_rotation_about_an_axis():
    p4 = from_cartesian(torch.tensor([[3.0, 4.0, 0.0, 5.0], [0.0, 0.0, 0.0, 0.0]], dtype=torch.float64))
    beam = torch.tensor([0.0, 0.0, 7.0], dtype=torch.float64)
    torch.testing.assert_close(rotate_about(p4[:1], beam, 0.3), rotate_phi(p4[:1], 0.3))
    # A quarter of a turn about y takes x to -z.
    axis = torch.tensor([0.0, 2.0, 0.0], dtype=torch.float64)
    quarter = to_cartesian(rotate_about(p4[:1], axis, math.pi / 2))
    torch.testing.assert_close(quarter, torch.tensor([[0.0, 4.0, -3.0, 5.0]], dtype=torch.float64))
    assert torch.equal(rotate_about(p4, torch.zeros(3, dtype=torch.float64), 1.0), p4)
