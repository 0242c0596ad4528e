from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot

from pyg_hep.readers import root
from pyg_hep.readers.flat import flat_column
from pyg_hep.readers.pages import ntuple_columns
from pyg_hep.readers.root import RootSource
from pyg_hep.testing.files import random_nanoaod

CASES = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "cases"


@pytest.fixture
def written(tmp_path):
    """Writes columns as an RNTuple, opens it."""

    def write(columns):
        with uproot.recreate(tmp_path / "n.root") as file:
            file["n"] = columns
        return RootSource(tmp_path / "n.root")

    return write


def same_as_uproot(source, monkeypatch):
    """The names that were read here, each with the numbers that the long way gives."""
    columns = ntuple_columns(source._tree, source._places, source.num_entries)
    with monkeypatch.context() as patch:
        patch.setattr(root, "ntuple_columns", lambda *arguments: {})
        expected = source._fresh(sorted(columns), 0, source.num_entries)
    for name, column in columns.items():
        assert column.values.dtype == expected[name].values.dtype, name
        np.testing.assert_array_equal(column.values, expected[name].values, err_msg=name)
        assert (column.counts is None) == (expected[name].counts is None), name
        if column.counts is not None:
            assert column.counts.dtype == expected[name].counts.dtype, name
            np.testing.assert_array_equal(column.counts, expected[name].counts, err_msg=name)
    return set(columns)


def test_a_nanoaod_ntuple_is_read_as_by_uproot(written, monkeypatch):
    with written(random_nanoaod(30, seed=1)) as source:
        assert same_as_uproot(source, monkeypatch) == source.branches


@pytest.mark.parametrize("kind", [*(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)), "f4", "f8"])
def test_numbers_of_every_type_are_those_of_uproot(written, monkeypatch, kind):
    numbers = np.arange(12).astype(kind)
    with written({"x": numbers[:4], "many": ak.unflatten(numbers, [3, 0, 7, 2])}) as source:
        assert same_as_uproot(source, monkeypatch) == {"x", "many"}


def test_what_is_more_than_numbers_or_one_level_of_lists_is_left_to_uproot(written, monkeypatch):
    columns = {
        "x": np.array([1.0, 2.0]),
        "record": ak.Array([{"a": 1, "b": {"c": [1, 2]}}, {"a": 2, "b": {"c": []}}]),
        "bits": np.array([True, False]),
        "text": ak.Array(["one", "two"]),
        "maybe": ak.Array([None, 2.5]),
        "some": ak.Array([[None, 1.0], []]),
        "deep": ak.Array([[[1.0]], []]),
        "fixed": ak.to_regular(ak.Array([[1.0, 2.0], [3.0, 4.0]])),
    }
    with written(columns) as source:
        assert same_as_uproot(source, monkeypatch) == {"x", "record.a", "record.b.c"}


def test_several_clusters_are_put_together(tmp_path, monkeypatch):
    parts = [{"x": np.arange(3.0) + 3 * k, "many": ak.Array([[k], [], [k, k]])} for k in range(3)]
    with uproot.recreate(tmp_path / "n.root") as file:
        ntuple = file.mkrntuple("n", parts[0])
        for part in parts[1:]:
            ntuple.extend(part)
    with RootSource(tmp_path / "n.root") as source:
        assert len(source._tree.cluster_summaries) == 3
        assert same_as_uproot(source, monkeypatch) == {"x", "many"}
        assert source.read(["many"], 0, 9)["many"].counts.tolist() == [1, 0, 2] * 3


def test_another_number_of_entries_is_left_to_uproot(written):
    with written({"x": np.arange(3.0), "many": ak.Array([[1], [], [2]])}) as source:
        assert ntuple_columns(source._tree, source._places, 4) == {}
        assert flat_column(source._tree["many"].array()).counts.tolist() == [1, 0, 1]


def test_an_ntuple_of_edm4hep_is_read_as_by_uproot(monkeypatch):
    path = CASES / "edm4hep_rntuple.root"
    if not path.exists():
        pytest.skip("../shared/data/cases is not there")
    with RootSource(path, "events") as source:
        assert same_as_uproot(source, monkeypatch)
