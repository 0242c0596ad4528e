"""Cuts, selections and weights as text: parsed into a small arithmetic language, evaluated on columns.

Only names, numbers, arithmetic, comparisons (with a text too), ``and``/``or``/``not``, positions in lists, a few
functions and the card's own lookup tables exist, so a card that somebody sent can never run code.
"""

from __future__ import annotations

import ast
import dataclasses
import functools
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pyg_hep.errors import ConfigError, nearest
from pyg_hep.readers.columns import Column, event_value
from pyg_hep.readers.lists import REDUCTIONS, elementwise
from pyg_hep.readers.positions import Positions, at_positions, parse_positions
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
OF_OBJECTS = ("count", "sum", "any", "all")
"""Reductions that take an object and an expression over its columns: ``count(jet, pt > 60)``."""
_LONGEST = 1000
_POSITION = "[]"
_HIGHEST_POWER = 8
_ALLOWED = (
    ast.Name,
    ast.Attribute,
    ast.Subscript,
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


@dataclass(frozen=True)
class Expression:
    """A cut such as ``pt >= 25 and abs(eta) <= 2.5``, checked when it is made.

    Args:
        text: the expression; chained comparisons work as in Python. Names may have dots (``Event.Weight``);
            ``x[0]`` and ``x[:,1]`` are positions; ``max(x)`` with one argument is that of each entry's list.
        tables: functions that the card gives by their values: ``mass_of(code)``.

    Raises:
        ConfigError: for anything that is not in the language; the message shows the part at fault.
    """

    text: str
    tables: Mapping[str, LookupTable] = field(default_factory=dict, compare=False, repr=False)

    def __post_init__(self) -> None:
        if not isinstance(self.text, str) or len(self.text) > _LONGEST:
            raise ConfigError(f"a cut is a text of at most {_LONGEST} characters, found {self.text!r:.60}")
        self._check(self._tree.body)

    @functools.cached_property
    def _tree(self) -> ast.Expression:
        try:
            return ast.parse(self.text.strip(), mode="eval")
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise ConfigError(f"cannot read the cut {self.text!r:.80}: {error}") from None

    def _check(self, node: ast.AST) -> None:
        if not isinstance(node, _ALLOWED):
            raise ConfigError(f"{type(node).__name__} is not allowed in the cut {self.text!r}")
        if isinstance(node, ast.Attribute):
            if _dotted(node) is None or "__" in node.attr:
                raise ConfigError(f"{ast.unparse(node)!r} in the cut {self.text!r} is no name")
            return
        if isinstance(node, ast.Subscript):
            self._positions(node)
            return
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
        for child in ast.iter_child_nodes(node):
            # A text can only be compared with.
            if not (isinstance(node, ast.Compare) and isinstance(child, ast.Constant) and isinstance(child.value, str)):
                self._check(child)

    def _check_call(self, node: ast.Call) -> None:
        known = {*FUNCTIONS, *REDUCTIONS, *self.tables}
        name = node.func.id if isinstance(node.func, ast.Name) else ast.unparse(node.func)
        if name not in known or node.keywords:
            raise ConfigError(f"no function {name!r} in the cut {self.text!r}: {nearest(name, known)}")
        number = len(node.args)
        if name in self.tables and number != 1:
            raise ConfigError(f"the table {name!r} takes one number in the cut {self.text!r}, found {number}")
        if name in REDUCTIONS and name not in FUNCTIONS and number != 1 and not _of_object(node):
            form = f"{name}(x)" + (f" or {name}(object, condition)" if name in OF_OBJECTS else "")
            raise ConfigError(f"the function {name!r} is written {form}, found {ast.unparse(node)!r} in {self.text!r}")
        if not number:
            raise ConfigError(f"the function {name!r} needs an argument in the cut {self.text!r}")

    def _positions(self, node: ast.Subscript) -> tuple[str, Positions]:
        """The name and the positions of ``x[0]``."""
        name = _dotted(node.value)
        if name is None:
            raise ConfigError(f"positions follow a name, found {ast.unparse(node)!r} in the cut {self.text!r}")
        parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        try:
            return name, parse_positions(",".join(ast.unparse(part) for part in parts))
        except ConfigError as error:
            raise ConfigError(f"{error} (in the cut {self.text!r})") from None

    @functools.cached_property
    def names(self) -> frozenset[str]:
        """Columns that the expression reads; those of an object have its name and a dot before their own."""
        return frozenset(_names(self._tree.body, ""))

    @functools.cached_property
    def names_outside_tables(self) -> frozenset[str]:
        """Columns that are read as they are, not only as the argument of a lookup table."""
        return frozenset(_names(self._tree.body, "", frozenset(self.tables)))

    @functools.cached_property
    def names_of_lists(self) -> frozenset[str]:
        """Columns of which the expression reads positions or a reduction, so that they need not be one value."""
        return self.names - _names(self._tree.body, "", frozenset((*REDUCTIONS, _POSITION)))

    def evaluate(self, columns: Mapping[str, np.ndarray | Column]) -> np.ndarray | Column:
        """Value of the expression for every row of ``columns``.

        Raises:
            ConfigError: when a name is not among the columns.
            TypeError: when values of kinds that do not fit meet.
        """
        with np.errstate(all="ignore"):
            value = self._value(self._tree.body, columns, "")
            return value if isinstance(value, Column) else np.asarray(value)

    def _value(self, node: ast.AST, columns: Mapping[str, Any], prefix: str) -> Any:
        value = functools.partial(self._value, columns=columns, prefix=prefix)
        if isinstance(node, ast.Name | ast.Attribute):
            return self._column(prefix + (_dotted(node) or ""), columns)
        if isinstance(node, ast.Subscript):
            name, positions = self._positions(node)
            return _part(self._column(prefix + name, columns), positions)
        if isinstance(node, ast.Constant):
            return node.value
        if isinstance(node, ast.BoolOp):
            combine = np.logical_and if isinstance(node.op, ast.And) else np.logical_or
            return functools.reduce(functools.partial(elementwise, combine), [value(v) for v in node.values])
        if isinstance(node, ast.UnaryOp):
            return elementwise(np.logical_not if isinstance(node.op, ast.Not) else operator.neg, value(node.operand))
        if isinstance(node, ast.BinOp):
            return elementwise(_BINARY[type(node.op)], value(node.left), value(node.right))
        if isinstance(node, ast.Compare):
            sides = [value(v) for v in (node.left, *node.comparators)]
            pairs = [_compared(_COMPARE[type(o)], *two) for o, *two in zip(node.ops, sides, sides[1:], strict=False)]
            return functools.reduce(functools.partial(elementwise, np.logical_and), pairs)
        assert isinstance(node, ast.Call)
        assert isinstance(node.func, ast.Name)
        name = node.func.id
        if name in self.tables:
            return elementwise(functools.partial(self._looked_up, name), value(node.args[0]))
        if name in REDUCTIONS and _of_object(node):
            object_name = _dotted(node.args[0])
            return REDUCTIONS[name](self._value(node.args[1], columns, f"{object_name}."))
        arguments = [value(a) for a in node.args]
        if name in REDUCTIONS and len(arguments) == 1:
            return REDUCTIONS[name](arguments[0])
        return elementwise(FUNCTIONS[name], *arguments)

    def _column(self, name: str, columns: Mapping[str, Any]) -> Any:
        if name not in columns:
            raise ConfigError(f"unknown name {name!r} in the cut {self.text!r}: {nearest(name, columns)}")
        return columns[name]

    def _looked_up(self, name: str, codes: Any) -> np.ndarray:
        try:
            return self.tables[name](codes)
        except ValueError as error:
            raise ValueError(f"table {name!r}: {error}") from None


def _dotted(node: ast.AST) -> str | None:
    """``a.b.c`` as one name; None for what is no name."""
    if isinstance(node, ast.Name):
        return node.id
    head = _dotted(node.value) if isinstance(node, ast.Attribute) else None
    return None if head is None else f"{head}.{node.attr}"  # type: ignore[attr-defined]


def _of_object(node: ast.Call) -> bool:
    """Whether a call has the form ``count(jet, pt > 60)``."""
    name = node.func.id if isinstance(node.func, ast.Name) else ""
    return name in OF_OBJECTS and len(node.args) == 2 and isinstance(node.args[0], ast.Name)


def _names(node: ast.AST, prefix: str, without: frozenset[str] = frozenset()) -> set[str]:
    """Columns that are read, other than as arguments of the functions ``without``."""
    name = _dotted(node)
    if name is not None:
        return {prefix + name}
    if isinstance(node, ast.Subscript):
        return set() if _POSITION in without else _names(node.value, prefix, without)
    if isinstance(node, ast.Call):
        if _of_object(node):
            return _names(node.args[1], f"{_dotted(node.args[0])}.", without)
        if isinstance(node.func, ast.Name) and node.func.id in without:
            return set()
        return {name for argument in node.args for name in _names(argument, prefix, without)}
    return {name for child in ast.iter_child_nodes(node) for name in _names(child, prefix, without)}


def _part(value: Any, positions: Positions) -> Any:
    """``x[0]`` of a column or array."""
    column = value if isinstance(value, Column) else Column(value)
    try:
        values, counts = at_positions(column.values, column.counts, positions)
    except IndexError:
        shape = column.values.shape[1:] if column.counts is None else ("any", *column.values.shape[1:])
        raise TypeError(f"there is no position {positions} in the shape {shape} of one entry") from None
    single = counts is not None and isinstance(positions[0], int)
    return event_value(dataclasses.replace(column, values=values, counts=counts, single=single), "")


def _compared(compare: Callable[[Any, Any], Any], left: Any, right: Any) -> Any:
    """A comparison; numpy finds no text equal to any number, which would be no event."""
    texts = [_is_text(side) for side in (left, right)]
    if texts[0] != texts[1]:
        raise TypeError("a text is compared with a number")
    return elementwise(compare, left, right)


def _is_text(value: Any) -> bool:
    values = value.values if isinstance(value, Column) else value
    return isinstance(values, str) or (isinstance(values, np.ndarray) and values.dtype.kind == "U")
