from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch_geometric.data import Data

from pyg_hep.errors import ConfigError
from pyg_hep.inputs import View
from pyg_hep.nn import DeepSets
from pyg_hep.testing import padded, random_events, random_inputs
from pyg_hep.testing.backbones import BackboneTests, assert_close, assert_layouts_agree, outputs_and_gradients


def small(in_channels=7, **kwargs) -> DeepSets:
    return DeepSets(in_channels, **{"phi_channels": (8, 6), "f_channels": (9, 5), **kwargs})


class TestParticleFlowNetwork(BackboneTests):
    @classmethod
    def build(cls) -> nn.Module:
        return small(event_channels=2, id_channels=(4, 6))


class TestEnergyFlowNetwork(BackboneTests):
    @classmethod
    def build(cls) -> nn.Module:
        return small(event_channels=2, momentum_weighted=True)


def test_published_numbers_of_parameters():
    # By hand, with two classes; arXiv:1902.09914 gives "82k" for both.
    phi, f = (100 * 101, 101 * 256), (257 * 100, 100 * 101, 100 * 101, 101 * 2)
    for model, first in ((DeepSets.pfn(), 4 * 100), (DeepSets.efn(), 3 * 100)):
        found = sum(p.numel() for part in (model, model.make_head("graph", 2)) for p in part.parameters())
        assert found == first + sum(phi) + sum(f)
        assert found // 1000 == 82
        assert model.in_channels == View(model.preset).channels.x


@pytest.mark.parametrize("weighted", [False, True])
def test_is_its_equation(weighted):
    torch.manual_seed(0)
    model = small(momentum_weighted=weighted).double()
    batch = random_inputs((5,), seed=1, dtype=torch.float64)

    def layers(parts, x):
        for part in parts:
            x = F.relu(part.linear(x))
        return x

    each = layers(model.phi, batch.x)
    z = batch.p4[:, :1] / batch.p4[:, 0].sum() if weighted else torch.ones(5, 1, dtype=torch.float64)
    out = model(batch)
    torch.testing.assert_close(out.graph, layers(model.f, (z * each).sum(0, keepdim=True)))
    torch.testing.assert_close(out.nodes, layers(model.f, each))


def jets(p4, counts):
    counts = torch.tensor(counts)
    ptr = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
    event = torch.repeat_interleave(torch.arange(len(counts)), counts)
    return Data(p4=p4, batch=event, ptr=ptr, num_nodes=len(p4))


def emissions():
    """Jets; with two particles each split in two along their own direction; with particles without momentum."""
    batch = random_events((6, 1, 9), seed=4, dtype=torch.float64)
    p4 = batch.p4.clone()
    p4[:, 1:3] *= 0.1  # as collimated as a jet
    p4[:, 3] *= 0.1
    share = torch.tensor([[0.3, 1.0, 1.0, 0.3]], dtype=torch.float64)
    rest = torch.tensor([[0.7, 1.0, 1.0, 0.7]], dtype=torch.float64)
    parts, soft = [], []
    for jet in p4.split([6, 1, 9]):
        parts.append(torch.cat([jet[:1] * share, jet[1:], jet[:1] * rest]))
        # Away from the jet's axis, so that whoever hears of it must notice.
        soft.append(torch.cat([jet, torch.tensor([[0.0, 0.7, -0.4, 0.0], [0.0, -0.3, 0.6, 0.0]], dtype=torch.float64)]))
    return jets(p4, [6, 1, 9]), jets(torch.cat(parts), [7, 2, 10]), jets(torch.cat(soft), [8, 3, 11])


def test_energy_flow_network_is_infrared_and_collinear_safe():
    torch.manual_seed(0)
    model, view = DeepSets.efn().double(), View("energy_flow").double()
    plain, collinear, infrared = emissions()
    view.fit(plain)
    expected = model(view(plain)).graph
    assert float(expected.abs().max()) > 0
    for other in (collinear, infrared):
        assert_close(model(view(other)).graph, expected, "event with an emission", 1e-12)


def test_particle_flow_network_is_not():
    torch.manual_seed(0)
    model, view = DeepSets.pfn().double(), View("particle_flow").double()
    plain, collinear, infrared = emissions()
    view.fit(plain)
    expected = model(view(plain)).graph
    for other in (collinear, infrared):
        assert float((model(view(other)).graph - expected).abs().max()) > 1e-3 * float(expected.abs().max())


@pytest.mark.parametrize("weighted", [False, True])
def test_events_without_objects_or_without_momentum_are_finite(weighted):
    torch.manual_seed(0)
    model, batch = small(momentum_weighted=weighted).double(), random_inputs((0, 3, 2), seed=1, dtype=torch.float64)
    batch.p4[:3] = 0.0
    values = outputs_and_gradients(model, batch)
    assert all(bool(value.isfinite().all()) for value in values.values())
    assert_layouts_agree(model, batch)
    assert_close(model(padded(batch)).graph, model(batch).graph, "padded")


def test_dropout_is_in_training_only():
    torch.manual_seed(0)
    model, batch = small(dropout=0.5), random_inputs((4, 6), seed=1)
    assert not torch.equal(model.train()(batch).graph, model(batch).graph)
    assert torch.equal(model.eval()(batch).graph, model(batch).graph)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"momentum_weighted": True, "id_channels": (3,)}, "no ids, which are no directions"),
        ({"phi_channels": ()}, "Phi and F need a layer each"),
        ({"f_channels": (4, 0)}, "widths must be at least 1, found 4 and 0"),
    ],
)
def test_what_cannot_be_built(arguments, message):
    with pytest.raises(ConfigError, match=message):
        small(**arguments)


def test_repr():
    assert repr(small()) == "DeepSets(7, phi_channels=[8, 6], f_channels=[9, 5], momentum_weighted=False)"
