import awkward as ak
import numpy as np
import pytest
import uproot

from pyg_hep.errors import ReaderError
from pyg_hep.readers.root import RootSource, flat_column


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


def test_lists_become_values_and_counts():
    column = flat_column(ak.Array([[1.0, 2.0], [], [3.0]]))
    assert column.values.tolist() == [1.0, 2.0, 3.0]
    assert column.counts.tolist() == [2, 0, 1]
    column = flat_column(ak.Array(np.array([1, 2])))
    assert column.values.tolist() == [1, 2]
    assert column.counts is None


def test_lists_of_lists_are_refused(tmp_path):
    with uproot.recreate(tmp_path / "deep.root") as file:
        file["Events"] = {"deep": ak.Array([[[1.0], []], [[2.0, 3.0]]])}
    with (
        RootSource(tmp_path / "deep.root") as tree,
        pytest.raises(ReaderError, match=r"deep\.root: cannot read entries 0 to 2 of column 'deep'"),
    ):
        tree.read(["deep"], 0, 2)
