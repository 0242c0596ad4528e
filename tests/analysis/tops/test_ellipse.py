import numpy as np
import pytest

from pyg_hep.analysis.tops import neutrino_ellipse, solve_ellipses
from pyg_hep.analysis.tops.ellipse import _angles
from pyg_hep.analysis.tops.momenta import on_shell
from pyg_hep.errors import PygHepError

from .partons import mass, read, truth

VISIBLE = ("antilepton", "b", "lepton", "antib")


def solve(events, *masses):
    met = (events["neutrino"] + events["antineutrino"])[:, :2]
    return solve_ellipses(*(events[name] for name in VISIBLE), met, *masses)


def distance(found, events):
    """Distance of the best solution from both true neutrinos, the larger of the two [GeV]."""
    both = [
        np.sqrt(((getattr(found, name) - events[name][:, None, :3]) ** 2).sum(-1))
        for name in ("neutrino", "antineutrino")
    ]
    return np.where(found.valid, np.maximum(*both), np.inf).min(1)


def test_with_true_masses_every_event_has_its_true_neutrinos(pairs):
    """Anchor: all of 4,000 events, two solutions in 83 % and four in 17 %."""
    found = solve(pairs, *truth(pairs)[:4])
    assert (distance(found, pairs) < 1.0).all()
    assert distance(found, pairs).max() < 1e-3
    number = found.valid.sum(1)
    assert (number == 2).mean() == pytest.approx(0.83, abs=0.02)
    assert (number == 4).mean() == pytest.approx(0.17, abs=0.02)


def test_with_pole_masses_most_events_have_a_solution_and_few_the_right_one(pairs):
    """Anchor: a solution in 87 %, within 1 GeV of the truth in 0.1 %."""
    found = solve(pairs)
    assert found.valid.any(1).mean() == pytest.approx(0.87, abs=0.015)
    assert (distance(found, pairs) < 1.0).mean() < 0.01


def test_solutions_have_the_masses_and_the_missing_momentum(pairs):
    found = solve(pairs)
    rows, column = np.nonzero(found.valid)
    for neutrino, lepton, b in (("neutrino", "antilepton", "b"), ("antineutrino", "lepton", "antib")):
        w = on_shell(getattr(found, neutrino)[rows, column]) + pairs[lepton][rows]
        np.testing.assert_allclose(mass(w), 80.4, atol=1e-3)
        np.testing.assert_allclose(mass(w + pairs[b][rows]), 172.5, atol=1e-3)
    met = (pairs["neutrino"] + pairs["antineutrino"])[rows, :2]
    np.testing.assert_allclose((found.neutrino + found.antineutrino)[rows, column, :2], met, atol=0.05)


def test_every_point_of_the_ellipse_has_both_masses(toys):
    ellipse = neutrino_ellipse(toys["lepton"], toys["antib"], 172.5, 80.4)
    angles = np.broadcast_to(np.linspace(0.0, 6.0, 13), (50, 13))
    neutrino = on_shell(ellipse.at(np.cos(angles), np.sin(angles)))
    w = neutrino + toys["lepton"][:, None]
    np.testing.assert_allclose(mass(w), 80.4, rtol=1e-9)
    np.testing.assert_allclose(mass(w + toys["antib"][:, None]), 172.5, rtol=1e-9)


def test_masses_of_the_two_decays_are_told_apart(toys):
    events = {name: p.copy() for name, p in toys.items()}
    heavier = on_shell(1.05 * events["antineutrino"][:, :3])
    events["antineutrino"] = heavier
    masses = truth(events)
    assert (distance(solve(events, *masses[:4]), events) < 1e-3).all()
    # One number for all events, and one for both decays.
    np.testing.assert_array_equal(solve(toys).valid, solve(toys, 172.5, np.full(50, 172.5), 80.4, 80.4).valid)


