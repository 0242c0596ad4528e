"""The values that a dataset card is made of: numbers, names, lists, expressions. Every error names the key."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from pyg_hep.errors import ConfigError, nearest
from pyg_hep.readers.columns import FileColumn
from pyg_hep.readers.expression import FUNCTIONS, Expression
from pyg_hep.readers.table import LookupTable

Value = TypeVar("Value")
_ONLY_A_NAME = re.compile(r"[^\s()*+<>=!&|%]+")


class CardValues:
    """Checks values of one card: each method takes what the YAML holds and the key it stands under.

    Args:
        where: what messages start with, such as the card's path.
    """

    def __init__(self, where: str):
        self.where = where
        self.tables: dict[str, LookupTable] = {}

    def fail(self, key: str, problem: str) -> ConfigError:
        """The error to raise for a key."""
        return ConfigError(f"{self.where}, key {key!r}: {problem}")

    def keys(
        self, content: Any, cls: type, key: str, required: tuple[str, ...] = (), others: tuple[str, ...] = ()
    ) -> dict[str, Any]:
        """A mapping whose keys are fields of the dataclass ``cls``, or among ``others``."""
        if not isinstance(content, Mapping):
            raise self.fail(key, f"expected a mapping, found {content!r:.60}")
        valid = {f.name for f in dataclasses.fields(cls)} - {"source"} | {*others}
        for name in content:
            if name not in valid:
                raise self.fail(f"{key}.{name}".lstrip("."), f"unknown key, {nearest(str(name), valid)}")
        # A key of null is as good as none, so that a card undoes what it takes from another.
        result = {name: value for name, value in content.items() if value is not None}
        for name in required:
            if name not in result:
                raise self.fail(f"{key}.{name}".lstrip("."), "is required")
        return result

    def text(self, value: Any, key: str) -> str:
        """A text that is not empty."""
        if not isinstance(value, str) or not value:
            raise self.fail(key, f"expected a text, found {value!r:.60}")
        return value

    def texts(self, value: Any, key: str) -> tuple[str, ...]:
        """One text or a list of texts."""
        values = [value] if isinstance(value, str) else value
        if not isinstance(values, list) or not values or not all(isinstance(v, str) and v for v in values):
            raise self.fail(key, f"expected a name or a list of names, found {value!r:.60}")
        return tuple(values)

    def flag(self, value: Any, key: str) -> bool:
        """True or false."""
        if not isinstance(value, bool):
            raise self.fail(key, f"expected true or false, found {value!r:.60}")
        return value

    def number(self, value: Any, key: str) -> float:
        """A number as float."""
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise self.fail(key, f"expected a number, found {value!r:.60}")
        return float(value)

    def count(self, value: Any, key: str) -> int:
        """A positive integer."""
        if type(value) is not int or value < 1:
            raise self.fail(key, f"expected a positive integer, found {value!r:.60}")
        return value

    def choice(self, valid: Any) -> Callable[[Any, str], str]:
        """A parser of one of the names ``valid``."""

        def choose(value: Any, key: str) -> str:
            if value not in valid:
                raise self.fail(key, f"{value!r} is not possible, {nearest(str(value), valid)}")
            return str(value)

        return choose

    def expression(self, value: Any, key: str) -> Expression:
        """An expression; a bare number or true in YAML is one as well."""
        try:
            return Expression(str(value) if isinstance(value, (bool, int, float)) else value, self.tables)
        except ConfigError as error:
            cut_short = isinstance(value, str) and value.count("(") > value.count(")")
            hint = "; in YAML, a comma inside [] or {} ends a text that is not in quotes" if cut_short else ""
            raise self.fail(key, f"{error}{hint}") from None

    def columns(self, value: Any, key: str) -> tuple[str, ...]:
        """Names of columns in files, in order of preference."""
        names = self.texts(value, key)
        for name in names:
            try:
                FileColumn(name)
            except ConfigError as error:
                raise self.fail(key, str(error)) from None
        return names

    def event_columns(self, value: Any, key: str) -> tuple[str, ...]:
        """Columns of events, in order of preference: names in files, or expressions."""
        value = str(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else value
        names = self.texts(value, key)
        for name in names:
            try:
                Expression(name, self.tables)
            except ConfigError as error:
                # Files have names that no expression holds, such as df/block0_values[4] or lep_{1..3}_pt.
                if not _ONLY_A_NAME.fullmatch(name):
                    raise self.fail(key, str(error)) from None
                self.columns(name, key)
        return names

    def mapping(self, value: Any, key: str, parse: Callable[[Any, str], Value]) -> dict[str, Value]:
        """A mapping of any names to what ``parse`` makes of the values."""
        if not isinstance(value, Mapping):
            raise self.fail(key, f"expected a mapping, found {value!r:.60}")
        return {str(name): parse(content, f"{key}.{name}") for name, content in value.items()}

    def several(self, value: Any, key: str, parse: Callable[[Any, str], Value]) -> tuple[Value, ...]:
        """A list of what ``parse`` makes of the values."""
        if not isinstance(value, list):
            raise self.fail(key, f"expected a list, found {value!r:.60}")
        return tuple(parse(content, key) for content in value)

    def parsed(self, given: dict[str, Any], key: str, **parsers: Callable[[Any, str], Any]) -> dict[str, Any]:
        """Replace the values that are there by what their parsers make of them."""
        for name, parse in parsers.items():
            if name in given:
                given[name] = parse(given[name], f"{key}.{name}".lstrip("."))
        return given

    def table(self, value: Any, key: str) -> LookupTable:
        """A lookup table; keys are numbers, or texts of numbers as JSON has them."""
        if key.rpartition(".")[2] in FUNCTIONS:
            raise self.fail(key, "there is a function of that name")
        options: dict[str, float] = {}
        values: list[tuple[float, float]] = []
        for name, number in self.mapping(value, key, self.number).items():
            if name in ("default", "tolerance"):
                options[name] = number
                continue
            try:
                values.append((float(name), number))
            except ValueError:
                problem = f"expected a number, default or tolerance, {nearest(name, ('default', 'tolerance'))}"
                raise self.fail(f"{key}.{name}", problem) from None
        try:
            return LookupTable(tuple(values), **options)
        except ConfigError as error:
            raise self.fail(key, str(error)) from None
