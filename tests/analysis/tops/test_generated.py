import numpy as np
import pytest
from torch_geometric.data import Batch

from pyg_hep.analysis.tops import generated_tops
from pyg_hep.errors import PygHepError
from pyg_hep.loader import EventLoader
from pyg_hep.testing.dilepton import dilepton_daughters, dilepton_events


def test_true_tops_are_the_sums_of_their_own_daughters():
    true = dilepton_daughters(40, seed=3)
    pairs = generated_tops(dilepton_events(40, seed=3))
    assert pairs.valid.all()
    np.testing.assert_allclose(pairs.top, true["b"] + true["antilepton"] + true["neutrino"], rtol=1e-4, atol=1e-2)
    np.testing.assert_allclose(
        pairs.antitop, true["antib"] + true["lepton"] + true["antineutrino"], rtol=1e-4, atol=1e-2
    )
    for name in ("antilepton", "lepton", "neutrino", "antineutrino"):
        np.testing.assert_allclose(getattr(pairs, name), true[name], rtol=1e-4, atol=1e-2)


def test_an_event_that_lacks_a_daughter_or_has_it_twice_is_not_valid():
    batch = next(iter(EventLoader(dilepton_events(5, seed=1), 5)))
    first = [int(((batch.batch == k) & (batch.pdg_id == 5)).nonzero()[0, 0]) for k in range(5)]
    batch.pdg_id[first[1]] = 4
    batch.pdg_id[first[3]] = -5
    assert generated_tops(batch).valid.tolist() == [True, False, True, False, True]


def test_events_without_pdg_numbers_are_refused():
    batch: Batch = next(iter(EventLoader(dilepton_events(5, seed=1), 5)))
    del batch.pdg_id
    with pytest.raises(PygHepError, match="keep_pdg_id"):
        generated_tops(batch)
