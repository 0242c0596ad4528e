from __future__ import annotations

import math

import pytest
import torch

from pyg_hep.errors import ConfigError
from pyg_hep.nn.conv import ClassAttention, MultiHeadAttention
from pyg_hep.nn.layout import Complete, Edges, Padded

COUNTS = (3, 0, 5, 1)


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def make():
    torch.manual_seed(0)
    return ClassAttention(8, 2).double()


def forms():
    counts = torch.tensor(COUNTS)
    complete = Complete.of_counts(counts)
    mask = torch.arange(6) < counts.unsqueeze(1)
    x = draw(9, 8)
    places = torch.full((4, 6, 8), math.nan, dtype=torch.float64).index_put((mask,), x)
    edges = Edges(complete.graphs.edge_index, counts, 9)
    return {"complete": (complete, x), "edges": (edges, x), "padded": (Padded(mask), Padded(mask).clean(places))}


@pytest.mark.parametrize("name", ["complete", "edges", "padded"])
def test_is_attention_of_the_class_node_alone(name):
    layer, node = make(), draw(4, 8, seed=1)
    full = MultiHeadAttention(8, 2).double()
    with torch.no_grad():
        for part, rows in (("weight", 0), ("bias", 0)):
            both = [getattr(layer.query, part), getattr(layer.key_value, part)]
            getattr(full.qkv, part).copy_(torch.cat(both, rows))
    full.out = layer.out
    layout, x = forms()[name]
    everything, joined = layout.join(x, node)
    _, expected = joined.part(full(everything, joined))
    torch.testing.assert_close(layer(node, x, layout), expected)


def test_an_event_without_objects_hears_of_its_class_node_only():
    layer, node = make(), draw(4, 8, seed=1)
    layout, x = forms()["complete"]
    expected = layer.out(layer.key_value(node[1])[8:])
    torch.testing.assert_close(layer(node, x, layout)[1], expected)


def test_hooks_see_the_messages_along_edges():
    layer, seen = make(), []
    layer.register_message_forward_hook(lambda module, inputs, out: seen.append(out.shape))
    layout, x = forms()["edges"]
    layer(draw(4, 8, seed=1), x, layout)
    assert seen == [(9 + 4, 8)]


def test_heads_divide_the_width():
    with pytest.raises(ConfigError, match="ClassAttention: 3 heads do not divide a width of 8"):
        ClassAttention(8, 3)
    assert repr(make()) == "ClassAttention(8, heads=2)"
