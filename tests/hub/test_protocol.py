"""Bounds on the head of a request."""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator

import pytest
import uvicorn
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from minnow.hub.protocol import BoundedHttp
from minnow.hub.serving import listening

SECONDS = 0.5


class Impatient(BoundedHttp):
    """As served, but for the time."""

    head_seconds = SECONDS


async def length(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with the length of the body."""
    await asyncio.sleep(0)
    answer: Response = PlainTextResponse(str(len(await Request(scope, receive).body())))
    await answer(scope, receive, send)


@pytest.fixture(scope="module")
def address() -> Iterator[tuple[str, int]]:
    """Where a server listens."""
    with listening("127.0.0.1", 0) as (made, _):
        server = uvicorn.Server(uvicorn.Config(length, http=Impatient, ws="none", lifespan="off", log_level="warning"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [made]})
        thread.start()
        yield made.getsockname()
        server.should_exit = True
        thread.join()


@pytest.fixture
def line(address: tuple[str, int]) -> Iterator[socket.socket]:
    with socket.create_connection(address, timeout=20) as made:
        yield made


def answer(line: socket.socket) -> bytes:
    """All that comes until an answer is whole, or the other side hangs up."""
    got = b""
    while b"\r\n\r\n" not in got or (b"Content-Length: 0" not in got and not got.split(b"\r\n\r\n", 1)[1]):
        piece = line.recv(65536)
        if not piece:
            break
        got += piece
    return got


def test_a_head_may_be_long_but_not_without_end(line: socket.socket, address: tuple[str, int]) -> None:
    line.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: " + b"a" * 40_000 + b"\r\n\r\n")
    assert answer(line).startswith(b"HTTP/1.1 200")
    for head in (b"GET / HTTP/1.1\r\nX-Long: ", b"GET /", b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 9000):
        with socket.create_connection(address, timeout=20) as other:
            try:
                other.sendall(head)
                for _ in range(200):
                    other.sendall(b"a" * 100_000)
                refused = answer(other)
            except (BrokenPipeError, ConnectionResetError):
                refused = b"HTTP/1.1 431"
            assert refused.startswith(b"HTTP/1.1 431")


def test_a_body_may_be_longer_than_any_head(line: socket.socket) -> None:
    line.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 300000\r\n\r\n" + b"a" * 200_000)
    time.sleep(2 * SECONDS)
    line.sendall(b"a" * 100_000)
    assert answer(line).endswith(b"300000")


def test_who_begins_a_request_and_does_not_end_it_is_hung_up_on(line: socket.socket) -> None:
    line.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n")
    assert answer(line) == b""


def test_each_request_on_a_connection_has_its_own_time(line: socket.socket) -> None:
    for _ in range(3):
        line.sendall(b"GET / HTTP/1.1\r\n")
        time.sleep(0.6 * SECONDS)
        line.sendall(b"Host: x\r\n\r\n")
        assert answer(line).startswith(b"HTTP/1.1 200")
    line.sendall(b"GET / HTTP/1.1\r\n")
    assert answer(line) == b""
