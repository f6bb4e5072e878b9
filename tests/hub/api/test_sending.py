"""Files on their way out: opened once, read ahead by one piece, closed whatever happens."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from minnow.errors import StorageError
from minnow.hub.api import sending
from minnow.hub.api.sending import BlobResponse, Span
from minnow.hub.blobs import CHUNK_BYTES


class Tape:
    """A blob of many pieces that remembers what was done with it."""

    size = 1000

    def __init__(self, breaks_at: int = 1000):
        self.breaks_at = breaks_at
        self.read_pieces = 0
        self.closed = False

    def read(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """A byte at a time."""
        for _ in range(start, stop or self.size):
            assert not self.closed, "read after close"
            if self.read_pieces == self.breaks_at:
                raise StorageError("the disk is gone")
            self.read_pieces += 1
            yield b"x"

    def close(self) -> None:
        """Remember it."""
        self.closed = True


class Line:
    """A client on a line, who hangs up after some pieces."""

    def __init__(self, hangs_up_after: int = 10_000):
        self.hangs_up_after = hangs_up_after
        self.got: list[Any] = []
        self.gone = asyncio.Event()

    async def send(self, message: Any) -> None:
        """Take a message."""
        self.got.append(message)
        if len(self.got) >= self.hangs_up_after:
            self.gone.set()
        await asyncio.sleep(0)

    async def receive(self) -> Any:
        """Say nothing until hanging up."""
        await self.gone.wait()
        return {"type": "http.disconnect"}


def sent(tape: Tape, span: Span, hangs_up_after: int = 10_000) -> Line:
    async def run() -> Line:
        line = Line(hangs_up_after)
        response = BlobResponse(lambda: tape, span, {"ETag": '"x"'}, "text/plain")
        await response({"type": "http"}, line.receive, line.send)
        return line

    return asyncio.run(run())


def test_a_range_is_sent_and_the_file_is_closed() -> None:
    tape = Tape()
    line = sent(tape, Span(10, 15, 1000, True))
    assert b"".join(message.get("body", b"") for message in line.got) == b"xxxxx"
    assert line.got[0]["status"] == 206
    assert (b"content-range", b"bytes 10-14/1000") in line.got[0]["headers"]
    assert line.got[-1] == {"type": "http.response.body", "body": b"", "more_body": False}
    assert (tape.read_pieces, tape.closed) == (5, True)


def test_nothing_more_is_read_for_a_client_who_hung_up() -> None:
    tape = Tape()
    sent(tape, Span(0, 1000, 1000, False), hangs_up_after=5)
    assert tape.read_pieces < 10
    assert tape.closed


def test_an_error_before_the_first_piece_is_an_answer_of_its_own() -> None:
    tape = Tape(breaks_at=0)
    with pytest.raises(StorageError):
        sent(tape, Span(0, 1000, 1000, False))
    assert tape.closed


def test_a_file_that_breaks_off_ends_the_connection_and_is_closed() -> None:
    tape = Tape(breaks_at=3)
    with pytest.raises(StorageError):
        sent(tape, Span(0, 1000, 1000, False))
    assert tape.closed


def test_a_short_part_is_read_at_once_and_does_not_tell_of_the_whole() -> None:
    tape = Tape()
    response = sending.sent(lambda: tape, Span(10, 15, None, True), {}, "text/plain")
    assert (response.status_code, response.body, tape.closed) == (206, b"xxxxx", True)
    assert response.headers["content-range"] == "bytes 10-14/*"
    assert response.headers["content-length"] == "5"


def test_a_long_part_is_read_while_it_is_sent() -> None:
    tape = Tape()
    response = sending.sent(lambda: tape, Span(0, CHUNK_BYTES + 1, None, True), {}, "text/plain")
    assert isinstance(response, BlobResponse)
    assert tape.read_pieces == 0
