"""Routing on the address as it was sent: a slash that was encoded belongs to a name and divides nothing."""

import secrets
from itertools import count
from urllib.parse import unquote

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from minnow.errors import HubNotFoundError

REQUEST_ID = "minnow.request_id"
MOST_DIGITS = 9
MOST_WRITTEN = 24  # noughts before it, as clients see ids, among them
SAFE_HEADERS = ((b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"same-origin"))


class RawPaths:
    """Lets routes see the path before it is decoded; ``part`` decodes what a route found in it."""

    def __init__(self, app: ASGIApp):
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As every ASGI application."""
        if scope["type"] == "http" and scope.get("raw_path"):
            scope = {**scope, "path": scope["raw_path"].partition(b"?")[0].decode("latin-1")}
        await self.app(scope, receive, send)


class RequestIds:
    """Gives every answer a name under which the log can be searched, and the headers that keep browsers careful."""

    def __init__(self, app: ASGIApp):
        self.app = app
        self._ours = secrets.token_hex(12)  # a random number for each request would take a call of the system
        self._numbers = count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As every ASGI application."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        name = scope[REQUEST_ID] = f"{self._ours}{next(self._numbers):08x}"

        async def named(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = message["headers"] = list(message.get("headers", ()))
                there = {key.lower() for key, _ in headers}
                headers += (header for header in SAFE_HEADERS if header[0] not in there)
                headers.append((b"x-request-id", name.encode()))
            await send(message)

        await self.app(scope, receive, named)


def part(request: Request, name: str) -> str:
    """A part of the address, decoded; raises HubNotFoundError where it is no UTF-8, or holds what no name does.

    What a file may be called is asked where it is looked for.
    """
    try:
        decoded = unquote(request.path_params[name], errors="strict")
    except UnicodeDecodeError as error:
        raise HubNotFoundError("address", request.url.path) from error
    if "\0" in decoded and name != "path":
        raise HubNotFoundError("address", request.url.path)
    return decoded


def numbered(request: Request, name: str, kind: str) -> int:
    """A part of the address that is the number of something; raises HubNotFoundError where nothing can have it."""
    text = str(request.path_params[name])
    if not text.isascii() or not text.isdigit() or len(text.lstrip("0")) > MOST_DIGITS or len(text) > MOST_WRITTEN:
        raise HubNotFoundError(kind, text[:50])
    return int(text)
