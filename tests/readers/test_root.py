import awkward as ak
import numpy as np
import pytest
import uproot

from pyg_hep.errors import ReaderError
from pyg_hep.readers.root import RootTree, flat


def test_reads_a_range_of_entries(nanoaod):
    with RootTree(nanoaod, "Events") as tree:
        assert tree.num_entries == 500
        arrays = tree.read(["Jet_pt", "MET_pt"], 100, 150)
    expected = uproot.open(nanoaod)["Events"].arrays(["Jet_pt", "MET_pt"], entry_start=100, entry_stop=150)
    assert ak.all(arrays["Jet_pt"] == expected["Jet_pt"])
    assert ak.all(arrays["MET_pt"] == expected["MET_pt"])


def test_missing_file_is_named(tmp_path):
    with pytest.raises(ReaderError, match=r"nothing\.root: no such file"):
        RootTree(tmp_path / "nothing.root", "Events")


def test_missing_tree_names_the_nearest(nanoaod):
    with pytest.raises(ReaderError, match="no tree 'events' in the file, did you mean 'Events'"):
        RootTree(nanoaod, "events")


@pytest.mark.parametrize("keep", [0.0, 0.01, 0.3, 0.6, 0.9, 0.99])
def test_truncated_file_is_a_reader_error_naming_it(nanoaod, tmp_path, keep):
    content = nanoaod.read_bytes()
    path = tmp_path / "cut.root"
    path.write_bytes(content[: int(keep * len(content))])
    with pytest.raises(ReaderError, match=r"cut\.root"), RootTree(path, "Events") as tree:
        tree.read(tree.branches, 0, tree.num_entries)


def test_file_of_another_format_is_a_reader_error(tmp_path):
    path = tmp_path / "text.root"
    path.write_text("this is no ROOT file\n" * 100)
    with pytest.raises(ReaderError, match=r"text\.root: cannot read"):
        RootTree(path, "Events")


def test_chunks_follow_the_memory_asked_for(nanoaod):
    with RootTree(nanoaod, "Events") as tree:
        assert tree.entries_per_chunk(["Jet_pt"], 17) == 17
        small = tree.entries_per_chunk(["Jet_pt"], "1 kB")
        assert 1 <= small < tree.entries_per_chunk(["Jet_pt"], "1 MB")


def test_flat_gives_content_and_counts():
    values, counts = flat(ak.Array([[1.0, 2.0], [], [3.0]]), "here")
    assert values.tolist() == [1.0, 2.0, 3.0]
    assert counts.tolist() == [2, 0, 1]
    values, counts = flat(ak.Array(np.array([1, 2])), "here")
    assert values.tolist() == [1, 2]
    assert counts is None


def test_flat_refuses_what_is_no_column():
    with pytest.raises(ReaderError, match="here: expected numbers"):
        flat(ak.Array([[[1.0]]]), "here")
