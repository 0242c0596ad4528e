"""An EventDataset beside PyG's own InMemoryDataset of the same graphs: whatever PyG offers gives the same values."""

import copy
import pickle

import lightning
import pytest
import torch
from torch.utils.data import ConcatDataset, random_split
from torch_geometric.data import Batch, Data, InMemoryDataset
from torch_geometric.data.lightning import LightningDataset
from torch_geometric.loader import DataLoader, DynamicBatchSampler, ImbalancedSampler
from torch_geometric.nn import TransformerConv, global_mean_pool
from torch_geometric.transforms import BaseTransform, Compose, RemoveSelfLoops
from torch_geometric.utils import is_undirected

from pyg_hep.datasets import EventDataset
from pyg_hep.errors import ConfigError
from pyg_hep.inputs import View
from pyg_hep.loader import EventLoader
from pyg_hep.transforms import CompleteGraph


class PlainDataset(InMemoryDataset):
    """PyG's data set, in memory, of a list of graphs."""

    def __init__(self, graphs, transform=None):
        super().__init__(None, transform)
        self.data, self.slices = self.collate(graphs)


class HardestObjects(BaseTransform):
    """Keep at most two objects of an event."""

    def forward(self, data):
        for name in ("p4", "kind", "charge", "btag", "level"):
            data[name] = data[name][:2]
        data.num_nodes = len(data.p4)
        return data


def without_edges(dataset):
    result = dataset.copy()
    result.transform = None
    return result


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("root")


@pytest.fixture
def dataset(root, nanoaod, other_nanoaod):
    return EventDataset(root, "simulated_events", [nanoaod, other_nanoaod])


@pytest.fixture
def plain(dataset):
    return PlainDataset(list(without_edges(dataset)), CompleteGraph())


def assert_same(ours, theirs):
    names = set(ours.keys())
    assert names == set(theirs.keys())
    for name in names:
        a, b = ours[name], theirs[name]
        if isinstance(a, torch.Tensor):
            assert a.dtype == b.dtype
            assert torch.equal(a, b), name
        else:
            assert a == b, name


def assert_all_same(ours, theirs):
    ours, theirs = list(ours), list(theirs)
    assert len(ours) == len(theirs) > 0
    for a, b in zip(ours, theirs, strict=True):
        assert_same(a, b)


@pytest.mark.parametrize("position", [0, 17, 799, -1, -800, torch.tensor(5), torch.tensor(-5)])
def test_position_gives_the_same_graph(dataset, plain, position):
    assert_same(dataset[position], plain[position])


@pytest.mark.parametrize("position", [800, -801])
def test_position_outside_is_an_index_error_in_both(dataset, plain, position):
    for each in (dataset, plain, dataset[[1, 2]], plain[[1, 2]]):
        with pytest.raises(IndexError):
            each[position]
        with pytest.raises(IndexError):
            each[[position]]


@pytest.mark.parametrize(
    "chosen",
    [
        slice(3, 40, 7),
        slice(None, -780),
        slice(20, 10, -3),
        slice(0.98, None),
        slice(0.1, 0.12),
        [5, -1, 5],
        (1, 2),
        range(4),
        torch.tensor([[1, 2], [-3, 4]]),
        torch.arange(800) % 50 == 3,
        torch.tensor([7, 3, 9]).numpy(),
        (torch.arange(800) % 70 == 1).numpy(),
    ],
    ids=str,
)
def test_subset_holds_the_same_graphs(dataset, plain, chosen):
    assert_all_same(dataset[chosen], plain[chosen])
    assert_all_same(dataset.index_select(chosen), plain[chosen])
    assert_all_same(dataset.copy(chosen), plain[chosen])
    # A subset of a subset is in the positions of the subset.
    assert_all_same(dataset[chosen][:3][[-1, 0]], plain[chosen][:3][[-1, 0]])


def test_permutation_of_shuffle_is_that_of_pyg(dataset, plain):
    torch.manual_seed(3)
    ours, permutation = dataset.shuffle(return_perm=True)
    torch.manual_seed(3)
    theirs, expected = plain.shuffle(return_perm=True)
    assert torch.equal(permutation, expected)
    assert_all_same(ours[:20], theirs[:20])
    assert sorted(permutation.tolist()) == list(range(800))


@pytest.mark.parametrize("chosen", [slice(None), [700, 2, 2], slice(100, 600, 5)], ids=str)
def test_attributes_are_those_of_pyg(dataset, plain, chosen):
    ours, theirs = dataset[chosen], plain[chosen]
    names = ["p4", "kind", "charge", "btag", "level", "y", "weight", "event_number", "run_number", "luminosity_block"]
    for name in names:
        a, b = getattr(ours, name), getattr(theirs, name)
        assert a.dtype == b.dtype
        assert torch.equal(a, b)
    assert ours.num_nodes == sum(data.num_nodes for data in theirs)
    for name in ("edge_index", "x", "batch"):  # made on access, so no data set has them
        assert not hasattr(ours, name)
        assert not hasattr(theirs, name)


