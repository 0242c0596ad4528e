from __future__ import annotations

import pytest
import torch

from pyg_hep.errors import ConfigError
from pyg_hep.nn import MLP


def test_is_linear_relu_chain_then_layer_norm():
    torch.manual_seed(0)
    mlp = MLP(5, 8, num_layers=3).double()
    x = torch.randn(4, 5, dtype=torch.float64)
    linears = [mlp.layer(k) for k in range(3)]
    expected = mlp.norm(linears[2](linears[1](linears[0](x).relu()).relu()))
    torch.testing.assert_close(mlp(x), expected)
    torch.testing.assert_close(mlp(x.unsqueeze(0)), expected.unsqueeze(0))


def test_published_size():
    # Ho et al., arXiv:2412.10665, section III B: 4 layers of width 64 with biases, LayerNorm with scale and shift.
    count = sum(p.numel() for p in MLP(7).parameters())
    assert count == (7 * 64 + 64) + 3 * (64 * 64 + 64) + 2 * 64


def test_blocks_of_the_first_layer_add_up_to_it():
    torch.manual_seed(0)
    mlp = MLP(7, 8).double()
    x = torch.randn(4, 7, dtype=torch.float64)
    left, right = mlp.weight_blocks(3, 4)
    addend = x[:, 3:] @ right.t() + mlp.layer(0).bias
    torch.testing.assert_close(mlp(x[:, :3], weight=left, addend=addend), mlp(x))


def test_reset_draws_anew():
    torch.manual_seed(0)
    mlp = MLP(3, 4)
    before = mlp.layer(1).weight.clone()
    mlp.reset_parameters()
    assert not torch.equal(before, mlp.layer(1).weight)


def test_repr():
    assert repr(MLP(3, 16, 2)) == "MLP(3, 16, num_layers=2)"


@pytest.mark.parametrize("arguments", [(0, 64, 4), (3, 0, 4), (3, 64, 0)])
def test_numbers_below_one_are_rejected(arguments):
    with pytest.raises(ConfigError, match="must be at least 1, found 0"):
        MLP(*arguments)


def test_he_initialisation_keeps_the_signal_that_torchs_loses():
    torch.manual_seed(0)
    x = torch.randn(2000, 64)
    kept = {}
    for name in ("he", "torch"):
        mlp = MLP(64, 64, 4, initialisation=name)
        mlp.norm = torch.nn.Identity()
        kept[name] = float(mlp(x).var(dim=0).mean())
    # He et al., arXiv:1502.01852: the variance stays within a factor of a few; torch's falls by 6 per layer.
    assert 0.5 < kept["he"] < 5
    assert kept["torch"] < 0.02


def test_unknown_initialisation_names_the_nearest():
    with pytest.raises(ConfigError, match="did you mean 'he'"):
        MLP(3, 4, 2, initialisation="hee")
