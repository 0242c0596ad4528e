import pytest
import torch
from torch_geometric.data import Batch

from pyg_hep.errors import ConfigError
from pyg_hep.loader import EventLoader
from pyg_hep.schema import Level, ObjectType
from pyg_hep.testing.events import random_events
from pyg_hep.transforms import AddNodes, CompleteGraph, SelectNodes

QUARKS = AddNodes(["parton", ObjectType.NEUTRINO], "gen", {"pdg_id": [5, -12], "charge": [-1 / 3, 0]})


def events(counts=(4, 2, 6, 1)):
    batch = random_events(counts, seed=2)
    batch.pdg_id = torch.arange(batch.num_nodes)
    return batch


def test_a_batch_becomes_what_its_events_become_one_by_one():
    graphs = events().to_data_list()
    for k, graph in enumerate(graphs):
        graph.pdg_id = torch.arange(graph.num_nodes) + 10 * k
    made = QUARKS(Batch.from_data_list(graphs))
    expected = Batch.from_data_list([QUARKS(graph) for graph in graphs])
    for name in ("p4", "kind", "level", "charge", "btag", "pdg_id", "batch", "ptr", "y", "weight"):
        assert torch.equal(made[name], expected[name]), name
    assert made.num_nodes == 13 + 2 * 4
    assert made.num_graphs == 4
    assert torch.equal(made[2].pdg_id, expected[2].pdg_id)


def test_new_nodes_are_behind_those_of_their_event():
    batch = events((3, 2))
    made = QUARKS(batch)
    assert made.ptr.tolist() == [0, 5, 9]
    assert made.kind.tolist()[3:5] == [int(ObjectType.PARTON), int(ObjectType.NEUTRINO)]
    assert made.pdg_id.tolist() == [0, 1, 2, 5, -12, 3, 4, 5, -12]
    assert made.level.tolist() == [0, 0, 0, 1, 1, 0, 0, 1, 1]
    assert made.p4[[3, 4, 7, 8]].abs().max() == 0
    assert torch.equal(SelectNodes(level="reco")(made).p4, batch.p4)
    assert batch.num_nodes == 5


def test_loaders_take_it_as_a_transform(nanoaod, tmp_path):
    from pyg_hep.datasets import EventDataset

    dataset = EventDataset(tmp_path, "simulated_events", nanoaod)
    loader = EventLoader(dataset, 100, transform=AddNodes(["class"], "reco"))
    batch = next(iter(loader))
    counts = batch.ptr.diff()
    assert torch.equal(counts, next(iter(EventLoader(dataset, 100))).ptr.diff() + 1)
    assert batch.kind[batch.ptr[1:] - 1].tolist() == [int(ObjectType.CLASS)] * 100
    assert batch._store.__dict__["_num_nodes"] == counts.tolist()
    assert Level(int(batch.level.max())) == Level.RECO


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((["quark"],), "no ObjectType 'quark'"),
        ((["parton"], "reconstructed"), "no Level 'reconstructed'"),
        (([],), "say which kinds"),
        ((["parton"], "gen", {"pdg_id": [1, 2]}), "1 nodes need as many 'pdg_id', found 2"),
        ((["parton"], "gen", {"level": [1]}), "'level' is not a column to set"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ConfigError, match=message):
        AddNodes(*arguments)


def test_events_with_edges_or_without_the_column_are_refused():
    with pytest.raises(ConfigError, match="add nodes before the edges are made"):
        QUARKS(CompleteGraph()(events()))
    with pytest.raises(ConfigError, match="no node column 'pdg_id'"):
        QUARKS(random_events((2, 3)))
    assert AddNodes(**QUARKS.config()).config() == QUARKS.config()
