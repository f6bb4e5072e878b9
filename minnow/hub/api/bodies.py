"""Request bodies handed to plain functions in threads, piece by piece: what comes in waits for what is done with it."""

import asyncio
import queue
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from typing import TypeVar

import anyio.to_thread
from anyio import CapacityLimiter
from starlette.requests import ClientDisconnect, Request

from minnow.errors import RefusedUploadError, StalledError
from minnow.hub.api.taking import STALLED_SECONDS, take_body
from minnow.hub.blobs import Piece

PIECE_BYTES = 1 << 20
PIECES_WAITING = 4

Result = TypeVar("Result")
_Part = bytes | BaseException | None


async def consumed(
    request: Request, consume: Callable[[Iterator[bytes]], Result], most: int, limiter: CapacityLimiter
) -> Result:
    """What ``consume`` makes of the body, which it reads in a thread while the body comes in.

    When it fails, the rest of the body is still read, and thrown away, so that the client hears why.

    Args:
        most: bytes; a longer body is refused.
        limiter: how many threads may do this at once.

    Raises:
        RefusedUploadError: the body is too long, broke off, or stalled; ``consume`` sees an error, too.
    """
    check_length(request, most)
    pieces = _Pieces(asyncio.get_running_loop())
    work = asyncio.create_task(anyio.to_thread.run_sync(consume, iter(pieces), limiter=limiter))
    try:
        async for piece in _gathered(request, most):
            await pieces.put(piece, work)
        await pieces.put(None, work)
    except (RefusedUploadError, asyncio.CancelledError) as error:
        pieces.end(error)
        await asyncio.wait([work])
        work.exception()
        raise
    return await work


async def received(
    request: Request, consume: Callable[[Iterable[Piece]], Result], most: int, limiter: CapacityLimiter
) -> Result:
    """As ``consumed``, for what is done with a piece when it asks for the next one: large bodies take a short way."""
    check_length(request, most)
    body = take_body(request)
    if body is None:
        return await consumed(request, consume, most, limiter)

    def work() -> Result:
        try:
            return consume(body.pieces())
        finally:
            body.throw_away()

    working = asyncio.create_task(anyio.to_thread.run_sync(work, limiter=limiter))
    try:
        return await asyncio.shield(working)
    except asyncio.CancelledError:
        body.stop()
        await asyncio.wait([working])
        working.exception()
        raise
    finally:
        body.give_back()


async def whole(request: Request, most: int) -> bytes:
    """All of a body that may be held in memory; raises RefusedUploadError where it is longer."""
    check_length(request, most)
    return b"".join([piece async for piece in _gathered(request, most)])


def check_length(request: Request, most: int) -> None:
    """Raises RefusedUploadError where a body is announced that is longer than allowed."""
    length = request.headers.get("content-length", "0")
    if not length.isascii() or not length.isdigit() or int(length) > most:
        raise RefusedUploadError(f"at most {most} bytes are taken here, but {length[:20]} are announced")


class Turns:
    """So many bodies of one caller at once; who sends more of them waits, and holds no thread meanwhile."""

    def __init__(self, most: int):
        self._most = most
        self._gates: dict[str, asyncio.Semaphore] = {}
        self._callers: Counter[str] = Counter()

    @asynccontextmanager
    async def of(self, who: str) -> AsyncIterator[None]:
        """A turn of a caller."""
        gate = self._gates.setdefault(who, asyncio.Semaphore(self._most))
        self._callers[who] += 1
        try:
            async with gate:
                yield
        finally:
            self._callers[who] -= 1
            if not self._callers[who]:
                del self._gates[who], self._callers[who]


class _Pieces:
    """Pieces on their way from the event loop to a thread; a few wait, then whoever brings more waits."""

    def __init__(self, loop: asyncio.AbstractEventLoop):
        self._loop = loop
        self._room = asyncio.Semaphore(PIECES_WAITING)
        self._waiting: queue.SimpleQueue[_Part] = queue.SimpleQueue()

    async def put(self, piece: bytes | None, work: "asyncio.Task[Result]") -> None:
        """Bring a piece, or None for the end; thrown away once the work is over."""
        room = asyncio.ensure_future(self._room.acquire())
        await asyncio.wait([room, work], return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            room.cancel()
        else:
            self._waiting.put(piece)

    def end(self, error: BaseException) -> None:
        """Let the thread see an error in place of more pieces."""
        self._waiting.put(error)

    def __iter__(self) -> Iterator[bytes]:
        """The pieces, in the thread."""
        while (part := self._waiting.get()) is not None:
            self._loop.call_soon_threadsafe(self._room.release)
            if isinstance(part, BaseException):
                raise RefusedUploadError("the upload broke off") from part
            yield part


async def _gathered(request: Request, most: int) -> AsyncIterator[bytes]:
    """The body in pieces of about a mebibyte; of time, only that counts in which the client lets us wait."""
    parts, total, ended = _parts(request), 0, False
    now = asyncio.get_running_loop().time
    while not ended:
        waiting, length = [], 0
        try:
            async with asyncio.timeout(STALLED_SECONDS) as patience:
                async for part in parts:
                    patience.reschedule(now() + STALLED_SECONDS)
                    waiting.append(part)
                    length += len(part)
                    if total + length > most:
                        raise RefusedUploadError(f"at most {most} bytes are taken here, but more came")
                    if length >= PIECE_BYTES:
                        break
                else:
                    ended = True
        except TimeoutError as error:
            raise StalledError(STALLED_SECONDS) from error
        total += length
        if length:
            yield b"".join(waiting)


async def _parts(request: Request) -> AsyncIterator[bytes]:
    try:
        async for part in request.stream():
            yield part
    except ClientDisconnect as error:
        raise RefusedUploadError("the upload broke off") from error
