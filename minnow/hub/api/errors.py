"""The one place that knows status codes: errors of the house as the clients read them, from headers first."""

import logging
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote, unquote

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from minnow.errors import (
    ForbiddenError,
    GatedError,
    HubConflictError,
    HubExistsError,
    HubNotFoundError,
    InputError,
    MinnowError,
    NotSignedInError,
    QuotaError,
    RateLimitError,
    StalledError,
    StorageError,
)
from minnow.hub.api.routing import REQUEST_ID
from minnow.hub.xet.service import BeyondEndError

LOG = logging.getLogger("minnow.hub")
NOT_FOUND_CODES = {"repository": "RepoNotFound", "revision": "RevisionNotFound", "entry": "EntryNotFound"}
# The first line that fits an error counts.
STATUSES: tuple[tuple[type[MinnowError], int], ...] = (
    (HubNotFoundError, 404),
    (HubExistsError, 409),
    (HubConflictError, 412),
    (NotSignedInError, 401),
    (ForbiddenError, 403),
    (QuotaError, 413),
    (RateLimitError, 429),
    (StalledError, 408),
    (BeyondEndError, 416),
    (StorageError, 507),
    (InputError, 400),
    (MinnowError, 500),
)
HEADERS: Mapping[type[MinnowError], Mapping[str, str]] = {
    GatedError: {"X-Error-Code": "GatedRepo"},
    NotSignedInError: {"WWW-Authenticate": 'Basic realm="hub"'},
    StalledError: {"Connection": "close"},
}
WHY_LEFT_OUT = "this hub does not do that"
# Where clients look for a repository that is named without an owner, as some are elsewhere.
WITHOUT_OWNER = re.compile(
    r"/api/(?:models|datasets|spaces)/([^/]+)(?:/(?:revision|tree|paths-info|commits|preupload|commit)/.*)?"
    r"|/([^/]+)/(?:resolve|raw)/.*"
)


async def refused(request: Request, error: Exception) -> Response:
    """The answer to a request that failed with an error of the house."""
    assert isinstance(error, MinnowError)
    status = next(status for kind, status in STATUSES if isinstance(error, kind))
    return error_response(request, status, str(error), _headers(error))


async def no_route(request: Request, error: Exception) -> Response:
    """The answer to a request that no route takes: an error too, since clients try what a hub can do."""
    assert isinstance(error, HTTPException)
    found = WITHOUT_OWNER.fullmatch(request.url.path)
    if found and error.status_code == 404:
        name = unquote(found[1] or found[2])[:100]
        wanted = HubNotFoundError("repository", f"{name} (here each is named owner/name)")
        return error_response(request, 404, str(wanted), _headers(wanted))
    message = f"{request.method} {request.url.path}: {error.detail}"
    return error_response(request, error.status_code, message, error.headers)


async def broke(request: Request, error: Exception) -> Response:
    """The answer to a request that failed for a reason that nobody foresaw; the server's log has it."""
    name = request.scope.get(REQUEST_ID, "")
    path, ticket = request.url.path, request.path_params.get("ticket")
    if ticket:  # which would still open a file to whoever reads the log
        path = path.replace(ticket, "{ticket}")
    LOG.error("request %s failed: %s %s: %s", name, request.method, path, type(error).__name__)
    return error_response(request, 500, "the hub failed; its log says why, under this request's X-Request-Id")


def left_out(reason: str) -> Callable[[Request], Response]:
    """A handler for what a hub could do and this one does not."""

    def handler(request: Request) -> Response:
        return error_response(request, 501, f"{WHY_LEFT_OUT}: {reason}")

    return handler


def error_response(request: Request, status: int, message: str, headers: Any = None) -> Response:
    """An error in the words and the form that the client shows: git shows plain text only, git-lfs a ``message``."""
    told = {**(headers or {}), "X-Error-Message": _header_text(message)}
    agent = request.headers.get("user-agent", "")
    if agent.startswith("git/"):
        return PlainTextResponse(message + "\n", status, headers=told)
    return JSONResponse({"message" if agent.startswith("git-lfs/") else "error": message}, status, headers=told)


def _headers(error: MinnowError) -> dict[str, str]:
    if isinstance(error, HubNotFoundError):
        headers = {"X-Error-Code": NOT_FOUND_CODES[error.kind]} if error.kind in NOT_FOUND_CODES else {}
        return headers | ({"X-Repo-Commit": error.revision} if error.kind == "entry" and error.revision else {})
    for kind, told in HEADERS.items():
        if isinstance(error, kind):
            return dict(told)
    if isinstance(error, RateLimitError):
        return {
            "RateLimit": f'"{error.resource}";r=0;t={error.seconds}',
            "RateLimit-Policy": f'"fixed window";"{error.resource}";q={error.limit};w={error.window_seconds}',
            "Retry-After": str(error.seconds),
        }
    if isinstance(error, BeyondEndError):
        return {"Content-Range": f"bytes */{error.size}"}
    return {}


def _header_text(message: str) -> str:
    """A message as a header may hold it: on one line, in ASCII, and not too long."""
    return quote(re.sub(r"\s+", " ", message)[:1000], safe="".join(map(chr, range(0x20, 0x7F))))


def exists_response(error: HubExistsError, url: str) -> Response:
    """What a client gets who creates what is there: where it is, since it may be content with that."""
    message = str(error)
    return JSONResponse({"error": message, "url": url}, 409, headers={"X-Error-Message": _header_text(message)})
