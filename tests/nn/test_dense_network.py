from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from pyg_hep.errors import ConfigError
from pyg_hep.nn import DenseNetwork
from pyg_hep.testing import padded, random_inputs
from pyg_hep.testing.backbones import BackboneTests, assert_close


def small(in_channels=7, **kwargs) -> DenseNetwork:
    return DenseNetwork(in_channels, **{"objects": 3, "widths": (9, 8, 5), **kwargs})


class TestDenseNetwork(BackboneTests):
    @classmethod
    def build(cls) -> nn.Module:
        return small(event_channels=2, id_channels=(4, 6))


class TestMoreObjectsThanAnyEventHas(BackboneTests):
    @classmethod
    def build(cls) -> nn.Module:
        return small(objects=40, widths=(9,))


def test_reads_event_columns_and_the_hardest_objects_side_by_side():
    torch.manual_seed(0)
    model = small(event_channels=2).double()
    batch = random_inputs((5, 2), 7, 2, seed=1, dtype=torch.float64)
    rows = []
    for event, objects in enumerate((range(5), range(5, 7))):
        hardest = sorted(objects, key=lambda i: -float(batch.p4[i, 0]))[:3]
        flat = [torch.cat([batch.x[i], torch.ones(1, dtype=torch.float64)]) for i in hardest]
        flat += [torch.zeros(8, dtype=torch.float64)] * (3 - len(flat))
        rows.append(torch.cat([batch.u[event], *flat]))
    expected = torch.stack(rows)
    for layer in model.layers:
        expected = F.relu(layer.linear(expected))
    out = model(batch)
    torch.testing.assert_close(out.graph, expected)
    torch.testing.assert_close(out.nodes, expected[batch.batch])


def test_softer_objects_are_not_seen():
    torch.manual_seed(0)
    model, batch = small(), random_inputs((6,), seed=1)
    order = batch.p4[:, 0].argsort(descending=True)
    before = model(batch).graph
    batch.x[order[3:]] += 1.0
    assert torch.equal(model(batch).graph, before)
    batch.x[order[2]] += 1.0
    assert not torch.equal(model(batch).graph, before)


def test_event_columns_alone():
    torch.manual_seed(0)
    model, batch = small(objects=0, event_channels=2), random_inputs((4, 1, 0), 7, 2, seed=1)
    out = model(batch)
    torch.testing.assert_close(out.graph, model.layers(batch.u))
    assert_close(model(padded(batch)).graph, out.graph, "padded")
    batch.x += 1.0
    assert torch.equal(model(batch).graph, out.graph)


def test_stages():
    assert list(small(widths=(9, 8, 7, 5)).stages()) == ["encoder", "layers.0", "layers.1", "decoder"]
    assert list(small(widths=(9,)).stages()) == ["encoder"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"objects": -1}, "objects at least 0"),
        ({"widths": ()}, "needs a layer"),
        ({"objects": 0}, "reads event columns only, and needs some"),
        ({"objects": 0, "event_channels": 2, "id_channels": (3,)}, "but no ids"),
        ({"dropout": -0.1}, r"dropout must lie in \[0, 1\), found -0.1"),
    ],
)
def test_what_cannot_be_built(arguments, message):
    with pytest.raises(ConfigError, match=message):
        small(**arguments)


def test_repr():
    assert repr(small()) == "DenseNetwork(7, event_channels=0, objects=3, widths=[9, 8, 5])"
