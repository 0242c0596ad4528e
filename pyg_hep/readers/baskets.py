"""Branches of TTrees that lie in one basket, read without uproot's machinery for many: small files open sooner."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Any

import numpy as np
import uproot
from uproot.interpretation.jagged import AsJagged
from uproot.interpretation.numerical import AsDtype

from pyg_hep.readers.columns import Column

# TKey: bytes with the key, version, bytes of the object when not compressed, time, bytes of the key, cycle.
_KEY = struct.Struct(">ihiIhh")
# The end of the key of a basket: version, size of the buffer, size and number of entries, last byte, and a flag.
_BASKET = struct.Struct(">HiiiiB")
# Class of a leaf -> its numbers, without sign where the leaf says so.
_LEAVES = {
    "TLeafO": "b1", "TLeafB": "i1", "TLeafS": "i2", "TLeafI": "i4", "TLeafL": "i8", "TLeafG": "i8", "TLeafF": "f4",
    "TLeafD": "f8",
}  # fmt: skip


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
    numbers = _plain_numbers(branch) or _interpreted_numbers(branch)
    if numbers is None:
        return None
    stored, is_list = numbers
    found, data, edges = _content(branch)
    if found != entries:
        return None
    native, size = stored.newbyteorder("="), stored.itemsize
    if not is_list:
        values = np.frombuffer(data, dtype=stored)
        return Column(values.astype(native)) if len(values) == entries else None
    counts, rest = np.divmod(np.diff(edges).astype(np.int64), size)
    if len(counts) != entries or rest.any() or (counts < 0).any() or edges[0] != 0 or edges[-1] != len(data):
        return None
    return Column(np.frombuffer(data, dtype=stored).astype(native), counts)


def _content(branch: Any) -> tuple[int, np.ndarray, np.ndarray]:
    """Entries of the only basket, its bytes, and where entries begin and the last ends, where the basket says so."""
    if branch.embedded_baskets:
        basket = branch.basket(0)
        return basket.num_entries, basket.data, basket.byte_offsets
    chunk, cursor = branch.basket_chunk_cursor(0)
    raw = chunk.raw_data
    nbytes, _, size, _, head, _ = _KEY.unpack_from(raw)
    *_, entries, last, _ = _BASKET.unpack_from(raw, head - _BASKET.size)
    if nbytes - head != size:
        cursor.skip(head)
        data = uproot.compression.decompress(chunk, cursor, {}, nbytes - head, size).raw_data
    else:
        data = raw[head:nbytes]
    if len(data) != size:
        raise ValueError("a basket of another size than it states")
    end = last - head
    edges = np.frombuffer(data[end:], ">i4")[1:] - head
    edges[-1:] = end
    return entries, data[:end], edges


def _plain_numbers(branch: Any) -> tuple[np.dtype[Any], bool] | None:
    """Type as stored, and whether entries are lists, of a branch with one leaf of numbers ``x/F`` or ``x[nx]/F``.

    uproot's interpretation says the same of them, and takes as long as all else that is done with a small branch.
    """
    leaves = branch.member("fLeaves")
    # Streamers say more of a branch than its leaves do.
    if branch.classname != "TBranch" or len(leaves) != 1:
        return None
    leaf = leaves[0]
    stored = _LEAVES.get(leaf.classname)
    if stored is None or leaf.member("fLen") != 1:
        return None
    counter, dimensions = leaf.member("fLeafCount"), leaf.member("fTitle").count("[")
    if dimensions != (counter is not None):
        return None
    unsigned = stored[0] == "i" and leaf.member("fIsUnsigned")
    return np.dtype((">u" if unsigned else ">") + (stored[1:] if unsigned else stored)), bool(dimensions)


def _interpreted_numbers(branch: Any) -> tuple[np.dtype[Any], bool] | None:
    """The same of what uproot interprets as numbers, or lists of numbers, that are stored as they are."""
    interpretation = branch.interpretation
    numbers = interpretation.content if type(interpretation) is AsJagged else interpretation
    if type(numbers) is not AsDtype or numbers.from_dtype.shape or numbers.to_dtype.shape:
        return None
    if numbers.from_dtype.fields or getattr(interpretation, "header_bytes", 0):
        return None
    if numbers.to_dtype != numbers.from_dtype.newbyteorder("="):
        return None
    return numbers.from_dtype, numbers is not interpretation
