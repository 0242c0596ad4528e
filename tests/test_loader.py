import pickle

import pytest
import torch
from torch.utils.data import random_split
from torch_geometric.loader import DataLoader

from pyg_hep.datasets import EventDataset
from pyg_hep.errors import ConfigError
from pyg_hep.inputs import View
from pyg_hep.loader import EventLoader


@pytest.fixture(scope="module")
def dataset(tmp_path_factory, nanoaod, other_nanoaod):
    return EventDataset(tmp_path_factory.mktemp("root"), "simulated_events", [nanoaod, other_nanoaod])


def assert_same_batch(mine, theirs, without=()):
    assert set(mine.keys()) == set(theirs.keys()) - set(without)
    for key in mine.keys():  # noqa: SIM118 - a Batch iterates over pairs
        if torch.is_tensor(theirs[key]):
            assert mine[key].dtype == theirs[key].dtype, key
            assert torch.equal(mine[key], theirs[key]), key
        else:
            assert mine[key] == theirs[key], key
    assert mine.num_graphs == theirs.num_graphs
    assert mine.num_nodes == theirs.num_nodes


def test_batches_with_edges_are_those_of_pygs_dataloader_value_for_value(dataset):
    subset = dataset[450:550]
    pairs = zip(EventLoader(subset, 32, edges=True), DataLoader(subset, batch_size=32), strict=True)
    for mine, theirs in pairs:
        assert_same_batch(mine, theirs)


def test_batches_without_edges_are_the_same_without_edges(dataset):
    for mine, theirs in zip(EventLoader(dataset, 128), DataLoader(dataset, batch_size=128), strict=True):
        assert_same_batch(mine, theirs, without=("edge_index", "edge_attr"))
        assert mine.edge_index is None


def test_batch_comes_apart_into_its_graphs(dataset):
    batch = next(iter(EventLoader(dataset, 10, edges=True)))
    for mine, theirs in zip(batch.to_data_list(), dataset[:10], strict=True):
        assert torch.equal(mine.edge_index, theirs.edge_index)
        assert torch.equal(mine.p4, theirs.p4)
        assert mine.num_nodes == theirs.num_nodes
    assert torch.equal(batch[3].p4, dataset[3].p4)


def test_length_and_last_batch(dataset):
    assert len(dataset) == 800
    assert [b.num_graphs for b in EventLoader(dataset, 300)] == [300, 300, 200]
    assert [b.num_graphs for b in EventLoader(dataset, 300, drop_last=True)] == [300, 300]
    assert len(EventLoader(dataset, 300)) == 3
    assert len(EventLoader(dataset, 300, drop_last=True)) == 2


def events_of(loader):
    return torch.cat([2**32 * b.y + b.event_number for b in loader])


def test_shuffling_visits_every_event_once_in_another_order_each_epoch(dataset):
    loader = EventLoader(dataset, 64, shuffle=True, seed=1)
    first, second = events_of(loader), events_of(loader)
    assert not torch.equal(first, second)
    assert torch.equal(first.sort().values, second.sort().values)
    assert len(first.unique()) == 800


def test_order_depends_on_seed_and_epoch_only(dataset):
    first = EventLoader(dataset, 64, shuffle=True, seed=1)
    again = EventLoader(dataset, 64, shuffle=True, seed=1)
    other = EventLoader(dataset, 64, shuffle=True, seed=2)
    first.sampler.set_epoch(5)
    again.sampler.set_epoch(5)
    other.sampler.set_epoch(5)
    order = events_of(first)
    assert torch.equal(order, events_of(again))
    assert not torch.equal(order, events_of(other))


def test_continues_with_the_next_batch(dataset):
    loader = EventLoader(dataset, 64, shuffle=True, seed=3)
    loader.sampler.set_epoch(2)
    batches = iter(loader)
    for _ in range(5):
        next(batches)
    state = loader.state_dict()
    rest = torch.cat([b.event_number for b in batches])
    resumed = EventLoader(dataset, 64, shuffle=True, seed=99)
    resumed.load_state_dict(pickle.loads(pickle.dumps(state)))
    assert torch.equal(torch.cat([b.event_number for b in resumed]), rest)


