import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyg_hep.errors import ConfigError
from pyg_hep.readers.expression import Expression

COLUMNS = {"pt": np.array([10.0, 30.0, 50.0]), "eta": np.array([-2.0, 1.4, 0.5]), "n": np.array([0, 1, 2])}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("pt >= 30", [False, True, True]),
        ("pt > 20 and abs(eta) < 1", [False, False, True]),
        ("pt > 40 or eta < 0", [True, False, True]),
        ("not 1.37 < abs(eta) < 1.52", [True, False, True]),
        ("n % 2 == 1", [False, True, False]),
        ("n & 2", [0, 0, 2]),
        ("-eta", [2.0, -1.4, -0.5]),
        ("max(pt, 30) / 10", [3.0, 3.0, 5.0]),
        ("pt ** 2", [100.0, 900.0, 2500.0]),
    ],
)
def test_value_is_that_of_the_same_arithmetic_in_numpy(text, expected):
    assert Expression(text).evaluate(COLUMNS).tolist() == expected


def test_names_are_the_columns_and_not_the_functions():
    assert Expression("abs(eta) < 2.5 and sqrt(pt) > 1").names == {"eta", "pt"}


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')",
        "pt.__class__",
        "(lambda: 1)()",
        "[pt for pt in eta]",
        "pt if eta else n",
        "'text'",
        "pt + 'text'",
        "pt[eta]",
        "(pt + eta)[0]",
        "sum(pt, eta, phi)",
        "open(pt)",
        "abs(pt, key=1)",
        "9 ** 9 ** 9",
        "pt **",
        "pt; eta",
        "pt := 1",
        "",
        "1j + pt",
        "(" * 300 + "pt" + ")" * 300,
        "p" * 1001,
    ],
)
def test_anything_that_could_run_code_or_hang_is_refused_when_the_card_is_read(text):
    with pytest.raises(ConfigError):
        Expression(text)


def test_unknown_column_names_the_nearest():
    with pytest.raises(ConfigError, match="'pt_'.*did you mean 'pt'"):
        Expression("pt_ > 3").evaluate(COLUMNS)


def test_unknown_function_names_the_nearest():
    with pytest.raises(ConfigError, match="did you mean 'sqrt'"):
        Expression("sqr(pt) > 3")


@given(st.text(max_size=40))
def test_any_text_is_an_expression_or_one_clear_error(text):
    try:
        expression = Expression(text)
    except ConfigError:
        return
    assert expression.names is not None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sum(pt) + w", {"pt"}),
        ("x[0] > 2 and y > 1", {"x"}),
        ("max(x) > x", set()),
        ("abs(x) + min(y[:2])", {"y"}),
        ("a.b[1] + count(jet, pt > 2)", {"a.b"}),
    ],
)
def test_names_of_lists_are_those_that_only_positions_and_reductions_read(text, expected):
    assert Expression(text).names_of_lists - {"jet.pt"} == expected
