import math

import pytest
import torch

from pyg_hep.errors import ConfigError
from pyg_hep.kinematics import PI, delta_phi, invariant_mass, to_cartesian
from pyg_hep.schema import ObjectType
from pyg_hep.testing.events import random_events
from pyg_hep.transforms import CompleteGraph, LorentzAugment


def events(seed=0, counts=(4, 1, 7, 2, 12), dtype=torch.float64):
    batch = random_events(counts, seed=seed)
    batch.p4 = batch.p4.to(dtype)
    return batch


def pair_masses(batch, p4):
    source, target = CompleteGraph()(batch).edge_index
    visible = (batch.kind[source] != ObjectType.MET) & (batch.kind[target] != ObjectType.MET)
    return invariant_mass(p4[source], p4[target])[visible]


@pytest.mark.parametrize("options", [{}, {"max_beta": 0.3}, {"rotate": False}, {"reflect": False, "max_beta": 0.9}])
def test_masses_of_pairs_stay(options):
    batch = events()
    torch.manual_seed(1)
    changed = LorentzAugment(**options)(batch)
    before, after = pair_masses(batch, batch.p4), pair_masses(batch, changed.p4)
    assert before.numel() > 100
    # 1e-6 relative in float64 is what issue and docstring promise; massless collinear pairs would have no scale.
    torch.testing.assert_close(after, before, rtol=1e-6, atol=1e-6)
    assert not torch.equal(changed.p4, batch.p4)
    assert torch.equal(changed.p4[:, 0], batch.p4[:, 0])


def test_every_event_turns_by_an_angle_of_its_own_and_half_of_them_are_reflected():
    batch = events(counts=(3,) * 4000)
    torch.manual_seed(2)
    changed = LorentzAugment()(batch)
    angle = delta_phi(changed.p4[:, 2], batch.p4[:, 2]).view(4000, 3)
    same = (angle - angle[:, :1] + math.pi) % (2 * math.pi) - math.pi
    assert float(same.abs().max()) < 1e-5
    assert len(angle[:, 0].unique()) > 3900
    # Uniform: mean of cos is 0 with standard deviation 1 / sqrt(2 N).
    assert abs(float(angle[:, 0].cos().mean())) < 4 / math.sqrt(2 * 4000)
    sign = (changed.p4[:, 1] * batch.p4[:, 1]).view(4000, 3)
    moving = batch.p4[:, 1].view(4000, 3) != 0
    flipped = ((sign < 0) & moving).any(dim=1)
    assert not ((sign > 0) & moving & flipped.unsqueeze(1)).any()
    assert abs(float(flipped.double().mean()) - 0.5) < 4 * 0.5 / math.sqrt(4000)
    assert bool((changed.p4[:, 2] >= -PI).all())
    assert bool((changed.p4[:, 2] < PI).all())


def test_missing_momentum_turns_but_is_not_boosted():
    batch = events(counts=(6,) * 50)
    batch.kind[::6] = int(ObjectType.MET)
    batch.p4[::6, 1] = 0.0
    batch.p4[::6, 3] = 0.0
    torch.manual_seed(3)
    changed = LorentzAugment(reflect=False, max_beta=0.5)(batch)
    met = batch.kind == ObjectType.MET
    assert torch.equal(changed.p4[met, 1], batch.p4[met, 1])
    assert not torch.equal(changed.p4[met, 2], batch.p4[met, 2])
    assert bool((changed.p4[~met, 1] != batch.p4[~met, 1]).all())


def test_one_event_and_a_batch_are_treated_alike_and_edges_follow():
    batch = CompleteGraph()(events())
    torch.manual_seed(4)
    changed = LorentzAugment(reflect=False)(batch)
    torch.testing.assert_close(changed.edge_attr[:, 0], batch.edge_attr[:, 0])
    torch.testing.assert_close(changed.edge_attr[:, 2], batch.edge_attr[:, 2])
    single = batch.get_example(2)
    torch.manual_seed(5)
    assert LorentzAugment(max_beta=0.3)(single).p4.shape == (7, 4)


def test_velocity_must_be_below_that_of_light():
    with pytest.raises(ConfigError, match=r"max_beta must lie in \[0, 1\), found 1.0"):
        LorentzAugment(max_beta=1.0)
    assert str(LorentzAugment(max_beta=0.3)) == "LorentzAugment(rotate=True, reflect=True, max_beta=0.3, roll=False)"
    assert LorentzAugment(**LorentzAugment(reflect=False).config()).reflect is False


def test_a_jet_rolls_about_its_axis_by_an_angle_of_its_own():
    batch = events(counts=(5,) * 500)
    batch.kind[:] = int(ObjectType.CHARGED_HADRON)
    batch.p4 = batch.p4 * torch.tensor([1.0, 0.1, 0.1, 1.0], dtype=torch.float64)  # narrow
    torch.manual_seed(6)
    changed = LorentzAugment(rotate=False, reflect=False, roll=True)(batch)
    before, after = (to_cartesian(p4).view(500, 5, 4) for p4 in (batch.p4, changed.p4))
    torch.testing.assert_close(after.sum(1), before.sum(1), rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(after[..., 3], before[..., 3], rtol=1e-9, atol=0.0)
    torch.testing.assert_close(pair_masses(batch, changed.p4), pair_masses(batch, batch.p4), rtol=1e-6, atol=1e-6)
    assert torch.equal(changed.p4[:, 3], batch.p4[:, 3])
    # The angle about the axis, the same for all particles of a jet and uniform over jets.
    axis = torch.nn.functional.normalize(before.sum(1)[:, None, :3], dim=-1)
    across = [p[..., :3] - axis * (axis * p[..., :3]).sum(-1, keepdim=True) for p in (before, after)]
    sine = (torch.linalg.cross(across[0], across[1]) * axis).sum(-1)
    angle = torch.atan2(sine, (across[0] * across[1]).sum(-1))
    torch.testing.assert_close(angle, angle[:, :1].expand(-1, 5), rtol=0.0, atol=1e-6)
    assert abs(float(angle[:, 0].cos().mean())) < 4 / math.sqrt(2 * 500)
    assert abs(float(angle[:, 0].sin().mean())) < 4 / math.sqrt(2 * 500)


def test_one_particle_no_particle_and_no_momentum_have_nothing_to_roll():
    batch = events(counts=(1, 0, 3))
    batch.kind[:] = int(ObjectType.PHOTON)
    batch.p4[1:, 0] = 0.0
    batch.p4[1:, 3] = 0.0
    changed = LorentzAugment(rotate=False, reflect=False, roll=True)(batch)
    torch.testing.assert_close(changed.p4, batch.p4, rtol=1e-9, atol=1e-9)


def test_missing_momentum_does_not_roll():
    batch = events(counts=(6,) * 20)
    batch.kind[:] = int(ObjectType.JET)
    batch.kind[::6] = int(ObjectType.MET)
    changed = LorentzAugment(rotate=False, reflect=False, roll=True)(batch)
    met = batch.kind == ObjectType.MET
    assert torch.equal(changed.p4[met], batch.p4[met])
    assert bool((changed.p4[~met, 1] != batch.p4[~met, 1]).all())
    visible = [to_cartesian(p4)[~met].view(20, 5, 4).sum(1) for p4 in (batch.p4, changed.p4)]
    torch.testing.assert_close(visible[1], visible[0], rtol=1e-9, atol=1e-9)