def test_numbers_are_those_of_pyg(dataset, plain):
    for name in ("num_classes", "num_features", "num_node_features", "num_edge_features", "num_nodes"):
        assert getattr(dataset, name) == getattr(plain, name), name
    # Physical columns are no features yet; edges have (delta eta, delta phi, delta R).
    assert (dataset.num_features, dataset.num_edge_features) == (0, 3)
    dataset.transform = plain.transform = Compose([View("ho").add_to, CompleteGraph()])
    assert dataset.num_features == dataset.num_node_features == plain.num_features == 7
    dataset.transform = plain.transform = None
    assert dataset.num_edge_features == plain.num_edge_features == 0


def test_widths_are_found_without_a_loop_over_events(dataset):
    seen = []
    dataset.transform = Compose([View("ho").add_to, lambda data: seen.append(data) or data])
    assert dataset.num_features == 7
    assert dataset.num_classes == 2
    assert len(seen) == 1


def test_summary_is_that_of_pyg(dataset, plain):
    ours, theirs = dataset[::10].get_summary(), plain[::10].get_summary()
    assert ours.num_graphs == 80
    assert (ours.num_nodes, ours.num_edges) == (theirs.num_nodes, theirs.num_edges)


def test_printed_form_names_card_and_size(dataset, capsys):
    print(dataset, dataset[:3], dataset[[4]])
    expected = " ".join(f"EventDataset(simulated_events, {size})" for size in (800, 3, 1))
    assert capsys.readouterr().out.strip() == expected


@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, lambda d: pickle.loads(pickle.dumps(d)), lambda d: d.copy()]
)
def test_copies_are_equal_and_apart(dataset, plain, copied):
    subset = dataset[30:60]
    other = copied(subset)
    assert_all_same(other, plain[30:60])
    other.transform = None
    assert "edge_index" in subset[0]
    graph = other[0]
    graph.p4 += 1
    assert_same(subset[0], plain[30])


def test_batch_of_graphs_is_that_of_pyg_and_comes_apart_again(dataset, plain):
    chosen = [3, 700, 3]
    ours = Batch.from_data_list([dataset[i] for i in chosen])
    theirs = Batch.from_data_list([plain[i] for i in chosen])
    assert_same(ours, theirs)
    assert_all_same(ours.to_data_list(), [plain[i] for i in chosen])
    data, slices = InMemoryDataset.collate([dataset[i] for i in chosen])
    expected, expected_slices = InMemoryDataset.collate([plain[i] for i in chosen])
    assert_same(data, expected)
    assert slices.keys() == expected_slices.keys()


VIEWS = {
    "default": CompleteGraph(),
    "none": None,
    "features": Compose([View("ho").add_to, CompleteGraph()]),
    "of PyG": Compose([CompleteGraph(), RemoveSelfLoops()]),
    "fewer objects": Compose([HardestObjects(), CompleteGraph()]),
}


@pytest.mark.parametrize(("view", "workers"), [*((view, 0) for view in VIEWS), ("default", 2), ("features", 2)])
def test_pyg_dataloader_gives_the_same_batches(dataset, plain, view, workers):
    dataset.transform = plain.transform = VIEWS[view]
    options = {"batch_size": 64, "shuffle": True, "num_workers": workers}
    ours = DataLoader(dataset[::3], generator=torch.Generator().manual_seed(1), **options)
    theirs = DataLoader(plain[::3], generator=torch.Generator().manual_seed(1), **options)
    assert_all_same(ours, theirs)


def test_graphs_fetched_together_are_those_fetched_alone(dataset, plain):
    chosen = [4, -1, 4, 799]
    for view in VIEWS.values():
        dataset.transform = plain.transform = view
        together = dataset.__getitems__(chosen)
        assert_all_same(together, [plain[i] for i in chosen])
        assert all(v.is_contiguous() for data in together for _, v in data if isinstance(v, torch.Tensor))
    # Two graphs of one event are two graphs.
    dataset.transform = None
    first, _, second, _ = dataset.__getitems__(chosen)
    first.p4 += 1
    assert_same(second, without_edges(plain[[4]])[0])
    with pytest.raises(IndexError):
        dataset.__getitems__([800])
    assert dataset.__getitems__([]) == []


def test_a_subclass_with_graphs_of_its_own_gets_them_from_the_dataloader(root, nanoaod):
    class Labelled(EventDataset):
        def get(self, idx):
            data = super().get(idx)
            data.y = data.y + 5
            return data

    dataset = Labelled(root, "simulated_events", [nanoaod])
    assert {int(v) for batch in DataLoader(dataset[:8], batch_size=4) for v in batch.y} == {5}


