"""Files written past the system's cache: no copy, no cache emptied of what others read, and little left to flush."""

import fcntl
import os

_DIRECT = getattr(os, "O_DIRECT", 0)


def write_past_cache(handle: int) -> None:
    """Let what is written from here on go to the disk itself, where the file system can do that.

    It refuses pieces that do not begin and end with a block, in memory or in the file: then ``write_through_cache``.
    """
    flags = fcntl.fcntl(handle, fcntl.F_GETFL)
    if flags & _DIRECT != _DIRECT:
        try:
            fcntl.fcntl(handle, fcntl.F_SETFL, flags | _DIRECT)
        except OSError:
            return


def write_through_cache(handle: int) -> bool:
    """The usual way again; False where it was the way already."""
    flags = fcntl.fcntl(handle, fcntl.F_GETFL)
    if not flags & _DIRECT:
        return False
    fcntl.fcntl(handle, fcntl.F_SETFL, flags & ~_DIRECT)
    return True
