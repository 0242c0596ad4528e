import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch_geometric.data import Batch, Data

from pyg_hep.kinematics import delta_phi
from pyg_hep.transforms import CompleteGraph
from pyg_hep.transforms.complete_graph import complete_edges, edge_features

counts = st.lists(st.integers(0, 8), min_size=1, max_size=6)


def plain_edges(sizes):
    """All ordered pairs of different nodes of each event, by target, then source."""
    pairs, first = [], 0
    for n in sizes:
        pairs += [(first + j, first + i) for i in range(n) for j in range(n) if i != j]
        first += n
    return torch.tensor(pairs, dtype=torch.int64).reshape(-1, 2).T


@given(counts)
def test_edges_are_all_ordered_pairs_sorted_by_target_then_source(sizes):
    edge_index, per_event = complete_edges(torch.tensor(sizes))
    assert torch.equal(edge_index, plain_edges(sizes))
    assert per_event.tolist() == [n * (n - 1) for n in sizes]


def graph(n, seed=0):
    generator = torch.Generator().manual_seed(seed)
    p4 = torch.rand(n, 4, generator=generator) * torch.tensor([100.0, 4.0, 6.0, 10.0]) - torch.tensor([0.0, 2, 3, 0])
    return Data(p4=p4, num_nodes=n)


def test_edge_attributes_are_source_minus_target_with_wrapped_azimuth():
    data = CompleteGraph()(graph(5))
    source, target = data.edge_index
    eta, phi = data.p4[:, 1], data.p4[:, 2]
    expected = torch.stack([eta[source] - eta[target], delta_phi(phi[source], phi[target])], dim=1)
    assert torch.equal(data.edge_attr[:, :2], expected)
    assert torch.allclose(data.edge_attr[:, 2], expected.norm(dim=1), rtol=1e-6)
    assert float(data.edge_attr[:, 1].abs().max()) <= float(torch.tensor(torch.pi))


def test_distance_across_the_end_of_the_azimuth_is_short():
    p4 = torch.tensor([[30.0, 0.0, 3.1, 0.0], [30.0, 0.0, -3.1, 0.0]])
    attr = edge_features(p4, torch.tensor([[0], [1]]))
    assert float(attr[0, 2]) == pytest.approx(2 * torch.pi - 6.2, rel=1e-5)


def test_batch_and_single_graphs_give_the_same():
    graphs = [graph(n, seed=n) for n in (3, 1, 6)]
    together = CompleteGraph()(Batch.from_data_list(graphs))
    apart = Batch.from_data_list([CompleteGraph()(g) for g in graphs])
    assert torch.equal(together.edge_index, apart.edge_index)
    assert torch.equal(together.edge_attr, apart.edge_attr)


def test_one_object_has_no_edge():
    data = CompleteGraph()(graph(1))
    assert data.edge_index.shape == (2, 0)
    assert data.edge_attr.shape == (0, 3)


def test_gradient_is_finite_for_two_objects_in_the_same_place():
    p4 = torch.tensor([[30.0, 0.5, 1.0, 0.0], [40.0, 0.5, 1.0, 0.0]], requires_grad=True)
    edge_features(p4, torch.tensor([[0, 1], [1, 0]])).sum().backward()
    assert torch.isfinite(p4.grad).all()


def test_name():
    assert str(CompleteGraph()) == "CompleteGraph()"
