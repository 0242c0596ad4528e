import os
import pickle
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

from pyg_hep.errors import ReaderError
from pyg_hep.readers import read_events
from pyg_hep.readers.hdf5 import HDF5Source

CASES = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "cases"


@pytest.fixture
def arrays():
    rng = np.random.default_rng(0)
    return {"a": rng.normal(size=(100, 3, 2)).astype(np.float32), "b": rng.integers(0, 9, 100)}


def test_data_sets_and_fields_of_tables(tmp_path, arrays):
    table = np.zeros(100, [("x", "<f4", (2,)), ("y", "<i8"), ("p", [("z", "<f4"), ("s", "S3")])])
    table["x"], table["y"], table["p"]["z"], table["p"]["s"] = arrays["a"][:, 0], arrays["b"], arrays["b"] / 2, b"ttH"
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["group/a"] = arrays["a"]
        file.create_dataset("table/table", data=table, chunks=(10,), compression="gzip")
        file["scalar"] = 3.0
    with HDF5Source(tmp_path / "a.h5") as source:
        fields = {f"table/table/{name}" for name in ("x", "y", "p/z", "p/s")}
        assert source.branches == {"group/a", "scalar"} | fields
        found = source.read(["group/a", *fields], 20, 50)
        assert np.array_equal(found["group/a"].values, arrays["a"][20:50])
        assert np.array_equal(found["table/table/x"].values, arrays["a"][20:50, 0])
        assert np.array_equal(found["table/table/y"].values, arrays["b"][20:50])
        assert np.array_equal(found["table/table/p/z"].values, arrays["b"][20:50] / 2)
        assert found["table/table/p/s"].values.tolist() == ["ttH"] * 30
        with pytest.raises(ReaderError, match="'scalar' is a single value"):
            source.num_entries_of(["scalar"])


def test_compressed_with_blosc_as_pandas_does(tmp_path):
    import hdf5plugin

    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("a", data=np.arange(1000.0), chunks=(100,), **hdf5plugin.Blosc(cname="blosclz"))
    with HDF5Source(tmp_path / "a.h5") as source:
        assert source.read(["a"], 150, 160)["a"].values.tolist() == list(range(150, 160))


def test_filter_that_is_not_installed_is_named(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plan.set_chunk((10,))
        plan.set_filter(499, h5py.h5z.FLAG_OPTIONAL, ())
        h5py.h5d.create(file.id, b"a", h5py.h5t.NATIVE_INT64, h5py.h5s.create_simple((10,)), plan)
    with (
        HDF5Source(tmp_path / "a.h5") as source,
        pytest.raises(ReaderError, match=r"'a': .*filter 499, which is not inst"),
    ):
        source.read(["a"], 0, 10)


def test_nothing_runs_code_and_raw_files_are_never_read(tmp_path):
    class Attack:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "attacked"),)

    (tmp_path / "secret").write_bytes(b"x" * 24)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["inside"] = np.arange(3)
        file["inside"].attrs["pickled"] = np.void(pickle.dumps(Attack()))
        file.create_dataset("raw", shape=(3,), dtype="i8", external=[(str(tmp_path / "secret"), 0, 24)])
    with HDF5Source(tmp_path / "a.h5") as source:
        assert set(source.branches) == {"inside"}
        source.read(["inside"], 0, 3)
        with pytest.raises(ReaderError, match=r"a\.h5.*column 'raw': .*secret.* never read"):
            source.num_entries_of(["raw", "inside"])
    assert not (tmp_path / "attacked").exists()


def test_lists_of_variable_length_and_text(tmp_path):
    lists = [np.array([1.0, 2.0], "f4"), np.array([], "f4"), np.array([3.0], "f4")]
    with h5py.File(tmp_path / "a.h5", "w") as file:
        data = file.create_dataset("pt", (3,), h5py.vlen_dtype("f4"))
        for position, values in enumerate(lists):
            data[position] = values
        file.create_dataset("text", data=["ttH", "", "t\u00e4u"], dtype=h5py.string_dtype())
        file["fixed"] = np.array([b"ab", b"c", b""])
        file["grid"] = np.array([[b"ab", b"c"]] * 3)
        data = file.create_dataset("deep", (3, 2), h5py.vlen_dtype("f4"))
        file["reference"] = np.array([file["pt"].ref] * 3, h5py.ref_dtype)
        data = file.create_dataset("empty", (3,), h5py.vlen_dtype("f4"))
    with HDF5Source(tmp_path / "a.h5") as source:
        found = source.read(["pt", "text", "fixed", "grid", "empty"], 0, 3)
        assert source.read(["pt"], 1, 3)["pt"].counts.tolist() == [0, 1]
        assert source.chunks(["pt", "text"], 2) == [(0, 2), (2, 3)]
        assert source.chunks(["pt", "text"], "1 MB") == [(0, 3)]
        with pytest.raises(ReaderError, match="'deep': it holds two levels of lists"):
            source.read(["deep"], 0, 3)
        with pytest.raises(ReaderError, match="'reference': it holds references"):
            source.read(["reference"], 0, 3)
    assert (found["pt"].values.tolist(), found["pt"].counts.tolist()) == ([1, 2, 3], [2, 0, 1])
    assert found["pt"].values.dtype == np.float32
    assert found["text"].values.tolist() == ["ttH", "", "t\u00e4u"]
    assert found["fixed"].values.tolist() == ["ab", "c", ""]
    assert found["grid"].values.tolist() == [["ab", "c"]] * 3
    assert {found[name].values.dtype.kind for name in ("text", "fixed", "grid")} == {"U"}
    assert (len(found["empty"].values), found["empty"].counts.tolist()) == (0, [0, 0, 0])


