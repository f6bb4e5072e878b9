"""The routes of Xet: tokens, xorbs and shards coming in, answers about chunks, reconstructions, xorbs going out."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from typing import Any

import anyio.to_thread
import orjson
from anyio import CapacityLimiter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from minnow.errors import HubError, HubNotFoundError, NotSignedInError, RefusedUploadError
from minnow.hub.api.asking import json
from minnow.hub.api.bodies import Turns, received, whole
from minnow.hub.api.sending import Span, sent
from minnow.hub.xet.grants import Grant
from minnow.hub.xet.hashing import to_text
from minnow.hub.xet.reconstruction import Fetch, Reconstruction
from minnow.hub.xet.registration import Progress
from minnow.hub.xet.service import Leave, Xet
from minnow.hub.xet.shard import MOST_SHARD_BYTES
from minnow.hub.xet.xorb import MOST_STORED_BYTES

BASE = "/api/xet"
UPLOADS_AT_ONCE = 32
SHARDS_AT_ONCE, SHARDS_OF_ONE = 4, 2
MOST_DIGITS = 20
HEARTBEAT_SECONDS = 5.0
MOST_XORB_BODY = MOST_STORED_BYTES + (1 << 20)
PREFIXES = {"default", "default-merkledb"}
Endpoint = Callable[[Request], str]


def leave_response(leave: Leave, endpoint: str) -> Response:
    """A token as clients ask for it; those in Rust read the body, those in Python the headers."""
    url = endpoint + BASE
    return JSONResponse(
        {"casUrl": url, "accessToken": leave.token, "exp": leave.expires},
        headers={
            "X-Xet-Cas-Url": url,
            "X-Xet-Access-Token": leave.token,
            "X-Xet-Token-Expiration": str(leave.expires),
        },
    )


def xet_routes(xet: Xet, endpoint: Endpoint) -> list[Route]:
    """The routes below ``BASE``, where clients are sent with a token.

    Args:
        endpoint: the address of the hub as the client of a request sees it.
    """
    handlers = _Handlers(xet, endpoint)
    return [
        Route(f"{BASE}/v1/xorbs/{{prefix}}/{{xorb}}", handlers.take_xorb, methods=["POST"]),
        Route(f"{BASE}/v1/shards", handlers.take_shard, methods=["POST"]),
        Route(f"{BASE}/v2/shards", handlers.take_shard_with_progress, methods=["POST"]),
        Route(f"{BASE}/v1/chunks/{{prefix}}/{{chunk}}", handlers.answer, methods=["GET"]),
        Route(f"{BASE}/v1/reconstructions/{{file}}", handlers.reconstruct_v1, methods=["GET"]),
        Route(f"{BASE}/v2/reconstructions/{{file}}", handlers.reconstruct_v2, methods=["GET"]),
        Route(f"{BASE}/xorbs/{{xorb}}", handlers.send_xorb, methods=["GET"]),
    ]


class _Handlers:
    def __init__(self, xet: Xet, endpoint: Endpoint):
        self._xet = xet
        self._endpoint = endpoint
        self._uploads = CapacityLimiter(UPLOADS_AT_ONCE)
        self._shards = CapacityLimiter(SHARDS_AT_ONCE)
        self._turns = Turns(SHARDS_OF_ONE)

    async def take_xorb(self, request: Request) -> Response:
        """Store an uploaded xorb."""
        grant = self._grant(request, writing=True)
        _known_prefix(request)
        take = partial(self._xet.xorbs.take, request.path_params["xorb"], grant.account)
        new = await received(request, take, MOST_XORB_BODY, self._uploads)
        return JSONResponse({"was_inserted": new})

    async def take_shard(self, request: Request) -> Response:
        """Enter the files of an uploaded shard."""
        grant = self._grant(request, writing=True)
        content = await whole(request, MOST_SHARD_BYTES)
        await self._register(grant, content)
        return JSONResponse({"result": 1})

    async def take_shard_with_progress(self, request: Request) -> Response:
        """The same, with a line of JSON every few seconds on how far it is, and a last one on how it ended."""
        grant = self._grant(request, writing=True)
        content = await whole(request, MOST_SHARD_BYTES)
        return StreamingResponse(self._registering(grant, content), media_type="application/x-ndjson")

    def answer(self, request: Request) -> Response:
        """Tell of xorbs that may have a chunk."""
        grant = self._grant(request)
        _known_prefix(request)
        chunk = request.path_params["chunk"]
        shard = self._xet.answers.about(grant, chunk)
        if shard is None:
            raise HubNotFoundError("chunk", chunk)
        return Response(shard, media_type="application/octet-stream")

    def reconstruct_v1(self, request: Request) -> Response:
        """How to make a range of a file, an address for each range of each xorb."""
        plan = self._plan(request)
        addresses = {
            to_text(xorb): [{"url": url, **_v1(fetch)} for url, fetch in self._fetches(request, xorb, fetches)]
            for xorb, fetches in plan.fetches.items()
        }
        return json({**_terms(plan), "fetch_info": addresses})

    def reconstruct_v2(self, request: Request) -> Response:
        """The same in the form of the second version."""
        plan = self._plan(request)
        addresses = {
            to_text(xorb): [
                {"url": url, "ranges": [_v2(fetch)]} for url, fetch in self._fetches(request, xorb, fetches)
            ]
            for xorb, fetches in plan.fetches.items()
        }
        return json({**_terms(plan), "xorbs": addresses})

    def send_xorb(self, request: Request) -> Response:
        """Send a range of a xorb to whoever holds an address for it; no token comes with such a request."""
        xorb, query = request.path_params["xorb"], request.query_params
        low, high, until = (_number(query.get(name)) for name in ("from", "to", "until"))
        self._xet.check_address(xorb, (low, high), until, query.get("signature", ""))
        start, stop = _range(request.headers.get("range"), low, high)
        if stop is None or not low <= start < stop <= high:
            raise RefusedUploadError(f"this address gives bytes {low} to {high - 1}; ask for a range within them")
        span = Span(start, stop, None, partial=True)
        return sent(partial(self._xet.xorbs.open, xorb), span, {}, "application/octet-stream")

    def _grant(self, request: Request, *, writing: bool = False) -> Grant:
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        if kind.lower() != "bearer":
            raise NotSignedInError("a Xet token is needed; ask the hub for one")
        return self._xet.grant(token.strip(), writing=writing)

    def _plan(self, request: Request) -> Reconstruction:
        grant = self._grant(request)
        start, stop = _range(request.headers.get("range"), 0, None)
        return self._xet.reconstruction(grant, request.path_params["file"], start, stop)

    def _fetches(self, request: Request, xorb: bytes, fetches: tuple[Fetch, ...]) -> Iterator[tuple[str, Fetch]]:
        name = to_text(xorb)
        base = f"{self._endpoint(request)}{BASE}/xorbs/{name}?"
        return ((base + self._xet.address(name, fetch.stored), fetch) for fetch in fetches)

    async def _register(self, grant: Grant, content: bytes, progress: Progress = lambda _done, _total: None) -> None:
        register = partial(self._xet.registrar.register, grant.repository_id, grant.account, content, progress)
        async with self._turns.of(grant.account):
            await anyio.to_thread.run_sync(register, limiter=self._shards)

    async def _registering(self, grant: Grant, content: bytes) -> AsyncIterator[bytes]:
        state = [0, 1]

        def progress(done: int, total: int) -> None:
            state[:] = done, max(total, 1)

        work = asyncio.create_task(self._register(grant, content, progress))
        work.add_done_callback(lambda done: done.cancelled() or done.exception())  # also when nobody listens any more
        while not work.done():
            await asyncio.wait([work], timeout=HEARTBEAT_SECONDS)
            yield _line({"type": "validating", "verified": state[0], "total": state[1]})
        error = work.exception()
        if error is None:
            yield _line({"type": "result"})
        elif isinstance(error, HubError):
            yield _line({"type": "error", "message": str(error), "retryable": False})
        else:
            yield _line({"type": "error", "message": "the hub could not enter the upload", "retryable": True})
            raise error


def _line(event: dict[str, Any]) -> bytes:
    return orjson.dumps(event, option=orjson.OPT_APPEND_NEWLINE)


def _terms(plan: Reconstruction) -> dict[str, Any]:
    terms = [
        {"hash": to_text(term.xorb), "unpacked_length": term.length, "range": {"start": term.start, "end": term.end}}
        for term in plan.terms
    ]
    return {"offset_into_first_range": plan.offset, "terms": terms}


def _v1(fetch: Fetch) -> dict[str, Any]:
    return {
        "range": {"start": fetch.chunks[0], "end": fetch.chunks[1]},
        "url_range": {"start": fetch.stored[0], "end": fetch.stored[1] - 1},
    }


def _v2(fetch: Fetch) -> dict[str, Any]:
    return {
        "chunks": {"start": fetch.chunks[0], "end": fetch.chunks[1]},
        "bytes": {"start": fetch.stored[0], "end": fetch.stored[1] - 1},
    }


def _known_prefix(request: Request) -> None:
    if request.path_params["prefix"] not in PREFIXES:
        raise HubNotFoundError("prefix", request.path_params["prefix"])


def _number(text: str | None) -> int:
    if text is None or not text.isascii() or not text.isdigit() or len(text) > MOST_DIGITS:
        raise RefusedUploadError(f"a number is needed in this address, but got {(text or '')[:30]!r}")
    return int(text)


def _range(header: str | None, start: int, stop: int | None) -> tuple[int, int | None]:
    """The one range of a Range header, as from which byte to before which."""
    if not header:
        return start, stop
    unit, _, asked = header.partition("=")
    first, dash, last = asked.strip().partition("-")
    if unit.strip() != "bytes" or not dash or not first:
        raise RefusedUploadError(f"a range is such as bytes=0-99, but got {header[:60]!r}")
    return _number(first), _number(last) + 1 if last else stop
