import numpy as np
import pytest

from pyg_hep.readers.columns import Column
from pyg_hep.readers.lists import REDUCTIONS, elementwise

LISTS = [[3.0, 1.0, 2.0], [], [-4.0], [5.0, 5.0]]


def column(lists, dtype=np.float64):
    return Column(np.array([x for one in lists for x in one], dtype), np.array([len(one) for one in lists]))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("sum", [6, 0, -4, 10]),
        ("count", [3, 0, 1, 2]),
        ("mean", [2, np.nan, -4, 5]),
        ("min", [1, np.nan, -4, 5]),
        ("max", [3, np.nan, -4, 5]),
        ("argmax", [0, np.nan, 0, 0]),
        ("any", [True, False, True, True]),
        ("all", [True, True, True, True]),
    ],
)
def test_reductions_of_lists_of_different_lengths(name, expected):
    np.testing.assert_array_equal(REDUCTIONS[name](column(LISTS)), expected)


def test_reductions_of_random_lists_are_those_of_a_loop():
    generator = np.random.default_rng(1)
    lists = [generator.normal(size=n).tolist() for n in generator.integers(0, 6, 500)]
    loops = {"sum": sum, "max": lambda x: max(x, default=np.nan), "min": lambda x: min(x, default=np.nan)}
    for name, loop in loops.items():
        np.testing.assert_allclose(REDUCTIONS[name](column(lists)), [loop(one) for one in lists], atol=1e-12)


def test_true_values_are_counted_and_integers_stay_integers():
    passed = column([[True, False], [], [True]], bool)
    assert REDUCTIONS["count"](passed).tolist() == [1, 0, 1]
    assert REDUCTIONS["all"](passed).tolist() == [False, True, True]
    assert REDUCTIONS["sum"](column([[1, 2], []], np.int64)).dtype == np.int64


def test_arrays_of_fixed_size_are_lists_too():
    assert REDUCTIONS["sum"](np.array([[1.0, 2.0], [3.0, 4.0]])).tolist() == [3, 7]
    for value in (np.array([1.0, 2.0]), Column(np.zeros((2, 2)), np.array([1, 1]))):
        with pytest.raises(TypeError, match="a function of lists, on"):
            REDUCTIONS["sum"](value)


def test_elementwise_repeats_the_numbers_of_entries():
    product = elementwise(np.multiply, column(LISTS), np.array([1.0, 2.0, 3.0, 4.0]))
    assert product.values.tolist() == [3, 1, 2, -12, 20, 20]
    assert product.counts.tolist() == [3, 0, 1, 2]
    assert elementwise(np.multiply, np.ones((2, 3)), np.array([2.0, 3.0])).tolist() == [[2] * 3, [3] * 3]
    with pytest.raises(TypeError, match="lists of different lengths"):
        elementwise(np.add, column(LISTS), column([[1.0], [], [], []]))
    with pytest.raises(TypeError, match="lists beside arrays"):
        elementwise(np.add, column(LISTS), np.ones((4, 2)))
