import pytest
import torch
from torch_geometric.data import Batch, Data

from pyg_hep.errors import ConfigError
from pyg_hep.schema import Level, ObjectType
from pyg_hep.testing.events import random_events
from pyg_hep.transforms import CompleteGraph, SelectNodes


def events(counts=(4, 2, 6, 1)):
    batch = random_events(counts, seed=2)
    batch.level = torch.arange(batch.num_nodes) % 2
    batch.d0 = torch.randn(batch.num_nodes)
    return batch


@pytest.mark.parametrize("edges", [False, True])
def test_a_batch_becomes_what_its_events_become_one_by_one(edges):
    batch = events()
    graphs = batch.to_data_list()
    for graph, k in zip(graphs, range(4), strict=True):
        rows = slice(*batch.ptr[k : k + 2].tolist())
        graph.level, graph.d0 = batch.level[rows], batch.d0[rows]
    whole = Batch.from_data_list(graphs)
    if edges:
        graphs, whole = [CompleteGraph()(graph) for graph in graphs], CompleteGraph()(whole)
    select = SelectNodes(level="reco")
    made = select(whole)
    expected = Batch.from_data_list([select(graph) for graph in graphs])
    for name in (
        "p4",
        "kind",
        "level",
        "d0",
        "batch",
        "ptr",
        "y",
        "weight",
        *(("edge_index", "edge_attr") if edges else ()),
    ):
        assert torch.equal(made[name], expected[name]), name
    assert made.num_nodes == int((whole.level == Level.RECO).sum())
    assert made.num_graphs == 4
    assert whole.num_nodes == 13


def test_several_kinds_and_levels():
    batch = events()
    keep = SelectNodes(level=Level.GEN, kind=["jet", ObjectType.MET])(batch)
    assert set(keep.level.tolist()) <= {1}
    assert set(keep.kind.tolist()) <= {int(ObjectType.JET), int(ObjectType.MET)}
    inside = torch.isin(batch.kind, torch.tensor([0, 5])) & (batch.level == 1)
    assert torch.equal(keep.p4, batch.p4[inside])


def test_an_event_may_end_up_empty_and_stays():
    batch = events((2, 3))
    batch.level[:2] = 1
    batch.level[2:] = 0
    made = SelectNodes(level="reco")(batch)
    assert made.ptr.tolist() == [0, 0, 3]
    assert made.y.numel() == 2


def test_one_event():
    data = Data(p4=torch.rand(3, 4), kind=torch.tensor([0, 1, 5]), level=torch.zeros(3, dtype=torch.int64), num_nodes=3)
    made = SelectNodes(kind="jet")(data)
    assert made.num_nodes == 1
    assert made.p4.shape == (1, 4)
    assert data.num_nodes == 3


def test_what_cannot_be():
    with pytest.raises(ConfigError, match="no ObjectType 'jett': did you mean 'jet'"):
        SelectNodes(kind="jett")
    with pytest.raises(ConfigError, match="no Level has the number 7"):
        SelectNodes(level=7)
    with pytest.raises(ConfigError, match="say which level or kind"):
        SelectNodes()


def test_config_makes_it_again_and_repr():
    select = SelectNodes(level=0, kind=("jet", "muon"))
    assert SelectNodes(**select.config()).config() == {"level": ["reco"], "kind": ["jet", "muon"]}
    assert repr(select) == "SelectNodes(level=reco, kind=jet+muon)"
