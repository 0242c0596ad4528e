import copy
import shutil

import pytest

from pyg_hep.datasets.fingerprint import fingerprint, source_files
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
