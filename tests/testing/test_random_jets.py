import torch

from pyg_hep.inputs import View
from pyg_hep.loader import EventLoader
from pyg_hep.testing.jets import random_jets


def test_jets_are_collimated_wider_in_a_higher_class_and_repeat():
    jets, again, other = random_jets(400), random_jets(400), random_jets(400, seed=1)
    assert torch.equal(jets.p4, again.p4)
    assert not torch.equal(jets.column("y") + jets.p4[0, 0], other.column("y") + other.p4[0, 0])
    batch = next(iter(EventLoader(jets, 400)))
    total = View(["pt", "eta", "phi", "mass"], events=("total_pt", "total_mass")).event_values(batch)
    assert 400 < float(total[:, 0].min()) < float(total[:, 0].max()) < 1001
    assert float(total[batch.y == 1, 1].mean()) > 2.0 * float(total[batch.y == 0, 1].mean()) > 10.0
    assert not batch.charge[(batch.kind == 4) | (batch.kind == 7)].any()
    assert random_jets(counts=(1, 300)).num_nodes == 301
