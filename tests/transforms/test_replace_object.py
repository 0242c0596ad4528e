import pytest
import torch

from pyg_hep.errors import ConfigError
from pyg_hep.schema import NODE_COLUMNS, ObjectType
from pyg_hep.testing.events import random_events
from pyg_hep.transforms import CompleteGraph, ReplaceObject
from pyg_hep.transforms.complete_graph import edge_features
from pyg_hep.transforms.replace_object import NOT_REPLACED, OBJECT_CLASSES, object_classes


def tagged_events(counts, seed=0):
    """Events whose objects carry their own number as charge, so that one can tell where an object came from."""
    batch = random_events(counts, seed=seed)
    batch.charge = torch.arange(len(batch.charge), dtype=torch.float32)
    return batch


def test_classes_follow_kind_and_btag():
    batch = random_events((6,))
    batch.kind = torch.tensor([0, 0, 1, 2, 3, 5])
    batch.btag = torch.tensor([0.0, 1.0, 1.0, 0.0, 0.0, 0.0])
    names = [OBJECT_CLASSES[k] for k in object_classes(batch).tolist()]
    assert names == ["light_jet", "b_jet", "lepton", "lepton", "tau", "met"]
    batch.kind[:] = int(ObjectType.PHOTON)
    assert object_classes(batch).tolist() == [-1] * 6


def test_labels_match_what_was_replaced_and_replacements_come_from_other_events():
    events = 10_000
    generator = torch.Generator().manual_seed(5)
    batch = tagged_events(torch.randint(1, 12, (events,), generator=generator), seed=5)
    before = batch.clone()
    torch.manual_seed(1)
    after = ReplaceObject()(batch)
    assert torch.equal(batch.charge, before.charge)  # the given batch stays
    changed = after.charge != before.charge
    per_event = torch.zeros(events, dtype=torch.int64).index_add(0, batch.batch, changed.long())
    assert torch.equal(per_event, (after.replaced != NOT_REPLACED).long())
    at = torch.nonzero(changed)[:, 0]
    donor = after.charge[at].long()
    assert bool((batch.batch[donor] != batch.batch[at]).all())
    for name in NODE_COLUMNS:
        assert torch.equal(after[name][at], before[name][donor])
    classes = object_classes(before)
    assert torch.equal(classes[at], classes[donor])
    assert torch.equal(after.replaced[batch.batch[at]], classes[at])
    assert len(at) > 7_000
    assert set(after.replaced.tolist()) == set(range(6))


def test_every_label_is_equally_likely_where_an_event_has_all_classes():
    events = 12_000
    batch = tagged_events((5,) * events)
    batch.kind = torch.tensor([1, 3, 0, 0, 5]).repeat(events)
    batch.btag = torch.tensor([0.0, 0.0, 0.0, 1.0, 0.0]).repeat(events)
    torch.manual_seed(2)
    found = torch.bincount(ReplaceObject()(batch).replaced, minlength=6) / events
    torch.testing.assert_close(found, torch.full((6,), 1 / 6), atol=4 * (5 / 36 / events) ** 0.5, rtol=0)


def test_every_object_of_a_class_is_replaced_and_taken_equally_often():
    events, each = 3_000, 4
    batch = tagged_events((each,) * events)
    batch.kind = torch.zeros(events * each, dtype=torch.int64)
    batch.btag = torch.zeros(events * each)
    torch.manual_seed(3)
    after = ReplaceObject(none_probability=0.0)(batch)
    assert bool((after.replaced == OBJECT_CLASSES.index("light_jet")).all())
    at = torch.nonzero(after.charge != batch.charge)[:, 0]
    assert len(at) == events
    for place in (at, after.charge[at].long()):
        share = torch.bincount(place % each) / events
        torch.testing.assert_close(share, torch.full((each,), 1 / each), atol=0.04, rtol=0)
    donors = after.charge[at].long() // each
    # Donors spread over the whole batch: thirds of it, 5 sigma of a binomial.
    share = torch.bincount(donors * 3 // events, minlength=3) / events
    torch.testing.assert_close(share, torch.full((3,), 1 / 3), atol=0.045, rtol=0)


@pytest.mark.parametrize("counts", [(0,), (1,), (5,), (0, 0), (0, 3, 0)])
def test_nothing_is_replaced_without_another_event(counts):
    batch = tagged_events(counts)
    after = ReplaceObject(none_probability=0.0)(batch)
    assert torch.equal(after.charge, batch.charge)
    assert after.replaced.tolist() == [NOT_REPLACED] * len(counts)


def test_events_of_missing_momentum_only():
    batch = tagged_events((1, 1, 1))
    batch.kind[:] = int(ObjectType.MET)
    after = ReplaceObject(none_probability=0.0)(batch)
    assert after.replaced.tolist() == [OBJECT_CLASSES.index("met")] * 3
    assert bool((after.charge != batch.charge).all())


def test_objects_without_a_class_are_left_alone():
    batch = tagged_events((4, 4))
    batch.kind[:] = int(ObjectType.PHOTON)
    after = ReplaceObject(none_probability=0.0)(batch)
    assert torch.equal(after.charge, batch.charge)
    assert after.replaced.tolist() == [NOT_REPLACED] * 2


def test_probability_of_none():
    batch = tagged_events((6,) * 5_000)
    torch.manual_seed(4)
    share = float((ReplaceObject(none_probability=0.3)(batch).replaced == NOT_REPLACED).float().mean())
    assert abs(share - 0.3) < 5 * (0.21 / 5_000) ** 0.5 + 0.01
    assert bool((ReplaceObject(none_probability=1.0)(batch).replaced == NOT_REPLACED).all())


def test_edge_features_follow_and_single_events_of_the_batch_know_their_label():
    batch = CompleteGraph()(tagged_events((4, 6)))
    after = ReplaceObject(none_probability=0.0)(batch)
    assert torch.equal(after.edge_attr, edge_features(after.p4, after.edge_index))
    assert not torch.equal(after.edge_attr, batch.edge_attr)
    assert after[1].replaced.tolist() == [int(after.replaced[1])]
    assert "replaced" not in batch


def test_generated_and_reconstructed_objects_never_take_each_others_place():
    batch = random_events((6,) * 200, seed=3)
    batch.level = torch.arange(1200) % 2
    batch.pdg_id = torch.arange(1200)
    batch.d0 = torch.arange(1200.0)
    made = ReplaceObject(none_probability=0.0)(batch, torch.Generator().manual_seed(0))
    assert torch.equal(made.level, batch.level)
    moved = torch.nonzero(made.pdg_id != batch.pdg_id)[:, 0]
    assert len(moved) > 190
    assert torch.equal(batch.level[made.pdg_id[moved]], batch.level[moved])
    assert torch.equal(made.d0.long(), made.pdg_id)  # a column of the user's own goes with its object
    assert torch.equal(made.batch, batch.batch)


def test_the_generator_decides():
    batch = random_events((6,) * 20)
    one, two, other = (ReplaceObject()(batch, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert torch.equal(one.p4, two.p4)
    assert not torch.equal(one.p4, other.p4)


def test_what_cannot_be():
    with pytest.raises(ConfigError, match="none_probability must lie in"):
        ReplaceObject(none_probability=1.5)


def test_repr():
    assert repr(ReplaceObject()) == "ReplaceObject(none_probability=0.167)"
