import awkward as ak
import numpy as np
import pytest

from pyg_hep.readers.flat import decoded, flat_column
from pyg_hep.readers.source import NoColumnError


def test_lists_become_values_and_counts():
    column = flat_column(ak.Array([[1.0, 2.0], [], [3.0]]))
    assert column.values.tolist() == [1.0, 2.0, 3.0]
    assert column.counts.tolist() == [2, 0, 1]
    column = flat_column(ak.Array(np.array([1, 2])))
    assert column.values.tolist() == [1, 2]
    assert column.counts is None


@pytest.mark.parametrize("shape", [(4, 3), (4, 3, 2), (0, 6)])
def test_fixed_shapes_are_one_row_per_entry(shape):
    values = np.arange(np.prod(shape)).reshape(shape)
    for array in (ak.Array(values), ak.from_numpy(values, regulararray=True)):
        column = flat_column(array)
        assert column.counts is None
        np.testing.assert_array_equal(column.values, values)


def test_fixed_shapes_in_lists_are_one_row_per_object():
    column = flat_column(ak.unflatten(ak.from_numpy(np.arange(6.0).reshape(3, 2), regulararray=True), [1, 0, 2]))
    assert column.values.tolist() == [[0, 1], [2, 3], [4, 5]]
    assert column.counts.tolist() == [1, 0, 2]


@pytest.mark.parametrize(
    ("content", "values", "counts"),
    [
        (["ttH", "", "b"], ["ttH", "", "b"], None),
        ([["a"], [], ["bb", "c"]], ["a", "bb", "c"], [1, 0, 2]),
        (["a", None], ["a", ""], None),
        ([["a", None], None], ["a", ""], [2, 0]),
    ],
)
def test_text_is_text(content, values, counts):
    column = flat_column(ak.Array(content))
    assert column.values.dtype.kind == "U"
    assert column.values.tolist() == values
    assert (column.counts if counts is None else column.counts.tolist()) == counts


def test_no_text_at_all_is_text():
    assert flat_column(ak.Array(["a"])[:0]).values.dtype.kind == "U"


def test_dictionary_encoded_text_is_text():
    column = flat_column(ak.str.to_categorical(ak.Array(["b", "a", "b"])))
    assert column.values.tolist() == ["b", "a", "b"]


def test_missing_numbers_are_nan_and_missing_lists_empty():
    column = flat_column(ak.Array([[1, None], None, [2]]))
    assert column.counts.tolist() == [2, 0, 1]
    np.testing.assert_array_equal(column.values, [1, np.nan, 2])
    np.testing.assert_array_equal(flat_column(ak.Array([None, 2.5])).values, [np.nan, 2.5])
    fixed = flat_column(ak.to_regular(ak.Array([[1.0, None], [2.0, 3.0]])))
    np.testing.assert_array_equal(fixed.values, [[1, np.nan], [2, 3]])


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ([[[1.0], []], [[2.0, 3.0]]], "two levels of lists"),
        ([[[[1.0]]]], "three levels of lists"),
        ([[["a"]]], "two levels of lists"),
        ([{"x": 1, "y": 2}], "records, .* fields are x, y"),
        ([[{"x": 1}]], "records, .* fields are x"),
        ([1.0, "a"], "differs from entry to entry"),
    ],
)
def test_what_is_no_column_says_why(content, reason):
    with pytest.raises(NoColumnError, match=reason):
        flat_column(ak.Array(content))


def test_fixed_number_of_lists_are_two_levels():
    with pytest.raises(NoColumnError, match="two levels of lists"):
        flat_column(ak.to_regular(ak.Array([[[1.0], []], [[2.0], [3.0, 4.0]]]), axis=1))


@pytest.mark.parametrize("values", [np.array([b"a\xc3\xa4"]), np.array([b"a\xc3\xa4"], object), np.array(["a\xe4"])])
def test_bytes_are_decoded(values):
    assert decoded(values).tolist() == ["a\xe4"]


@pytest.mark.parametrize("kind", ["S2", object])
def test_bytes_in_another_code_are_refused(kind):
    with pytest.raises(NoColumnError, match="no text in UTF-8"):
        decoded(np.array([b"a\xe4"], kind))
