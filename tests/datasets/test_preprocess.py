import pytest
import torch

from pyg_hep.datasets import EventDataset
from pyg_hep.errors import ConfigError


def test_pre_filter_and_pre_transform_shape_what_is_stored(nanoaod, tmp_path):
    def double_pt(data):
        data.p4 = data.p4 * torch.tensor([2.0, 1.0, 1.0, 1.0])
        return data

    plain = EventDataset(tmp_path, "simulated_events", [nanoaod])
    dataset = EventDataset(
        tmp_path, "simulated_events", [nanoaod], pre_filter=lambda data: data.num_nodes >= 4, pre_transform=double_pt
    )
    large = [data for data in plain if data.num_nodes >= 4]
    assert len(dataset) == len(large) < len(plain)
    for mine, theirs in zip(dataset, large, strict=True):
        assert torch.equal(mine.p4[:, 0], 2 * theirs.p4[:, 0])
        assert mine.event_number == theirs.event_number


def test_pre_transform_cannot_add_a_column(nanoaod, tmp_path):
    def add(data):
        data.extra = data.p4.sum()
        return data

    with pytest.raises(ConfigError, match=r"extra.*use it as transform"):
        EventDataset(tmp_path, "simulated_events", [nanoaod], pre_transform=add)


def test_pre_filter_that_keeps_nothing_is_an_error(nanoaod, tmp_path):
    with pytest.raises(Exception, match="no event of random"):
        EventDataset(tmp_path, "simulated_events", [nanoaod], pre_filter=lambda data: False)
