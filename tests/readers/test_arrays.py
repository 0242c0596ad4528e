import os
import pickle

import h5py
import numpy as np
import pytest

from pyg_hep.errors import ReaderError
from pyg_hep.readers.arrays import HDF5Source, NpzSource


@pytest.fixture
def arrays():
    rng = np.random.default_rng(0)
    return {"a": rng.normal(size=(100, 3, 2)).astype(np.float32), "b": rng.integers(0, 9, 100), "c": np.arange(7)}


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_npz_rows_are_those_of_the_arrays_in_any_order(tmp_path, arrays, save):
    save(tmp_path / "a.npz", **arrays)
    with NpzSource(tmp_path / "a.npz") as source:
        assert source.num_entries_of(["a", "b"]) == 100
        for start, stop in ((0, 10), (10, 40), (70, 100), (5, 6), (0, 100)):
            found = source.read(["a", "b"], start, stop)
            assert np.array_equal(found["a"].values, arrays["a"][start:stop])
            assert np.array_equal(found["b"].values, arrays["b"][start:stop])
        assert source.chunks(["a", "b"], "1 kB") == [(s, min(s + 31, 100)) for s in range(0, 100, 31)]
        with pytest.raises(ReaderError, match="'c' has 7 entries, 'a' has 100"):
            source.num_entries_of(["a", "c"])


def test_npz_with_objects_is_never_unpickled(tmp_path):
    class Attack:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "attacked"),)

    np.savez(tmp_path / "bad.npz", a=np.array([Attack()], dtype=object))
    with pytest.raises(ReaderError, match=r"bad\.npz: 'a': holds Python objects"):
        NpzSource(tmp_path / "bad.npz")
    assert not (tmp_path / "attacked").exists()


def test_npz_in_column_order_says_what_to_do(tmp_path):
    np.savez(tmp_path / "f.npz", a=np.asfortranarray(np.zeros((4, 5))))
    with pytest.raises(ReaderError, match="ascontiguousarray"):
        NpzSource(tmp_path / "f.npz")


def test_changed_byte_of_an_npz_fails_its_checksum(tmp_path, arrays):
    path = tmp_path / "a.npz"
    np.savez(path, **arrays)
    content = bytearray(path.read_bytes())
    place = content.find(arrays["a"].tobytes()) + 100
    content[place] ^= 1
    path.write_bytes(content)
    # A small array is read, and so checked, with its header.
    with pytest.raises(ReaderError, match="column 'a'"), NpzSource(path) as source:
        source.read(["a", "b"], 0, 100)


def test_hdf5_data_sets_and_fields_of_tables(tmp_path, arrays):
    table = np.zeros(100, [("x", "<f4", (2,)), ("y", "<i8")])
    table["x"], table["y"] = arrays["a"][:, 0], arrays["b"]
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["group/a"] = arrays["a"]
        file.create_dataset("table/table", data=table, chunks=(10,), compression="gzip")
        file["scalar"] = 3.0
    with HDF5Source(tmp_path / "a.h5") as source:
        assert source.branches == {"group/a", "table/table/x", "table/table/y", "scalar"}
        found = source.read(["group/a", "table/table/x", "table/table/y"], 20, 50)
        assert np.array_equal(found["group/a"].values, arrays["a"][20:50])
        assert np.array_equal(found["table/table/x"].values, arrays["a"][20:50, 0])
        assert np.array_equal(found["table/table/y"].values, arrays["b"][20:50])
        with pytest.raises(ReaderError, match="'scalar' is a single value"):
            source.num_entries_of(["scalar"])


def test_hdf5_compressed_with_blosc_as_pandas_does(tmp_path):
    import hdf5plugin

    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("a", data=np.arange(1000.0), chunks=(100,), **hdf5plugin.Blosc(cname="blosclz"))
    with HDF5Source(tmp_path / "a.h5") as source:
        assert source.read(["a"], 150, 160)["a"].values.tolist() == list(range(150, 160))


def test_hdf5_neither_leaves_its_file_nor_runs_code(tmp_path):
    class Attack:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "attacked"),)

    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["secret"] = np.arange(3)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["outside"] = h5py.ExternalLink("other.h5", "/secret")
        file["inside"] = np.arange(3)
        file["inside"].attrs["pickled"] = np.void(pickle.dumps(Attack()))
        raw = [(str(tmp_path / "other.h5"), 0, 24)]
        file.create_dataset("raw", shape=(3,), dtype="i8", external=raw)
    with HDF5Source(tmp_path / "a.h5") as source:
        assert source.branches == {"inside"}
        source.read(["inside"], 0, 3)
    assert not (tmp_path / "attacked").exists()
