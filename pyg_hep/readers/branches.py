"""Branches of numbers in the list of a TTree, which uproot reads object by object, each in one go.

The layout of ``TBranch``, ``TLeaf`` and what they inherit is that of the streamers in every file of ROOT 6, see
https://root.cern/doc/master/classTBranch.html. Whatever is of another version, or holds more, is left to uproot.
It fills models of uproot, whose inside may change: only those releases are helped that it is known to fit.
"""

from __future__ import annotations

import functools
import struct
from collections import ChainMap
from typing import Any

import numpy as np
import uproot

RELEASES = ("5.7.",)
"""Of uproot, tested with this module; every other one reads trees by itself, as well and slower."""

_UPROOT: Any = uproot.classes["TBranch"]

# Length and version of the class, of TNamed; version, number and bits of TObject.
_NAMED = struct.Struct(">IHIHhII")
# Length and version of TLeafF and the like, of TLeaf, then as before.
_LEAF = struct.Struct(">IHIHIHhII")
# TAttFill; of TBranch fCompress to fEntryNumber; fIOFeatures; fOffset to fZipBytes.
_BRANCH = struct.Struct(">IHhhiiiiqIHIBiIiqqqq")
_FIRST = ("fCompress", "fBasketSize", "fEntryOffsetLen", "fWriteBasket", "fEntryNumber")
_LAST = ("fOffset", "fMaxBaskets", "fSplitLevel", "fEntries", "fFirstEntry", "fTotBytes", "fZipBytes")
# TObjArray: length, version, TObject, length of its name, which must be 0, size and lower bound.
_ARRAY = struct.Struct(">IHhIIBii")
# Length of an object and the tag of its class; fLen to fIsUnsigned, and fLeafCount.
_OBJECT, _OF_LEAF = struct.Struct(">II"), struct.Struct(">iii??I")
_LENGTH, _IS_LENGTH, _NEW_CLASS, _IS_CLASS = struct.Struct(">I"), 0x40000000, 0xFFFFFFFF, 0x80000000
_IS_REFERENCED = 1 << 4
_LEAVES = frozenset(f"TLeaf{letter}" for letter in "OBSILGFD")


class _UnusualError(Exception):
    """Something that uproot has to look at."""


class Model_TBranch(_UPROOT):  # type: ignore[misc]  # noqa: N801, as uproot reads the class in a file from the name
    """Reads a ``TBranch`` of one leaf of numbers without branches below it at once, and others as uproot does."""

    @classmethod
    def read(
        cls, chunk: Any, cursor: Any, context: Any, file: Any, selffile: Any, parent: Any, concrete: Any = None
    ) -> Any:
        """A branch, at the end of which the cursor is left."""
        start = cursor.index
        # uproot reads what is damaged once more, and says what is wrong.
        try:
            if concrete is None and file.options["minimal_ttree_metadata"]:
                return _read(chunk, cursor, context, file, selffile, parent)
        except (_UnusualError, struct.error, ValueError, IndexError, uproot.deserialization.DeserializationError):
            cursor.move_to(start)
        return super().read(chunk, cursor, context, file, selffile, parent, concrete)


def _read(chunk: Any, cursor: Any, context: Any, file: Any, selffile: Any, parent: Any) -> Any:
    start = cursor.index
    (length,) = cursor.fields(chunk, _LENGTH, context, move=False)
    stop = start + (length & ~_IS_LENGTH) + 4
    data = chunk.get(start, stop, cursor, context).tobytes()
    _, version, named, of_named, of_object, _, bits = _NAMED.unpack_from(data)
    _check((length & _IS_LENGTH, version, of_named, of_object, bits & _IS_REFERENCED), (_IS_LENGTH, 13, 1, 1, 0))
    branch = uproot.models.TBranch.Model_TBranch_v13.empty()
    branch._cursor, branch._file, branch._parent = cursor.copy(), selffile, parent
    branch._num_bytes, branch._instance_version = stop - start, version
    members = branch._members
    members["fName"], at = _text(data, _NAMED.size)
    members["fTitle"], at = _text(data, at)
    _check_length(named, 10, at)
    fill, of_fill, members["fFillColor"], members["fFillStyle"], *values = _BRANCH.unpack_from(data, at)
    _check((fill, of_fill in (1, 2), values[5]), (_IS_LENGTH + 6, True, _IS_LENGTH + 7))
    at += _BRANCH.size
    members |= zip(_FIRST, values[:5], strict=True)
    features = members["fIOFeatures"] = uproot.models.TTree.Model_ROOT_3a3a_TIOFeatures.empty()
    features._members["fIOBits"] = values[8]
    members |= zip(_LAST, values[9:], strict=True)
    members["fBranches"], length, at = _array(data, at, 0)
    _check(length, _IS_LENGTH + _ARRAY.size - 4)
    first = at + 4
    members["fLeaves"], length, at = _array(data, at, 1)
    # What is pointed at, in this branch and in others, is known by its distance from the beginning of the tree.
    origin = cursor.displacement()
    leaf, references, after = _leaf(data, at, origin, cursor.refs, selffile, branch)
    members["fLeaves"]._data = [leaf]
    _check_length(length, first, after)
    baskets = cursor.copy()
    baskets.move_to(start + after)
    branch._cursor_baskets = baskets
    (length,) = _LENGTH.unpack_from(data, after)
    _check(length & _IS_LENGTH, _IS_LENGTH)
    at, count = after + (length & ~_IS_LENGTH) + 4, members["fMaxBaskets"]
    _check(count > 0, True)
    for name, kind in (("fBasketBytes", ">i4"), ("fBasketEntry", ">i8"), ("fBasketSeek", ">i8")):
        members[name] = np.frombuffer(data, kind, count, at + 1)
        at += 1 + members[name].nbytes
    cursor.refs.update(references)
    cursor.move_to(stop)
    return branch.postprocess(chunk, cursor, context, file)


