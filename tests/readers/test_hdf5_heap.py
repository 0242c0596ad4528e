import h5py
import numpy as np
import pytest

from pyg_hep.errors import ReaderError
from pyg_hep.readers.hdf5 import HDF5Source
from pyg_hep.readers.hdf5_heap import check_heaps


def lists(path, events, libver="earliest"):
    with h5py.File(path, "w", libver=libver) as file:
        data = file.create_dataset("x", (events,), h5py.vlen_dtype("f4"))
        for event in range(events):
            data[event] = np.arange(event % 7, dtype="f4")
        file["text"] = np.array(["a" * (i % 9) for i in range(events)], dtype=h5py.string_dtype())
    return path


@pytest.mark.parametrize("libver", ["earliest", "latest"])
@pytest.mark.parametrize("events", [0, 1, 30, 3000])
def test_heaps_of_sound_files_are_sound(tmp_path, events, libver):
    path = lists(tmp_path / "a.h5", events, libver)
    check_heaps(path)
    with HDF5Source(path) as source:
        assert source.read(["x"], 0, events)["x"].counts.tolist() == [event % 7 for event in range(events)]


@pytest.mark.parametrize("libver", ["earliest", "latest"])
def test_object_of_no_size_is_damage(tmp_path, libver):
    path = lists(tmp_path / "a.h5", 30, libver)
    content = bytearray(path.read_bytes())
    heap = content.find(b"GCOL")
    content[heap + 100 : heap + 400] = bytes(300)
    path.write_bytes(content)
    with pytest.raises(ValueError, match="an object of a heap states the size 0"):
        check_heaps(path)
    with pytest.raises(ReaderError, match=r"a\.h5: cannot read the file, the file is damaged .*an object of a heap"):
        HDF5Source(path)


def test_other_files_are_none_of_its_business(tmp_path):
    for content in (b"", b"GCOL\x01\0\0\0" + bytes(100)):
        (tmp_path / "a").write_bytes(content)
        check_heaps(tmp_path / "a")
