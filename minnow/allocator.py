"""Keeps freed memory in the process while a model trains.

A step allocates and frees the same tensors again and again. The C library gives large blocks back to the system at
once and gets them back as fresh pages, each of which the system clears when it is first touched: a third of a
transformer's step on a processor.
"""

import ctypes
import sys
from typing import Any

# <malloc.h> of the GNU C library
_M_TRIM_THRESHOLD = -1
_M_TOP_PAD = -2
_M_MMAP_MAX = -4
_M_ARENA_MAX = -8


def keep_freed_memory() -> bool:
    """Ask the GNU C library not to give memory back, from now on in this process; False where it is another library."""
    mallopt = _function("mallopt")
    if mallopt is None:
        return False
    options = ((_M_ARENA_MAX, 1), (_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, 2**31 - 1), (_M_TOP_PAD, 64 << 20))
    return all(mallopt(option, value) == 1 for option, value in options)


def give_back_freed_memory() -> None:
    """Hand back what lies free now, in a tenth of a second; with another library nothing.

    Steps over batches of ever other shapes leave gaps of ever other sizes, so that what is kept grows from step to
    step; given back now and then, it grows less.
    """
    trim = _function("malloc_trim")
    if trim is not None:
        trim(0)


def _function(name: str) -> Any:
    """Of the C library, None where it has no such function."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        return getattr(ctypes.CDLL(None), name)
    except (OSError, AttributeError):
        return None
