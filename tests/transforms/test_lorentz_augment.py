import math

import pytest
import torch

from pyg_hep.errors import ConfigError
from pyg_hep.kinematics import PI, delta_phi, invariant_mass
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
    assert str(LorentzAugment(max_beta=0.3)) == "LorentzAugment(rotate=True, reflect=True, max_beta=0.3)"
    assert LorentzAugment(**LorentzAugment(reflect=False).config()).reflect is False
