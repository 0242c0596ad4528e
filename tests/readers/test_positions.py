import numpy as np
import pytest

from pyg_hep.errors import ConfigError
from pyg_hep.readers.positions import at_positions, parse_positions

LISTS = [[10, 11, 12, 13], [], [20], [30, 31]]
VALUES, COUNTS = np.array([x for one in LISTS for x in one]), np.array([len(one) for one in LISTS])


@pytest.mark.parametrize(
    "text", ["0", "1", "-1", "-2", "5", ":", "1:", ":2", ":-1", "-2:", "::2", "1:4:2", "-3:-1", "7:9"]
)
def test_positions_in_lists_are_those_of_python(text):
    values, counts = at_positions(VALUES, COUNTS, parse_positions(text))
    expected = []
    for one in LISTS:
        try:
            part = eval(f"one[{text}]", {"one": one})
        except IndexError:
            part = []
        expected.append(part if isinstance(part, list) else [part])
    assert counts.tolist() == [len(part) for part in expected]
    assert values.tolist() == [x for part in expected for x in part]


def test_further_positions_are_those_of_the_elements():
    values, counts = at_positions(np.arange(14).reshape(7, 2), COUNTS, parse_positions(":,1"))
    assert (values.tolist(), counts.tolist()) == ([1, 3, 5, 7, 9, 11, 13], COUNTS.tolist())
    values, counts = at_positions(np.arange(14).reshape(7, 2), COUNTS, parse_positions("-1, 0"))
    assert (values.tolist(), counts.tolist()) == ([6, 8, 12], [1, 0, 1, 1])


def test_arrays_of_fixed_size_have_the_positions_or_not():
    values, counts = at_positions(np.arange(6).reshape(2, 3), None, parse_positions("-1"))
    assert (values.tolist(), counts) == ([2, 5], None)
    for text in ("3", "-4", "0:4", "0,0"):
        with pytest.raises(IndexError):
            at_positions(np.arange(6).reshape(2, 3), None, parse_positions(text))


@pytest.mark.parametrize("text", ["", "a", "1:2:0", "1:2:-1", "1.5", "1,,2"])
def test_what_is_no_position_is_named(text):
    with pytest.raises(ConfigError, match="is no position"):
        parse_positions(text)
