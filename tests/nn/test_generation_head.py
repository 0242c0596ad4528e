from __future__ import annotations

import pytest
import torch

from pyg_hep.errors import ConfigError
from pyg_hep.nn import GenerationHead, PointEdgeTransformer
from pyg_hep.testing import padded, random_inputs, with_edges
from pyg_hep.testing.backbones import assert_close, permute_objects

COUNTS = (5, 1, 9)


def make(**kwargs):
    torch.manual_seed(0)
    body = PointEdgeTransformer(7, hidden_channels=8, num_layers=1, heads=2, neighbours=3, class_layers=0)
    head = GenerationHead(8, 3, event_channels=2, num_classes=4, heads=2, layer_scale=0.5, **kwargs)
    return body.double(), head.double()


@pytest.fixture
def noised():
    return random_inputs(COUNTS, 7, 2, seed=1, dtype=torch.float64, time=True)


LABEL = torch.tensor([0, 3, 1])


def test_a_row_for_every_object_in_all_layouts(noised):
    body, head = make()
    out = head(body(noised), noised.time, noised.u, LABEL)
    assert out.shape == (sum(COUNTS), 3)
    edges = head(body(with_edges(noised)), noised.time, noised.u, LABEL)
    assert_close(edges, out, "edges")
    form = padded(noised)
    places = head(body(form), noised.time, noised.u, LABEL)
    assert not places[~form.mask].any()
    assert_close(places[form.mask], out, "padded")
    permuted, order = permute_objects(noised)
    assert_close(head(body(permuted), noised.time, noised.u, LABEL), out[order], "reordered")


def test_time_event_columns_and_label_matter_for_their_own_event_only(noised):
    body, head = make()
    latent = body(noised)
    arguments = {"time": noised.time, "u": noised.u, "label": LABEL}
    before = head(latent, **arguments)
    changes = {"time": noised.time * 0.5, "u": noised.u + 1.0, "label": torch.tensor([2, 2, 2])}
    for name, value in changes.items():
        changed = torch.where((torch.arange(3) == 0).view(-1, *[1] * (value.dim() - 1)), value, arguments[name])
        after = head(latent, **{**arguments, name: changed})
        assert not torch.allclose(after[:5], before[:5]), name
        assert torch.equal(after[5:], before[5:]), name


def test_a_hidden_label_is_no_label(noised):
    body, head = make()
    latent = body(noised)
    none = head(latent, noised.time, noised.u)
    assert torch.equal(head(latent, noised.time, noised.u, torch.full((3,), -1)), none)
    some = head(latent, noised.time, noised.u, torch.tensor([-1, 2, -1]))
    assert torch.equal(some[:5], none[:5])
    assert not torch.allclose(some[5:6], none[5:6])


def test_gradients_reach_every_parameter_and_the_body(noised):
    body, head = make()
    head(body(noised), noised.time, noised.u, LABEL).square().sum().backward()
    for part in (body, head):
        assert all(p.grad is not None and bool(p.grad.any()) for p in part.parameters())
    before = {name: p.detach().clone() for name, p in head.named_parameters() if p.dim() > 1}
    head.reset_parameters()
    assert not any(torch.equal(p, before[name]) for name, p in head.named_parameters() if name in before)


def test_a_label_and_event_columns_are_optional():
    torch.manual_seed(0)
    body, _ = make()
    batch = random_inputs(COUNTS, 7, seed=1, dtype=torch.float64, time=True)
    assert GenerationHead(8, 13).double()(body(batch), batch.time).shape == (sum(COUNTS), 13)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"u": None}, "needs 2 event columns, found none"),
        ({"u": torch.zeros(3, 5, dtype=torch.float64)}, r"'u' has shape \(3, 5\), expected \(3, 2\)"),
        ({"time": torch.zeros(2, dtype=torch.float64)}, r"'time' has shape \(2,\), expected \(3,\)"),
        ({"label": torch.zeros(3, 4)}, r"'label' has shape \(3, 4\), expected \(3,\)"),
    ],
)
def test_what_it_cannot_take(noised, arguments, message):
    body, head = make()
    given = {"time": noised.time, "u": noised.u, "label": LABEL, **arguments}
    with pytest.raises(ConfigError, match=message):
        head(body(noised), **given)


def test_what_cannot_be_built(noised):
    with pytest.raises(ConfigError, match="widths must be at least 1, found 8 and 0"):
        GenerationHead(8, 0)
    body, _ = make()
    with pytest.raises(ConfigError, match="got a label but has no classes"):
        GenerationHead(8, 3).double()(body(noised), noised.time, label=LABEL)
    assert repr(GenerationHead(8, 3, 2, 4)) == "GenerationHead(8, 3, event_channels=2, num_classes=4)"
