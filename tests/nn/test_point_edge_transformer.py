from __future__ import annotations

import pytest
import torch
from torch import nn

from pyg_hep.nn import PointEdgeTransformer
from pyg_hep.testing.backbones import BackboneTests


def small(**kwargs) -> PointEdgeTransformer:
    sizes = {"hidden_channels": 8, "num_layers": 2, "heads": 2, "neighbours": 3, "layer_scale": 0.5}
    return PointEdgeTransformer(7, **{**sizes, **kwargs})


class TestPointEdgeTransformer(BackboneTests):
    @classmethod
    def build(cls) -> nn.Module:
        return small(event_channels=2, id_channels=(4, 6))


class TestBodyAlone(BackboneTests):
    @classmethod
    def build(cls) -> nn.Module:
        return small(class_layers=0, layer_scale=1e-5)
