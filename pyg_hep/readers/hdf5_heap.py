"""A look at the heaps of an HDF5 file before the HDF5 library does: it never comes back from some damaged ones.

A heap holds lists of variable length, text, and what virtual data sets are made of. The library goes from object to
object by the sizes that they state, and stays for ever at one of no size (HDF5 File Format Specification, III.E).
"""

from __future__ import annotations

import mmap
import struct
from pathlib import Path

_SIGNATURE, _VERSION_1 = b"\x89HDF\r\n\x1a\n", b"GCOL\x01\0\0\0"
_HEAP_HEADER, _OBJECT_HEADER, _ALIGNED = 16, 16, 8
# Looking through more takes too long at every opening.
_LARGEST = 1 << 26


def check_heaps(path: str) -> None:
    """Follow the objects of every heap of a file of at most 64 MiB.

    Raises:
        ValueError: where their sizes lead nowhere, which is damage.
    """
    if not _HEAP_HEADER < Path(path).stat().st_size <= _LARGEST:
        return
    with Path(path).open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        if content[: len(_SIGNATURE)] != _SIGNATURE or not _has_wide_sizes(content):
            return
        place = content.find(_VERSION_1)
        while place >= 0:
            _follow(content, place)
            place = content.find(_VERSION_1, place + 1)


def _has_wide_sizes(content: mmap.mmap) -> bool:
    """Whether offsets and lengths take eight bytes, as in almost all files; the superblock's version tells where."""
    first = 13 if content[8] < 2 else 9
    return content[first] == content[first + 1] == 8


def _follow(content: mmap.mmap, heap: int) -> None:
    if heap + _HEAP_HEADER > len(content):
        return
    (size,) = struct.unpack_from("<Q", content, heap + 8)
    place, end = heap + _HEAP_HEADER, heap + size
    if end > len(content):
        return  # which the library notices
    while place + _OBJECT_HEADER <= end:
        number, _, _, length = struct.unpack_from("<HHIQ", content, place)
        # The free space at the end has no number, and its size includes its header.
        step = length if number == 0 else _OBJECT_HEADER + -(-length // _ALIGNED) * _ALIGNED
        if not 0 < step <= end - place:
            raise ValueError(f"an object of a heap states the size {length}")
        place += step