def test_leading_shapes_broadcast(toys):
    single = solve(toys)
    met = (toys["neutrino"] + toys["antineutrino"])[:, None, :2] + np.array([[[0.0, 0.0], [5.0, 0.0]]])
    several = solve_ellipses(*(toys[name][:, None] for name in VISIBLE), met)
    assert several.neutrino.shape == (50, 2, 4, 3)
    np.testing.assert_array_equal(several.neutrino[:, 0], single.neutrino)
    one = solve_ellipses(*(toys[name][7] for name in VISIBLE), met[7, 0])
    np.testing.assert_array_equal(one.antineutrino, single.antineutrino[7])
    assert solve_ellipses(*(np.empty((0, 4)),) * 4, np.empty((0, 2))).valid.shape == (0, 4)


def sorted_solutions(found):
    """Rows of (neutrino, antineutrino) in a definite order, NaN last."""
    both = np.concatenate([found.neutrino, found.antineutrino], axis=-1)
    order = np.argsort(both[..., 2], axis=1)
    return np.take_along_axis(both, order[..., None], axis=1)


def turned(p, angle):
    c, s = np.cos(angle), np.sin(angle)
    result = p.copy()
    result[:, 0], result[:, 1] = c * p[:, 0] - s * p[:, 1], s * p[:, 0] + c * p[:, 1]
    return result


def shifted(p, rapidity):
    result = p.copy()
    result[:, 2] = np.cosh(rapidity) * p[:, 2] + np.sinh(rapidity) * p[:, 3]
    result[:, 3] = np.cosh(rapidity) * p[:, 3] + np.sinh(rapidity) * p[:, 2]
    return result


def test_rotation_about_the_beam_and_boost_along_it_carry_the_solutions_along(toys):
    before = solve(toys)
    for change in (lambda p: turned(p, 1.1), lambda p: shifted(p, 0.7)):
        after = solve({name: change(p) for name, p in toys.items()})
        np.testing.assert_array_equal(after.valid.sum(1), before.valid.sum(1))
        flat = [change(on_shell(n).reshape(-1, 4))[:, :3].reshape(50, 4, 3) for n in before[:2]]
        expected = sorted_solutions(type(before)(*flat, before.valid))
        np.testing.assert_allclose(sorted_solutions(after), expected, atol=1e-4)


def test_exchange_of_top_and_antitop_exchanges_the_neutrinos(toys):
    before = solve(toys)
    names = {"antilepton": "lepton", "b": "antib", "neutrino": "antineutrino"}
    after = solve({**{a: toys[b] for a, b in names.items()}, **{b: toys[a] for a, b in names.items()}})
    exchanged = type(after)(after.antineutrino, after.neutrino, after.valid)
    np.testing.assert_allclose(sorted_solutions(exchanged), sorted_solutions(before), atol=1e-4)


def degenerate(toys):
    """Name -> change of the visible momenta and missing momentum of row 0 for which formulas have 0/0."""
    lepton = toys["antilepton"][0]
    massless = on_shell(toys["b"][0, :3])
    return {
        "lepton along a massless b": {"antilepton": on_shell(0.3 * massless[:3]), "b": massless},
        "lepton against a massless b": {"antilepton": on_shell(-0.3 * massless[:3]), "b": massless},
        "b along a massive lepton": {"b": 2.0 * lepton},
        "both b along their leptons": {"b": lepton, "antib": toys["lepton"][0]},
        "the same b twice": {"antib": toys["b"][0]},
        "all four along one line": dict.fromkeys(VISIBLE, massless),
        "no missing momentum": {"met": np.zeros(2)},
        "b at rest": {"b": np.array([0.0, 0.0, 0.0, 4.8])},
        "nothing": {name: np.zeros(4) for name in VISIBLE} | {"met": np.zeros(2)},
        "NaN": {"antib": np.full(4, np.nan)},
        "infinite": {"lepton": np.full(4, np.inf)},
        "missing momentum NaN": {"met": np.array([np.nan, 1.0])},
        "along the beam": {"b": np.array([0.0, 0.0, 50.0, 50.0]), "antilepton": np.array([0.0, 0.0, -30.0, 30.0])},
        "huge": {"b": 1e200 * massless},
        "tiny": {"b": 1e-200 * massless},
    }


