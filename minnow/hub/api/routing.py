"""Routing on the address as it was sent: a slash that was encoded belongs to a name and divides nothing."""

import uuid
from urllib.parse import unquote

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from minnow.errors import HubNotFoundError

REQUEST_ID = "minnow.request_id"
SAFE_HEADERS = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin"}


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

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As every ASGI application."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        name = scope[REQUEST_ID] = uuid.uuid4().hex

        async def named(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["X-Request-Id"] = name
                for key, value in SAFE_HEADERS.items():
                    headers.setdefault(key, value)
            await send(message)

        await self.app(scope, receive, named)


def part(request: Request, name: str) -> str:
    """A part of the address, decoded; raises HubNotFoundError where it is no UTF-8."""
    try:
        return unquote(request.path_params[name], errors="strict")
    except UnicodeDecodeError as error:
        raise HubNotFoundError("address", request.url.path) from error
