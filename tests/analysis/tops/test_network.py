import numpy as np
import pytest
import torch

from pyg_hep.analysis import reconstruct_tops
from pyg_hep.analysis.tops import DileptonEvents
from pyg_hep.analysis.tops.network import DAUGHTERS, NetworkMethod, with_generated_level
from pyg_hep.errors import ConfigError
from pyg_hep.inputs import View
from pyg_hep.kinematics import from_cartesian
from pyg_hep.loader import EventLoader
from pyg_hep.nn import EventTransformer
from pyg_hep.objectives import Classification, MaskedFourVectors, NodeColumn
from pyg_hep.schema import Level, ObjectType
from pyg_hep.testing.dilepton import dilepton_daughters, dilepton_events
from pyg_hep.training import EventModel
from pyg_hep.transforms import SelectNodes

SMALL = {"hidden_channels": 16, "num_layers": 2, "heads": 2, "feed_forward": 32}


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    made = EventModel(EventTransformer.bumblebee(**SMALL), MaskedFourVectors(), View.bumblebee())
    made.view.measure(dilepton_events(300, seed=1))
    return made


def test_a_model_that_knows_the_daughters_gives_the_exact_tops(model, monkeypatch):
    """Estimates in place of a network's: what is estimated is summed to the right top, in the right order."""
    dataset, true = dilepton_events(50, seed=2), dilepton_daughters(50, seed=2)
    daughters = from_cartesian(torch.from_numpy(np.stack([true[name] for name in DAUGHTERS], axis=1)))

    def perfect(self, batch):
        p4 = batch.p4.double()
        p4[batch.level == int(Level.GEN)] = daughters.view(-1, 4)
        return {name: NodeColumn(p4[:, k]) for k, name in enumerate(("pt", "eta", "phi", "mass"))}

    monkeypatch.setattr(EventModel, "predict", perfect)
    pairs = reconstruct_tops(dataset, "network", model=model)
    np.testing.assert_allclose(pairs.top, true["b"] + true["antilepton"] + true["neutrino"], atol=1e-6)
    np.testing.assert_allclose(pairs.antitop, true["antib"] + true["lepton"] + true["antineutrino"], atol=1e-6)
    assert pairs.valid.all()


def test_the_generated_level_is_made_from_the_reconstructed_one():
    """Data without it get the particles that the card of simulated events has, flavours included."""
    batch = next(iter(EventLoader(dilepton_events(200, seed=3), 200)))
    made = with_generated_level(SelectNodes(level="reco")(batch))
    generated, expected = SelectNodes(level="gen")(made), SelectNodes(level="gen")(batch)
    for name in ("kind", "pdg_id", "charge", "btag", "level", "batch"):
        assert torch.equal(generated[name], expected[name]), name
    assert not generated.p4.any()
    assert torch.equal(SelectNodes(level="reco")(made).p4, SelectNodes(level="reco")(batch).p4)
    assert {int(ObjectType.ELECTRON), int(ObjectType.MUON)} <= set(generated.kind.tolist())


def test_what_a_simulated_event_knows_is_not_read(model):
    """Tops of events with and without their generated level are the same numbers."""
    dataset = dilepton_events(40, seed=4)
    batch = next(iter(EventLoader(dataset, 40)))
    both, alone = (
        reconstruct_tops(events, NetworkMethod(model)) for events in (batch, SelectNodes(level="reco")(batch))
    )
    np.testing.assert_array_equal(both.top, alone.top)
    whole = reconstruct_tops(dataset, "network", model=model, batch_size=7)
    np.testing.assert_allclose(whole.top, both.top, rtol=1e-4, atol=1e-2)
    mass2 = whole.top[:, 3] ** 2 - (whole.top[:, :3] ** 2).sum(1)
    assert (mass2 > -1e-3 * whole.top[:, 3] ** 2).all()


def test_events_that_cannot_be_used_have_no_tops_and_a_reason(model):
    batch = next(iter(EventLoader(dilepton_events(10, seed=5), 10)))
    lepton = torch.nonzero((batch.batch == 4) & (batch.level == 0) & (batch.charge < 0))[0, 0]
    batch.kind[lepton] = int(ObjectType.PHOTON)
    pairs = reconstruct_tops(batch, "network", model=model, fallback="visible_mass")
    assert list(np.flatnonzero(~pairs.valid)) == [4]
    assert pairs.reasons == {"reconstructed": 9, "other than two leptons of opposite charge": 1}


def test_a_saved_model_gives_the_same(model, tmp_path):
    model.save_pretrained(tmp_path / "model")
    batch = next(iter(EventLoader(dilepton_events(10, seed=6), 10)))
    one, two = (reconstruct_tops(batch, "network", model=m) for m in (model, tmp_path / "model"))
    np.testing.assert_array_equal(one.top, two.top)


def test_what_cannot_be(model):
    with pytest.raises(ConfigError, match="needs the option 'model'"):
        reconstruct_tops(dilepton_events(3), "network")
    other = EventModel(EventTransformer.bumblebee(**SMALL), Classification(2), View.bumblebee())
    with pytest.raises(ConfigError, match="this model has Classification"):
        NetworkMethod(other)
    arrays = DileptonEvents(*(np.ones((2, 4)) for _ in range(2)), np.ones((2, 2, 4)), np.ones((2, 2)))
    with pytest.raises(ConfigError, match="a network reads event graphs"):
        reconstruct_tops(arrays, NetworkMethod(model))
