"""Which columns of a collection are converted to GeV: those that the card names, or every momentum, energy and mass."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from pyg_hep.errors import ReaderError
from pyg_hep.readers.card import CARTESIAN, UNITS, ObjectDefinition
from pyg_hep.readers.expression import Expression

WITH_UNIT = ("pt", "mass", *CARTESIAN)
_WITHOUT_UNIT = frozenset(("eta", "phi", "charge", "btag"))


class Units:
    """Conversions of one collection.

    Where the card gives one unit, a defined momentum, energy or mass is converted if it is worked out from momenta of
    the file under other names, and only from them: what is worked out from converted columns is in GeV already, and so
    are constants, what lookup tables give, and what integers give.

    Args:
        definition: the card's, with one unit, or the columns of each.
    """

    def __init__(self, definition: ObjectDefinition):
        unit = definition.unit
        self.explicit = isinstance(unit, Mapping)
        if isinstance(unit, Mapping):
            self.scales = {column: UNITS[name] for name, columns in unit.items() for column in columns}
        else:
            self.scales = dict.fromkeys(WITH_UNIT, UNITS[unit])
        self.scales = {column: scale for column, scale in self.scales.items() if scale != 1}
        self.define = definition.define
        self._converted: set[str] = set()
        self._raw: set[str] = set()

    def of_file(self, columns: Mapping[str, np.ndarray], where: str) -> dict[str, np.ndarray]:
        """Columns of the file in GeV, of those that have a unit.

        Raises:
            ReaderError: for a column of texts.
        """
        result = {}
        for name in self.scales.keys() & columns.keys():
            if columns[name].dtype.kind not in "fiu":
                raise ReaderError(f"{where}, column {name!r}: has a unit, but holds {columns[name].dtype}")
            result[name] = columns[name] * self.scales[name]
        self._converted |= set(result)
        return result

    def of_defined(
        self, name: str, expression: Expression, values: np.ndarray, inputs: Mapping[str, np.ndarray]
    ) -> np.ndarray:
        """A defined column in GeV, where it has a unit.

        Args:
            name: of the column.
            expression: what it is worked out from.
            values: what came out.
            inputs: the columns that were read.
        """
        if self.explicit:
            return values * self.scales[name] if name in self.scales else values
        if inputs.keys() & self._converted:
            self._converted.add(name)
        elif any(self._is_raw(other, inputs[other]) for other in expression.names_outside_tables):
            if name not in self.scales:
                self._raw.add(name)
                return values
            self._converted.add(name)
            return values * self.scales[name]
        return values

    def _is_raw(self, name: str, values: np.ndarray) -> bool:
        """Whether a column may hold momenta in the unit of the file."""
        if name in self.define:
            return name in self._raw
        return values.dtype.kind == "f" and name not in _WITHOUT_UNIT


def converted_twice(unit: Mapping[str, Iterable[str]], define: Mapping[str, Expression]) -> tuple[str, str] | None:
    """A defined column with a unit, and one of those it is worked out from that has a unit too."""
    listed = {column for name, columns in unit.items() if UNITS[name] != 1 for column in columns}
    for column in sorted(listed & define.keys()):
        pending, seen = [column], {column}
        while pending:
            for name in define[pending.pop()].names - seen:
                if name in listed:
                    return column, name
                seen.add(name)
                pending += [name] if name in define else []
    return None
