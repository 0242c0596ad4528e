import numpy as np
import pytest

from pyg_hep.errors import ConfigError, ReaderError
from pyg_hep.readers.columns import (
    Column,
    FileColumn,
    numbers,
    once_per_event,
    per_event,
    per_object,
    vector_per_event,
)

TABLE = {"t": Column(np.arange(24).reshape(2, 3, 4)), "a_1": Column(np.array([1, 2])), "a_2": Column(np.array([3, 4]))}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("t[:,0]", [[0, 4, 8], [12, 16, 20]]),
        ("t[1]", [[4, 5, 6, 7], [16, 17, 18, 19]]),
        ("t[0,1:4:2]", [[1, 3], [13, 15]]),
        ("t[-1, -1]", [11, 23]),
        ("a_{1..2}", [[1, 3], [2, 4]]),
        ("a_1", [1, 2]),
    ],
)
def test_column_is_found_where_the_text_says(text, expected):
    assert FileColumn(text).take(TABLE, "file").values.tolist() == expected


@pytest.mark.parametrize("text", ["", "a[", "a[x]", "a[1;2]", "a{1..2", "a{3..1}", "a{0..99999}", "a[::-1]", "[0]"])
def test_text_that_is_no_column_is_an_error(text):
    with pytest.raises(ConfigError):
        FileColumn(text)


def test_position_that_is_not_there_names_the_shape():
    with pytest.raises(ReaderError, match=r"file, column 't\[7\]': .*\(3, 4\)"):
        FileColumn("t[7]").take(TABLE, "file")
    with pytest.raises(ReaderError, match=r"'t\[0:4\]': .*\(3, 4\)"):
        FileColumn("t[0:4]").take(TABLE, "file")
    with pytest.raises(ReaderError, match="no such position"):
        FileColumn("a_1[0]").take(TABLE, "file")


def test_one_value_per_event_is_also_a_list_of_one():
    assert per_event(Column(np.array([1.0, 2.0]), np.array([1, 1])), "x").tolist() == [1, 2]
    for column in (Column(np.array([1.0, 2.0]), np.array([2, 0])), Column(np.zeros((2, 3)))):
        with pytest.raises(ReaderError, match="x: holds lists"):
            per_event(column, "x")


def test_fixed_lengths_are_lists_of_that_length():
    values, counts = per_object(Column(np.array([[1, 2], [3, 4]])), "x")
    assert (values.tolist(), counts.tolist()) == ([1, 2, 3, 4], [2, 2])
    with pytest.raises(ReaderError, match="x: expected one number per object"):
        per_object(Column(np.zeros((4, 5)), np.array([4])), "x")


def test_small_integers_do_not_overflow_and_texts_are_no_numbers():
    assert numbers(np.array([200], np.uint8), "x") + 100 == 300
    assert numbers(np.array([2**64 - 1], np.uint64), "x")[0] == 2**64 - 1
    assert numbers(np.array([1.0], ">f4"), "x").dtype == np.dtype("=f4")
    for values in (np.array(["a"]), np.array([1j]), np.array([None])):
        with pytest.raises(ReaderError, match="x: expected numbers"):
            numbers(values, "x")


def test_rows_of_a_table_repeat_what_belongs_to_the_event():
    counts = np.array([2, 0, 3])
    repeated = Column(np.array([1, 1, 2, 2, 2]), counts, grouped=True)
    opened = per_event(repeated, "x")
    assert opened[[0, 2]].tolist() == [1, 2]
    assert np.isnan(opened[1])
    full = Column(np.array([1, 1, 2, 2, 2]), np.array([2, 3]), grouped=True)
    assert per_event(full, "x").dtype == np.int64
    assert vector_per_event(full, "x").tolist() == [1, 2]
    vectors = Column(np.array([[1.0, 2], [1, 2], [3, np.nan]]), np.array([2, 1]), grouped=True)
    assert np.array_equal(vector_per_event(vectors, "x"), [[1, 2], [3, np.nan]], equal_nan=True)
    texts = Column(np.array(["a", "a", "b"]), np.array([2, 1]), grouped=True)
    assert once_per_event(texts, "x").values.tolist() == ["a", "b"]
    with pytest.raises(ReaderError, match=r"x: differs .* \(2 and 3, first in entry 1 of the chunk\)"):
        per_event(Column(np.array([1, 2, 3]), np.array([1, 2]), grouped=True), "x")


def test_lists_of_a_file_are_not_opened_as_repeats():
    lists = Column(np.array([1, 1]), np.array([2]))
    assert once_per_event(lists, "x") is lists
    with pytest.raises(ReaderError, match="x: holds lists"):
        per_event(lists, "x")


def test_positions_keep_what_a_column_is():
    table = {"t": Column(np.arange(6).reshape(3, 2), np.array([2, 1]), grouped=True)}
    assert FileColumn("t[:1]").take(table, "file").grouped
