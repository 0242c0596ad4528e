import torch

from pyg_hep.export import PaddedEvents
from pyg_hep.testing import random_events


def test_padding_and_packing_undo_each_other():
    batch = random_events([1, 4, 2])
    batch.rho = torch.rand(3)
    events = PaddedEvents.of(batch)
    assert events.mask.tolist() == [[True, False, False, False], [True] * 4, [True, True, False, False]]
    assert set(events.nodes) == {"p4", "kind", "charge", "btag", "level"}
    assert list(events.events) == ["rho"]
    for again in (events, events.spoiled(), events.widened(7)):
        packed = again.packed()
        for name in (*events.nodes, "rho", "batch", "ptr"):
            assert torch.equal(packed[name], batch[name]), name
    assert events.first(1).packed().ptr.tolist() == [0, 1, 2, 3]
