from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import uproot

from pyg_hep.errors import ReaderError
from pyg_hep.readers import branches
from pyg_hep.readers.root import RootSource
from pyg_hep.testing.files import random_nanoaod, write_nanoaod

REAL = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "real"


@pytest.fixture
def taken(monkeypatch):
    """Branches that were tried to be read at once, and those that were."""
    counts = Counter()

    def read(*arguments, original=branches._read):
        counts["tried"] += 1
        branch = original(*arguments)
        counts["read"] += 1
        return branch

    monkeypatch.setattr(branches, "_read", read)
    return counts


def members(model):
    """What uproot says of a branch or leaf, but for what nobody asks for."""
    if isinstance(model, (list, uproot.models.TObjArray.Model_TObjArray)):
        return [members(part) for part in model]
    if isinstance(model, uproot.model.Model):
        unasked = ("@fUniqueID", "@fBits", "fMinimum", "fMaximum")
        return {name: members(value) for name, value in model.all_members.items() if name not in unasked}
    return model.tolist() if isinstance(model, np.ndarray) else model


def same_as_uproot(path, tree):
    options = {"object_cache": None, "array_cache": None}
    with (
        uproot.open(path, **options) as one,
        uproot.open(path, custom_classes=branches.root_classes(), **options) as other,
    ):
        expected, found = one[tree], other[tree]
        pairs = list(zip(expected.itervalues(recursive=True), found.itervalues(recursive=True), strict=True))
        assert found.keys() == expected.keys()
        assert members(found.member("fLeaves")) == members(expected.member("fLeaves"))
        for a, b in pairs:
            assert type(a) is type(b)
            assert members(b) == members(a), a.name
            if len(a.member("fLeaves")) == 1 and not a.branches:
                assert repr(b.interpretation) == repr(a.interpretation), a.name
        return len(pairs)


def test_a_branch_is_read_at_once_as_uproot_reads_it(tmp_path, taken):
    path = write_nanoaod(tmp_path / "a.root", random_nanoaod(30, seed=1))
    assert taken["read"] == 0
    assert same_as_uproot(path, "Events") == taken["read"] == taken["tried"] > 30


@pytest.mark.parametrize(
    ("name", "tree", "all_of_it"),
    [
        ("coffea__nano_dy.root", "Events", True),
        ("skhep__uproot-HZZ.root", "events", False),
        ("skhep__uproot-HZZ-objects.root", "events", False),
        ("skhep__uproot-issue513.root", "Delphes", False),
        ("coffea__treemaker.root", "PreSelection", False),
    ],
)
def test_branches_of_published_files_are_those_of_uproot(name, tree, all_of_it, taken):
    if not (REAL / name).exists():
        pytest.skip(f"../shared/data/real/{name} is not there")
    number = same_as_uproot(REAL / name, tree)
    assert not all_of_it or taken["read"] == number


def test_a_branch_of_fixed_shape_is_read_with_its_shape(tmp_path, taken):
    with uproot.recreate(tmp_path / "a.root") as file:
        file.mktree("t", {"x": "float32", "fixed": ("float32", (3,))}).extend(
            {"x": np.ones(5, np.float32), "fixed": np.arange(15, dtype=np.float32).reshape(5, 3)}
        )
    assert same_as_uproot(tmp_path / "a.root", "t") == taken["read"] == 2
    with RootSource(tmp_path / "a.root") as source:
        assert source.read(["fixed"], 0, 5)["fixed"].values.tolist() == np.arange(15.0).reshape(5, 3).tolist()


def test_classes_that_files_bring_along_stay_out_of_uproots(tmp_path):
    path = write_nanoaod(tmp_path / "a.root", random_nanoaod(5, seed=1))
    RootSource(path, "Events").close()
    assert uproot.classes["TBranch"] is not branches.Model_TBranch
    assert branches.root_classes()["TBranch"] is branches.Model_TBranch
    assert branches.root_classes()["TTree"] is uproot.classes["TTree"]


def test_a_damaged_branch_is_the_error_of_uproot(tmp_path, taken):
    with uproot.recreate(tmp_path / "a.root", compression=None) as file:
        columns = random_nanoaod(30, seed=1)
        file.mktree("Events", columns)
    content = bytearray((tmp_path / "a.root").read_bytes())
    place = content.index(b"\x07Jet_eta\x0fJet_eta[nJet]/F")
    content[place - 13] ^= 1  # the length of name and title: 6 + 2 + 4 + 4 bytes are between it and the name
    (tmp_path / "b.root").write_bytes(content)
    with pytest.raises(ReaderError, match=r"b\.root: cannot read tree 'Events'"):
        RootSource(tmp_path / "b.root", "Events")
    assert taken["read"] == taken["tried"] - 1 == 2


def test_an_untested_release_of_uproot_reads_by_itself(tmp_path, taken, monkeypatch):
    path = write_nanoaod(tmp_path / "a.root", random_nanoaod(30, seed=1))
    monkeypatch.setattr(uproot, "__version__", "6.0.0")
    branches.root_classes.cache_clear()
    try:
        assert branches.root_classes() is None
        with uproot.open(path, custom_classes=branches.root_classes()) as file:
            assert file["Events"].num_entries == 30
    finally:
        branches.root_classes.cache_clear()
    assert not taken
