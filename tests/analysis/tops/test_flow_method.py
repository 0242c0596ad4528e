import numpy as np
import pytest
import torch

from pyg_hep.analysis import reconstruct_tops
from pyg_hep.analysis.tops import DileptonEvents
from pyg_hep.analysis.tops.flow_method import FlowMethod
from pyg_hep.analysis.tops.momenta import mass
from pyg_hep.errors import ConfigError, PygHepError
from pyg_hep.inputs import View
from pyg_hep.loader import EventLoader
from pyg_hep.nn import EventTransformer
from pyg_hep.objectives import MaskedFourVectors, TopFlow
from pyg_hep.objectives.top_flow import Samples
from pyg_hep.response import coverage
from pyg_hep.schema import ObjectType
from pyg_hep.testing.dilepton import dilepton_daughters, dilepton_events
from pyg_hep.training import EventModel
from pyg_hep.transforms.dileptonic import UNMEASURED

SIZES = {"hidden_channels": 16, "num_layers": 1, "heads": 2, "feed_forward": 32}


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    flow = TopFlow(context_channels=4, transforms=2, hidden_channels=[16])
    made = EventModel(EventTransformer.bumblebee(**SIZES), flow, View.bumblebee())
    dataset = dilepton_events(300, seed=1)
    made.view.measure(dataset)
    flow.measure(dataset)
    return made


def test_a_density_that_is_known_gives_exact_tops_and_intervals_that_cover(model, monkeypatch):
    """Samples are the truth with energies scaled by a normal number, and so is what was true: 68.3 and 95.4 %.

    Of 1,500 events the shares have statistical errors of 0.012 and 0.0054; the quantiles of 200 samples lie inside of
    the true ones by up to a hundredth.
    """
    size = 1_500
    true = dilepton_daughters(size, seed=2)
    vectors = np.stack([true[name] for name in UNMEASURED], axis=1)
    rng = np.random.default_rng(0)
    central = torch.from_numpy(vectors * np.exp(0.1 * rng.normal(size=(size, 1, 1))))
    first = 0

    def known(self, batch, model, normal):
        nonlocal first
        mine = central[first : first + batch.num_graphs]
        first += batch.num_graphs
        factor = torch.exp(0.1 * normal[:, :, 0, None, None])
        return Samples(mine * factor, -normal[:, :, 0].square())

    monkeypatch.setattr(TopFlow, "sample", known)
    dataset = dilepton_events(size, seed=2)
    for estimate in ("median", "mean", "mode"):
        first = 0
        pairs = reconstruct_tops(dataset, "network", model=model, samples=200, estimate=estimate)
        leptons = pairs.antilepton + pairs.lepton
        expected = mass(central.sum(1).numpy() + leptons)
        np.testing.assert_allclose(pairs.m_ttbar, expected, rtol=0.05)
        # Daughters that belong together: one factor for all of an event's.
        ratio = np.stack([getattr(pairs, n) for n in UNMEASURED], 1)[..., 3] / central[..., 3].numpy()
        np.testing.assert_allclose(ratio, ratio[:, :1].repeat(4, 1), rtol=1e-6)
        np.testing.assert_allclose(pairs.top, pairs.b + pairs.antilepton + pairs.neutrino)
    truth = mass(vectors.sum(1) + leptons)
    for interval, nominal, error in ((pairs.m_ttbar_68, 0.683, 0.0120), (pairs.m_ttbar_95, 0.954, 0.0054)):
        found = coverage(truth, *interval.T)
        assert found.fraction == pytest.approx(nominal, abs=3 * error + 0.01)
        assert found.error == pytest.approx(error, rel=0.2)
    assert pairs.has_intervals


def test_estimates_are_samples_and_quantiles_are_of_all_of_them(model):
    dataset = dilepton_events(40, seed=3)
    events = DileptonEvents.from_graphs(dataset)
    method = {name: FlowMethod(model, samples=31, estimate=name) for name in ("median", "mean", "mode")}
    draws = method["median"].draw(events)
    assert draws.shape == (40, 31, 4, 4)
    m = mass(draws.sum(2) + (events.antilepton + events.lepton)[:, None])
    pairs = {name: one(events) for name, one in method.items()}
    np.testing.assert_allclose(pairs["median"].m_ttbar, np.median(m, axis=1))  # of 31 it is one of them
    nearest = m[np.arange(40), np.abs(m - m.mean(1, keepdims=True)).argmin(1)]
    np.testing.assert_allclose(pairs["mean"].m_ttbar, nearest)
    assert np.isclose(pairs["mode"].m_ttbar[:, None], m, rtol=1e-9).any(1).all()
    for one in pairs.values():
        np.testing.assert_allclose(one.m_ttbar_68, np.quantile(m, [0.158655, 0.841345], axis=1).T, rtol=1e-4)
        np.testing.assert_allclose(one.m_ttbar_95, np.quantile(m, [0.02275, 0.97725], axis=1).T, rtol=1e-4)
        np.testing.assert_array_equal(one.lepton, events.lepton)


