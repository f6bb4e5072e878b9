"""Files written past the system's cache, and read into it when the machine has nothing else to do.

Filling the cache is most of the work of a large upload, and nobody needs it before the upload counts. What was just
sent is usually fetched soon, though.
"""

import fcntl
import os
import sys
import threading
from collections import deque
from pathlib import Path

_DIRECT = getattr(os, "O_DIRECT", 0)
PIECE_BYTES, PIECES = 1 << 20, 1024  # of a call, which takes no more pieces than that
MOST_WAITING = 64
LEAST_PRIORITY = 19


def write_past_cache(handle: int) -> bool:
    """Let what is written from here on go to the disk itself; False where the file system cannot do that.

    It refuses pieces that do not begin and end with a block, in memory or in the file: then ``write_through_cache``.
    """
    flags = fcntl.fcntl(handle, fcntl.F_GETFL)
    try:
        fcntl.fcntl(handle, fcntl.F_SETFL, flags | _DIRECT)
    except OSError:
        return False
    return bool(_DIRECT)


def write_through_cache(handle: int) -> bool:
    """The usual way again; False where it was the way already."""
    flags = fcntl.fcntl(handle, fcntl.F_GETFL)
    if not flags & _DIRECT:
        return False
    fcntl.fcntl(handle, fcntl.F_SETFL, flags & ~_DIRECT)
    return True


class Warming:
    """Has the system read files into its cache, one after the other, in a thread that yields to everything else."""

    def __init__(self) -> None:
        self._waiting: deque[Path] = deque(maxlen=MOST_WAITING)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def read_soon(self, path: Path) -> None:
        """Read this file after those before it; where too many wait, the oldest are left out."""
        with self._lock:
            self._waiting.append(path)
            if self._thread is None:
                self._thread = threading.Thread(target=self._read_all, name="warming", daemon=True)
                self._thread.start()

    def wait(self) -> None:
        """Return once all has been read."""
        thread = self._thread
        if thread is not None:
            thread.join()

    def _read_all(self) -> None:
        if sys.platform.startswith("linux"):  # where this is of the thread alone
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), LEAST_PRIORITY)
        while True:
            with self._lock:
                if not self._waiting:
                    self._thread = None
                    return
                path = self._waiting.popleft()
            _read(path)


def _read(path: Path) -> None:
    """Read a file in few long calls: a thread that may have to wait must not hold Python's lock again and again.

    One piece of memory takes all that a call reads. What is only handed on within the system is in the cache as well,
    but a virtual machine then still has to fetch each page from its host when somebody looks at it.
    """
    taken = [bytearray(PIECE_BYTES)] * PIECES
    try:
        with path.open("rb", buffering=0) as stream:
            start = 0
            while read := os.preadv(stream.fileno(), taken, start):
                start += read
    except OSError:
        return  # it was removed meanwhile, or whoever asks for it will hear why it cannot be read
