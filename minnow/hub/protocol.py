"""HTTP/1.1 with bounds on the head of a request, and with bodies that a thread may read by itself."""

import asyncio
from functools import partial
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from minnow.hub.api.taking import TAKE, TakenBody

MOST_HEAD_BYTES = 1 << 16
HEAD_SECONDS = 30.0
LEAST_TAKEN = 1 << 20
TOO_LONG = b"HTTP/1.1 431 Request Header Fields Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class BoundedHttp(HttpToolsProtocol):
    """uvicorn's protocol, which would take a head of any length and wait for it for ever.

    The application finds a function among the extensions (``TAKE``) that hands it the body: it reads the rest itself,
    in a thread, and gives it back.
    """

    most_head_bytes = MOST_HEAD_BYTES
    head_seconds = HEAD_SECONDS

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self._head_bytes = 0
        self._in_head = True
        self._patience: asyncio.TimerHandle | None = None
        self._to_come = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what came; a head that is too long when it is not even complete ends the connection."""
        super().data_received(data)
        if not self._in_head:
            return
        self._head_bytes += len(data)
        if self._head_bytes > self.most_head_bytes and not self.transport.is_closing():
            self.transport.write(TOO_LONG)
            self.transport.close()

    def on_message_begin(self) -> None:
        """A further request on the same connection has a time of its own."""
        self._in_head, self._head_bytes = True, 0
        self._wait()
        super().on_message_begin()
        self.scope["extensions"] = {TAKE: partial(self._take_body, self.headers)}  # type: ignore[dict-item]

    def on_headers_complete(self) -> None:
        """The head is there; a body may be as long and take as long as its route lets it."""
        self._in_head = False
        self._stop_waiting()
        self._to_come = _announced(self.headers)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A part of the body, on its usual way."""
        self._to_come -= len(body)
        super().on_body(body)

    def _take_body(self, headers: list[tuple[bytes, bytes]]) -> TakenBody | None:
        """Hand over the body behind these headers and read nothing more from the connection.

        None where all of it is here, or the rest is short, of unknown length, or encrypted.
        """
        cycle, handle = self.cycle, self.transport.get_extra_info("socket")
        if headers is not self.headers or self._to_come < LEAST_TAKEN or self.scheme != "http" or handle is None:
            return None
        self.flow.pause_reading()
        if cycle.waiting_for_100_continue:
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            cycle.waiting_for_100_continue = False
        first, cycle.body = bytes(cycle.body), bytearray()
        return TakenBody(first, self._to_come, handle.fileno(), self._go_on)

    def _go_on(self, body: TakenBody) -> None:
        """Go on behind a body that was read; where the client broke it off, there is nothing to go on with."""
        if self.transport.is_closing():
            return
        if not body.whole:
            self.transport.close()
            return
        self.parser = httptools.HttpRequestParser(self)  # the old one waits for what was read past it
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self._to_come = 0
        self.on_message_complete()

    def _wait(self) -> None:
        self._stop_waiting()
        self._patience = self.loop.call_later(self.head_seconds, self.transport.close)

    def _stop_waiting(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None


def _announced(headers: list[tuple[bytes, bytes]]) -> int:
    """How long a body is by its head; 0 where that is not said."""
    told = dict(headers)
    length = told.get(b"content-length", b"0")
    return int(length) if length.isdigit() and b"transfer-encoding" not in told else 0
