import copy
import pickle

import numpy as np
import pytest
import torch
from torch.utils.data import ConcatDataset, Subset
from torch_geometric.loader import DataLoader

from pyg_hep.datasets import EventDataset, as_events, concatenate
from pyg_hep.errors import ConfigError
from pyg_hep.loader import EventLoader


@pytest.fixture(scope="module")
def dataset(tmp_path_factory, nanoaod, other_nanoaod):
    return EventDataset(tmp_path_factory.mktemp("root"), "simulated_events", {"a": nanoaod, "b": other_nanoaod})


def everything(dataset):
    """All events by the loader, by PyG and one by one: the three must agree."""
    (batch,) = EventLoader(dataset, len(dataset), edges=True)
    (theirs,) = DataLoader(dataset, batch_size=len(dataset))
    singles = [dataset[i] for i in (0, len(dataset) - 1)]
    for name in theirs.keys():  # noqa: SIM118 (a batch is no mapping)
        if torch.is_tensor(theirs[name]):
            assert torch.equal(batch[name], theirs[name]), name
    for name in singles[0].keys():  # noqa: SIM118
        if name not in ("edge_index", "num_nodes"):
            assert torch.equal(batch[0][name], singles[0][name]), name
            assert torch.equal(batch[len(dataset) - 1][name], singles[1][name]), name
    return batch


def test_replaced_columns_are_seen_everywhere_and_the_data_set_stays(dataset):
    weight = torch.arange(800.0) + 1
    changed = dataset.with_columns(weight=weight, rho=np.arange(800), scales=torch.rand(800, 3))
    batch = everything(changed)
    assert torch.equal(batch.weight, weight)
    assert batch.rho.dtype == torch.int64
    assert batch.scales.shape == (800, 3)
    assert torch.equal(changed.column("weight"), weight)
    assert torch.equal(changed.weight, weight)
    assert torch.equal(batch.p4, everything(dataset).p4)
    assert not torch.equal(dataset.column("weight"), weight)
    assert "rho" not in dataset[0]


def test_subsets_before_and_after_and_repeated_events(dataset):
    part = dataset[[5, 7, 5, 700]]
    changed = part.with_columns(weight=[1.0, 2.0, 3.0, 4.0])
    assert everything(changed).weight.tolist() == [1, 2, 3, 4]
    again = changed[[3, 0]].with_columns(rho=[0.5, 0.25])
    batch = everything(again)
    assert batch.weight.tolist() == [4, 1]
    assert batch.rho.tolist() == [0.5, 0.25]
    assert torch.equal(batch[0].p4, dataset[700].p4)


def test_they_travel_to_other_processes_and_have_a_digest_of_their_own(dataset):
    changed = dataset.with_columns(weight=torch.rand(800))
    again = pickle.loads(pickle.dumps(changed))
    assert torch.equal(everything(again).weight, changed.weight)
    digests = {
        dataset.digest,
        changed.digest,
        dataset.with_columns(weight=torch.ones(800)).digest,
        dataset.with_columns(other=torch.ones(800)).digest,
        dataset[:400].digest,
        dataset[400:].digest,
        dataset.with_columns(class_names=["x", "y"]).digest,
    }
    assert len(digests) == 7
    assert again.digest == changed.digest
    assert copy.copy(dataset).digest == dataset.digest


def test_labels_with_the_names_of_their_classes(dataset):
    changed = dataset.with_columns(y=torch.arange(800) % 3, class_names=["p", "q", "r"])
    assert changed.class_names == ["p", "q", "r"]
    assert changed.num_classes == 3
    numbers = dataset.with_columns(y=torch.rand(800, 2), class_names=["m", "pt"])
    assert numbers[3].y.shape == (1, 2)
    assert numbers.class_names == ["m", "pt"]
    for columns, message in (
        ({"y": torch.arange(800) % 3}, "a label is 2, but only 2 classes are named: a, b"),
        ({"y": torch.arange(800) % 3 - 1, "class_names": ["p", "q"]}, "a label is -1"),
        ({"weight": torch.ones(799)}, "needs one row for each of 800 events, found 799"),
        ({"weight": torch.full((800,), float("nan"))}, "not finite in 800 of 800 events"),
        ({"weight": torch.ones(800, 2)}, "rows of shape"),
        ({"batch": torch.ones(800)}, "'batch' cannot name a column"),
        ({"p4": torch.ones(800)}, "'p4' cannot name a column"),
    ):
        with pytest.raises(ConfigError, match=message):
            dataset.with_columns(**columns)


def test_other_weights_leave_no_expected_yields(dataset):
    with pytest.raises(ConfigError, match="has other weights than its files"):
        dataset.with_columns(weight=torch.ones(800)).expected_yields()


