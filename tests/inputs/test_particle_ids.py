import pytest
import torch

from pyg_hep.errors import ConfigError
from pyg_hep.inputs import View
from pyg_hep.schema import ObjectType
from pyg_hep.testing.events import random_events

# Kind, charge, b-tag and stored number of an object, and its number in the scheme.
OBJECTS = [
    (ObjectType.JET, 0, 1, 0, 5),
    (ObjectType.JET, 0, 0, 0, 41),
    (ObjectType.MET, 0, 0, 0, 40),
    (ObjectType.CLASS, 0, 0, 0, 50),
    (ObjectType.ELECTRON, -1, 0, 0, 11),
    (ObjectType.ELECTRON, 1, 0, -11, -11),
    (ObjectType.MUON, 1, 0, 0, -13),
    (ObjectType.TAU, -1, 0, 0, 15),
    (ObjectType.PHOTON, 0, 0, 22, 22),
    (ObjectType.PARTON, 0, 1, -5, -5),
    (ObjectType.PARTON, 0, 0, 21, 21),
    (ObjectType.NEUTRINO, 0, 0, 14, 14),
]


def events(pdg_id=True):
    batch = random_events((5, 7), seed=1)
    columns = [torch.tensor(values) for values in zip(*OBJECTS, strict=True)]
    batch.kind, batch.charge, batch.btag = columns[0], columns[1].float(), columns[2].float()
    if pdg_id:
        batch.pdg_id = columns[3]
    return batch


def test_the_published_scheme_shifted_by_50():
    view = View(["pt"], ids=["particle_id"])
    assert view.channels.ids == (102,)
    assert view(events()).ids[:, 0].tolist() == [number + 50 for *_, number in OBJECTS]


def test_packed_and_padded_agree():
    batch, view = events(), View(["pt"], ids=["particle_id"])
    mask = torch.tensor([[True] * 5 + [False] * 2, [True] * 7])
    columns = {}
    for name in ("p4", "kind", "charge", "btag", "pdg_id"):
        column = torch.zeros(2, 7, *batch[name].shape[1:], dtype=batch[name].dtype)
        column[mask] = batch[name]
        columns[name] = column
    assert torch.equal(view.dense(columns, mask).ids[mask], view(batch).ids)


def test_an_unknown_particle_is_a_clear_error():
    view, batch = View(["pt"], ids=["particle_id"]), events()
    with pytest.raises(ConfigError, match=r"kind 'parton' has no number in .* \(the events keep no pdg_id\)"):
        view(events(pdg_id=False))
    batch.pdg_id[10] = 2212
    with pytest.raises(ConfigError, match=r"kind 'parton' has no number .* \(its pdg_id is 2212\)"):
        view(batch)
    batch.kind[0] = int(ObjectType.CHARGED_HADRON)
    with pytest.raises(ConfigError, match="kind 'charged_hadron' has no number"):
        view(batch)
    lepton = events()
    lepton.charge[4] = 0
    with pytest.raises(ConfigError, match="kind 'electron' has no number"):
        view(lepton)


def test_bumblebee_has_five_vectors_and_three_tables():
    view = View.bumblebee()
    assert view.columns == ("pt", "eta", "phi", "mass", "btag")
    assert view.channels == (5, 0, (102, 3, 3))
    smooth = View.bumblebee(smooth=True, ids=("particle_id", "level"))
    assert smooth.columns == ("log_pt", "eta", "sin_phi", "cos_phi", "mass", "btag")
    assert smooth.channels == (6, 0, (102, 3))
    assert smooth.determines_momentum
    batch = events()
    torch.testing.assert_close(smooth.to_p4(smooth(batch)), batch.p4, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("smooth", [False, True])
def test_ids_and_vectors_stay_aligned(smooth):
    """Whatever the order of the objects, each keeps its numbers: the fault of the public code."""
    view, batch = View.bumblebee(smooth=smooth), events()
    order = torch.cat([torch.randperm(5), 5 + torch.randperm(7)])
    mixed = batch.clone()
    for name in ("p4", "kind", "charge", "btag", "pdg_id", "level"):
        mixed[name] = batch[name][order]
    hidden = torch.arange(12) % 3 == 0
    made = view(batch, dict.fromkeys(view.columns, hidden))
    other = view(mixed, dict.fromkeys(view.columns, hidden[order]))
    assert torch.equal(other.x, made.x[order])
    assert torch.equal(other.ids, made.ids[order])
    assert torch.equal(made.ids[:, 2], hidden.long())
    assert made.x[hidden].abs().max() == 0
