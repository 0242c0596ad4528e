"""Rows by the values of their key columns, such as run and event number."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


class KeyIndex:
    """Numbers the different combinations of values of some columns, and finds them again.

    Args:
        columns: numbers or text, shape ``[N]`` each.

    Attributes:
        codes: number of each row's combination, shape ``[N]``.
    """

    def __init__(self, columns: Sequence[np.ndarray]):
        # Column by column: the combinations so far and the values of one more column are numbers below N each, whose
        # pairs fit into 64 bits; only pairs that occur are kept.
        self._levels: list[tuple[np.ndarray, np.ndarray]] = []
        codes = np.zeros(len(columns[0]), np.int64)
        for column in columns:
            values, place = np.unique(column, return_inverse=True)
            pairs, codes = np.unique(codes * len(values) + place, return_inverse=True)
            self._levels.append((values, pairs))
        self.codes = codes
        self._row = np.zeros(len(self._levels[-1][1]), np.int64)
        self._row[codes[::-1]] = np.arange(len(codes))[::-1]

    def repeated(self) -> tuple[int, int] | None:
        """Two rows with the same values, the first such of the file; None where there are none."""
        again = np.flatnonzero(self._row[self.codes] != np.arange(len(self.codes)))
        return (int(self._row[self.codes[again[0]]]), int(again[0])) if len(again) else None

    def rows(self, columns: Sequence[np.ndarray]) -> np.ndarray:
        """First row that has these values, -1 where none has; shape ``[M]`` for columns of shape ``[M]``."""
        size = len(columns[0])
        if not len(self.codes):
            return np.full(size, -1, np.int64)
        codes, there = np.zeros(size, np.int64), np.ones(size, dtype=bool)
        for column, (values, pairs) in zip(columns, self._levels, strict=True):
            place = _places(values, column, there)
            codes = _places(pairs, codes * len(values) + place, there)
        return np.where(there, self._row[codes], -1)


def _places(values: np.ndarray, asked: np.ndarray, there: np.ndarray) -> np.ndarray:
    """Positions in sorted ``values``; ``there`` becomes false where a value is not among them."""
    place = np.minimum(np.searchsorted(values, asked), len(values) - 1)
    there &= values[place] == asked
    return place
