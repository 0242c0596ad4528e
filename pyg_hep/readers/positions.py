"""Positions within what is stored for one entry: ``x[0]``, ``x[-1]``, ``x[1:800:4]``, ``x[:,1]``."""

from __future__ import annotations

import re

import numpy as np

from pyg_hep.errors import ConfigError

_PART = re.compile(r"\s*(?:(-?\d{1,9})|(-?\d{1,9})?:(-?\d{1,9})?(?::([1-9]\d{0,8}))?)\s*")

Positions = tuple[int | slice, ...]


def parse_positions(text: str) -> Positions:
    """What stands between the brackets.

    Raises:
        ConfigError: for anything but integers and slices with a positive step.
    """
    result: list[int | slice] = []
    for part in text.split(","):
        match = _PART.fullmatch(part)
        if match is None:
            raise ConfigError(f"{part.strip()!r} is no position; expected 2, -1, 1:800:4 or a single :")
        single, *ends = match.groups()
        numbers = [None if end is None else int(end) for end in ends]
        result.append(int(single) if single is not None else slice(*numbers))
    return tuple(result)


def at_positions(
    values: np.ndarray, counts: np.ndarray | None, positions: Positions
) -> tuple[np.ndarray, np.ndarray | None]:
    """The part of each entry that ``positions`` name.

    The first one acts on the list (or the first axis of an array) of each entry, the others on the axes of its
    elements. A position beyond the end of an entry's list is absent: that entry then has no element.

    Args:
        values: one row per entry, or per element of all lists.
        counts: elements of each list; None for one row per entry.
        positions: what :func:`parse_positions` made.

    Returns:
        Values and counts of what is left.

    Raises:
        IndexError: when an array of fixed size has no such position, or too few axes.
    """
    if counts is None:
        _check(values.shape[1:], positions)
        return values[(slice(None), *positions)], None
    _check(values.shape[1:], positions[1:])
    rows, counts = _rows(counts, positions[0])
    return values[(rows, *positions[1:])], counts


def _check(shape: tuple[int, ...], positions: Positions) -> None:
    if len(positions) > len(shape):
        raise IndexError
    for size, part in zip(shape, positions, strict=False):
        # numpy cuts a slice that reaches too far short, which would be fewer objects than the card says.
        end = part.stop if isinstance(part, slice) else None
        if end is not None and end > size:
            raise IndexError
        if isinstance(part, int) and not -size <= part < size:
            raise IndexError


def _rows(counts: np.ndarray, part: int | slice) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the elements at ``part`` of each list, and how many there are in each."""
    first = np.cumsum(counts) - counts
    if isinstance(part, int):
        there = (counts > part) if part >= 0 else (counts >= -part)
        position = part if part >= 0 else counts[there] + part
        return first[there] + position, there.astype(np.int64)
    start, stop = (_from_front(end, counts) for end in (part.start or 0, part.stop))
    step = part.step or 1
    number = np.maximum(-((start - stop) // step), 0)
    within = np.arange(number.sum()) - np.repeat(np.cumsum(number) - number, number)
    return np.repeat(first + start, number) + within * step, number


def _from_front(end: int | None, counts: np.ndarray) -> np.ndarray:
    if end is None:
        return counts
    return np.minimum(end, counts) if end >= 0 else np.maximum(counts + end, 0)
