import numpy as np
import pytest

from pyg_hep.errors import ConfigError
from pyg_hep.readers.expression import Expression
from pyg_hep.readers.table import LookupTable

CODES = LookupTable(((0.1, 0.13957), (0.0, 0.0), (1.3, 0.93957)))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_value_is_that_of_the_nearest_key_in_any_precision(dtype):
    codes = np.array([[0.1, 0.0], [1.3, 0.1]], dtype)
    assert CODES(codes).tolist() == [[0.13957, 0.0], [0.93957, 0.13957]]


def test_integer_codes_need_no_rounding():
    table = LookupTable(((211.0, 1.0), (-211.0, -1.0), (2212.0, 1.0)), default=0.0)
    assert table(np.array([211, -211, 22, 2212, 2213])).tolist() == [1, -1, 0, 1, 0]
    assert LookupTable(((5.0, 2.0),))(np.array([5, 5])).tolist() == [2, 2]
    assert CODES(np.zeros(0)).shape == (0,)


def test_code_without_a_key_is_an_error_or_the_default_and_nan_stays():
    with pytest.raises(ValueError, match=r"no key within 0\.001 of 0\.2 \(nearest: 0\.1\), and no default"):
        CODES(np.array([0.1, 0.2]))
    assert np.isnan(CODES(np.array([np.nan]))[0])
    wide = LookupTable(((0.0, 1.0), (1.0, 2.0)), tolerance=0.2, default=-1.0)
    assert wide(np.array([0.19, 0.81, 0.5, 7.0])).tolist() == [1, 2, -1, -1]


def test_keys_that_a_code_cannot_tell_apart_are_refused():
    with pytest.raises(ConfigError, match=r"0\.1 and 0\.1005 lie within twice the tolerance"):
        LookupTable(((0.1, 1.0), (0.1005, 2.0)))
    with pytest.raises(ConfigError, match="at least one key"):
        LookupTable(())


def test_expression_calls_the_tables_of_its_card():
    tables = {"mass_of": CODES}
    expression = Expression("sqrt(pt ** 2 + mass_of(code) ** 2)", tables)
    assert expression.names == {"pt", "code"}
    values = expression.evaluate({"pt": np.array([0.0, 3.0]), "code": np.array([0.1, 0.0], np.float32)})
    assert values.tolist() == [0.13957, 3.0]
    with pytest.raises(ConfigError, match="no function 'mass_off'.*did you mean 'mass_of'"):
        Expression("mass_off(code)", tables)
    with pytest.raises(ConfigError, match="'mass_of' takes one number"):
        Expression("mass_of(code, 1)", tables)
