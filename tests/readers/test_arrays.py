import os

import numpy as np
import pytest

from pyg_hep.errors import ReaderError
from pyg_hep.readers.arrays import NpzSource


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
