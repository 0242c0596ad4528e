from __future__ import annotations

import pytest
import torch

from pyg_hep.errors import ConfigError
from pyg_hep.nn import LinearHead, Representation, reset_head
from pyg_hep.nn.layout import Complete


def test_reads_the_event_not_the_objects():
    torch.manual_seed(0)
    head, graph = LinearHead(8, 3), torch.randn(5, 8)
    representation = Representation(torch.full((20, 8), torch.nan), graph, Complete.of_counts(torch.full((5,), 4)))
    torch.testing.assert_close(head(representation), graph @ head.linear.weight.t() + head.linear.bias)


def test_published_head_has_780_parameters():
    # 64 * 12 + 12: the difference of the counts with and without the 12-class layer.
    assert sum(p.numel() for p in LinearHead(64, 12).parameters()) == 780


def test_reset_head_makes_a_new_one_for_another_task():
    torch.manual_seed(0)
    head = LinearHead(8, 12).double()
    new = reset_head(head, 2)
    assert (new.in_channels, new.out_channels, new.linear.weight.dtype) == (8, 2, torch.float64)
    same = reset_head(head)
    assert same.out_channels == 12
    assert not torch.equal(same.linear.weight, head.linear.weight)


def test_reset_draws_anew():
    torch.manual_seed(0)
    head = LinearHead(8, 2)
    before = head.linear.weight.clone()
    head.reset_parameters()
    assert not torch.equal(before, head.linear.weight)


def test_repr():
    assert repr(LinearHead(64, 12)) == "LinearHead(64, 12)"


def test_widths_below_one_are_rejected():
    with pytest.raises(ConfigError, match="found 64 and 0"):
        LinearHead(64, 0)


def test_reads_the_objects_where_told_to_and_keeps_doing_so():
    torch.manual_seed(0)
    head, nodes = LinearHead(8, 3, level="nodes"), torch.randn(20, 8)
    representation = Representation(nodes, torch.full((5, 8), torch.nan), Complete.of_counts(torch.full((5,), 4)))
    torch.testing.assert_close(head(representation), nodes @ head.linear.weight.t() + head.linear.bias)
    assert repr(reset_head(head, 2)) == "LinearHead(8, 2, level='nodes')"
    with pytest.raises(ConfigError, match="no level 'node': did you mean 'nodes'"):
        LinearHead(8, 3, level="node")
