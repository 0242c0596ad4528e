from __future__ import annotations

import pytest
import torch
from torch import nn

from pyg_hep.errors import ConfigError
from pyg_hep.nn import Representation
from pyg_hep.testing import (
    BackboneTests,
    assert_batch_equals_single,
    assert_events_independent,
    assert_paths_agree,
    assert_permutation_invariant,
    random_events,
    with_features,
)
from pyg_hep.transforms.complete_graph import node_counts


class MeanOfObjects(nn.Module):
    """A small backbone without message passing, correct unless told to break one rule."""

    def __init__(self, broken=None):
        super().__init__()
        self.broken, self.out_channels = broken, 4
        self.layer = nn.Linear(7, 4)

    def config(self):
        return {"broken": self.broken}

    def forward(self, batch):
        nodes, counts = self.layer(batch.x).tanh(), node_counts(batch)
        if self.broken == "order":
            nodes = nodes * torch.arange(len(nodes), dtype=nodes.dtype).unsqueeze(-1)
        if self.broken == "leak":
            nodes = nodes + batch.x.sum().sin()
        if self.broken == "path" and batch.edge_index is None:
            nodes = nodes * (1 + 1e-6)
        event = torch.repeat_interleave(torch.arange(len(counts)), counts)
        graph = nodes.new_zeros(len(counts), 4).index_add(0, event, nodes) / counts.unsqueeze(-1)
        if self.broken == "gradient" and batch.edge_index is None:
            graph = graph.detach()
        return Representation(nodes, graph)


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
        ("path", assert_paths_agree, "nodes, fused against sparse"),
        ("gradient", assert_paths_agree, "gradient of x, fused against sparse"),
    ],
)
def test_each_assertion_finds_the_model_that_breaks_its_rule(broken, check, message):
    torch.manual_seed(0)
    batch = with_features(random_events([4, 1, 3], dtype=torch.float64))
    check(MeanOfObjects().double(), batch)
    with pytest.raises(AssertionError, match=message):
        check(MeanOfObjects(broken).double(), batch)


def test_a_class_without_build_says_what_to_do():
    with pytest.raises(ConfigError, match=r"override build\(\)"):
        BackboneTests.build()