@pytest.mark.parametrize(("name", "column"), [("virtual.h5", "jets/pt"), ("link.h5", "jets/pt")])
def test_missing_target_is_named_and_a_target_that_is_there_is_read(tmp_path, name, column):
    if not (CASES / name).exists():
        pytest.skip(f"../shared/data/cases/{name} is not there")
    path = Path(shutil.copy(CASES / name, tmp_path / name))
    card = {"name": "c", "reader": "hdf5", "objects": {"jet": {"kind": "jet", "collection": "jets"}}}
    with pytest.raises(ReaderError, match=rf"{name}: .*column 'jets/\w+': .*strlabel\.h5.* missing") as error:
        read_events(path, card)
    assert "damaged" not in str(error.value)
    values = np.arange(1.0, 301).reshape(50, 6)
    with h5py.File(tmp_path / "strlabel.h5", "w") as file:
        file["jets/pt"], file["jets/eta"], file["jets/phi"] = values, values / 300, values / 300
    with HDF5Source(path) as source:
        assert np.array_equal(source.read([column], 0, 50)[column].values, values)
    assert len(read_events(path, card)) == 50


def linked(folder, kind):
    """A file whose column ``x`` lies in ``other.h5``."""
    with h5py.File(folder / "other.h5", "w") as file:
        file["y"] = np.arange(1.0, 5.0)
    with h5py.File(folder / "a.h5", "w") as file:
        file["inside"] = np.arange(4)
        if kind == "link":
            file["x"] = h5py.ExternalLink("other.h5", "/y")
        else:
            layout = h5py.VirtualLayout((4,), "f8")
            for half in (slice(0, 2), slice(2, 4)):
                layout[half] = h5py.VirtualSource("other.h5", "y", (4,))[half]
            file.create_virtual_dataset("x", layout)
    return folder / "a.h5"


def change(folder, how):
    other = folder / "other.h5"
    other.unlink()
    if how == "damaged":
        other.write_text("no HDF5 file")
    elif how != "missing":
        with h5py.File(other, "w") as file:
            if how == "short":
                file["y"] = np.arange(1.0, 4.0)


@pytest.mark.parametrize(
    ("kind", "how", "reason"),
    [
        ("link", "missing", "missing"),
        ("virtual", "missing", "missing"),
        ("link", "damaged", "cannot be opened"),
        ("virtual", "damaged", "cannot be opened"),
        ("link", "empty", "nothing of that name"),
        ("virtual", "empty", "no data set of that name"),
        ("virtual", "short", "smaller than it says"),
    ],
)
def test_target_that_cannot_be_read_is_named_and_no_obstacle(tmp_path, kind, how, reason):
    path = linked(tmp_path, kind)
    with HDF5Source(path) as source:
        assert source.branches == {"inside", "x"}
        assert source.read(["x"], 1, 4)["x"].values.tolist() == [2, 3, 4]
    change(tmp_path, how)
    with HDF5Source(path) as source:
        assert set(source.branches) == {"inside"}
        assert source.read(["inside"], 0, 4)["inside"].values.tolist() == [0, 1, 2, 3]
        for ask in (source.num_entries_of, lambda names: source.read(names, 0, 4)):
            with pytest.raises(ReaderError, match=rf"a\.h5: .*column 'x': .*other\.h5.*{reason}"):
                ask(["x"])


def test_soft_links_are_names_of_their_targets(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["run1/pt"] = np.arange(3.0)
        file["latest"] = h5py.SoftLink("/run1")
        file["alias"] = h5py.SoftLink("/run1/pt")
        file["run1/loop"] = h5py.SoftLink("/run1")
        file["broken"] = h5py.SoftLink("/nowhere")
        file["run1/hard"] = file["/"]
    with HDF5Source(tmp_path / "a.h5") as source:
        assert set(source.branches) == {"run1/pt", "latest/pt", "alias"}
        assert source.read(["latest/pt", "alias"], 1, 3)["alias"].values.tolist() == [1, 2]
        with pytest.raises(ReaderError, match=r"'broken/pt': it is a link to '/nowhere', which is not there"):
            source.read(["broken/pt"], 0, 3)


def test_files_that_link_to_each_other_end(tmp_path):
    for name, other in (("a", "b"), ("b", "a")):
        with h5py.File(tmp_path / f"{name}.h5", "w") as file:
            file["x"] = np.arange(3)
            file["other"] = h5py.ExternalLink(f"{other}.h5", "/")
    with HDF5Source(tmp_path / "a.h5") as source:
        assert {"x", "other/x"} <= source.branches
        assert len(source.branches) < 10
