"""A body is read while it comes in, in bounded memory, to its end or to the error that says why not."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from anyio import CapacityLimiter
from starlette.requests import Request

from minnow.errors import RefusedUploadError
from minnow.hub.api.bodies import PIECE_BYTES, PIECES_WAITING, consumed, whole


class Sender:
    """A client that sends parts, and perhaps goes away before the last."""

    def __init__(self, parts: list[bytes], *, leaves: bool = False):
        self.left = list(parts)
        self.leaves = leaves
        self.sent = 0

    async def receive(self) -> dict[str, Any]:
        if not self.left:
            return {"type": "http.disconnect"}
        part = self.left.pop(0)
        self.sent += len(part)
        return {"type": "http.request", "body": part, "more_body": bool(self.left) or self.leaves}

    def request(self, **headers: str) -> Request:
        listed = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
        return Request({"type": "http", "method": "POST", "path": "/", "headers": listed}, self.receive)


def done(sender: Sender, consume: Callable[[Iterator[bytes]], Any], most: int = 10**9, **headers: str) -> Any:
    async def run() -> Any:
        return await asyncio.wait_for(consumed(sender.request(**headers), consume, most, CapacityLimiter(1)), 30)

    return asyncio.run(run())


def test_parts_arrive_whole_and_in_order() -> None:
    parts = [bytes([number]) * 300_000 for number in range(20)]
    pieces: list[bytes] = []
    assert done(Sender(parts), lambda come: (pieces.extend(come), "made")[1]) == "made"
    assert b"".join(pieces) == b"".join(parts)
    assert all(len(piece) >= PIECE_BYTES for piece in pieces[:-1])


def test_an_empty_body_is_no_pieces() -> None:
    assert done(Sender([b""]), list) == []


def test_an_error_is_told_after_the_rest_of_the_body_was_taken() -> None:
    def fails(pieces: Iterator[bytes]) -> None:
        next(pieces)
        raise RefusedUploadError("no")

    sender = Sender([bytes(PIECE_BYTES)] * (PIECES_WAITING + 20))
    with pytest.raises(RefusedUploadError, match="no"):
        done(sender, fails)
    assert sender.left == []


def test_a_client_that_goes_away_is_an_error_in_the_thread_too() -> None:
    seen: list[BaseException] = []

    def reads(pieces: Iterator[bytes]) -> None:
        try:
            list(pieces)
        except RefusedUploadError as error:
            seen.append(error)
            raise

    with pytest.raises(RefusedUploadError, match="broke off"):
        done(Sender([bytes(PIECE_BYTES)] * 3, leaves=True), reads)
    assert len(seen) == 1


def test_a_body_is_bounded_whatever_it_announces() -> None:
    sender = Sender([bytes(PIECE_BYTES)] * 10)
    with pytest.raises(RefusedUploadError, match="are announced"):
        done(sender, list, most=100, content_length="101")
    assert sender.sent == 0
    with pytest.raises(RefusedUploadError, match="more came"):
        done(sender, list, most=2 * PIECE_BYTES, content_length="5")
    assert sender.sent <= 3 * PIECE_BYTES
    for odd in ("-1", "x", "²"):
        with pytest.raises(RefusedUploadError):
            asyncio.run(whole(sender.request(content_length=odd), 100))


def test_a_small_body_is_taken_at_once() -> None:
    assert asyncio.run(whole(Sender([b"ab", b"", b"c"]).request(), 3)) == b"abc"
    with pytest.raises(RefusedUploadError):
        asyncio.run(whole(Sender([b"ab", b"cd"]).request(), 3))
