from pathlib import Path

import awkward as ak
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pyg_hep.errors import ReaderError
from pyg_hep.readers import read_events
from pyg_hep.readers.parquet import ParquetSource

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data"


def shared(name):
    """A file that lies beside the checkout."""
    if not (SHARED / name).exists():
        pytest.skip(f"../shared/data/{name} is not there")
    return SHARED / name


@pytest.fixture
def path(tmp_path):
    counts = np.arange(1000) % 4
    values = np.arange(counts.sum(), dtype=np.float32)
    jets = ak.unflatten(values, counts)
    ak.to_parquet(
        ak.zip({"n": np.arange(1000), "pt": jets, "jets": ak.zip({"pt": jets, "eta": -jets})}, depth_limit=1),
        tmp_path / "a.parquet",
        row_group_size=130,
    )
    return tmp_path / "a.parquet"


def test_rows_are_the_same_in_any_order_and_across_row_groups(path):
    expected = ak.from_parquet(path)
    with ParquetSource(path) as source:
        assert source.branches == {"n", "pt", "jets.pt", "jets.eta"}
        for start, stop in ((0, 100), (100, 400), (400, 401), (900, 1000), (3, 9), (0, 1000)):
            found = source.read(source.branches, start, stop)
            assert found["n"].values.tolist() == list(range(start, stop))
            assert found["pt"].values.tolist() == ak.flatten(expected.pt[start:stop]).tolist()
            assert found["jets.eta"].values.tolist() == ak.flatten(expected.jets.eta[start:stop]).tolist()
            assert found["jets.eta"].counts.tolist() == ak.num(expected.pt[start:stop]).tolist()


def test_chunks_hold_the_memory_asked_for(path):
    with ParquetSource(path) as source:
        assert 3 <= len(source.chunks(["pt", "n"], "4 kB")) <= 8


def test_missing_lists_are_empty_and_missing_numbers_are_not_numbers(tmp_path):
    table = pa.table({"x": pa.array([1.0, None]), "l": pa.array([[1.0, None], None], pa.list_(pa.float32()))})
    pq.write_table(table, tmp_path / "a.parquet")
    with ParquetSource(tmp_path / "a.parquet") as source:
        found = source.read(["x", "l"], 0, 2)
    assert found["x"].values[0] == 1
    assert np.isnan(found["x"].values[1])
    assert found["l"].counts.tolist() == [2, 0]
    assert np.isnan(found["l"].values).tolist() == [False, True]


def test_truncated_file_is_a_reader_error(path, tmp_path):
    cut = tmp_path / "cut.parquet"
    cut.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ReaderError, match=r"cut\.parquet: cannot read the file"):
        ParquetSource(cut)


def test_struct_of_lists_is_a_collection():
    events = read_events(
        shared("cases/pq_structlists.parquet"),
        {"name": "p", "reader": "parquet", "objects": {"jet": {"kind": "jet", "collection": "jets"}}},
    )
    assert (len(events), int(ak.sum(ak.num(events.objects)))) == (200, 627)


def test_lists_of_lists_are_no_damage_and_no_obstacle():
    path = shared("cases/pq_doubly.parquet")
    with ParquetSource(path) as source:
        assert source.branches == {"jet_pt", "cst_pt", "cst_eta", "cst_phi"}
        with pytest.raises(ReaderError, match=r"pq_doubly\.parquet.*column 'cst_pt': .* two levels of lists") as error:
            source.read(["cst_pt", "jet_pt"], 0, 5)
        assert "damaged" not in str(error.value)
        assert source.read(["jet_pt"], 0, 5)["jet_pt"].counts.sum() > 0


def test_text_is_text():
    with ParquetSource(shared("cases/pq_str.parquet")) as source:
        labels = source.read(["cls", "jets_pt"], 0, source.num_entries)["cls"]
    assert labels.values.dtype.kind == "U"
    assert len(np.unique(labels.values)) > 1
    assert labels.counts is None


def test_nanoaod_in_parquet_keeps_its_objects_and_numbers():
    path = shared("real/coffea__nano_dy.parquet")
    table = pq.read_table(path)
    with ParquetSource(path) as source:
        names = [name for name in ("run", "event", "Muon.pt", "Muon_pt", "Jet.pt", "Jet_pt") if name in source.branches]
        assert len(names) == 4
        found = source.read(names, 0, source.num_entries)
    assert found["event"].values.tolist() == table["event"].to_pylist()
    assert found["event"].values.dtype.kind in "iu"
    assert found["run"].counts is None
    assert all(found[name].counts is not None for name in names[2:])


def test_several_columns_of_a_name_are_an_error_when_asked_for(tmp_path):
    pq.write_table(
        pa.Table.from_arrays([pa.array([1]), pa.array([2]), pa.array([3])], ["x", "x", "y"]), tmp_path / "a.pq"
    )
    with ParquetSource(tmp_path / "a.pq") as source:
        assert source.read(["y"], 0, 1)["y"].values.tolist() == [3]
        with pytest.raises(ReaderError, match="several columns 'x'"):
            source.read(["x"], 0, 1)
