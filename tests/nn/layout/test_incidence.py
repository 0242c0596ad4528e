from __future__ import annotations

import pytest
import torch

from pyg_hep.nn.layout import Complete

COUNTS = [[3, 1, 4], [1, 1], [0, 2, 0], [0], []]


@pytest.mark.parametrize("counts", COUNTS)
def test_sums_are_scatter_sums(counts):
    graphs = Complete.of_counts(torch.tensor(counts, dtype=torch.int64)).graphs
    nodes, (source, target) = sum(counts), graphs.edge_index
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(source.numel(), 4, generator=generator, dtype=torch.float64)
    zeros = torch.zeros(nodes, 4, dtype=torch.float64)
    torch.testing.assert_close(graphs.targets.sum(values), zeros.index_add(0, target, values))
    torch.testing.assert_close(graphs.sources.sum(values), zeros.index_add(0, source, values))
    event = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts, dtype=torch.int64))
    per_node = torch.randn(nodes, 4, generator=generator, dtype=torch.float64)
    expected = torch.zeros(len(counts), 4, dtype=torch.float64).index_add(0, event, per_node)
    torch.testing.assert_close(graphs.events.sum(per_node), expected)


@pytest.mark.parametrize("relation", ["sources", "targets", "events"])
def test_gather_and_sum_are_each_others_gradient(relation):
    incidence = getattr(Complete.of_counts(torch.tensor([3, 1, 4])).graphs, relation)
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(incidence.first.numel(), 2, generator=generator, dtype=torch.float64, requires_grad=True)
    items = torch.randn(incidence.index.numel(), 2, generator=generator, dtype=torch.float64, requires_grad=True)
    torch.testing.assert_close(incidence.gather(rows), rows[incidence.index])
    for function, argument in ((incidence.gather, rows), (incidence.sum, items)):
        assert torch.autograd.gradcheck(function, argument)
        assert torch.autograd.gradgradcheck(function, argument)


def test_float32_sums_are_exact_for_small_integers():
    graphs = Complete.of_counts(torch.tensor([5, 2])).graphs
    assert graphs.targets.sum(torch.ones(22, 3)).tolist() == [[4.0] * 3] * 5 + [[1.0] * 3] * 2
