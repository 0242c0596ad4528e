from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from pyg_hep.errors import ConfigError
from pyg_hep.nn.conv import EdgeConvolution
from pyg_hep.nn.layout import Complete, Edges, Padded

COUNTS = (3, 0, 5, 1)


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def make():
    torch.manual_seed(0)
    return EdgeConvolution(4, 6).double()


def test_is_the_mean_of_its_equation_on_any_edges():
    layer, x = make(), draw(3, 4)
    edges = Edges(torch.tensor([[0, 2, 0], [1, 1, 2]]), torch.tensor([3]), 3)

    def message(i, j):
        return F.gelu(layer.outer(F.gelu(layer.inner(torch.cat([x[j] - x[i], x[i]])))))

    expected = [torch.zeros(6, dtype=torch.float64), (message(1, 0) + message(1, 2)) / 2, message(2, 0)]
    torch.testing.assert_close(layer(x, edges), torch.stack(expected))


@pytest.mark.parametrize("k", [None, 2, 9])
def test_layouts_agree_with_their_gradients(k):
    layer, x, points = make(), draw(9, 4).requires_grad_(), draw(9, 2, seed=1)
    counts = torch.tensor(COUNTS)
    complete, mask = Complete.of_counts(counts), torch.arange(6) < counts.unsqueeze(1)

    def pad(rows):
        return torch.full((4, 6, rows.size(1)), math.nan, dtype=torch.float64).index_put((mask,), rows)

    found = []
    forms = [complete, Edges(complete.graphs.edge_index, counts, 9), Padded(mask)]
    for layout in forms:
        places = isinstance(layout, Padded)
        near = layout if k is None else layout.neighbours(k, pad(points) if places else points)
        assert near.degree().sum() == sum(n * min(n - 1, 99 if k is None else k) for n in COUNTS)
        out = layer(layout.clean(pad(x)) if places else x, near)
        out = out[mask] if places else out
        found.append([out, *torch.autograd.grad((out * draw(9, 6, seed=2)).sum(), [x, *layer.parameters()])])
    assert not found[0][0][8].any()  # alone in its event
    for other in found[1:]:
        for a, b in zip(other, found[0], strict=True):
            torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12)


def test_widths_are_positive():
    with pytest.raises(ConfigError, match="widths must be at least 1, found 4 and 0"):
        EdgeConvolution(4, 0)
    assert repr(make()) == "EdgeConvolution(4, 6)"
