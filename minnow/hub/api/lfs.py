"""The routes of git-lfs: where to send and fetch large files, the files themselves, parts, verification."""

from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any, Literal

from anyio import CapacityLimiter
from pydantic import Field
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from minnow.errors import InputError
from minnow.hub.api.asking import Asking, Body, json, read_body, with_body
from minnow.hub.api.bodies import received, whole
from minnow.hub.api.sending import sent, span_asked
from minnow.hub.api.shown import PREFIXES
from minnow.hub.large_files import MOST_BYTES, PART_BYTES
from minnow.hub.lfs import Lfs, Ticket
from minnow.hub.names import Kind, sha256_of

MEDIA_TYPE = "application/vnd.git-lfs+json"
UPLOADS_AT_ONCE = 32
MOST_OBJECTS = 1000
DATA = "/api/lfs"
MOST_PARTS_BODY = 4 << 20


class ObjectBody(Body):
    """A large file by its SHA-256."""

    oid: str
    size: Annotated[int, Field(ge=0, le=MOST_BYTES)]


class BatchBody(Body):
    """Large files that are to be sent or fetched."""

    operation: Literal["upload", "download"]
    objects: Annotated[list[ObjectBody], Field(max_length=MOST_OBJECTS)]
    transfers: tuple[str, ...] = ("basic",)
    hash_algo: str = "sha256"


class PartsBody(Body):
    """What names the parts that were sent; they are numbered from one."""

    oid: str
    parts: Annotated[list[dict[str, Any]], Field(max_length=100_000)]


def lfs_routes(asking: Asking, lfs: Lfs) -> list[Route]:
    """The routes of this file."""
    handlers = _Handlers(asking, lfs)
    routes = []
    for kind, prefix in sorted(PREFIXES.items(), key=lambda item: item[1], reverse=True):
        base = f"/{prefix}{{owner}}/{{name}}.git/info/lfs/objects"
        batch, verify = partial(handlers.batch, kind), partial(handlers.verify, kind)
        routes += [
            Route(base + "/batch", with_body(BatchBody, batch), methods=["POST"]),
            Route(base + "/verify", with_body(ObjectBody, verify), methods=["POST"]),
        ]
    return [
        *routes,
        Route(DATA + "/{ticket}", handlers.take, methods=["PUT"]),
        Route(DATA + "/{ticket}", handlers.send, methods=["GET"]),
        Route(DATA + "/{ticket}/parts/{number:int}", handlers.take_part, methods=["PUT"]),
        Route(DATA + "/{ticket}/parts", handlers.join_parts, methods=["POST"]),
    ]


class _Handlers:
    def __init__(self, asking: Asking, lfs: Lfs):
        self._asking = asking
        self._hub = asking.hub
        self._lfs = lfs
        self._uploads = CapacityLimiter(UPLOADS_AT_ONCE)

    def batch(self, kind: Kind, request: Request, body: BatchBody) -> Response:
        """Where to send or fetch each file; none where the repository has it already."""
        if body.hash_algo != "sha256":
            raise InputError(f"large files are named by their sha256, but got {body.hash_algo[:50]!r}")
        wanted = {sha256_of(one.oid): one.size for one in body.objects}
        url = self._asking.endpoint(request) + DATA
        if body.operation == "download":
            asked = self._asking.clonable(request, kind)
            tickets = self._lfs.downloads(asked.repository.id, wanted)
            shown = [_download(sha256, size, url, tickets.get(sha256)) for sha256, size in wanted.items()]
            return _json({"transfer": "basic", "objects": shown, "hash_algo": "sha256"})
        # Nothing in this request tells a commit from a proposal, so whoever may propose may send; a file that no commit
        # names is collected.
        asked = self._asking.discussable(request, kind)
        if "xet" in body.transfers:  # of clients before 1.20, which ask; later ones take it for granted
            shown = [{"oid": sha256, "size": size, "authenticated": True} for sha256, size in wanted.items()]
            return _json({"transfer": "xet", "objects": shown, "hash_algo": "sha256"})
        plan = self._lfs.uploads(asked.repository, asked.pays, wanted, in_parts="multipart" in body.transfers)
        verify = str(request.url.path).removesuffix("/batch") + "/verify"
        verify = self._asking.endpoint(request) + verify
        shown = [
            _upload(sha256, size, url, plan.tickets.get(sha256), verify, plan.part_bytes)
            for sha256, size in wanted.items()
        ]
        transfer = "multipart" if plan.part_bytes else "basic"
        return _json({"transfer": transfer, "objects": shown, "hash_algo": "sha256"})

    def verify(self, kind: Kind, request: Request, body: ObjectBody) -> Response:
        """Whether a file has arrived."""
        asked = self._asking.readable(request, kind)
        self._lfs.verify(asked.repository.id, sha256_of(body.oid), body.size)
        return _json({})

    async def take(self, request: Request) -> Response:
        """Store a file; the address says which, and allows it."""
        ticket = self._ticket(request, "upload")
        take = partial(self._hub.large_files.take, ticket.repository_id, ticket.account, ticket.sha256, ticket.size)
        await received(request, take, ticket.size, self._uploads)
        return Response(None, 200, {"ETag": f'"{ticket.sha256}"'})

    async def take_part(self, request: Request) -> Response:
        """Store a part of a file."""
        ticket = self._ticket(request, "upload")
        take = partial(self._lfs.take_part, ticket, request.path_params["number"])
        name = await received(request, take, PART_BYTES, self._uploads)
        return Response(None, 200, {"ETag": f'"{name}"'})

    async def join_parts(self, request: Request) -> Response:
        """Make a file of its parts."""
        ticket = self._ticket(request, "upload")
        body = read_body(PartsBody, await whole(request, MOST_PARTS_BODY))
        await run_in_threadpool(self._lfs.join_parts, ticket, len(body.parts))
        return _json({})

    def send(self, request: Request) -> Response:
        """Send a file to whoever holds an address for it."""
        ticket = self._ticket(request, "download")
        self._lfs.require_held(ticket)
        etag = f'"{ticket.sha256}"'
        span = span_asked(request, ticket.size, etag)
        opened = partial(self._hub.large_files.open, ticket.sha256)
        return sent(opened, span, {"ETag": etag}, "application/octet-stream")

    def _ticket(self, request: Request, action: Literal["upload", "download"]) -> Ticket:
        return self._lfs.ticket(request.path_params["ticket"], action)


def _upload(
    sha256: str, size: int, url: str, ticket: str | None, verify: str, part_bytes: int | None
) -> dict[str, Any]:
    shown: dict[str, Any] = {"oid": sha256, "size": size, "authenticated": True}
    if ticket is None:
        return shown
    href = f"{url}/{ticket}"
    if part_bytes:
        count = -(-size // part_bytes)
        parts = {f"{number:05d}": f"{href}/parts/{number}" for number in range(1, count + 1)}
        upload: Mapping[str, Any] = {"href": f"{href}/parts", "header": {"chunk_size": str(part_bytes), **parts}}
    else:
        upload = {"href": href}
    return shown | {"actions": {"upload": upload, "verify": {"href": verify}}}


def _download(sha256: str, size: int, url: str, ticket: str | None) -> dict[str, Any]:
    shown: dict[str, Any] = {"oid": sha256, "size": size, "authenticated": True}
    if ticket is None:
        return shown | {"error": {"code": 404, "message": "this repository has no such file"}}
    return shown | {"actions": {"download": {"href": f"{url}/{ticket}"}}}


def _json(value: Any) -> Response:
    return json(value, headers={"Content-Type": MEDIA_TYPE})
