import json
import pickle

import numpy as np
import pytest
import torch

from pyg_hep.datasets.storage import MANIFEST, NOT_IN_GRAPHS, EventStorage, StorageWriter
from pyg_hep.errors import ReaderError
from pyg_hep.schema import EVENT_COLUMNS, NODE_COLUMNS, Column

NODES = NODE_COLUMNS
EVENTS = EVENT_COLUMNS | NOT_IN_GRAPHS


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "store"
    folder.mkdir()
    return folder


def chunk(counts, seed=0):
    rng = np.random.default_rng(seed)
    total = int(np.sum(counts))
    nodes = {
        "p4": rng.normal(size=(total, 4)),
        "kind": rng.integers(0, 6, total),
        "charge": rng.normal(size=total),
        "btag": rng.integers(0, 2, total),
        "level": np.zeros(total),
    }
    size = len(counts)
    events = {"y": rng.integers(0, 3, size), "weight": rng.normal(size=size)}
    events |= {"split_key": rng.integers(-(2**62), 2**62, size), "entry": np.arange(size)}
    return nodes, np.asarray(counts), events


@pytest.fixture
def stored(folder):
    first, second = chunk([3, 1, 2]), chunk([5, 4], seed=1)
    with StorageWriter(folder, NODES, EVENTS) as writer:
        writer.append(*first)
        writer.append(*second)
        writer.finish({"processes": ["a"]})
    return folder, first, second


def test_chunks_are_appended_to_one_column(stored):
    folder, first, second = stored
    storage = EventStorage(folder)
    assert storage.offsets.tolist() == [0, 3, 4, 6, 11, 15]
    expected = np.concatenate([first[0]["p4"], second[0]["p4"]]).astype(np.float32)
    assert np.array_equal(storage.nodes["p4"].numpy(), expected)
    assert storage.events["y"].tolist() == [*first[2]["y"], *second[2]["y"]]
    assert set(storage.events) == {"y", "weight"}
    # Any tool reads the columns: they are plain npy files.
    assert np.array_equal(np.load(folder / "p4.npy"), expected)


def test_gather_takes_any_events_in_any_order(stored):
    storage = EventStorage(stored[0])
    nodes, events, counts = storage.gather(torch.tensor([3, 0, 3]))
    rows = [*range(6, 11), *range(3), *range(6, 11)]
    assert counts.tolist() == [5, 3, 5]
    assert torch.equal(nodes["p4"], storage.nodes["p4"][rows])
    assert nodes["kind"].dtype == torch.int64
    assert torch.equal(events["y"], storage.events["y"][[3, 0, 3]])


def test_rollback_forgets_what_was_appended_since(folder):
    with StorageWriter(folder, NODES, EVENTS) as writer:
        writer.append(*chunk([3, 1, 2]))
        mark = (writer.num_events, writer.num_nodes)
        writer.append(*chunk([7, 7], seed=1))
        writer.rollback(*mark)
        writer.append(*chunk([2], seed=2))
        writer.finish({})
    storage = EventStorage(folder)
    assert storage.offsets.tolist() == [0, 3, 4, 6, 8]
    expected = np.concatenate([chunk([3, 1, 2])[0]["charge"], chunk([2], seed=2)[0]["charge"]])
    assert np.array_equal(storage.nodes["charge"].numpy(), expected.astype(np.float32))


def test_writing_goes_on_where_a_killed_process_was_known_to_be(folder):
    with StorageWriter(folder, NODES, EVENTS) as writer:
        writer.append(*chunk([3, 1, 2]))
        writer.append(*chunk([7, 7], seed=1))  # not known to be complete
    with StorageWriter(folder, NODES, EVENTS, num_events=3, num_nodes=6) as writer:
        assert writer.first_node(2) == 4
        assert writer.stored("entry").tolist() == [0, 1, 2]
        writer.append(*chunk([2], seed=2))
        writer.finish({})
    storage = EventStorage(folder)
    assert storage.offsets.tolist() == [0, 3, 4, 6, 8]
    expected = np.concatenate([chunk([3, 1, 2])[0]["charge"], chunk([2], seed=2)[0]["charge"]])
    assert np.array_equal(storage.nodes["charge"].numpy(), expected.astype(np.float32))
    with pytest.raises(ReaderError, match="shorter than 100 rows"):
        StorageWriter(folder, NODES, EVENTS, num_events=100, num_nodes=100)


def test_pickle_holds_the_path_and_not_the_data(folder):
    with StorageWriter(folder, NODES, EVENTS) as writer:
        writer.append(*chunk([10] * 1000))
        writer.finish({})
    storage = EventStorage(folder)
    storage.gather(torch.arange(10))
    content = pickle.dumps(storage)
    assert len(content) < 2000
    assert torch.equal(pickle.loads(content).nodes["p4"], storage.nodes["p4"])


