import copy
import os
import shutil

import awkward as ak
import h5py
import numpy as np
import pytest
import uproot
from torch_geometric.transforms import Compose, KNNGraph

from pyg_hep.datasets import EventDataset
from pyg_hep.datasets.fingerprint import file_number, fingerprint, source_files
from pyg_hep.errors import ConfigError, ReaderError
from pyg_hep.inputs import View
from pyg_hep.readers import load_card
from pyg_hep.testing.files import write_nanoaod

CARD = {
    "name": "mine",
    "objects": {"jet": {"kind": "jet", "collection": "Jet", "cuts": ["pt > 20"]}},
    "weight": {"branch": "genWeight", "negative": "keep"},
}


def of(files, card=CARD, pre_transform=None, pre_filter=None):
    return fingerprint(load_card(card), source_files(files), pre_transform, pre_filter)


def changed(key, value):
    card = copy.deepcopy(CARD)
    card[key] = value
    return card


def test_everything_that_shapes_the_data_changes_the_fingerprint(nanoaod, other_nanoaod, tmp_path):
    other_cut = copy.deepcopy(CARD)
    other_cut["objects"]["jet"]["cuts"] = ["pt > 21"]
    same_name = shutil.copy(other_nanoaod, tmp_path / nanoaod.name)

    def keep_long(data):
        return data.num_nodes > 3

    def keep_longer(data):
        return data.num_nodes > 4

    different = [
        of([nanoaod]),
        of([other_nanoaod]),
        of([same_name]),  # the first file's name with the other file's content
        of([nanoaod, other_nanoaod]),
        of([other_nanoaod, nanoaod]),
        of({"one": [nanoaod, other_nanoaod]}),
        of([nanoaod], changed("selection", ["n_jet > 1"])),
        of([nanoaod], changed("keep_btag_score", True)),
        of([nanoaod], changed("on_invalid", "error")),
        of([nanoaod], changed("weight", {})),
        of([nanoaod], other_cut),
        of([nanoaod], pre_filter=keep_long),
        of([nanoaod], pre_filter=keep_longer),
        of([nanoaod], pre_filter=lambda data: data.num_nodes > 3),
        of([nanoaod], pre_transform=View(["pt"])),
        of([nanoaod], pre_transform=View(["eta"])),
    ]
    assert len(set(different)) == len(different)


def test_what_does_not_shape_the_data_does_not_change_it(nanoaod, tmp_path):
    moved = shutil.copy2(nanoaod, tmp_path / "moved.root")  # with its time of change
    first = of({"p": nanoaod})
    assert of({"p": moved}) == first
    assert of({"p": nanoaod}, changed("description", "other words")) == first
    assert of({"p": nanoaod}, changed("splits", {"train": 0.5, "test": 0.5})) == first
    assert of({"p": nanoaod}, changed("weight", {"branch": "genWeight", "cross_section": {"p": 1.0}})) == first


def test_file_rewritten_under_the_same_name_changes_it(tmp_path):
    path = write_nanoaod(tmp_path / "a.root", 20, seed=1)
    first = of([path])
    write_nanoaod(path, 20, seed=2)
    assert of([path]) != first


def test_labels_are_positions_of_processes():
    files = source_files({"signal": ["a.root", "b.root"], "background": "c.root"})
    assert [(f.path, f.process, f.label) for f in files] == [
        ("a.root", "signal", 0),
        ("b.root", "signal", 0),
        ("c.root", "background", 1),
    ]
    assert [f.process for f in source_files(["x/a.root", "y/a.root", "b.root"])] == ["a_0", "a_1", "b"]


def test_no_file_is_an_error():
    with pytest.raises(ConfigError, match="no input file"):
        source_files([])
    with pytest.raises(ConfigError, match="for signal"):
        source_files({"signal": []})


def test_missing_file_is_named():
    with pytest.raises(ReaderError, match=r"nothing\.root"):
        of(["nothing.root"])


