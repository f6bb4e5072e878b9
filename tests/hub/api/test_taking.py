"""Large bodies that a thread reads by itself: whole, in order, and the connection goes on behind them."""

import hashlib
import http.client
import os
import socket
import threading
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
import uvicorn
from anyio import CapacityLimiter
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from minnow.errors import RefusedUploadError, StalledError
from minnow.hub.api.bodies import received
from minnow.hub.api.taking import PIECE_BYTES, TakenBody
from minnow.hub.blobs import Piece
from minnow.hub.protocol import BoundedHttp
from minnow.hub.serving import listening

MOST = 64 << 20
CONTENT = os.urandom(3 * PIECE_BYTES + 12_345)


class Watched(BoundedHttp):
    """As served; counts the bodies that were handed over."""

    taken = 0

    def _take_body(self, headers: Any) -> TakenBody | None:
        body = super()._take_body(headers)
        type(self).taken += body is not None
        return body


def digest(pieces: Iterable[Piece]) -> str:
    found, sizes = hashlib.sha256(), []
    for piece in pieces:
        found.update(piece)
        sizes.append(len(piece))
    assert all(size >= PIECE_BYTES for size in sizes[:-1])
    return found.hexdigest()


def refuse(pieces: Iterable[Piece]) -> str:
    for _ in pieces:
        raise RefusedUploadError("no")
    return ""


class Served:
    """A server whose uploads are answered with their SHA-256, or refused."""

    def __init__(self) -> None:
        self.broken = threading.Semaphore(0)
        self.app = Starlette(
            routes=[
                Route("/take", self.take, methods=["PUT"]),
                Route("/refuse", self.refuse, methods=["PUT"]),
                Route("/", lambda _request: PlainTextResponse("here")),
            ]
        )

    async def take(self, request: Request) -> Response:
        try:
            return PlainTextResponse(await received(request, digest, MOST, CapacityLimiter(4)))
        except RefusedUploadError as error:
            self.broken.release()
            return PlainTextResponse(str(error), 400)

    async def refuse(self, request: Request) -> Response:
        try:
            await received(request, refuse, MOST, CapacityLimiter(4))
        except RefusedUploadError as error:
            return PlainTextResponse(str(error), 400)
        raise AssertionError


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[Served, tuple[str, int]]]:
    made = Served()
    with listening("127.0.0.1", 0) as (listens, _):
        config = uvicorn.Config(made.app, http=Watched, ws="none", lifespan="off", log_level="warning")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listens]})
        thread.start()
        yield made, listens.getsockname()
        server.should_exit = True
        thread.join()


@pytest.fixture
def line(served: tuple[Served, tuple[str, int]]) -> Iterator[http.client.HTTPConnection]:
    made = http.client.HTTPConnection(*served[1], timeout=60)
    yield made
    made.close()


def put(line: http.client.HTTPConnection, content: Any, path: str = "/take", **more: Any) -> tuple[int, str]:
    line.request("PUT", path, content, **more)
    answer = line.getresponse()
    return answer.status, answer.read().decode()


def test_a_large_body_is_taken_whole_and_the_connection_goes_on(line: http.client.HTTPConnection) -> None:
    before = Watched.taken
    for length in (len(CONTENT), 3 * PIECE_BYTES, 100, 0):
        content = CONTENT[:length]
        assert put(line, content) == (200, hashlib.sha256(content).hexdigest())
    assert Watched.taken == before + 2
    line.request("GET", "/")
    assert line.getresponse().read() == b"here"


def test_a_body_of_unknown_length_goes_its_usual_way(line: http.client.HTTPConnection) -> None:
    before, pieces = Watched.taken, (CONTENT[start : start + 100_000] for start in range(0, len(CONTENT), 100_000))
    line.putrequest("PUT", "/take")
    line.putheader("Transfer-Encoding", "chunked")
    line.endheaders()
    for piece in pieces:
        line.send(b"%x\r\n%s\r\n" % (len(piece), piece))
    line.send(b"0\r\n\r\n")
    assert line.getresponse().read().decode() == hashlib.sha256(CONTENT).hexdigest()
    assert Watched.taken == before


def test_who_asks_first_is_told_to_go_on(line: http.client.HTTPConnection) -> None:
    line.connect()
    assert line.sock is not None
    line.sock.sendall(b"PUT /take HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n" % MOST)
    assert line.sock.recv(1000).startswith(b"HTTP/1.1 100")
    line.sock.sendall(bytes(MOST))
    assert hashlib.sha256(bytes(MOST)).hexdigest().encode() in line.sock.recv(4000)


def test_a_refusal_is_heard_once_all_was_sent(line: http.client.HTTPConnection) -> None:
    assert put(line, CONTENT, "/refuse") == (400, "no")
    assert put(line, CONTENT[:10], "/take")[0] == 200


def test_a_request_behind_a_large_body_waits_its_turn(line: http.client.HTTPConnection) -> None:
    line.connect()
    assert line.sock is not None
    head = f"PUT /take HTTP/1.1\r\nHost: x\r\nContent-Length: {len(CONTENT)}\r\n\r\n".encode()
    line.sock.sendall(head + CONTENT + b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    answers = b""
    while came := line.sock.recv(65536):
        answers += came
    assert answers.count(b"HTTP/1.1 200") == 2
    assert answers.index(hashlib.sha256(CONTENT).hexdigest().encode()) < answers.index(b"here")


def test_a_client_that_goes_away_ends_the_upload(served: tuple[Served, tuple[str, int]]) -> None:
    with socket.create_connection(served[1]) as made:
        made.sendall(f"PUT /take HTTP/1.1\r\nHost: x\r\nContent-Length: {MOST}\r\n\r\n".encode() + CONTENT)
    assert served[0].broken.acquire(timeout=60)


def test_a_client_that_stalls_is_given_up() -> None:
    here, there = socket.socketpair()
    with here, there:
        there.sendall(b"a few")
        body = TakenBody(b"first ", 100, here.fileno(), lambda _body: None, stalled_seconds=0.05)
        with pytest.raises(StalledError, match=r"nothing came in 0.05 seconds"):
            body.throw_away()
        there.close()
        body.throw_away()
        body.give_back()
        assert not body.whole


def test_whoever_reads_can_be_stopped() -> None:
    here, there = socket.socketpair()
    with here, there:
        body = TakenBody(b"", 100, here.fileno(), lambda _body: None)
        seen: list[str] = []

        def read() -> None:
            try:
                body.throw_away()
            except RefusedUploadError as error:
                seen.append(str(error))

        reading = threading.Thread(target=read)
        reading.start()
        body.stop()
        reading.join(60)
        body.give_back()
    assert seen == ["the upload broke off"]
