from __future__ import annotations

import pytest
import torch

from pyg_hep.nn.conv import GraphNetworkBlock
from pyg_hep.nn.layout import Complete, Edges
from pyg_hep.nn.layout.observed import is_observed


def inputs(counts, channels=8, seed=0):
    generator = torch.Generator().manual_seed(seed)
    layout = Complete.of_counts(torch.tensor(counts))
    sizes = (sum(counts), layout.graphs.edge_index.size(1), len(counts))
    x, edge, u = (torch.randn(n, channels, generator=generator, dtype=torch.float64) for n in sizes)
    return x, edge, u, layout


@pytest.mark.parametrize("counts", [[4, 1, 3], [1, 1]])
def test_edges_and_complete_graphs_agree(counts):
    torch.manual_seed(0)
    block = GraphNetworkBlock(8).double()
    x, edge, u, layout = inputs(counts)
    sparse = block(x, edge, u, Edges(layout.graphs.edge_index, layout.counts, len(x)))
    for a, b in zip(block(x, edge, u, layout), sparse, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)


def test_update_is_the_published_one():
    # Ho et al., arXiv:2412.10665, section III B, for node 0 of one event of three.
    torch.manual_seed(0)
    block = GraphNetworkBlock(8).double()
    x, edge, u, layout = inputs([3])
    new_x, new_edge, new_u = block(x, edge, u, layout)
    assert layout.graphs.edge_index[:, :2].tolist() == [[1, 2], [0, 0]]
    arriving = [block.edge_mlp(torch.cat([x[0], x[j], edge[k], u[0]])) for k, j in ((0, 1), (1, 2))]
    torch.testing.assert_close(new_edge[:2], torch.stack(arriving))
    torch.testing.assert_close(new_x[0], block.node_mlp(torch.cat([x[0], sum(arriving), u[0]])))
    torch.testing.assert_close(new_u[0], block.global_mlp(torch.cat([new_x.sum(0), new_edge.sum(0), u[0]])))


@pytest.mark.parametrize("when", ["propagate", "message", "aggregate", "edge_update"])
def test_hooks_and_explainers_mark_the_block_as_observed(when):
    block = GraphNetworkBlock(8)
    assert not is_observed(block)
    handle = getattr(block, f"register_{when}_forward_hook")(lambda *args: None)
    assert is_observed(block)
    handle.remove()
    handle = getattr(block, f"register_{when}_forward_pre_hook")(lambda *args: None)
    assert is_observed(block)
    handle.remove()
    block.explain = True
    assert is_observed(block)
    block.explain = None
    assert not is_observed(block)


def test_reset_draws_anew():
    torch.manual_seed(0)
    block = GraphNetworkBlock(8)
    before = block.edge_mlp.layer(0).weight.clone()
    block.reset_parameters()
    assert not torch.equal(before, block.edge_mlp.layer(0).weight)


def test_repr():
    assert str(GraphNetworkBlock(16, num_layers_mlp=2)) == "GraphNetworkBlock(16, num_layers_mlp=2)"