def test_another_callable_is_never_served_the_old_events(nanoaod, tmp_path):
    # Only an attribute's name differs; right are the numbers counted without a filter.
    every = EventDataset(tmp_path, "cms_nanoaod", nanoaod)
    tagged, charged = (sum(float(event[name].sum()) > 0 for event in every) for name in ("btag", "charge"))
    assert (tagged, charged) == (442, 107)
    assert len(EventDataset(tmp_path, "cms_nanoaod", nanoaod, pre_filter=lambda d: d.btag.sum() > 0)) == tagged
    assert len(EventDataset(tmp_path, "cms_nanoaod", nanoaod, pre_filter=lambda d: d.charge.sum() > 0)) == charged


LEAST = 3


def helper(data):
    return data.num_nodes > 3


class Longer:
    def __call__(self, data):
        return self.long(data)

    def long(self, data):
        return data.num_nodes > 3


def test_default_global_helper_method_and_nested_argument_are_read_again(nanoaod, tmp_path, monkeypatch):
    right = {n: sum(event.num_nodes > n for event in EventDataset(tmp_path, CARD, nanoaod)) for n in (3, 4)}
    assert right[3] > right[4] > 0

    def size(pre_filter):
        return len(EventDataset(tmp_path, CARD, nanoaod, pre_filter=pre_filter))

    def with_default(least):
        return lambda data, least=least: data.num_nodes > least

    def with_global(data):
        return data.num_nodes > LEAST

    def with_helper(data):
        return helper(data)

    assert [size(with_default(n)) for n in (3, 4)] == [right[3], right[4]]
    assert [size(f) for f in (with_global, with_helper, Longer())] == [right[3]] * 3
    monkeypatch.setitem(globals(), "LEAST", 4)
    monkeypatch.setitem(globals(), "helper", lambda data: data.num_nodes > 4)
    monkeypatch.setattr(Longer, "long", lambda self, data: data.num_nodes > 4)
    assert [size(f) for f in (with_global, with_helper, Longer())] == [right[4]] * 3
    assert of([nanoaod], pre_transform=Compose([KNNGraph(3)])) != of([nanoaod], pre_transform=Compose([KNNGraph(4)]))


HDF5 = {"name": "h5", "reader": "hdf5", "objects": {"jet": {"kind": "jet", "collection": "jets"}}}


def write_hdf5(path):
    """20,000 events of one jet, uncompressed and without event numbers."""
    rng = np.random.default_rng(1)
    with h5py.File(path, "w") as file:
        for name in ("pt", "eta", "phi", "mass"):
            file[f"jets/{name}"] = rng.uniform(1, 2, (20_000, 1))
    return path


def test_file_rewritten_in_its_middle_is_read_again(tmp_path):
    path = write_hdf5(tmp_path / "a.h5")
    before = EventDataset(tmp_path, HDF5, path)
    number, size = file_number(str(path)), path.stat().st_size
    with h5py.File(path, "r+") as file:
        file["jets/pt"][19_000:] = 7.0
    assert (file_number(str(path)), path.stat().st_size) == (number, size)  # neither size nor ends tell
    after = EventDataset(tmp_path, HDF5, path)
    assert [float(after[n].p4[0, 0]) for n in (18_999, 19_000)] == [float(before[18_999].p4[0, 0]), 7.0]


def test_touched_or_moved_file_is_converted_again_and_no_event_changes_its_split(tmp_path):
    path = write_hdf5(tmp_path / "a.h5")
    before = EventDataset(tmp_path, HDF5, {"p": path})
    os.utime(path, ns=(1, 10**18))
    touched = EventDataset(tmp_path, HDF5, {"p": path})
    moved = EventDataset(tmp_path, HDF5, {"p": shutil.copy(path, tmp_path / "moved.h5")})
    assert len({before.processed_dir, touched.processed_dir, moved.processed_dir}) == 3
    for other in (touched, moved):
        assert np.array_equal(other.storage.split_key, before.storage.split_key)
        assert other.digest == before.digest


