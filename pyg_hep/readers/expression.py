"""Cuts and selections as text: parsed into a small arithmetic language, evaluated on numpy columns.

Only names, numbers, arithmetic, comparisons, ``and``/``or``/``not``, a few functions and the card's own lookup tables
exist, so a card that somebody sent can never run code.
"""

from __future__ import annotations

import ast
import functools
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pyg_hep.errors import ConfigError, nearest
from pyg_hep.readers.table import LookupTable

_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
    ast.BitAnd: operator.and_,
    ast.BitOr: operator.or_,
}
_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "abs": np.abs,
    "sqrt": np.sqrt,
    "log": np.log,
    "exp": np.exp,
    "sin": np.sin,
    "cos": np.cos,
    "cosh": np.cosh,
    "sinh": np.sinh,
    "isfinite": np.isfinite,
    "where": np.where,
    "arcsinh": np.arcsinh,
    "arctan2": np.arctan2,
    "hypot": np.hypot,
    "min": lambda *values: functools.reduce(np.minimum, values),
    "max": lambda *values: functools.reduce(np.maximum, values),
}
"""Name in an expression -> function of numpy columns."""
_LONGEST = 1000
_HIGHEST_POWER = 8


@dataclass(frozen=True)
class Expression:
    """A cut such as ``pt >= 25 and abs(eta) <= 2.5``, checked when it is made.

    Args:
        text: the expression; chained comparisons work as in Python.
        tables: functions that the card gives by their values: ``mass_of(code)``.

    Raises:
        ConfigError: for anything that is not in the language; the message shows the part at fault.
    """

    text: str
    tables: Mapping[str, LookupTable] = field(default_factory=dict, compare=False, repr=False)

    def __post_init__(self) -> None:
        if not isinstance(self.text, str) or len(self.text) > _LONGEST:
            raise ConfigError(f"a cut is a text of at most {_LONGEST} characters, found {self.text!r:.60}")
        for node in ast.walk(self._tree.body):
            self._check(node)

    @functools.cached_property
    def _tree(self) -> ast.Expression:
        try:
            return ast.parse(self.text.strip(), mode="eval")
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise ConfigError(f"cannot read the cut {self.text!r:.80}: {error}") from None

    def _check(self, node: ast.AST) -> None:
        allowed = (
            ast.Name,
            ast.Load,
            ast.BoolOp,
            ast.And,
            ast.Or,
            ast.UnaryOp,
            ast.Not,
            ast.USub,
            ast.BinOp,
            ast.Compare,
            ast.Call,
            ast.Constant,
            *_BINARY,
            *_COMPARE,
        )
        if not isinstance(node, allowed):
            raise ConfigError(f"{type(node).__name__} is not allowed in the cut {self.text!r}")
        if isinstance(node, ast.Constant) and not isinstance(node.value, (bool, int, float)):
            raise ConfigError(f"only numbers are allowed in the cut {self.text!r}, found {node.value!r}")
        if isinstance(node, ast.Call):
            self._check_call(node)
        # 9 ** 9 ** 9 would never end: powers take a small constant.
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow):
            power = node.right
            value = power.value if isinstance(power, ast.Constant) else None
            if not isinstance(value, int | float) or not abs(value) <= _HIGHEST_POWER:
                raise ConfigError(f"powers in the cut {self.text!r} must be numbers up to {_HIGHEST_POWER}")

    def _check_call(self, node: ast.Call) -> None:
        known = {*FUNCTIONS, *self.tables}
        name = node.func.id if isinstance(node.func, ast.Name) else ast.unparse(node.func)
        if name not in known or node.keywords:
            raise ConfigError(f"no function {name!r} in the cut {self.text!r}: {nearest(name, known)}")
        if name in self.tables and len(node.args) != 1:
            raise ConfigError(f"the table {name!r} takes one number in the cut {self.text!r}, found {len(node.args)}")

    @functools.cached_property
    def names(self) -> frozenset[str]:
        """Columns that the expression reads."""
        nodes = list(ast.walk(self._tree))
        called = {id(n.func) for n in nodes if isinstance(n, ast.Call)}
        return frozenset(n.id for n in nodes if isinstance(n, ast.Name) and id(n) not in called)

    def evaluate(self, columns: Mapping[str, np.ndarray]) -> np.ndarray:
        """Value of the expression for every row of ``columns``.

        Raises:
            ConfigError: when a name is not among the columns.
        """
        with np.errstate(all="ignore"):
            return np.asarray(self._value(self._tree.body, columns))

    def _value(self, node: ast.AST, columns: Mapping[str, np.ndarray]) -> Any:
        value = functools.partial(self._value, columns=columns)
        if isinstance(node, ast.Name):
            if node.id not in columns:
                raise ConfigError(f"unknown name {node.id!r} in the cut {self.text!r}: {nearest(node.id, columns)}")
            return columns[node.id]
        if isinstance(node, ast.Constant):
            return node.value
        if isinstance(node, ast.BoolOp):
            combine = np.logical_and if isinstance(node.op, ast.And) else np.logical_or
            return functools.reduce(combine, [value(v) for v in node.values])
        if isinstance(node, ast.UnaryOp):
            operand = value(node.operand)
            return np.logical_not(operand) if isinstance(node.op, ast.Not) else -operand
        if isinstance(node, ast.BinOp):
            return _BINARY[type(node.op)](value(node.left), value(node.right))
        if isinstance(node, ast.Compare):
            sides = [value(v) for v in (node.left, *node.comparators)]
            pairs = [_COMPARE[type(o)](a, b) for o, a, b in zip(node.ops, sides, sides[1:], strict=False)]
            return functools.reduce(np.logical_and, pairs)
        assert isinstance(node, ast.Call)
        assert isinstance(node.func, ast.Name)
        arguments = [value(a) for a in node.args]
        if node.func.id in self.tables:
            return self._looked_up(node.func.id, arguments[0])
        return FUNCTIONS[node.func.id](*arguments)

    def _looked_up(self, name: str, codes: Any) -> np.ndarray:
        try:
            return self.tables[name](codes)
        except ValueError as error:
            raise ValueError(f"table {name!r}: {error}") from None
