import numpy as np
import pytest

from pyg_hep.analysis import reconstruct_tops
from pyg_hep.analysis.tops import METHODS, DileptonEvents, TopPairs, VisibleMass
from pyg_hep.errors import ConfigError, PygHepError

from .anchor_table import rows
from .partons import as_events, mass, read
from .partons import measured as through_detector

METHOD_OPTIONS = {"smeared_ellipse": {"copies": 10}}

# A network needs a model, and event graphs: see test_network.
CLASSICAL = sorted(set(METHODS) - {"network"})


def test_classical_methods_are_as_good_as_measured_for_this_project(measured):
    """Widths of m(ttbar) of FACTS_TOP B within 10 %; 2,500 events know them to 3 %, and rates to 0.01."""
    table = rows(*measured)
    for name, (_, width, rms, anchor, right, pairing) in table.items():
        assert width == pytest.approx(anchor, rel=0.10), name
        assert rms > width or name == "constant"
        if right is not None:
            assert right == pytest.approx(pairing, abs=0.025), name
    efficiencies = {
        "ellipse, right pairing": 0.685, "ellipse, min max m_bl, then the other": 0.729,
        "ellipse, 40 smearings": 0.982, "neutrino weighting": 0.985, "the same, failures to m(llbb+MET)": 1.0,
    }  # fmt: skip
    for name, anchor in efficiencies.items():
        assert table[name][0] == pytest.approx(anchor, abs=0.03), name


@pytest.mark.slow
def test_classical_methods_on_all_events():
    events, truth = through_detector(read(taus=False))
    assert len(events) == pytest.approx(11_261, rel=0.03)
    for name, (_, width, _, anchor, right, pairing) in rows(events, truth).items():
        assert width == pytest.approx(anchor, rel=0.05), name
        assert right is None or right == pytest.approx(pairing, abs=0.015), name


@pytest.mark.parametrize("method", CLASSICAL)
def test_unusable_rows_leave_the_others_alone(toys, method):
    options = METHOD_OPTIONS.get(method, {})
    events = as_events(toys)[:12]
    clean = reconstruct_tops(events, method, **options)
    arrays = [a.copy() for a in (events.antilepton, events.lepton, events.jets, events.met)]
    arrays[0][2] = np.nan
    arrays[2][5, 1, 3] = np.inf
    arrays[2][7] = 0.0  # finite, but no jets
    arrays[3][9] = np.nan
    with np.errstate(all="raise", under="ignore"):
        found = reconstruct_tops(DileptonEvents(*arrays), method, **options)
    others = np.setdiff1d(np.arange(12), [2, 5, 7, 9])
    np.testing.assert_array_equal(found.top[others], clean.top[others])
    np.testing.assert_array_equal(found.valid[others], clean.valid[others])
    assert not found.valid[[2, 5, 9]].any()
    assert found.reasons["values that are not finite"] == 3
    for name in ("top", "antitop", "b", "neutrino", "lepton"):
        assert np.isnan(getattr(found, name)[~found.valid]).all()
    assert np.isnan(found.m_ttbar[~found.valid]).all()
    assert (found.weight[~found.valid] == 0).all()
    assert (found.pairing[~found.valid] == -1).all()


@pytest.mark.parametrize("method", CLASSICAL)
def test_no_missing_momentum_massless_jets_and_no_events(toys, method):
    options = METHOD_OPTIONS.get(method, {})
    events = as_events(toys)[:10]
    jets = events.jets.copy()
    jets[..., 3] = np.sqrt((jets[..., :3] ** 2).sum(-1))
    found = reconstruct_tops(
        DileptonEvents(events.antilepton, events.lepton, jets, 0.0 * events.met), method, **options
    )
    assert len(found) == 10
    assert np.isfinite(found.top[found.valid]).all()
    assert len(reconstruct_tops(events[:0], method, **options)) == 0


@pytest.mark.parametrize("method", CLASSICAL)
def test_turning_events_about_the_beam_turns_their_tops(toys, method):
    options = METHOD_OPTIONS.get(method, {})
    events = as_events(toys)[:15]
    c, s = np.cos(0.8), np.sin(0.8)
    turn = np.eye(4)
    turn[:2, :2] = [[c, -s], [s, c]]
    before = reconstruct_tops(events, method, **options)
    turned = DileptonEvents(
        events.antilepton @ turn.T, events.lepton @ turn.T, events.jets @ turn.T, events.met @ turn[:2, :2].T
    )
    after = reconstruct_tops(turned, method, **options)
    np.testing.assert_array_equal(after.pairing, before.pairing)
    np.testing.assert_allclose(after.m_ttbar, before.m_ttbar, rtol=1e-6)
    np.testing.assert_allclose(after.top, before.top @ turn.T, atol=1e-3)