def test_folders_and_patterns_stand_for_their_files(tmp_path):
    for name in ("b.root", "a.root", ".c.root", "a.h5"):
        (tmp_path / name).touch()
    both = [str(tmp_path / name) for name in ("a.root", "b.root")]
    assert [(f.path, f.process) for f in source_files(tmp_path, "nanoaod")] == [(both[0], "a"), (both[1], "b")]
    assert [f.path for f in source_files({"p": tmp_path / "*.root"})] == both
    assert {f.process for f in source_files({"p": [tmp_path / "a*.root", tmp_path / "b*"]})} == {"p"}
    with pytest.raises(ReaderError, match=r"z\*: no file matches"):
        source_files({"p": tmp_path / "z*"})


def two_trees(path):
    with uproot.recreate(path) as file:
        for tree in ("sig", "bkg"):
            lists = ak.unflatten(np.linspace(21, 90, 40), np.full(20, 2))
            file[tree] = {f"Jet_{name}": lists * scale for name, scale in (("pt", 1), ("eta", 0.01), ("phi", 0.01))}
    return path


TREES = {"name": "trees", "reader": "root", "objects": {"jet": {"kind": "jet", "collection": "Jet"}}}


def test_trees_of_a_file_are_told_apart(tmp_path):
    path = two_trees(tmp_path / "a.root")
    trees = [of({"p": f"{path}:{tree}"}, TREES) for tree in ("sig", "bkg")]
    assert len({*trees, of({"p": path}, TREES), of({"p": path}, {**TREES, "tree": "sig"})}) == 4
    assert len({file_number(f"{path}:sig"), file_number(f"{path}:bkg"), file_number(str(path))}) == 3
    assert file_number(f"{shutil.copy(path, tmp_path / 'b.root')}:sig") == file_number(f"{path}:sig")


@pytest.mark.parametrize("written", ["paths", "mapping", "card"])
def test_a_process_may_have_a_tree_of_its_own(tmp_path, written):
    path = two_trees(tmp_path / "a.root")
    files = {
        "paths": {"sig": f"{path}:sig", "bkg": [f"{path}:bkg"]},
        "mapping": {"sig": {"files": path, "tree": "sig"}, "bkg": {"files": [str(path)], "tree": "bkg"}},
        "card": None,
    }[written]
    card = TREES if files else TREES | {"files": {"sig": f"{path}:sig", "bkg": {"files": str(path), "tree": "bkg"}}}
    dataset = EventDataset(tmp_path / "cache", card, files)
    assert dataset.process_names == ["sig", "bkg"]
    assert dataset.y.tolist() == [0] * 20 + [1] * 20
    # Equal entries of two trees do not share their splits.
    assert len(np.unique(dataset.storage.split_key)) == 40
    names = [[process, label, f"{path}:{process}"] for label, process in enumerate(("sig", "bkg"))]
    assert dataset.storage.manifest["files"] == names


def test_trees_of_a_list_are_processes_with_names_of_their_own(tmp_path):
    path = two_trees(tmp_path / "a.root")
    assert [f.process for f in source_files([f"{path}:sig", f"{path}:bkg"])] == ["a_sig", "a_bkg"]
    with pytest.raises(ConfigError, match="files of 'p': unknown key 'trees', did you mean 'tree'"):
        source_files({"p": {"files": path, "trees": "sig"}})
    with pytest.raises(ConfigError, match="files of 'p': expected {'files': paths, 'tree': name}"):
        source_files({"p": {"tree": "sig"}})


def test_names_of_folders_with_values_shape_the_data(tmp_path):
    card = {**TREES, "reader": "parquet"}
    for run in (1, 2):
        (tmp_path / f"run={run}").mkdir()
        ak.to_parquet(ak.Array({"Jet_pt": [[1.0]]}), tmp_path / f"run={run}" / "a.parquet")
        os.utime(tmp_path / f"run={run}" / "a.parquet", (1, 1))
    assert of({"p": tmp_path / "run=1/a.parquet"}, card) != of({"p": tmp_path / "run=2/a.parquet"}, card)


def test_a_friend_that_is_missing_is_named(tmp_path):
    path = two_trees(tmp_path / "a.root")
    with pytest.raises(ReaderError, match=r"a_x\.root: No such file"):
        of({"p": path}, {**TREES, "tree": "sig", "friends": {"X": {"files": "{stem}_x.root"}}})