def test_pyg_samplers_work_on_the_data_set(dataset):
    torch.manual_seed(0)
    drawn = torch.cat([b.y for b in DataLoader(dataset, batch_size=100, sampler=ImbalancedSampler(dataset))])
    # 500 and 300 events of the classes, drawn equally often: 800 / 2 within four sigma, 4 sqrt(800 / 4).
    assert int((drawn == 0).sum()) == pytest.approx(400, abs=57)
    sampler = DynamicBatchSampler(dataset[:100], max_num=60, mode="node")
    loader = DataLoader(dataset[:100], batch_sampler=sampler)
    sizes = [(batch.num_graphs, batch.num_nodes) for batch in loader]
    assert sum(graphs for graphs, _ in sizes) == 100
    assert max(nodes for _, nodes in sizes) <= 60


def test_random_split_and_concatenation_of_torch(dataset, plain):
    parts = [random_split(d, [0.75, 0.25], torch.Generator().manual_seed(2)) for d in (dataset, plain)]
    for ours, theirs in zip(*parts, strict=True):
        assert_all_same(DataLoader(ours, batch_size=100), DataLoader(theirs, batch_size=100))
        assert_all_same(EventLoader(ours, 100, edges=True), DataLoader(theirs, batch_size=100))
    assert not set(parts[0][0].indices) & set(parts[0][1].indices)
    both = DataLoader(ConcatDataset([dataset[:10], dataset[20:30]]), batch_size=20)
    assert_same(next(iter(both)), Batch.from_data_list([plain[i] for i in (*range(10), *range(20, 30))]))


def test_filter_and_transform_before_storing_are_those_of_a_loop(tmp_path, nanoaod, dataset):
    def hard(data):
        return float(data.p4[:, 0].max()) > 60

    def in_tev(data):
        data.p4 = data.p4 * data.p4.new_tensor([1e-3, 1, 1, 1e-3])
        return data

    stored = EventDataset(tmp_path, "simulated_events", [nanoaod], pre_filter=hard, pre_transform=in_tev)
    expected = [CompleteGraph()(in_tev(data)) for data in without_edges(dataset[:500]) if hard(data)]
    assert 100 < len(expected) < 490
    assert_all_same(stored, expected)


def test_on_disk_copy_of_pyg_holds_the_same_graphs(tmp_path, dataset, plain):
    on_disk = dataset[5:15].to_on_disk_dataset(str(tmp_path / "on_disk"), log=False)
    assert_all_same((on_disk[i] for i in range(len(on_disk))), plain[5:15])
    on_disk.close()


def test_whole_data_set_on_a_device_is_refused_with_what_to_do(dataset):
    assert dataset.to("cpu") is dataset
    assert dataset.cpu() is dataset
    with pytest.raises(ConfigError, match="EventLoader.*device='cuda'"):
        dataset.cuda()


def test_internal_storage_is_refused_with_what_to_do(dataset):
    with pytest.raises(AttributeError, match=r"no attribute 'data': its columns are dataset.p4"):
        _ = dataset.data
    assert not hasattr(dataset, "data")


class Attention(lightning.LightningModule):
    """One layer of PyG on the features, and a sum over objects."""

    def __init__(self, width, num_classes):
        super().__init__()
        self.conv = TransformerConv(width, 8, edge_dim=3)
        self.head = torch.nn.Linear(8, num_classes)
        self.seen = []

    def step(self, batch):
        nodes = self.conv(batch.x, batch.edge_index, batch.edge_attr).relu()
        logits = self.head(global_mean_pool(nodes, batch.batch, size=batch.num_graphs))
        return torch.nn.functional.cross_entropy(logits, batch.y)

    def training_step(self, batch):
        self.seen += batch.event_number.tolist()
        return self.step(batch)

    def validation_step(self, batch):
        self.log("val_loss", self.step(batch), batch_size=batch.num_graphs)

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=1e-3)


def test_lightning_dataset_trains_an_epoch_on_every_event(root, tmp_path, nanoaod, other_nanoaod):
    view = Compose([View("ho").add_to, CompleteGraph()])
    train, val = (
        EventDataset(root, "simulated_events", [nanoaod, other_nanoaod], split=split, transform=view)
        for split in ("train", "val")
    )
    module = LightningDataset(train, val, batch_size=64, num_workers=0)
    assert repr(module).startswith("LightningDataset(train_dataset=EventDataset(simulated_events, ")
    model = Attention(train.num_features, train.num_classes)
    trainer = lightning.Trainer(
        max_epochs=1, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, default_root_dir=tmp_path, num_sanity_val_steps=0,
    )  # fmt: skip
    trainer.fit(model, datamodule=module)
    assert sorted(model.seen) == sorted(train.event_number.tolist())
    assert torch.isfinite(trainer.callback_metrics["val_loss"])


def test_graph_of_the_data_set_is_valid_for_pyg(dataset):
    for data in dataset[:20]:
        assert isinstance(data, Data)
        assert data.validate()
        assert not data.has_self_loops()
        assert is_undirected(data.edge_index)  # the attributes change sign with the direction
        assert data.num_edges == data.num_nodes * (data.num_nodes - 1)
