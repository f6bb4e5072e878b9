"""Files on their way to a client: whole or a range, read ahead in a thread, never whole in memory."""

import asyncio
import re
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from minnow.hub.blobs import CHUNK_BYTES, Blob
from minnow.hub.xet.service import BeyondEndError

RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


@dataclass(frozen=True)
class Span:
    """From which byte to before which of a file; ``partial`` says that a range was asked for.

    ``size`` is that of the whole file; None does not tell it.
    """

    start: int
    stop: int
    size: int | None
    partial: bool

    @property
    def headers(self) -> dict[str, str]:
        """What tells the client how much comes."""
        told = {"Content-Length": str(self.stop - self.start), "Accept-Ranges": "bytes"}
        if self.partial:
            told["Content-Range"] = f"bytes {self.start}-{self.stop - 1}/{'*' if self.size is None else self.size}"
        return told


def span_asked(request: Request, size: int, etag: str) -> Span:
    """The part of a file that a request asks for.

    A range that cannot be read, several ranges, and a range of another version of the file all mean the whole.

    Raises:
        BeyondEndError: the range begins behind the end.
    """
    whole = Span(0, size, size, False)
    found = RANGE.fullmatch(request.headers.get("range", "").replace(" ", ""))
    if not found or not (found[1] or found[2]) or request.headers.get("if-range", etag) != etag:
        return whole
    if not found[1]:
        start, stop = max(size - int(found[2]), 0), size
    else:
        start, stop = int(found[1]), min(int(found[2]) + 1, size) if found[2] else size
        if found[2] and int(found[2]) < start:
            return whole
    if start >= size:
        raise BeyondEndError(size)
    return Span(start, stop, size, True)


def sent(opened: Callable[[], Blob], span: Span, headers: dict[str, str], media_type: str) -> Response:
    """The answer with a part of a blob: a short one is read at once, in the thread that calls."""
    if span.stop - span.start > CHUNK_BYTES:
        return BlobResponse(opened, span, headers, media_type)
    with closing(opened()) as blob:
        content = b"".join(blob.read(span.start, span.stop))
    return Response(content, 206 if span.partial else 200, headers | span.headers, media_type)


class BlobResponse(Response):
    """A part of a blob; the blob is opened when sending begins and closed whatever happens."""

    def __init__(self, opened: Callable[[], Blob], span: Span, headers: dict[str, str], media_type: str):
        super().__init__(None, 206 if span.partial else 200, headers | span.headers, media_type)
        self._opened, self._span = opened, span

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As every ASGI application; the next piece is read while one is sent, and none once the client hung up."""
        del scope
        blob = await run_in_threadpool(self._opened)
        hung_up = asyncio.ensure_future(_hung_up(receive))
        reading: asyncio.Future[bytes] | None = None
        try:
            pieces = blob.read(self._span.start, self._span.stop)
            piece = await run_in_threadpool(_next, pieces)
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            while piece and not hung_up.done():
                reading = asyncio.ensure_future(run_in_threadpool(_next, pieces))
                await send({"type": "http.response.body", "body": piece, "more_body": True})
                piece = await reading
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            hung_up.cancel()
            if reading is not None:
                await asyncio.wait([reading])
            blob.close()


async def _hung_up(receive: Receive) -> None:
    """Ends when the client goes away."""
    while (await receive())["type"] != "http.disconnect":
        pass


def _next(pieces: Iterator[bytes]) -> bytes:
    """The next piece, or none at the end; an exception of an iterator cannot cross threads as such."""
    return next(pieces, b"")
