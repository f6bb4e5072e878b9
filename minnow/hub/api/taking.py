"""Large bodies read from the socket itself, by the thread that works on them, into memory that is used again.

On its usual way through the event loop a byte is copied five times, into memory that the system first has to clear.
"""

import mmap
import os
import socket
from collections.abc import Callable, Iterator
from typing import cast

from starlette.requests import Request

from minnow.errors import RefusedUploadError, StalledError

TAKE = "minnow.take"
PIECE_BYTES = 1 << 20
STALLED_SECONDS = 60.0


class TakenBody:
    """The body of one request, which the event loop reads no more of; end with ``give_back``.

    Args:
        first: what came with the head.
        rest: how many bytes are still to come.
        handle: of the connection; a copy of it is read.
        given_back: called in the end.
        stalled_seconds: how long to wait for the next byte.
    """

    def __init__(
        self,
        first: bytes,
        rest: int,
        handle: int,
        given_back: "Callable[[TakenBody], None]",
        stalled_seconds: float = STALLED_SECONDS,
    ):
        self._given_back = given_back
        self._first = first
        self._rest = rest
        self._ended = False
        self._socket = socket.socket(fileno=os.dup(handle))
        self._socket.settimeout(stalled_seconds)
        self._memory = memoryview(mmap.mmap(-1, PIECE_BYTES))  # it begins with a page, as disks want it

    @property
    def whole(self) -> bool:
        """Whether all of it has come."""
        return self._rest == 0

    def pieces(self) -> Iterator[memoryview]:
        """All of the body in pieces of a mebibyte, the last one shorter; each is gone once the next is asked for.

        Raises:
            RefusedUploadError: the client went away, or stalled.
        """
        while self._first or self._rest:
            filled = min(len(self._first), PIECE_BYTES)
            self._memory[:filled] = self._first[:filled]
            self._first = self._first[filled:]
            length = min(PIECE_BYTES, filled + self._rest)
            self._fill(filled, length)
            yield self._memory[:length]

    def throw_away(self) -> None:
        """Read what is left, so that the client listens to an answer; raises as ``pieces`` does.

        Where it broke off or stalled, nothing is waited for again.
        """
        if not self._ended:
            for _ in self.pieces():
                pass

    def stop(self) -> None:
        """Let whoever reads it in another thread see its end now."""
        try:
            self._socket.shutdown(socket.SHUT_RD)
        except OSError:
            return  # the client was faster

    def give_back(self) -> None:
        """Let the server go on with the connection; in the thread of the event loop."""
        self._socket.close()
        self._given_back(self)

    def _fill(self, start: int, stop: int) -> None:
        while start < stop:
            try:
                came = self._socket.recv_into(self._memory[start:stop])
            except OSError as error:
                self._ended = True
                if isinstance(error, TimeoutError):
                    raise StalledError(self._socket.gettimeout() or 0) from error
                raise RefusedUploadError("the upload broke off") from error
            if not came:
                self._ended = True
                raise RefusedUploadError("the upload broke off")
            start += came
            self._rest -= came


def take_body(request: Request) -> TakenBody | None:
    """The body of a request, where the server can hand it over and it is large enough to be worth it."""
    take = cast(Callable[[], TakenBody | None] | None, request.scope.get("extensions", {}).get(TAKE))
    return take() if take else None
