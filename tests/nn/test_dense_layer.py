import math

import pytest
import torch

from pyg_hep.errors import ConfigError
from pyg_hep.nn.dense_layer import DenseLayer, dense_layers


def test_is_a_rectified_linear_map_with_weights_of_he():
    torch.manual_seed(0)
    layer, x = DenseLayer(50, 400), torch.randn(3, 50)
    torch.testing.assert_close(layer(x), (x @ layer.linear.weight.T).clamp(min=0))
    # Uniform within sqrt(6 / 50), He et al., equation 10 with the variance 2 / 50.
    assert 0.99 * math.sqrt(6 / 50) < float(layer.linear.weight.detach().abs().max()) <= math.sqrt(6 / 50)


def test_dropout_is_in_training_only():
    torch.manual_seed(0)
    layer, x = DenseLayer(5, 1000, dropout=0.25), torch.randn(1, 5)
    kept = layer.train()(x)
    whole = layer.eval()(x)
    dropped = (kept == 0) & (whole > 0)
    assert 0.2 < float(dropped.sum() / (whole > 0).sum()) < 0.3
    torch.testing.assert_close(kept[kept > 0], (whole / 0.75)[kept > 0])


def test_layers_follow_one_another():
    layers = dense_layers(3, (4, 5), 0.1)
    assert [(part.linear.in_features, part.linear.out_features) for part in layers] == [(3, 4), (4, 5)]
    with pytest.raises(ConfigError, match="widths must be at least 1, found 0 and 4"):
        dense_layers(0, (4,))
