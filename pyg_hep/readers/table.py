"""Lookup tables of cards: from the number by which a file names a kind of particle to a mass, a charge, ..."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from pyg_hep.errors import ConfigError

TOLERANCE = 1e-3
"""How far a number may lie from its key where a table says nothing: far above what a half-precision 0.1 is off,
and far below the distance of two PDG numbers."""


@dataclass(frozen=True)
class LookupTable:
    """A function given by its values: ``f(code)`` is the value at the key nearest to ``code``.

    Args:
        values: key -> value, in any order.
        tolerance: largest ``|code - key|``; two keys must lie further apart than twice that.
        default: value of numbers without a key; where None they are an error.

    Raises:
        ConfigError: for a table without keys, and for keys that lie too close.
    """

    values: tuple[tuple[float, float], ...]
    tolerance: float = TOLERANCE
    default: float | None = None

    def __post_init__(self) -> None:
        if not self.values:
            raise ConfigError("a table needs at least one key")
        if not self.tolerance >= 0:
            raise ConfigError(f"a tolerance is not negative, found {self.tolerance}")
        object.__setattr__(self, "values", tuple(sorted(self.values)))
        keys = [key for key, _ in self.values]
        for key, following in itertools.pairwise(keys):
            if following - key <= 2 * self.tolerance:
                raise ConfigError(f"the keys {key} and {following} lie within twice the tolerance of {self.tolerance}")

    def __call__(self, codes: np.ndarray) -> np.ndarray:
        """Values of ``codes`` (any shape) as float64; NaN stays NaN.

        Raises:
            ValueError: for a code without a key, where the table has no default.
        """
        codes = np.asarray(codes)
        keys = np.array([key for key, _ in self.values])
        values = np.array([value for _, value in self.values])
        wide = codes.astype(np.float64)
        above = np.clip(np.searchsorted(keys, wide), 1, len(keys) - 1) if len(keys) > 1 else np.zeros(wide.shape, int)
        below = np.maximum(above - 1, 0)
        place = np.where(np.abs(wide - keys[below]) <= np.abs(wide - keys[above]), below, above)
        result = np.where(np.isnan(wide), np.nan, values[place])
        unknown = np.abs(wide - keys[place]) > self.tolerance
        if self.default is not None:
            return np.where(unknown, self.default, result)
        if unknown.any():
            code, key = wide[unknown][0], keys[place][unknown][0]
            raise ValueError(f"no key within {self.tolerance:g} of {code:g} (nearest: {key:g}), and no default")
        return result

    def as_dict(self) -> dict[str, float]:
        """The table as a card gives it; keys are texts, as JSON has no others."""
        content = {repr(key): value for key, value in self.values}
        content |= {"tolerance": self.tolerance} if self.tolerance != TOLERANCE else {}
        return content | ({"default": self.default} if self.default is not None else {})
