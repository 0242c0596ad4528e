from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from pyg_hep.errors import ConfigError
from pyg_hep.nn.conv import EdgeConvolutionBlock
from pyg_hep.nn.layout import Edges


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("width", [4, 6])
def test_is_its_equation_on_any_edges(width, training):
    torch.manual_seed(0)
    layer, x = EdgeConvolutionBlock(4, (5, width)).double(), torch.randn(3, 4, dtype=torch.float64)
    layer(x, Edges(torch.tensor([[0, 1], [1, 0]]), torch.tensor([3]), 3))  # statistics of something else
    layer.train(training)
    assert (layer.shortcut is None) == (width == 4)
    plain = EdgeConvolutionBlock(4, (5, width)).double().train(training)
    plain.load_state_dict(layer.state_dict())
    pairs = [(1, 0), (1, 2), (2, 0)]  # target, source
    h = torch.stack([torch.cat([x[i], x[j] - x[i]]) for i, j in pairs])
    for linear, norm in zip(plain.linears, plain.norms, strict=True):
        h = F.relu(norm(linear(h)))
    mean = torch.stack([torch.zeros_like(h[0]), (h[0] + h[1]) / 2, h[2]])
    own = x if plain.shortcut is None else plain.shortcut_norm(plain.shortcut(x))
    edges = Edges(torch.tensor([[0, 2, 0], [1, 1, 2]]), torch.tensor([3]), 3)
    torch.testing.assert_close(layer(x, edges), F.relu(own + mean))


def test_widths_are_positive():
    with pytest.raises(ConfigError, match=r"widths must be at least 1, found 4 and \[3, 0\]"):
        EdgeConvolutionBlock(4, (3, 0))
    assert repr(EdgeConvolutionBlock(4, (3, 5))) == "EdgeConvolutionBlock(4, [3, 5])"
