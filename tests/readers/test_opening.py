from pathlib import Path

import numpy as np
import pytest
import uproot

from pyg_hep.errors import ReaderError
from pyg_hep.readers import load_card
from pyg_hep.readers.card import FriendDefinition
from pyg_hep.readers.opening import friend_path, open_source

CASES = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "cases"
CARD = {"name": "mine", "reader": "root", "objects": {"jet": {"kind": "jet", "collection": "Jet"}}}


@pytest.fixture
def two_trees(tmp_path):
    with uproot.recreate(tmp_path / "a.root") as file:
        file["one"] = {"pt": np.ones(3)}
        file["dir/two"] = {"pt": np.ones(5)}
    return tmp_path / "a.root"


def entries(path, **keys):
    with open_source(path, load_card({**CARD, **keys})) as source:
        return source.num_entries_of(["pt"])


def test_tree_of_the_path_counts_before_that_of_the_card(two_trees):
    assert entries(two_trees, tree="one") == 3
    assert entries(f"{two_trees}:dir/two", tree="one") == 5
    assert entries(f"{two_trees}:one") == 3
    assert entries(f"{two_trees}:one", reader="nanoaod") == 3
    with pytest.raises(ReaderError, match=r"a\.root: say which tree .*one, dir/two"):
        entries(two_trees)
    with pytest.raises(ReaderError, match=r"a\.root: no tree 'onne' in the file, did you mean 'one'"):
        entries(f"{two_trees}:onne", tree="one")


def test_a_file_without_trees_has_no_tree_to_name(tmp_path):
    np.savez(tmp_path / "a.npz", pt=np.ones(2))
    with pytest.raises(ReaderError, match=r"a\.npz:Events: files of the reader 'npz' have no trees"):
        entries(f"{tmp_path}/a.npz:Events", reader="npz")


def test_each_tree_of_a_published_file_has_its_200_events():
    if not (CASES / "sigtree.root").is_file():
        pytest.skip("../shared/data/cases/sigtree.root is not there")
    for tree in ("sig_tree", "bkg_tree"):
        with open_source(f"{CASES}/sigtree.root:{tree}", load_card(CARD)) as source:
            assert source.tree_name == tree
            assert source.num_entries_of(["Jet_pt"]) == 200


@pytest.mark.parametrize(
    ("path", "files", "expected"),
    [
        ("/data/a.root", None, "/data/a.root"),
        ("/data/a.root", "b.root", "/data/b.root"),
        ("/data/a.root", "{stem}_friend.h5", "/data/a_friend.h5"),
        ("/data/a.root", "../friends/{name}", "/data/../friends/a.root"),
        ("/data/a.root", "/other/{stem}.root", "/other/a.root"),
        ("/data/mc/a.root", "{folder}_friends/{name}", "/data/mc_friends/a.root"),
        ("a.root", "{stem}_f.root", "a_f.root"),
        ("a.root", "{folder}/f.root", "./f.root"),
        ("/a.root", "f.root", "/f.root"),
        ("root://host//data/a.root", "{stem}_f.root", "root://host//data/a_f.root"),
        ("/data/a.root", "https://host/{stem}.csv", "https://host/a.csv"),
    ],
)
def test_friends_lie_beside_the_file(path, files, expected):
    assert friend_path(path, FriendDefinition(files, "T")) == (expected, "T")


def test_tree_behind_the_path_of_a_friend_counts_first():
    assert friend_path("/d/a.root", FriendDefinition("b.root:U", "T")) == ("/d/b.root", "U")


def test_ending_without_a_format_needs_the_reader(two_trees, tmp_path):
    np.savez(tmp_path / "scores.npz", s=np.ones(3))
    (tmp_path / "scores.npz").rename(tmp_path / "scores.dat")
    friend = {"files": "scores.dat"}
    with pytest.raises(ReaderError, match=r"scores\.dat: no format has this ending: set the key 'friends\.S\.reader'"):
        entries(two_trees, tree="one", friends={"S": friend})
    card = load_card({**CARD, "tree": "one", "friends": {"S": {**friend, "reader": "npz"}}})
    with open_source(two_trees, card) as source:
        assert source.read(["S.s"], 0, 3)["S.s"].values.tolist() == [1, 1, 1]


def test_files_are_closed_when_opening_fails(two_trees):
    import gc
    import os

    folder = Path(f"/proc/{os.getpid()}/fd")
    if not folder.is_dir():
        pytest.skip("this system does not list open files")
    gc.collect()
    before = len(list(folder.iterdir()))
    for keys in ({"group_by": "event"}, {"friends": {"F": {"tree": "dir/two", "on": "event"}}}):
        with pytest.raises(ReaderError, match="no branch 'event'"):
            entries(two_trees, tree="one", **keys)
    assert len(list(folder.iterdir())) == before
