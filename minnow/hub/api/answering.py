"""How a request comes to its handler: found by the parts of its address, called in a thread over one snapshot."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from inspect import iscoroutinefunction
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route, Router
from starlette.types import Receive, Scope, Send

from minnow.errors import InputError
from minnow.hub.database import Database

AT_ONCE = 40
READS = frozenset({"GET", "HEAD"})


class QuickRouter(Router):
    """Starlette's router, which tries every route in turn; this one tries those first whose fixed parts fit."""

    def __init__(self, routes: Sequence[Route], **options: Any):
        super().__init__(routes, **options)
        self._shelf = Shelf(routes)

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ``Router.app``, which still answers where no route fits, or none with this method."""
        if scope["type"] == "http":
            if b"%00" in scope["query_string"]:
                raise InputError("no parameter holds a NUL character, but one in the address does")
            for route in self._shelf.fitting(scope["path"]):
                match, found = route.matches(scope)
                if match is Match.FULL:
                    scope.update(found)
                    await route.handle(scope, receive, send)
                    return
        await super().app(scope, receive, send)


@dataclass
class _Place:
    """What may come next in an address, and the routes that end here; ``None`` stands for any part."""

    next: "dict[str | None, _Place]" = field(default_factory=dict)
    ending: list[int] = field(default_factory=list)
    going_on: list[int] = field(default_factory=list)


class Shelf:
    """Routes by the parts of their addresses."""

    def __init__(self, routes: Sequence[Route]):
        self._routes = routes
        self._top = _Place()
        for number, route in enumerate(routes):
            self._put(number, route.path)

    def fitting(self, path: str) -> Iterator[Route]:
        """Those routes that may fit a path, in their order; whether they do, they say themselves."""
        return (self._routes[number] for number in sorted(_fitting(self._top, path.split("/"))))

    def _put(self, number: int, path: str) -> None:
        place = self._top
        for part in path.split("/"):
            if part.endswith(":path}"):
                place.going_on.append(number)
                return
            place = place.next.setdefault(None if "{" in part else part, _Place())
        place.ending.append(number)


def _fitting(place: _Place, parts: Sequence[str], at: int = 0) -> Iterator[int]:
    yield from place.going_on
    if at == len(parts):
        yield from place.ending
        return
    for key in (parts[at], None):
        if key in place.next:
            yield from _fitting(place.next[key], parts, at + 1)


class Threads:
    """Where handlers work: each request goes there once and comes back with all of its answer."""

    def __init__(self, database: Database):
        self._database = database
        self._pool = ThreadPoolExecutor(AT_ONCE, "answer")

    def close(self) -> None:
        """Return once the last handler has."""
        self._pool.shutdown()

    def over(self, routes: Iterable[Route]) -> list[Route]:
        """The same routes, whose plain functions are called in threads."""
        return [
            route
            if _is_async(route.endpoint)
            else Route(route.path, self._answering(route.endpoint), methods=sorted(route.methods or ()))
            for route in routes
        ]

    def _answering(self, handler: Callable[[Request], Response]) -> Callable[[Request], Awaitable[Response]]:
        async def answered(request: Request) -> Response:
            return await asyncio.get_running_loop().run_in_executor(self._pool, self._answer, handler, request)

        return answered

    def _answer(self, handler: Callable[[Request], Response], request: Request) -> Response:
        if request.method not in READS:
            return handler(request)
        with self._database.one_moment():
            return handler(request)


def _is_async(handler: Any) -> bool:
    while hasattr(handler, "func"):
        handler = handler.func
    return iscoroutinefunction(handler)
