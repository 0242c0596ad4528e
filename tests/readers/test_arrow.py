import decimal

import numpy as np
import pyarrow as pa
import pytest

from pyg_hep.readers.arrow import arrow_column, fields_of
from pyg_hep.readers.source import NoColumnError

NAN = float("nan")
LISTS = [[1, 2], [], None, [3]]
COLUMNS = [
    (pa.array([1, 2, None]), [1, 2, NAN], None, "f"),
    (pa.array([1, 2]), [1, 2], None, "i"),
    (pa.array([True, False]), [True, False], None, "b"),
    (pa.array([True, None]), [1, NAN], None, "f"),
    (pa.array([1.5, None], pa.float32()), [1.5, NAN], None, "f"),
    (pa.array(np.array([1.5, 2.5], np.float16)), [1.5, 2.5], None, "f"),
    (pa.array([decimal.Decimal("1.25"), None]), [1.25, NAN], None, "f"),
    (pa.array([None, None]), [NAN, NAN], None, "f"),
    (pa.array(["ttH", None, "b"]), ["ttH", "", "b"], None, "U"),
    (pa.array(["a", "b", "a", None]).dictionary_encode(), ["a", "b", "a", ""], None, "U"),
    (pa.array(["a"], pa.large_string()), ["a"], None, "U"),
    (pa.array(["t\u00e4u".encode()]), ["t\u00e4u"], None, "U"),
    (pa.array(LISTS, pa.list_(pa.int32())), [1, 2, 3], [2, 0, 0, 1], "i"),
    (pa.array(LISTS, pa.large_list(pa.int32())), [1, 2, 3], [2, 0, 0, 1], "i"),
    (pa.array([[1, None], [3, 4]], pa.list_(pa.float64(), 2)), [[1, NAN], [3, 4]], None, "f"),
    (pa.array([[1, 2], None, [3, 4]], pa.list_(pa.int64(), 2)), [[1, 2], [NAN, NAN], [3, 4]], None, "f"),
    (pa.array([[[1, 2], [3, 4]], []], pa.list_(pa.list_(pa.int64(), 2))), [[1, 2], [3, 4]], [2, 0], "i"),
    (pa.array([[["a", "b"]]], pa.list_(pa.list_(pa.string(), 2))), [["a", "b"]], [1], "U"),
    (pa.array([["a"], [], ["b", None]]), ["a", "b", ""], [1, 0, 2], "U"),
    (pa.array([[]], pa.list_(pa.float32())), [], [0], "f"),
    (pa.array([], pa.string()), [], None, "U"),
    (pa.array([], pa.list_(pa.float32(), 3)), [], None, "f"),
]


@pytest.mark.parametrize("chunked", ["one", "several", "slice"])
@pytest.mark.parametrize(("array", "values", "counts", "kind"), COLUMNS)
def test_columns_hold_what_arrow_holds(array, values, counts, kind, chunked):
    if chunked == "several":
        array = pa.chunked_array([array.slice(0, 1), array.slice(1)])
    elif chunked == "slice":
        array = pa.chunked_array([pa.concat_arrays([array, array, array]).slice(len(array), len(array))])
    else:
        array = pa.chunked_array([array])
    column = arrow_column(array, ())
    assert column.values.dtype.kind in (kind, "f" if kind in "ib" else kind)
    if kind == "U":
        assert column.values.tolist() == values
    else:
        np.testing.assert_array_equal(column.values.astype(float).tolist(), np.array(values, float).tolist())
    assert (column.counts is None) if counts is None else (column.counts.tolist() == counts)
    assert len(column) == len(array)


@pytest.mark.parametrize(
    ("content", "fields", "values", "counts"),
    [
        ([{"pt": [1.0, 2.0]}, {"pt": []}, None], ("pt",), [1, 2], [2, 0, 0]),
        ([[{"pt": 1.0}, {"pt": None}], []], ("pt",), [1, NAN], [2, 0]),
        ([{"p": {"x": 1.0}}, {"p": None}, None], ("p", "x"), [1, NAN, NAN], None),
        ([[{"p": {"x": 1.0}}], []], ("p", "x"), [1], [1, 0]),
    ],
)
def test_fields_of_structs_and_lists_of_structs(content, fields, values, counts):
    array = pa.chunked_array([pa.array([*content, *content]).slice(len(content))])
    assert list(fields_of(array.type)) == [fields]
    column = arrow_column(array, fields)
    np.testing.assert_array_equal(column.values, values)
    assert (column.counts is None) if counts is None else (column.counts.tolist() == counts)


@pytest.mark.parametrize(
    ("array", "fields", "reason"),
    [
        (pa.array([[[1.0]]]), (), "two levels of lists"),
        (pa.array([[[[1.0]]]]), (), "three levels of lists"),
        (pa.array([[{"x": [1.0]}]]), ("x",), "two levels of lists"),
        (pa.array([[[1.0]]], pa.list_(pa.list_(pa.float64()), 1)), (), "two levels of lists"),
        (pa.array([{"x": 1}]), (), "records, .* fields are x"),
        (pa.array([0], pa.timestamp("s")), (), r"type timestamp\[s\], which are neither numbers nor text"),
        (pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int64())), (), "type map<string, int64>"),
        (pa.array([b"\xe4"]), (), "no text in UTF-8"),
    ],
)
def test_what_is_no_column_says_why(array, fields, reason):
    with pytest.raises(NoColumnError, match=reason):
        arrow_column(pa.chunked_array([array]), fields)
