from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot

from pyg_hep.readers.baskets import _interpreted_numbers, _plain_numbers, single_basket_columns
from pyg_hep.readers.flat import flat_column
from pyg_hep.readers.root import RootSource
from pyg_hep.testing.files import random_nanoaod, write_nanoaod

REAL = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "real"
TYPES = {"x": "float32", "fixed": ("float32", (3,)), "many": "var * int32"}


def same_as_uproot(tree, keys):
    """How many branches were read here, each with the numbers that uproot reads."""
    columns = single_basket_columns(tree, keys, tree.num_entries)
    for key, column in columns.items():
        expected = flat_column(tree[key].array(library="ak"))
        assert column.values.dtype == expected.values.dtype, key
        np.testing.assert_array_equal(column.values, expected.values, err_msg=key)
        assert (column.counts is None) == (expected.counts is None), key
        if column.counts is not None:
            np.testing.assert_array_equal(column.counts, expected.counts, err_msg=key)
    return len(columns)


def test_written_files_are_read_as_by_uproot(tmp_path):
    path = write_nanoaod(tmp_path / "a.root", random_nanoaod(30, seed=1))
    with uproot.open(path) as file:
        tree = file["Events"]
        assert same_as_uproot(tree, tree.keys()) == len(tree.keys())


@pytest.mark.parametrize(
    ("name", "tree"),
    [
        ("coffea__nano_dy.root", "Events"),
        ("coffea__nano_tt_v12.root", "Events"),
        ("skhep__uproot-HZZ.root", "events"),
        ("skhep__uproot-issue513.root", "Delphes"),
        ("coffea__treemaker.root", "PreSelection"),
    ],
)
def test_real_files_are_read_as_by_uproot(name, tree):
    path = REAL / name
    if not path.exists():
        pytest.skip(f"../shared/data/real/{name} is not there")
    with uproot.open(path) as file:
        assert same_as_uproot(file[tree], file[tree].keys(recursive=True)[:400]) > 0


def test_what_is_no_list_of_numbers_or_in_more_baskets_is_left_to_uproot(tmp_path):
    with uproot.recreate(tmp_path / "a.root") as file:
        tree = file.mktree("t", TYPES)
        for _ in range(2):
            tree.extend(
                {"x": np.ones(5, np.float32), "fixed": np.ones((5, 3), np.float32), "many": ak.Array([[1]] * 5)}
            )
        one = file.mktree("one", TYPES)
        one.extend(
            {
                "x": np.ones(5, np.float32),
                "fixed": np.ones((5, 3), np.float32),
                "many": ak.Array([[1, 2], [], [3], [4], [5]]),
            }
        )
    with uproot.open(tmp_path / "a.root") as file:
        assert single_basket_columns(file["t"], ["x", "fixed", "many"], 10) == {}
        columns = single_basket_columns(file["one"], ["x", "fixed", "many"], 5)
    assert set(columns) == {"x", "many"}
    assert columns["many"].counts.tolist() == [2, 0, 1, 1, 1]


def test_an_unknown_length_or_branch_is_left_to_uproot(tmp_path):
    path = write_nanoaod(tmp_path / "a.root", random_nanoaod(30, seed=1))
    with uproot.open(path) as file:
        tree = file["Events"]
        assert single_basket_columns(tree, ["Jet_pt", "run"], 29) == {}
        assert set(single_basket_columns(tree, ["Jet_pt", "Jet_ptt"], 30)) == {"Jet_pt"}


def test_parts_of_a_file_are_the_rows_of_all_of_it(tmp_path):
    path = write_nanoaod(tmp_path / "a.root", random_nanoaod(30, seed=1))
    with RootSource(path, "Events") as source:
        whole, part = (source.read(["Jet_pt", "run"], *ends) for ends in ((0, 30), (10, 30)))
    first = whole["Jet_pt"].counts[:10].sum()
    np.testing.assert_array_equal(whole["Jet_pt"].values[first:], part["Jet_pt"].values)
    np.testing.assert_array_equal(whole["run"].values[10:], part["run"].values)


@pytest.mark.parametrize(
    "kind", ["bool", *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)), "f4", "f8"]
)
def test_numbers_of_every_type_are_those_of_uproot(tmp_path, kind):
    numbers = np.arange(12).astype(kind)
    with uproot.recreate(tmp_path / "a.root") as file:
        tree = file.mktree("t", {"x": np.dtype(kind), "many": f"var * {np.dtype(kind).name}"})
        tree.extend({"x": numbers[:4], "many": ak.unflatten(numbers, [3, 0, 7, 2])})
    with uproot.open(tmp_path / "a.root") as file:
        assert same_as_uproot(file["t"], ["x", "many"]) == 2


def test_plain_numbers_have_the_type_of_uproots_interpretation():
    """The short way and uproot's agree on every branch of the real files that the short way takes."""
    taken = 0
    for path in sorted(REAL.glob("coffea__nano_*.root")):
        with uproot.open(path) as file:
            for branch in file["Events"].itervalues():
                numbers = _plain_numbers(branch)
                assert numbers is None or numbers == _interpreted_numbers(branch), branch.name
                taken += numbers is not None
    if not REAL.exists():
        pytest.skip("../shared/data/real is not there")
    assert taken > 1000


def test_a_file_of_few_entries_is_read_once(tmp_path, monkeypatch):
    """What probes and sizes have asked for is not read again with the events."""
    path = write_nanoaod(tmp_path / "a.root", random_nanoaod(30, seed=1))
    asked = []
    monkeypatch.setattr(
        RootSource, "_fresh", lambda self, *what, read=RootSource._fresh: asked.append(what[0]) or read(self, *what)
    )
    with RootSource(path, "Events") as source:
        first = source.read(["Jet_pt"], 0, 30)["Jet_pt"]
        again = source.read(["Jet_pt", "run"], 0, 30)
    assert asked == [["Jet_pt"], ["run"]]
    np.testing.assert_array_equal(again["Jet_pt"].values, first.values)
