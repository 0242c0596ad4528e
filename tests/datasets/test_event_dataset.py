import copy
import pickle

import numpy as np
import pytest
import torch
from torch_geometric.data import Data, InMemoryDataset
from torch_geometric.loader import DataLoader

from pyg_hep.datasets import EventDataset
from pyg_hep.errors import ConfigError
from pyg_hep.readers import read_events


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("root")


@pytest.fixture
def dataset(root, nanoaod, other_nanoaod):
    return EventDataset(root, "simulated_events", [nanoaod, other_nanoaod])


def test_graph_has_the_columns_of_the_schema(dataset):
    data = dataset[3]
    n = data.num_nodes
    assert isinstance(dataset, InMemoryDataset)
    assert isinstance(data, Data)
    assert data.p4.shape == (n, 4)
    assert data.p4.dtype == torch.float32
    types = {"kind": torch.int64, "charge": torch.float32, "btag": torch.float32, "level": torch.int64}
    for name, dtype in types.items():
        assert data[name].shape == (n,)
        assert data[name].dtype == dtype
    assert data.y.shape == data.weight.shape == data.event_number.shape == (1,)
    assert data.edge_index.shape == (2, n * (n - 1))
    assert data.edge_attr.shape == (n * (n - 1), 3)


def test_graphs_are_the_events_that_the_reader_gives(dataset, nanoaod, other_nanoaod):
    events = read_events([nanoaod, other_nanoaod], "simulated_events")
    assert len(events) == len(dataset)
    for i in (0, 17, 499, 500, 799):
        objects, data = events[i].objects, dataset[i]
        expected = np.stack([objects.pt, objects.eta, objects.phi, objects.mass], axis=1)
        assert np.array_equal(data.p4.numpy(), expected)
        assert data.kind.tolist() == objects.kind.tolist()
        assert int(data.y) == events[i].y
        assert int(data.event_number) == events[i].event_number


def test_splits_are_disjoint_complete_and_of_the_asked_size(root, nanoaod, other_nanoaod, dataset):
    rows = [
        EventDataset(root, "simulated_events", [nanoaod, other_nanoaod], split=s).positions.tolist()
        for s in ("train", "val", "test")
    ]
    assert sorted(row for split in rows for row in split) == list(range(len(dataset)))
    for mine, fraction in zip(rows, (0.7, 0.15, 0.15), strict=True):
        # Binomial: 4 sigma.
        assert len(mine) == pytest.approx(fraction * 800, abs=4 * np.sqrt(800 * fraction * (1 - fraction)))


def test_event_keeps_its_split_in_another_data_set(root, tmp_path, nanoaod, other_nanoaod, dataset):
    train = EventDataset(root, "simulated_events", [nanoaod, other_nanoaod], split="train")
    alone = EventDataset(tmp_path, "cms_nanoaod", [other_nanoaod], split="train")
    together = set(train.event_number[train.y == 1].tolist())
    both = set(dataset.event_number[dataset.y == 1].tolist()) & set(alone.event_number.tolist())
    assert both == {n for n in together if n in both}


def test_unknown_split_names_the_nearest(root, nanoaod, other_nanoaod):
    with pytest.raises(ConfigError, match="no split 'training'.*did you mean 'train'"):
        EventDataset(root, "simulated_events", [nanoaod, other_nanoaod], split="training")


def test_second_opening_converts_nothing(root, nanoaod, other_nanoaod, dataset, monkeypatch):
    def forbidden(*arguments, **options):
        raise AssertionError("converted again")

    monkeypatch.setattr("pyg_hep.datasets.event_dataset.convert", forbidden)
    again = EventDataset(root, "simulated_events", [nanoaod, other_nanoaod])
    assert len(again) == len(dataset)
    assert len(EventDataset(root, "simulated_events")) == len(dataset)


