import numpy as np
import pytest

from pyg_hep.readers.keys import KeyIndex


def test_rows_are_found_by_all_their_values():
    rng = np.random.default_rng(0)
    columns = [rng.integers(-3, 3, 200), rng.integers(0, 2**62, 200), rng.integers(0, 4, 200)]
    asked = [np.concatenate([column[::-1], column[:50] + 1]) for column in columns]
    table = list(zip(*(column.tolist() for column in columns), strict=True))
    expected = [table.index(row) if row in table else -1 for row in zip(*(a.tolist() for a in asked), strict=True)]
    assert KeyIndex(columns).rows(asked).tolist() == expected
    assert expected.count(-1) == 50


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ([[1, 2, 3], [1, 1, 1]], None),
        ([[1, 2, 1], [1, 1, 2]], None),
        ([[1, 2, 1, 2], [1, 1, 2, 1]], (1, 3)),
        ([["a", "b", "a"]], (0, 2)),
        ([[]], None),
    ],
)
def test_first_repeat_is_named_with_the_row_it_repeats(columns, expected):
    assert KeyIndex([np.array(column) for column in columns]).repeated() == expected


def test_nothing_is_found_in_a_table_without_rows():
    assert KeyIndex([np.zeros(0, int)]).rows([np.array([0, 1])]).tolist() == [-1, -1]