WITHOUT = ("lepton along a massless b", "all four along one line", "b at rest", "nothing", "NaN", "infinite", "tiny")


@pytest.mark.filterwarnings("error")
def test_degenerate_events_leave_the_others_alone(toys):
    met = (toys["neutrino"] + toys["antineutrino"])[:, :2]
    clean = solve(toys)
    for name, change in degenerate(toys).items():
        inputs = {key: toys[key].copy() for key in VISIBLE} | {"met": met.copy()}
        for key, value in change.items():
            inputs[key][0] = value
        found = solve_ellipses(*inputs.values())
        for a, b in zip(found, clean, strict=True):
            np.testing.assert_array_equal(a[1:], b[1:], err_msg=name)
        assert not np.isfinite(found.neutrino[0, ~found.valid[0]]).any(), name
        assert np.isfinite(found.antineutrino[0, found.valid[0]]).all(), name
        if name in WITHOUT:
            assert not found.valid[0].any(), name


def test_massless_b_quarks_and_leptons(toys):
    """Everything massless from the start is an ordinary case."""
    events = {name: on_shell(p[:, :3]) for name, p in toys.items()}
    assert (distance(solve(events, *truth(events)[:4]), events) < 1e-3).all()


def test_an_ellipse_that_is_a_point_still_meets_the_other(toys):
    """At the largest W mass that the momenta allow, Z = 0: the neutrino is fixed, and so is the missing momentum."""
    events = {name: p[:20].copy() for name, p in toys.items()}
    lepton, b = events["antilepton"], events["b"]
    low, high = np.full(20, 80.4), np.full(20, 172.0)
    for _ in range(80):
        middle = 0.5 * (low + high)
        exists = np.isfinite(neutrino_ellipse(lepton, b, 172.5, middle).size)
        low, high = np.where(exists, middle, low), np.where(exists, high, middle)
    point = neutrino_ellipse(lepton, b, 172.5, low)
    assert (point.size < 1e-2).all()
    events["neutrino"] = on_shell(point.centre)
    found = solve(events, 172.5, 172.5, low, 80.4)
    assert (distance(found, events) < 1e-2).all()


@pytest.mark.parametrize("tilt", [0.0, 1e-15, 1e-11, 1e-8])
def test_a_quartic_without_leading_coefficient(tilt):
    """Q proportional to the identity: cos(tau - 0.4) = 0.3 has two angles; two more roots are 0 and infinity."""
    quadratic = np.eye(2)[None] + np.array([[[tilt, 0.0], [0.0, 0.0]]])
    linear = np.array([[np.cos(0.4), np.sin(0.4)]])
    tau, near = _angles(quadratic, linear, np.array([-1.0 - 0.6]))
    expected = np.sort(0.4 + np.arccos(0.3) * np.array([-1.0, 1.0]))
    np.testing.assert_allclose(np.sort(tau[near]), expected, atol=max(1e-9, 2 * tilt))


def test_other_shapes_are_refused_in_one_sentence(toys):
    arguments = [toys[name] for name in VISIBLE]
    with pytest.raises(PygHepError, match=r"four arrays of shape \[\.\.\., 4\] and one of \[\.\.\., 2\]"):
        solve_ellipses(*arguments, np.zeros((50, 3)))
    with pytest.raises(PygHepError, match="different numbers of events"):
        solve_ellipses(*arguments, np.zeros((49, 2)))


@pytest.mark.slow
def test_with_true_masses_all_events_of_the_file_have_their_true_neutrinos():
    events = read()
    assert len(events["b"]) > 59_000
    assert distance(solve(events, *truth(events)[:4]), events).max() < 1e-3