def test_data_sets_become_one(dataset):
    parts = [dataset[:100], dataset[[700, 3]], dataset[200:250]]
    whole = concatenate(parts)
    batch = everything(whole)
    expected = torch.cat([part.event_number for part in parts])
    assert torch.equal(batch.event_number, expected)
    assert torch.equal(batch.p4, torch.cat([part.p4 for part in parts]))
    assert whole.num_nodes == sum(part.num_nodes for part in parts)
    order = torch.randperm(len(whole), generator=torch.Generator().manual_seed(0))
    mixed = whole.index_select(order)
    assert torch.equal(mixed.event_number, expected[order])
    assert torch.equal(everything(mixed)[5].p4, whole[int(order[5])].p4)
    assert pickle.loads(pickle.dumps(mixed)).digest == mixed.digest
    assert concatenate([dataset]) is dataset


def test_torchs_subsets_and_joined_data_sets_are_understood(dataset):
    nested = Subset(Subset(dataset, range(100, 200)), [5, 3])
    assert as_events(nested).event_number.tolist() == dataset[[105, 103]].event_number.tolist()
    joined = ConcatDataset([nested, dataset[:2]])
    assert torch.equal(next(iter(EventLoader(joined, 4))).event_number, dataset[[105, 103, 0, 1]].event_number)
    with pytest.raises(ConfigError, match="found list"):
        as_events([1])


def test_data_sets_that_differ_are_not_joined(dataset):
    with pytest.raises(ConfigError, match="only one of them has 'rho' of events"):
        concatenate([dataset, dataset.with_columns(rho=torch.ones(800))])
    with pytest.raises(ConfigError, match=r"'rho' is \(\(2,\), 'float32'\) and \(\(3,\), 'float32'\)"):
        concatenate([dataset.with_columns(rho=torch.ones(800, 2)), dataset.with_columns(rho=torch.ones(800, 3))])
    with pytest.raises(ConfigError, match="data sets of other classes cannot be one: a, b and b, a"):
        concatenate([dataset, dataset.with_columns(class_names=["b", "a"])])
    with pytest.raises(ConfigError, match="there is no data set"):
        concatenate([])


def test_events_from_arrays():
    generator = np.random.default_rng(0)
    counts = [3, 0, 2]
    p4 = generator.uniform(0, 1, (5, 4))
    made = EventDataset.from_columns(
        {"p4": p4, "d0": p4[:, 0], "kind": [0, 1, 2, 0, 5]},
        counts,
        {"y": [0, 1, 1], "rho": [1.0, 2.0, 3.0]},
        ["a", "b"],
    )
    batch = everything(made)
    torch.testing.assert_close(batch.p4, torch.from_numpy(p4).float())
    assert batch.ptr.tolist() == [0, 3, 3, 5]
    assert batch.weight.tolist() == [1, 1, 1]
    assert batch.level.tolist() == [0] * 5
    assert made.class_names == ["a", "b"]
    assert pickle.loads(pickle.dumps(made)).digest == made.digest
    assert everything(made.with_columns(weight=[1.0, 2.0, 3.0])[[2]]).weight.tolist() == [3.0]
    again = concatenate([made, made[[0]]])
    assert len(again) == 4
    for nodes, message in (
        ({"d0": p4[:, 0]}, "need the column 'p4'"),
        ({"p4": p4[:4]}, "one row for each of 5 objects"),
        ({"p4": p4 * np.nan}, "'p4' is not finite"),
        ({"p4": p4 + np.array([0, 0, 4, 0])}, "azimuth outside"),
        ({"p4": p4 - np.array([2, 0, 0, 0])}, "negative transverse momentum"),
        ({"p4": p4, "kind": [99] * 5}, "'kind' holds numbers that are no ObjectType"),
        ({"p4": p4, "edge_index": [1] * 5}, "'edge_index' cannot name a column"),
    ):
        with pytest.raises(ConfigError, match=message):
            EventDataset.from_columns(nodes, counts)


@pytest.mark.parametrize(
    "name", ["jet_index", "batch_weight", "num_nodes", "edge_weight", "time", "u", "p4", "two words"]
)
def test_names_that_pyg_would_change_in_a_batch_are_refused(dataset, name):
    # PyG adds the number of nodes to what has "index" in its name: [[1, 2], [3, 4]] became [[1, 2, 5, 6]].
    with pytest.raises(ConfigError, match="cannot name a column"):
        dataset.with_columns(**{name: dataset.weight})
    other = name if name != "p4" else "weight"
    p4 = [[50.0, 0.0, 0.0, 1.0]]
    with pytest.raises(ConfigError, match="cannot name a column"):
        EventDataset.from_columns({"p4": p4, other: [1.0]}, [1])