def test_an_event_has_the_same_samples_in_any_company_and_other_ones_with_another_seed(model):
    dataset = dilepton_events(25, seed=4)
    one = reconstruct_tops(dataset, FlowMethod(model, samples=10))
    again = reconstruct_tops(dataset, FlowMethod(model, samples=10))
    np.testing.assert_array_equal(one.top, again.top)
    chunks = reconstruct_tops(dataset, FlowMethod(model, samples=10, batch_size=7))
    np.testing.assert_allclose(chunks.m_ttbar_quantiles, one.m_ttbar_quantiles, rtol=1e-4)
    other = reconstruct_tops(dataset, FlowMethod(model, samples=10, seed=1))
    assert (other.m_ttbar_68[:, 0] != one.m_ttbar_68[:, 0]).all()


def test_events_that_cannot_be_used_have_no_tops_and_no_interval(model):
    batch = next(iter(EventLoader(dilepton_events(10, seed=5), 10)))
    lepton = torch.nonzero((batch.batch == 4) & (batch.level == 0) & (batch.charge < 0))[0, 0]
    batch.kind[lepton] = int(ObjectType.PHOTON)
    pairs = reconstruct_tops(batch, "network", model=model, samples=5)
    assert list(np.flatnonzero(~pairs.valid)) == [4]
    assert list(np.flatnonzero(np.isnan(pairs.m_ttbar_quantiles).any(1))) == [4]
    assert pairs[:4].has_intervals
    assert not pairs[4:5].has_intervals
    assert pairs.reasons == {"reconstructed": 9, "other than two leptons of opposite charge": 1}
    assert not reconstruct_tops(batch, "visible_mass").has_intervals


def test_a_saved_model_gives_the_same(model, tmp_path):
    model.save_pretrained(tmp_path / "model")
    batch = next(iter(EventLoader(dilepton_events(10, seed=6), 10)))
    one, two = (reconstruct_tops(batch, "network", model=m, samples=5) for m in (model, tmp_path / "model"))
    np.testing.assert_array_equal(one.top, two.top)


def test_what_cannot_be(model):
    point = EventModel(EventTransformer.bumblebee(**SIZES), MaskedFourVectors(), View.bumblebee())
    with pytest.raises(ConfigError, match="this model has MaskedFourVectors"):
        FlowMethod(point)
    with pytest.raises(ConfigError, match="samples= is an option of models that predict a distribution"):
        reconstruct_tops(dilepton_events(3), "network", model=point, samples=3)
    with pytest.raises(ConfigError, match="estimate='mod' is not possible: did you mean 'mode'"):
        FlowMethod(model, estimate="mod")
    with pytest.raises(ConfigError, match="at least 2 samples, found 1"):
        FlowMethod(model, samples=1)
    arrays = DileptonEvents(*(np.ones((2, 4)) for _ in range(2)), np.ones((2, 2, 4)), np.ones((2, 2)))
    with pytest.raises(ConfigError, match="a network reads event graphs"):
        reconstruct_tops(arrays, FlowMethod(model))


def test_fitted_intervals_hold_their_share_of_events_where_the_learned_ones_are_too_narrow(model, monkeypatch):
    """The truth is spread twice as far as the samples: of one sigma of these only 38 % of the truths are within."""
    size = 1_500
    true = dilepton_daughters(size, seed=2)
    vectors = np.stack([true[name] for name in UNMEASURED], axis=1)
    central = torch.from_numpy(vectors * np.exp(0.1 * np.random.default_rng(0).normal(size=(size, 1, 1))))
    first = 0

    def narrow(self, batch, model, normal):
        nonlocal first
        mine = central[first : first + batch.num_graphs]
        first += batch.num_graphs
        return Samples(mine * torch.exp(0.05 * normal[:, :, 0, None, None]), -normal[:, :, 0].square())

    monkeypatch.setattr(TopFlow, "sample", narrow)
    dataset = dilepton_events(size, seed=2)
    plain = FlowMethod(model, samples=200)
    pairs = reconstruct_tops(dataset, plain)
    truth = mass(vectors.sum(1) + pairs.antilepton + pairs.lepton)
    first = 0
    fitted = plain.fit(dataset, truth)
    assert plain.levels == pytest.approx((0.683, 0.954), abs=1e-3)
    first = 0
    wider = reconstruct_tops(dataset, fitted)
    np.testing.assert_array_equal(wider.m_ttbar, pairs.m_ttbar)
    assert coverage(truth, *pairs.m_ttbar_68.T).fraction == pytest.approx(0.383, abs=0.04)
    assert coverage(truth, *wider.m_ttbar_68.T).fraction == pytest.approx(0.683, abs=2 / size)
    # The leptons are not scaled, and 200 samples end near 2.8 of their sigmas: 1.4 of those of the truth, or 84 %.
    assert fitted.levels[1] == 1.0
    assert coverage(truth, *wider.m_ttbar_95.T).fraction == pytest.approx(0.84, abs=0.03)


def test_intervals_are_fitted_to_as_many_masses_as_events(model):
    dataset = dilepton_events(10, seed=5)
    with pytest.raises(PygHepError, match="10 events need as many true masses, got shape"):
        FlowMethod(model, samples=5).fit(dataset, np.ones(9))
    nothing = next(iter(EventLoader(dataset, 10)))
    nothing.kind[:] = int(ObjectType.PHOTON)
    with pytest.raises(PygHepError, match="at least one dileptonic event"):
        FlowMethod(model, samples=5).fit(nothing, np.ones(10))
