"""Keeps freed memory in the process while a model trains.

A step allocates and frees the same tensors again and again. The C library gives large blocks back to the system at
once and gets them back as fresh pages, each of which the system clears when it is first touched: a third of a
transformer's step on a processor.
"""

import ctypes
import sys

# <malloc.h> of the GNU C library
_M_TRIM_THRESHOLD = -1
_M_TOP_PAD = -2
_M_MMAP_MAX = -4
_M_ARENA_MAX = -8


def keep_freed_memory() -> bool:
    """Ask the GNU C library not to give memory back, from now on in this process; False where it is another library."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    options = ((_M_ARENA_MAX, 1), (_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, 2**31 - 1), (_M_TOP_PAD, 64 << 20))
    return all(mallopt(option, value) == 1 for option, value in options)


def give_back_freed_memory() -> bool:
    """Hand back what lies free now, in a tenth of a second; False where nothing was, or with another library.

    Steps over batches of ever other shapes leave gaps of ever other sizes, so that what is kept grows from step to
    step; given back every few hundred steps, it does not.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        return bool(ctypes.CDLL(None).malloc_trim(0))
    except (OSError, AttributeError):
        return False
