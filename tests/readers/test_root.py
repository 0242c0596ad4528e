from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot

from pyg_hep.errors import ReaderError
from pyg_hep.readers import read_events
from pyg_hep.readers.root import RootSource

REAL, CASES = (Path(__file__).resolve().parents[2].parent / "shared" / "data" / part for part in ("real", "cases"))


def shared(folder, name):
    """A file that lies beside the checkout."""
    if not (folder / name).exists():
        pytest.skip(f"../shared/data/{folder.name}/{name} is not there")
    return folder / name


def test_reads_a_range_of_entries(nanoaod):
    with RootSource(nanoaod, "Events") as tree:
        assert tree.num_entries == 500
        arrays = tree.read(["Jet_pt", "MET_pt"], 100, 150)
    expected = uproot.open(nanoaod)["Events"].arrays(["Jet_pt", "MET_pt"], entry_start=100, entry_stop=150)
    assert arrays["Jet_pt"].values.tolist() == ak.flatten(expected["Jet_pt"]).tolist()
    assert arrays["Jet_pt"].counts.tolist() == ak.num(expected["Jet_pt"]).tolist()
    assert arrays["MET_pt"].values.tolist() == expected["MET_pt"].tolist()
    assert arrays["MET_pt"].counts is None


def test_missing_file_is_named(tmp_path):
    with pytest.raises(ReaderError, match=r"nothing\.root: no such file"):
        RootSource(tmp_path / "nothing.root", "Events")


def test_missing_tree_names_the_nearest(nanoaod):
    with pytest.raises(ReaderError, match="no tree 'events' in the file, did you mean 'Events'"):
        RootSource(nanoaod, "events")


@pytest.mark.parametrize("keep", [0.0, 0.01, 0.3, 0.6, 0.9, 0.99])
def test_truncated_file_is_a_reader_error_naming_it(nanoaod, tmp_path, keep):
    content = nanoaod.read_bytes()
    path = tmp_path / "cut.root"
    path.write_bytes(content[: int(keep * len(content))])
    with pytest.raises(ReaderError, match=r"cut\.root"), RootSource(path, "Events") as tree:
        tree.read(tree.branches, 0, tree.num_entries)


def test_file_of_another_format_is_a_reader_error(tmp_path):
    path = tmp_path / "text.root"
    path.write_text("this is no ROOT file\n" * 100)
    with pytest.raises(ReaderError, match=r"text\.root: cannot read"):
        RootSource(path, "Events")


def test_chunks_follow_the_memory_asked_for(nanoaod):
    with RootSource(nanoaod, "Events") as tree:
        assert tree.chunks(["Jet_pt"], 170) == [(0, 170), (170, 340), (340, 500)]
        # Four jets of 4 bytes and a count: about 20 bytes an event.
        assert 3 <= len(tree.chunks(["Jet_pt"], "3 kB")) <= 6
        assert tree.chunks(["Jet_pt"], "1 MB") == [(0, 500)]
        with pytest.raises(ReaderError, match="'a lot' is no size"):
            tree.chunks(["Jet_pt"], "a lot")


def test_only_tree_of_a_file_needs_no_name(nanoaod, tmp_path):
    assert RootSource(nanoaod).tree_name == "Events"
    with uproot.recreate(tmp_path / "two.root") as file:
        file.mktree("a", {"x": "f4"}).extend({"x": [1.0]})
        file.mktree("b", {"x": "f4"}).extend({"x": [1.0]})
    with pytest.raises(ReaderError, match="'tree'; the file has a, b"):
        RootSource(tmp_path / "two.root")


def test_ntuple_has_the_columns_of_a_tree(tmp_path):
    jets = ak.Array([[{"pt": 1.0, "eta": 0.5}, {"pt": 2.0, "eta": 1.5}], []])
    with uproot.recreate(tmp_path / "n.root") as file:
        file["Events"] = {"Jet": jets, "Muon_pt": ak.Array([[3.0], [4.0, 5.0]]), "run": np.array([1, 2])}
    with RootSource(tmp_path / "n.root") as ntuple:
        arrays = ntuple.read(["Jet.pt", "Jet.eta", "Muon_pt", "run"], 0, 2)
        assert ntuple.chunks(["Jet.pt"], "1 MB") == [(0, 2)]
    assert arrays["Jet.pt"].values.tolist() == [1, 2]
    assert arrays["Jet.eta"].counts.tolist() == [2, 0]
    assert arrays["Muon_pt"].values.tolist() == [3, 4, 5]
    assert arrays["run"].values.tolist() == [1, 2]


