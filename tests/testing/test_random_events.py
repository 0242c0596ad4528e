from __future__ import annotations

import math

import torch

from pyg_hep.inputs import View
from pyg_hep.schema import EVENT_COLUMNS, NODE_COLUMNS
from pyg_hep.testing import random_events, with_features


def test_columns_are_those_of_the_schema():
    batch = random_events([3, 1, 0, 5], seed=1)
    assert batch.ptr.tolist() == [0, 3, 4, 4, 9]
    assert batch.batch.tolist() == [0, 0, 0, 1, 3, 3, 3, 3, 3]
    for columns, rows in ((NODE_COLUMNS, 9), (EVENT_COLUMNS, 4)):
        for name, column in columns.items():
            assert batch[name].shape == (rows, *column.shape)
            assert batch[name].dtype == getattr(torch, column.dtype)
    pt, eta, phi, mass = batch.p4.unbind(-1)
    assert float(pt.min()) >= 20
    assert float(eta.abs().max()) <= 2.5
    assert float(phi.abs().max()) < math.pi
    assert float(mass.min()) >= 0
    assert batch.edge_index is None


def test_seed_and_type_are_respected():
    assert torch.equal(random_events(num_events=5, seed=1).p4, random_events(num_events=5, seed=1).p4)
    assert not torch.equal(random_events([4], seed=1).p4, random_events([4], seed=2).p4)
    assert random_events([4], dtype=torch.float64).p4.dtype == torch.float64


def test_multiplicities_are_two_plus_poisson_of_five():
    counts = random_events(num_events=2000, seed=0).ptr.diff().double()
    # Mean 7 and variance 5: four standard errors of the mean are 4 sqrt(5 / 2000) = 0.2.
    assert abs(float(counts.mean()) - 7) < 0.2
    assert int(counts.min()) >= 2


def test_features_are_the_published_view():
    batch = random_events([6, 3], seed=4)
    torch.testing.assert_close(with_features(batch).x, View.ho()(batch).x)
