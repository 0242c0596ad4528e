from collections import Counter
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot
from uproot.models.RNTuple import MetaData

from pyg_hep.readers.root import RootSource
from pyg_hep.readers.root_names import ntuple_names, tree_names

REAL = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "real"
RECORDS = {
    "jet": ak.Array([[{"p4": {"pt": 1.0, "eta": 0.5}, "id": 3}], []]),
    "head": ak.Array([{"run": 1, "beam": {"x": [1.0, 2.0]}}, {"run": 2, "beam": {"x": []}}]),
    "pair": ak.Array([(1, 2.5), (3, 4.5)]),
    "a.dot": np.array([1.0, 2.0]),
    "ns::colon": np.array([3.0, 4.0]),
    "maybe": ak.Array([None, 2.5]),
    "deep": ak.Array([[{"hits": [1.0]}], []]),
}


@pytest.fixture
def ntuple(tmp_path):
    with uproot.recreate(tmp_path / "n.root") as file:
        file["n"] = RECORDS
    return tmp_path / "n.root"


def test_fields_of_records_have_dots_between_levels(ntuple):
    with RootSource(ntuple) as source:
        names = {"jet.p4.pt", "jet.p4.eta", "jet.id", "head.run", "head.beam.x", "pair.0", "pair.1", "a.dot"}
        assert source.branches == names | {"ns::colon", "maybe", "deep.hits"}
        found = source.read(source.branches - {"deep.hits"}, 0, 2)
        together, alone = found["pair.1"], source.read(["pair.1"], 0, 2)["pair.1"]
    assert together.values.tolist() == alone.values.tolist() == [2.5, 4.5]
    assert found["jet.p4.eta"].values.tolist() == [0.5]
    assert found["jet.id"].counts.tolist() == [1, 0]
    assert found["head.run"].values.tolist() == [1, 2]
    assert found["head.beam.x"].counts.tolist() == [2, 0]
    assert found["a.dot"].values.tolist() == [1, 2]
    assert found["ns::colon"].values.tolist() == [3, 4]
    assert np.isnan(found["maybe"].values).tolist() == [True, False]


def wide(path, fields):
    with uproot.recreate(path) as file:
        file["n"] = {f"c{i}": ak.Array([[1.0 * i], []]) for i in range(fields)}
    return path


def test_opening_an_ntuple_is_linear_in_its_fields_and_lists_its_keys_at_most_once(tmp_path, monkeypatch):
    calls = Counter()
    attribute, keys = MetaData.__getattr__, uproot.behaviors.RNTuple.HasFields.keys

    def counted_attribute(self, name):
        calls["attribute"] += 1
        return attribute(self, name)

    def counted_keys(self, *arguments, **options):
        calls["keys"] += 1
        return keys(self, *arguments, **options)

    monkeypatch.setattr(MetaData, "__getattr__", counted_attribute)
    monkeypatch.setattr(uproot.behaviors.RNTuple.HasFields, "keys", counted_keys)
    numbers = []
    for fields in (100, 400):
        path = wide(tmp_path / f"{fields}.root", fields)
        calls.clear()
        with RootSource(path) as source:
            assert len(source.branches) == fields
            assert calls["keys"] <= 1
            column = source.read(["c7"], 0, 2)["c7"]
        assert (column.values.tolist(), column.counts.tolist()) == ([7], [1, 0])
        numbers.append(calls["attribute"])
    assert 0 < numbers[1] < 5 * numbers[0]


def test_names_of_fields_are_those_of_uproot(ntuple):
    with uproot.open(ntuple) as file:
        keys = file["n"].keys(recursive=True)
    with uproot.open(ntuple) as file:
        names = ntuple_names(file["n"])
    assert set(names) <= set(keys)
    assert set(keys) - set(names) == {"jet", "jet.p4", "head", "head.beam", "pair", "deep"}


@pytest.mark.parametrize(
    ("file", "tree"),
    [
        ("coffea__nano_dy.root", "Events"),
        ("coffea__p8_ee_WW_ecm240_edm4hep.root", "events"),
        ("coffea__treemaker.root", "PreSelection"),
        ("skhep__uproot-issue513.root", "Delphes"),
    ],
)
def test_branches_keep_their_short_names(file, tree):
    if not (REAL / file).exists():
        pytest.skip(f"../shared/data/real/{file} is not there")
    with uproot.open(REAL / file) as opened:
        keys = opened[tree].keys(recursive=True)
        names = tree_names(opened[tree])
    for key in reversed(keys):  # the first of several has the name
        short = key.rpartition("/")[2].partition("[")[0]
        first = next(k for k in keys if k.rpartition("/")[2].partition("[")[0] == short)
        assert names[short].key == first
        assert not names[short].fields


def test_second_branch_of_a_short_name_has_its_full_name():
    path = REAL / "coffea__edm4hep.root"
    if not path.exists():
        pytest.skip(f"../shared/data/real/{path.name} is not there")
    with RootSource(path, "podio_metadata") as source:
        assert {"major", "edm4hep___Version.major", "edm4hep___Version/major"} <= source.branches
        found = source.read(["major", "PodioBuildVersion.major", "edm4hep___Version.major"], 0, 1)
    with uproot.open(path) as file:
        metadata = file["podio_metadata"]
        for name in ("PodioBuildVersion", "edm4hep___Version"):
            assert found[f"{name}.major"].values.tolist() == metadata[f"{name}/major"].array().tolist()
        first = next(key for key in metadata.keys(recursive=True) if key.endswith("/major"))
        assert found["major"].values.tolist() == metadata[first].array().tolist()
