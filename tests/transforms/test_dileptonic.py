import numpy as np
import torch

from pyg_hep.kinematics import to_cartesian
from pyg_hep.loader import EventLoader
from pyg_hep.schema import Level, ObjectType
from pyg_hep.testing.dilepton import dilepton_daughters, dilepton_events
from pyg_hep.transforms import LorentzAugment
from pyg_hep.transforms.dileptonic import UNMEASURED, LeptonFrame, lepton_momenta, unmeasured_daughters


def batch_of(size=60, seed=1):
    return next(iter(EventLoader(dilepton_events(size, seed=seed), size)))


def test_daughters_are_found_by_what_they_are():
    batch, true = batch_of(), dilepton_daughters(60, seed=1)
    p4, complete = unmeasured_daughters(batch)
    assert complete.all()
    expected = np.stack([true[name] for name in UNMEASURED], axis=1)
    np.testing.assert_allclose(to_cartesian(p4.double()).numpy(), expected, rtol=1e-4, atol=1e-2)
    batch.pdg_id[torch.nonzero(batch.pdg_id == 5)[7, 0]] = -5  # two anti-b quarks and no b
    assert torch.nonzero(~unmeasured_daughters(batch)[1])[:, 0].tolist() == [7]
    del batch.pdg_id
    assert not unmeasured_daughters(batch)[1].any()


def test_in_their_frame_the_leptons_are_where_it_says_and_the_way_back_is_exact():
    batch = batch_of()
    batch.p4 = batch.p4.double()
    frame = LeptonFrame.of(batch)
    inside = frame.enter(batch)
    plus, minus = (lepton_momenta(inside, charge) for charge in (1, -1))
    assert float(plus[:, 1].abs().max()) < 1e-4
    assert (plus[:, 0] > 0).all()
    assert (minus[:, 1] > -1e-4).all()
    assert (plus[:, 2] + minus[:, 2] >= 0).all()
    assert {-1.0, 1.0} == set(frame.side.tolist()) == set(frame.end.tolist())
    there, here = (to_cartesian(unmeasured_daughters(b)[0])[..., :3] for b in (inside, batch))
    torch.testing.assert_close(frame.leave(there), here, rtol=1e-9, atol=1e-6)
    met = inside.p4[inside.kind == int(ObjectType.MET)]
    assert not met[:, 1].any()


def test_the_frame_of_a_turned_or_reflected_event_is_the_same():
    batch = batch_of()
    batch.p4 = batch.p4.double()
    turned = LorentzAugment(rotate=True, reflect=True)(batch, torch.Generator().manual_seed(0))
    one, two = (LeptonFrame.of(b).enter(b).p4 for b in (batch, turned))
    torch.testing.assert_close(to_cartesian(two), to_cartesian(one), rtol=1e-6, atol=1e-3)
    assert not torch.equal(turned.p4, batch.p4)


def test_the_generated_level_does_not_decide_the_frame():
    batch = batch_of()
    before = LeptonFrame.of(batch)
    batch.p4[batch.level == int(Level.GEN)] = 3.0
    assert all(torch.equal(a, b) for a, b in zip(before, LeptonFrame.of(batch), strict=True))
    batch.kind[batch.kind == int(ObjectType.ELECTRON)] = int(ObjectType.PHOTON)
    batch.kind[batch.kind == int(ObjectType.MUON)] = int(ObjectType.PHOTON)
    assert not LeptonFrame.of(batch).angle.any()  # no lepton: the laboratory