def test_collections_that_the_importer_made_are_found_by_the_names_of_their_columns(tmp_path):
    values = ak.Array([[1.0, 2.0], [3.0]])
    with uproot.recreate(tmp_path / "n.root") as file:
        file["Events"] = {"_collection0": ak.zip({"Jet_pt": values, "Jet_eta": -values}), "run": np.array([1, 2])}
    with RootSource(tmp_path / "n.root", "Events") as ntuple:
        assert {"Jet_pt", "Jet_eta", "run"} <= ntuple.branches
        arrays = ntuple.read(["Jet_eta", "Jet_pt"], 0, 2)
    assert arrays["Jet_eta"].values.tolist() == [-1, -2, -3]
    assert arrays["Jet_pt"].counts.tolist() == [2, 1]


def test_sum_of_generator_weights_is_that_of_runs(tmp_path, nanoaod):
    with uproot.recreate(tmp_path / "runs.root") as file:
        file.mktree("Events", {"x": "f4"}).extend({"x": [1.0]})
        file.mktree("Runs", {"genEventSumw": "f8"}).extend({"genEventSumw": [10.0, 5.5]})
    assert RootSource(tmp_path / "runs.root", "Events").sum_of_generator_weights() == 15.5
    assert RootSource(nanoaod, "Events").sum_of_generator_weights() is None


def test_lists_of_lists_are_refused(tmp_path):
    with uproot.recreate(tmp_path / "deep.root") as file:
        file["Events"] = {"deep": ak.Array([[[1.0], []], [[2.0, 3.0]]])}
    with (
        RootSource(tmp_path / "deep.root") as tree,
        pytest.raises(
            ReaderError, match=r"deep\.root: cannot read entries 0 to 2 of column 'deep': it holds two levels of lists"
        ),
    ):
        tree.read(["deep"], 0, 2)


JETS = {"pt": "jet_pt", "eta": "jet_eta", "phi": "jet_phi", "mass": "jet_m"}
PADDED = {
    "name": "padded",
    "reader": "root",
    "objects": {"jet": {"kind": "jet", "collection": "{}", "columns": JETS}},
}


@pytest.mark.parametrize("name", ["fixed_tree.root", "fixedzero.root"])
def test_fixed_arrays_of_trees_and_ntuples_are_padded_arrays(name):
    path = shared(CASES, name)
    with RootSource(path) as source:
        column = source.read(["jet_pt"], 0, 200)["jet_pt"]
    assert column.values.shape == (200, 6)
    assert column.counts is None
    events = read_events(path, PADDED)
    assert (len(events), int(ak.sum(ak.num(events.objects)))) == (200, 601)
    assert ak.min(events.objects.pt) > 0


@pytest.mark.parametrize("as_tree", [True, False])
def test_fixed_arrays_keep_their_shape(tmp_path, as_tree):
    columns = {"w": np.arange(12.0).reshape(4, 3), "m": np.arange(24.0).reshape(4, 3, 2)}
    with uproot.recreate(tmp_path / "a.root") as file:
        if as_tree:
            file.mktree("t", {name: (v.dtype, v.shape[1:]) for name, v in columns.items()}).extend(columns)
        else:
            file["t"] = columns
    with RootSource(tmp_path / "a.root") as source:
        found = source.read(["w", "m"], 1, 4)
        whole = source.read(["w", "m"], 0, 4)
    for name, values in columns.items():
        assert found[name].counts is None
        np.testing.assert_array_equal(found[name].values, values[1:])
        np.testing.assert_array_equal(whole[name].values, values)


def test_edm4hep_records_are_read_by_their_dotted_names():
    with RootSource(shared(CASES, "edm4hep_rntuple.root")) as source:
        found = source.read(source.branches, 0, 60)
    particles = uproot.open(CASES / "edm4hep_rntuple.root")["events"].arrays().ReconstructedParticles
    assert len(found) == 5
    for name, expected in (("momentum.x", particles.momentum.x), ("energy", particles.energy)):
        column = found[f"ReconstructedParticles.{name}"]
        assert column.values.tolist() == ak.flatten(expected).tolist()
        assert column.counts.tolist() == ak.num(expected).tolist()


