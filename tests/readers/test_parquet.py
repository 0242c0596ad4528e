import awkward as ak
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pyg_hep.errors import ReaderError
from pyg_hep.readers.parquet import ParquetSource


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
