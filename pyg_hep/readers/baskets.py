"""Branches of TTrees that lie in one basket, read without uproot's machinery for many: small files open sooner."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from uproot.interpretation.jagged import AsJagged
from uproot.interpretation.numerical import AsDtype

from pyg_hep.readers.columns import Column


def single_basket_columns(tree: Any, keys: Iterable[str], entries: int) -> dict[str, Column]:
    """Those of ``keys`` that are numbers or lists of numbers, all entries of which lie in one sound basket.

    The others are left to uproot, which says what is wrong with them.

    Args:
        tree: uproot's tree.
        keys: its branches.
        entries: of the tree.
    """
    columns = {}
    for key in keys:
        try:
            column = _column(tree[key], entries)
        except Exception:  # decompressors and uproot raise anything; uproot reads it again
            continue
        if column is not None:
            columns[key] = column
    return columns


def _column(branch: Any, entries: int) -> Column | None:
    if branch.num_baskets != 1 or branch.num_entries != entries:
        return None
    interpretation = branch.interpretation
    numbers = interpretation.content if type(interpretation) is AsJagged else interpretation
    if type(numbers) is not AsDtype or numbers.from_dtype.shape or numbers.to_dtype.shape:
        return None
    if numbers.from_dtype.fields or getattr(interpretation, "header_bytes", 0):
        return None
    basket = branch.basket(0)
    if basket.num_entries != entries:
        return None
    stored, size = numbers.from_dtype, numbers.from_dtype.itemsize
    if numbers is interpretation:
        values = np.frombuffer(basket.data, dtype=stored)
        return Column(values.astype(numbers.to_dtype)) if len(values) == entries else None
    edges = basket.byte_offsets
    counts, rest = np.divmod(np.diff(edges).astype(np.int64), size)
    if len(counts) != entries or rest.any() or (counts < 0).any() or edges[0] != 0 or edges[-1] != len(basket.data):
        return None
    return Column(np.frombuffer(basket.data, dtype=stored).astype(numbers.to_dtype), counts)