def test_changing_a_tensor_does_not_change_the_file(stored):
    storage = EventStorage(stored[0])
    before = storage.nodes["p4"].clone()
    storage.nodes["p4"][0] = 99.0
    assert torch.equal(EventStorage(stored[0]).nodes["p4"], before)


def test_missing_damaged_or_short_column_is_an_error(stored):
    folder = stored[0]
    content = (folder / "charge.npy").read_bytes()
    for broken in (content[:-8], b"no npy", None):
        if broken is None:
            (folder / "charge.npy").unlink()
        else:
            (folder / "charge.npy").write_bytes(broken)
        with pytest.raises(ReaderError, match=r"charge\.npy.*force_reload"):
            _ = EventStorage(folder).nodes
    (folder / MANIFEST).write_text("{")
    with pytest.raises(ReaderError, match="not a processed data set"):
        EventStorage(folder)


def test_objects_in_a_column_are_never_unpickled(stored):
    folder = stored[0]
    np.save(folder / "charge.npy", np.array([{"a": 1}] * 15, dtype=object), allow_pickle=True)
    with pytest.raises(ReaderError, match=r"charge\.npy"):
        _ = EventStorage(folder).nodes


def test_any_column_is_stored_described_and_gathered(folder):
    nodes = NODES | {
        "d0": Column((), "float32", "float32", "mm", "impact"),
        "hits": Column((3,), "int64", "int16", "", ""),
    }
    events = EVENTS | {
        "ht": Column((), "float32", "float32", "GeV", ""),
        "scales": Column((2,), "float32", "float16", "", ""),
    }
    n, counts, e = chunk([3, 1, 2])
    n |= {"d0": np.arange(6) / 8, "hits": np.arange(18).reshape(6, 3)}
    e |= {"ht": np.array([1.0, 2.0, 3.0]), "scales": np.array([[1, 2], [3, 4], [5, 6]]) / 4}
    with StorageWriter(folder, nodes, events) as writer:
        writer.append(n, counts, e)
        writer.finish({})
    manifest = json.loads((folder / MANIFEST).read_text())
    assert manifest["node_columns"]["hits"] == {"shape": [3], "dtype": "int64", "stored": "int16"}
    assert manifest["event_columns"]["scales"] == {"shape": [2], "dtype": "float32", "stored": "float16"}
    node, event, _ = EventStorage(folder).gather(torch.tensor([2, 1]))
    assert node["d0"].tolist() == [4 / 8, 5 / 8, 3 / 8]
    assert node["hits"].tolist() == [[12, 13, 14], [15, 16, 17], [9, 10, 11]]
    assert node["hits"].dtype == torch.int64
    assert event["ht"].tolist() == [3, 2]
    assert torch.equal(event["scales"], torch.tensor([[5, 6], [3, 4]]) / 4)


def digest_of(folder, steps, nodes=NODES, known=(0, 0)):
    folder.mkdir(exist_ok=True)
    with StorageWriter(folder, nodes, EVENTS, *known) as writer:
        for step in steps:
            if isinstance(step, tuple) and len(step) == 2:
                writer.rollback(*step)
            else:
                writer.append(*step)
        writer.finish({})
    return EventStorage(folder).digest


def test_digest_is_that_of_the_content_however_it_was_written(tmp_path):
    first, second = chunk([3, 1, 2]), chunk([5, 4], seed=1)
    expected = digest_of(tmp_path / "a", [first, second])
    together = tuple(
        np.concatenate([a, b]) if isinstance(a, np.ndarray) else {k: np.concatenate([a[k], b[k]]) for k in a}
        for a, b in zip(first, second, strict=True)
    )
    assert digest_of(tmp_path / "together", [together]) == expected
    assert digest_of(tmp_path / "rolled back", [first, chunk([7], seed=2), (3, 6), second]) == expected
    with StorageWriter(tmp_path / "a", NODES, EVENTS, 3, 6):
        pass  # a killed process left the first chunk
    assert digest_of(tmp_path / "a", [second], known=(3, 6)) == expected


def test_digest_changes_with_every_value_of_a_graph_and_with_nothing_else(tmp_path):
    nodes, counts, events = chunk([3, 1, 2])
    expected = digest_of(tmp_path / "a", [(nodes, counts, events)])
    different = {expected}
    for name in NODES:
        other = nodes[name].copy()
        other.reshape(-1)[2] += 1
        different.add(digest_of(tmp_path / f"node {name}", [({**nodes, name: other}, counts, events)]))
    for name in ("y", "weight"):
        other = {**events, name: events[name] + 1}
        different.add(digest_of(tmp_path / f"event {name}", [(nodes, counts, other)]))
    different.add(digest_of(tmp_path / "counts", [(nodes, np.array([2, 2, 2]), events)]))
    assert len(different) == 1 + len(NODES) + 2 + 1
    elsewhere = {**events, "entry": events["entry"] + 5, "split_key": events["split_key"] + 1}
    assert digest_of(tmp_path / "entry", [(nodes, counts, elsewhere)]) == expected
