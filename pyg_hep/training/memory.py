"""How this process keeps its memory while it trains on a CPU."""

from __future__ import annotations

import ctypes
import sys

# Options of glibc's mallopt.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3


def keep_freed_memory() -> bool:
    """Let the C library keep freed arrays for the next step instead of giving them back to the system.

    A training step makes and frees the same arrays of some megabytes again and again. glibc maps each one anew,
    and the system clears every page of it before use: a quarter of the time of a step. Only glibc is asked, and
    asking twice changes nothing.

    Returns:
        Whether it was possible.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):  # another C library
        return False
    # 32 MB is the largest threshold that glibc takes on 64-bit systems.
    return all([mallopt(_MMAP_THRESHOLD, 32 << 20), mallopt(_TRIM_THRESHOLD, 1 << 30), mallopt(_TOP_PAD, 64 << 20)])