def _leaf(
    data: bytes, at: int, origin: int, known: dict[int, Any], file: Any, branch: Any
) -> tuple[Any, dict[int, Any], int]:
    """The leaf at a place, what later ones may point at by its place, and where it ends."""
    length, tag = _OBJECT.unpack_from(data, at)
    _check(length & _IS_LENGTH, _IS_LENGTH)
    stop = at + (length & ~_IS_LENGTH) + 4
    references = {}
    first = at + _OBJECT.size
    if tag == _NEW_CLASS:
        name, _, _ = data[first:stop].partition(b"\0")
        first += len(name) + 1
        kind = uproot.classes.get(name.decode())
        references[origin + at + 4 + uproot.const.kMapOffset] = kind
    else:
        kind = known.get(tag & ~_IS_CLASS) if tag & _IS_CLASS else None
    _check(getattr(kind, "__name__", "").removeprefix("Model_") in _LEAVES, True)
    leaf = kind.known_versions[1].empty()
    leaf._file, leaf._parent, leaf._instance_version = file, branch, 1
    whole, version, inner, of_leaf, named, of_named, of_object, _, bits = _LEAF.unpack_from(data, first)
    _check((version, of_leaf, of_named, of_object, bits & _IS_REFERENCED), (1, 2, 1, 1, 0))
    leaf._members["fName"], at_title = _text(data, first + _LEAF.size)
    leaf._members["fTitle"], at_rest = _text(data, at_title)
    _check_length(named, first + 16, at_rest)
    *values, counter = _OF_LEAF.unpack_from(data, at_rest)
    _check_length(inner, first + 10, at_rest + _OF_LEAF.size)
    _check_length(whole, first + 4, stop)
    _check(not counter or counter in known, True)
    names = ("fLen", "fLenType", "fOffset", "fIsRange", "fIsUnsigned", "fLeafCount")
    leaf._members |= zip(names, (*values, known[counter] if counter else None), strict=True)
    # Smallest and largest value follow, which nobody asks for.
    references[origin + at + uproot.const.kMapOffset] = leaf
    return leaf, references, stop


def _array(data: bytes, at: int, size: int) -> tuple[Any, int, int]:
    """A list of ``size`` objects without the objects, its length, and where they begin."""
    length, version, of_object, _, bits, name, found, _ = _ARRAY.unpack_from(data, at)
    expected = (_IS_LENGTH, 3, 1, 0, 0, size)
    _check((length & _IS_LENGTH, version, of_object, bits & _IS_REFERENCED, name, found), expected)
    array = uproot.models.TObjArray.Model_TObjArray.empty()
    array._members |= {"fName": "", "fSize": size, "fLowerBound": 0}
    array._data = []
    return array, length, at + _ARRAY.size


def _text(data: bytes, at: int) -> tuple[str, int]:
    """A text and where it ends."""
    length, first = data[at], at + 1
    if length == 255:
        (length,), first = _LENGTH.unpack_from(data, first), first + _LENGTH.size
    text = data[first : first + length]
    _check(len(text), length)
    return text.decode(), first + length


def _check_length(length: int, first: int, stop: int) -> None:
    """The length before what lies between two places is that of it."""
    _check(length, _IS_LENGTH + stop - first)


def _check(found: object, expected: object) -> None:
    if found != expected:
        raise _UnusualError


@functools.cache
def root_classes() -> ChainMap[str, Any] | None:
    """Uproot's classes, with :class:`Model_TBranch` among them; None, which is uproot's, for untested releases."""
    if not uproot.__version__.startswith(RELEASES):
        return None
    # What uproot learns of other classes from files is kept here, not in what others use.
    return ChainMap({"TBranch": Model_TBranch}, uproot.classes)
