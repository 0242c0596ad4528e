from __future__ import annotations

import pytest
import torch
from torch import nn

from pyg_hep.errors import ConfigError
from pyg_hep.nn import Backbone, Representation
from pyg_hep.nn.layout import Complete
from pyg_hep.testing import (
    BackboneTests,
    assert_batch_equals_single,
    assert_events_independent,
    assert_layouts_agree,
    assert_permutation_invariant,
    assert_stages_cover,
    padded,
    random_events,
    random_inputs,
    with_edges,
    with_features,
)


class MeanOfObjects(Backbone):
    """A small backbone without message passing, correct unless told to break one rule."""

    in_channels, out_channels = 7, 4

    def __init__(self, broken=None):
        super().__init__()
        self.broken, self.layer = broken, nn.Linear(7, 4)

    def stages(self):
        return {} if self.broken == "stage" else {"encoder": [self.layer] * (2 if self.broken == "twice" else 1)}

    def forward(self, input):
        layout = self.layout(input)
        x = self.columns(input, layout).x
        complete = isinstance(layout, Complete)
        nodes = self.layer(x).tanh()
        if self.broken == "order":
            nodes = nodes * torch.arange(len(nodes), dtype=nodes.dtype).unsqueeze(-1)
        if self.broken == "leak":
            nodes = nodes + x.sum().sin()
        if self.broken == "path" and complete:
            nodes = nodes * (1 + 1e-6)
        graph = layout.pool(nodes, "mean")
        if self.broken == "gradient" and complete:
            graph = graph.detach()
        return Representation(nodes if self.broken == "padding" else layout.clean(nodes), graph, layout)


class TestMeanOfObjects(BackboneTests):
    @classmethod
    def build(cls):
        return MeanOfObjects()


@pytest.mark.parametrize(
    ("broken", "check", "message"),
    [
        ("order", assert_permutation_invariant, "graph of reordered objects"),
        ("leak", assert_batch_equals_single, "graph of event 0"),
        ("leak", assert_events_independent, "graph of the other events"),
        ("path", assert_layouts_agree, "nodes, complete against edges"),
        ("padding", assert_layouts_agree, "something else than zeros"),
        ("gradient", assert_layouts_agree, "gradient of x, complete against edges"),
    ],
)
def test_each_assertion_finds_the_model_that_breaks_its_rule(broken, check, message):
    torch.manual_seed(0)
    batch = random_inputs([4, 1, 3], dtype=torch.float64)
    check(MeanOfObjects().double(), batch)
    with pytest.raises(AssertionError, match=message):
        check(MeanOfObjects(broken).double(), batch)


def test_a_class_without_build_says_what_to_do():
    with pytest.raises(ConfigError, match=r"override build\(\)"):
        BackboneTests.build()


def test_a_parameter_in_no_stage_or_in_two_is_named():
    assert_stages_cover(MeanOfObjects())
    with pytest.raises(AssertionError, match="in no stage: layer.bias, layer.weight"):
        assert_stages_cover(MeanOfObjects("stage"))
    with pytest.raises(AssertionError, match="in two stages: layer.bias, layer.weight"):
        assert_stages_cover(MeanOfObjects("twice"))


def test_inputs_hold_the_columns_asked_for_and_nothing_else():
    batch = random_inputs((4, 0, 2), in_channels=9, event_channels=3, id_channels=(2, 5))
    assert sorted(batch.keys()) == ["batch", "ids", "num_nodes", "p4", "ptr", "u", "x"]
    assert [tuple(batch[name].shape) for name in ("x", "p4", "u", "ids")] == [(6, 9), (6, 4), (3, 3), (6, 2)]
    assert torch.equal(batch.x[:, :7], with_features(random_events((4, 0, 2))).x)
    assert int(batch.ids[:, 0].max()) <= 1
    assert batch.num_graphs == 3


def test_padded_and_edged_forms_hold_the_same_events():
    batch = random_inputs((4, 0, 2), event_channels=3, id_channels=(2, 5))
    places = padded(batch)
    assert places.mask.sum(1).tolist() == [4, 0, 2]
    assert places.x.shape == (3, 6, 7)
    for name in ("x", "p4", "ids"):
        assert torch.equal(places[name][places.mask], batch[name])
    assert bool(places.x[~places.mask].isnan().all())
    assert bool((places.ids[~places.mask] == -1).all())
    assert torch.equal(places.u, batch.u)
    edges = with_edges(batch)
    assert edges.edge_index.shape == (2, 4 * 3 + 2)
    assert bool(edges.edge_attr.isnan().all())