def test_changed_card_is_never_served_the_old_data(root, nanoaod, other_nanoaod, dataset):
    card = copy.deepcopy(dataset.card.as_dict())
    card["objects"] = {"jet": {"kind": "jet", "collection": "Jet", "cuts": ["pt > 60"]}}
    card.pop("source", None)
    harder = EventDataset(root, {"name": "simulated_events", "objects": card["objects"]}, [nanoaod, other_nanoaod])
    assert harder.processed_dir != dataset.processed_dir
    assert float(harder.p4[:, 0].min()) > 60 > float(dataset.p4[:, 0].min())
    with pytest.raises(ConfigError, match="no processed data set"):
        EventDataset(root, {"name": "simulated_events", "objects": card["objects"], "selection": ["n_jet > 1"]})


def test_subsets_behave_as_in_pyg(dataset):
    size = len(dataset)
    assert len(dataset[10:20]) == 10
    assert len(dataset[:0.5]) == size // 2
    assert len(dataset[torch.tensor([3, 1, 2])]) == 3
    assert torch.equal(dataset[[5, 3]][1].p4, dataset[3].p4)
    mask = dataset.y == 1
    assert len(dataset[mask]) == int(mask.sum())
    assert set(dataset[mask].y.tolist()) == {1}
    assert torch.equal(dataset[100:][10:20][-1].p4, dataset[119].p4)
    shuffled, permutation = dataset.shuffle(return_perm=True)
    assert torch.equal(shuffled[4].p4, dataset[int(permutation[4])].p4)
    assert len(dataset[[]]) == 0
    assert len(dataset.copy()) == size
    with pytest.raises(IndexError):
        dataset["train"]


def test_attributes_are_columns_of_the_subset(dataset):
    assert torch.equal(dataset[[700, 2]].y, torch.tensor([1, 0]))
    assert dataset[[5]].p4.shape == (dataset[5].num_nodes, 4)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = dataset.nothing


def test_numbers_that_pyg_takes_from_a_loop_come_from_the_manifest(dataset):
    assert dataset.num_classes == 2
    assert dataset.process_names == ["random", "other"]
    assert dataset.num_edge_features == 3
    assert repr(dataset) == "EventDataset(simulated_events, 800)"


def test_transform_works_on_graphs_and_does_not_touch_the_storage(dataset):
    def shift(data):
        data.p4 += 1
        return data

    before = dataset[0].p4.clone()
    dataset.transform = shift
    assert torch.equal(dataset[0].p4, before + 1)
    assert torch.equal(dataset[0].p4, before + 1)


def test_pickle_is_small_and_complete(dataset):
    subset = dataset[5:10]
    content = pickle.dumps(subset)
    assert len(content) < 20_000
    assert torch.equal(pickle.loads(content)[2].p4, subset[2].p4)


def test_pyg_dataloader_with_workers(dataset):
    batches = list(DataLoader(dataset[:40], batch_size=16, num_workers=2))
    assert [b.num_graphs for b in batches] == [16, 16, 8]
    assert torch.equal(torch.cat([b.p4 for b in batches]), dataset[:40].p4)


def test_one_object_event_is_a_graph_of_one_node(tmp_path, nanoaod):
    card = {"name": "met", "objects": {"met": {"kind": "met", "collection": "MET"}}}
    dataset = EventDataset(tmp_path, card, nanoaod)
    batch = next(iter(DataLoader(dataset, batch_size=8)))
    assert batch.num_nodes == 8
    assert batch.edge_index.shape == (2, 0)


def test_wrong_option_is_one_sentence(tmp_path, nanoaod):
    with pytest.raises(ConfigError, match="on_error='ignore'"):
        EventDataset(tmp_path, "simulated_events", nanoaod, on_error="ignore")


def test_hundred_files_become_one_data_set(tmp_path, nanoaod):
    dataset = EventDataset(tmp_path, "simulated_events", {"random": [nanoaod] * 100})
    assert len(dataset) == 50_000
    assert torch.equal(dataset[49_999].p4, dataset[499].p4)