@pytest.mark.parametrize(
    ("file", "tree", "column", "outer", "fields"),
    [
        ("skhep__uproot-HZZ-objects.root", "events", "muonp4.fP.fX", "muonp4", ("fP", "fX")),
        ("skhep__uproot-HZZ-objects.root", "events", "muonp4.fE", "muonp4", ("fE",)),
        ("skhep__uproot-HZZ-objects.root", "events", "MET.fY", "MET", ("fY",)),
        ("coffea__treemaker.root", "PreSelection", "Jets.fCoordinates.fPt", "Jets/Jets.fCoordinates.fPt", ()),
        ("coffea__p8_ee_WW_ecm240_edm4hep.root", "events", "ReconstructedParticles.momentum.x",
         "ReconstructedParticles/ReconstructedParticles.momentum.x", ()),
        ("coffea__p8_ee_WW_ecm240_edm4hep.root", "events", "Electron_objIdx.index",
         "Electron_objIdx/Electron_objIdx.index", ()),
        ("coffea__PHYSLITE_example.root", "CollectionTree", "AnalysisJetsAuxDyn.pt", "AnalysisJetsAuxDyn.pt", ()),
    ],
)  # fmt: skip
def test_columns_of_published_files_are_what_uproot_shows(file, tree, column, outer, fields):
    path = shared(REAL, file)
    expected = uproot.open(path)[tree][outer].array()
    for field in fields:
        expected = expected[field]
    with RootSource(path, tree) as source:
        found = source.read([column], 0, source.num_entries)[column]
    assert len(found.values) > 0
    assert found.values.tolist() == ak.flatten(expected, axis=None).tolist()
    assert (found.counts is None) == (expected.ndim == 1)


def test_what_cannot_be_a_column_says_why_and_leaves_the_others_readable():
    path = shared(REAL, "coffea__PHYSLITE_example.root")
    reasons = {
        "METAssoc_AnalysisMETAux.calpx": "two levels of lists",
        "METAssoc_AnalysisMETAux.xAOD::AuxContainerBase": "uproot does not know how its type is written",
        "AnalysisJets": "objects that are no records",
        "AnalysisElectronsAux.": "objects without a number",
        "METAssoc_AnalysisMETAux.": "no values but the columns METAssoc_AnalysisMETAux.cale, ",
    }
    with RootSource(path) as source:
        for name, reason in reasons.items():
            with pytest.raises(ReaderError, match=rf"PHYSLITE.*column '{name}': .*{reason}") as error:
                source.read([name, "AnalysisJetsAuxDyn.pt"], 0, 3)
            assert "damaged" not in str(error.value)
        assert source.read(["AnalysisJetsAuxDyn.pt"], 0, 3)["AnalysisJetsAuxDyn.pt"].counts.sum() > 0


def test_text_of_trees_and_ntuples_is_text(tmp_path):
    texts = ["ttH", "", "t\u00e4u"]
    with uproot.recreate(tmp_path / "a.root") as file:
        file["n"] = {"s": ak.Array(texts), "l": ak.Array([["a"], [], ["b", "cc"]])}
        file.mktree("t", {"s": "string"}).extend({"s": texts})
    with RootSource(tmp_path / "a.root", "n") as source:
        found = source.read(["s", "l"], 0, 3)
    assert found["s"].values.tolist() == texts
    assert found["s"].values.dtype.kind == "U"
    assert (found["l"].values.tolist(), found["l"].counts.tolist()) == (["a", "b", "cc"], [1, 0, 2])
    with RootSource(tmp_path / "a.root", "t") as source:
        assert source.read(["s"], 0, 3)["s"].values.tolist() == texts


MOMENTUM = {"px": "momentum.x", "py": "momentum.y", "pz": "momentum.z"}
VECTOR = {"px": "fP.fX", "py": "fP.fY", "pz": "fP.fZ", "energy": "fE"}
SPLIT = {"pt": "fCoordinates.fPt", "eta": "fCoordinates.fEta", "phi": "fCoordinates.fPhi", "energy": "fCoordinates.fE"}


@pytest.mark.parametrize(
    ("folder", "file", "kind", "definition", "events", "nodes"),
    [
        (CASES, "edm4hep_rntuple.root", "particle",
         {"collection": "ReconstructedParticles", "columns": MOMENTUM}, 60, 143),
        (REAL, "coffea__p8_ee_WW_ecm240_edm4hep.root", "particle",
         {"collection": "ReconstructedParticles", "columns": MOMENTUM}, 10, 620),
        (REAL, "skhep__uproot-HZZ-objects.root", "muon", {"collection": "muonp4", "columns": VECTOR}, None, 3825),
        (REAL, "coffea__treemaker.root", "jet", {"collection": "Jets", "columns": SPLIT}, 10, 172),
        (REAL, "coffea__PHYSLITE_example.root", "jet",
         {"collection": "AnalysisJetsAuxDyn", "columns": {"mass": "m"}, "unit": "MeV"}, 100, 881),
    ],
)  # fmt: skip
def test_nodes_of_published_files_are_the_objects_that_uproot_shows(folder, file, kind, definition, events, nodes):
    card = {"name": "own", "reader": "root", "objects": {"object": {"kind": kind} | definition}}
    found = read_events(shared(folder, file), card)
    assert int(ak.sum(ak.num(found.objects))) == nodes
    assert events in (None, len(found))  # events without a muon are no graphs