def test_state_of_a_finished_epoch_starts_the_next_from_its_beginning(dataset):
    loader = EventLoader(dataset, 64, shuffle=True, seed=3)
    list(loader)
    resumed = EventLoader(dataset, 64, shuffle=True, seed=3)
    resumed.load_state_dict(loader.state_dict())
    resumed.sampler.set_epoch(1)
    assert torch.equal(events_of(resumed), events_of(loader))


@pytest.mark.parametrize("world", [2, 3, 7])
def test_shares_of_a_batch_are_together_the_batch_of_one_process(dataset, world):
    # 800 events: of 3 and 7 shares the last ones are filled with events of weight 0.
    shares = [list(EventLoader(dataset, 12, shuffle=True, seed=5, shard=(k, world))) for k in range(world)]
    assert len({len(share) for share in shares}) == 1
    assert len({batch.num_graphs for batch in (share[-1] for share in shares)}) == 1
    fillers = 0
    for number, whole in enumerate(EventLoader(dataset, 12 * world, shuffle=True, seed=5)):
        parts = [share[number] for share in shares]
        weight = torch.cat([part.weight for part in parts])
        numbers = torch.cat([part.event_number for part in parts])
        assert sorted(numbers[weight != 0].tolist()) == sorted(whole.event_number.tolist())
        fillers += int((weight == 0).sum())
    assert fillers == -800 % world


def test_shares_of_fewer_events_than_shares_are_equally_long(dataset):
    loaders = [EventLoader(dataset[:2], 4, shuffle=True, seed=1, shard=(number, 7)) for number in range(7)]
    weights = [float(w) for loader in loaders for batch in loader for w in batch.weight]
    assert weights == [1, 1, 0, 0, 0, 0, 0]


def test_shares_for_validation_are_uneven_and_hold_every_event_once(dataset):
    numbers = [events_of(EventLoader(dataset, 64, shard=(k, 3))) for k in range(3)]
    assert [len(part) for part in numbers] == [267, 267, 266]
    assert len(torch.cat(numbers).unique()) == 800
    with pytest.raises(ConfigError, match=r"shard=\(3, 3\) is none"):
        EventLoader(dataset, 64, shard=(3, 3))


def test_nothing_looks_at_other_processes(monkeypatch, dataset):
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 4)
    monkeypatch.setattr(torch.distributed, "get_rank", lambda: 1)
    assert len(events_of(EventLoader(dataset, 64))) == 800


def test_columns_of_objects_and_events_are_told_apart_where_every_event_has_one_object(dataset):
    one = dataset.index_select(torch.arange(4))
    counts = torch.ones(4, dtype=torch.int64)
    single = EventDataset.from_columns({"p4": torch.rand(4, 4), "d0": torch.rand(4)}, counts, {"rho": torch.rand(4)})
    batch = next(iter(EventLoader(single, 4)))
    assert batch.is_node_attr("d0")
    assert not batch.is_node_attr("rho")
    assert len(one) == 4


def test_transform_is_applied_to_the_whole_batch(dataset):
    batch = next(iter(EventLoader(dataset, 16, transform=View.ho().add_to)))
    assert batch.x.shape == (batch.num_nodes, 7)


def test_transform_of_the_data_set_is_refused_rather_than_lost(dataset):
    changed = dataset.copy()
    changed.transform = View.ho().add_to
    with pytest.raises(ConfigError, match="does not apply the data set's transform"):
        EventLoader(changed, 16)
    changed.transform = None
    assert len(EventLoader(changed, 16)) == 50


def test_subset_of_torch_is_understood(dataset):
    parts = random_split(dataset, [0.5, 0.5], generator=torch.Generator().manual_seed(1))
    numbers = torch.cat([events_of(EventLoader(part, 64)) for part in parts])
    assert len(numbers.unique()) == 800
    nested = torch.utils.data.Subset(parts[0], [4, 2])
    assert torch.equal(next(iter(EventLoader(nested, 2)))[1].p4, parts[0][2].p4)


def test_other_data_sets_and_sizes_are_one_sentence(dataset):
    with pytest.raises(ConfigError, match="events are an EventDataset, or a Subset or ConcatDataset .* found list"):
        EventLoader([1, 2], 16)
    with pytest.raises(ConfigError, match="batch_size must be positive"):
        EventLoader(dataset, 0)