@pytest.mark.parametrize("method", ["ellipse", "neutrino_weighting", "visible_mass"])
def test_exchanging_the_charges_exchanges_the_tops(toys, method):
    """Not of the smeared ellipse event by event: its random numbers belong to the first and the second lepton."""
    events = as_events(toys)[:15]
    before = reconstruct_tops(events, method)
    exchanged = DileptonEvents(events.lepton, events.antilepton, events.jets[:, ::-1], events.met)
    after = reconstruct_tops(exchanged, method)
    np.testing.assert_array_equal(after.pairing, before.pairing)
    np.testing.assert_allclose(after.top, before.antitop, atol=1e-4)
    np.testing.assert_allclose(after.neutrino, before.antineutrino, atol=1e-4)


@pytest.mark.parametrize("method", ["ellipse", "smeared_ellipse"])
def test_boosts_along_the_beam_boost_the_tops(toys, method):
    """Not of methods that scan pseudorapidity or set it to zero."""
    options = METHOD_OPTIONS.get(method, {})
    events = as_events(toys)[:15]
    boost = np.eye(4)
    boost[2:, 2:] = [[np.cosh(0.6), np.sinh(0.6)], [np.sinh(0.6), np.cosh(0.6)]]
    before = reconstruct_tops(events, method, **options)
    boosted = DileptonEvents(events.antilepton @ boost, events.lepton @ boost, events.jets @ boost, events.met)
    after = reconstruct_tops(boosted, method, **options)
    np.testing.assert_array_equal(after.pairing, before.pairing)
    if method == "ellipse":
        np.testing.assert_allclose(after.m_ttbar, before.m_ttbar, rtol=1e-6)
        np.testing.assert_allclose(after.top, before.top @ boost, atol=1e-3)
    else:  # the mean of momenta of one mass is not that of another frame: only its transverse part is the same
        np.testing.assert_allclose(after.top[:, :2], before.top[:, :2], atol=1e-3)


def test_the_fallback_takes_failures_and_is_marked(measured):
    events, truth = measured
    plain = reconstruct_tops(events, "ellipse")
    reserve = VisibleMass().fit(events, truth)
    found = reconstruct_tops(events, "ellipse", fallback=reserve)
    np.testing.assert_array_equal(found.fallback, ~plain.valid)
    assert found.valid.all()
    np.testing.assert_array_equal(found.top[plain.valid], plain.top[plain.valid])
    np.testing.assert_array_equal(found.m_ttbar[~plain.valid], reserve(events).m_ttbar[~plain.valid])
    failures = int((~plain.valid).sum())
    assert plain.reasons == {"reconstructed": len(events) - failures, "no solution": failures}
    assert found.reasons == {"reconstructed": len(events) - failures, "reconstructed by the fallback": failures}


def test_any_object_that_is_called_with_events_is_a_method(toys):
    """As a network would be: it predicts the daughters."""

    def truth(events):
        names = ("antilepton", "b", "neutrino", "lepton", "antib", "antineutrino")
        return TopPairs.from_daughters(*(toys[name] for name in names))

    found = reconstruct_tops(as_events(toys), truth)
    np.testing.assert_allclose(mass(found.top), 172.5)
    assert found.valid.all()
    with pytest.raises(PygHepError, match="was given 50 events and returned 49 pairs"):
        reconstruct_tops(as_events(toys), lambda events: truth(events)[1:])
    with pytest.raises(PygHepError, match="returned ndarray, not as many TopPairs"):
        reconstruct_tops(as_events(toys), lambda events: np.zeros(3))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"method": "elipse"}, "no method 'elipse' to reconstruct tops, did you mean 'ellipse'"),
        ({"method": "ellipse", "fallback": "visible"}, "no method 'visible' .* did you mean 'visible_mass'"),
        ({"method": "smeared_ellipse", "copys": 3}, "has no option 'copys', did you mean 'copies'"),
        ({"method": VisibleMass(), "scale": 3}, "options are those of a method by name"),
        ({"method": 3}, "can be called with events, got 3"),
        ({"method": "smeared_ellipse", "copies": 0}, "at least one smeared copy"),
        ({"method": "neutrino_weighting", "eta_step": 0.0}, "eta_step"),
        ({"method": "visible_mass", "scale": 0.0}, "scale of the visible mass is above 0"),
    ],
)
def test_unknown_methods_and_options_name_the_nearest(toys, arguments, sentence):
    with pytest.raises(ConfigError, match=sentence):
        reconstruct_tops(as_events(toys), **arguments)
