"""The routes of git itself: cloning and fetching. Pushing goes through commits, which check what comes in."""

from collections.abc import Iterator
from functools import partial
from typing import BinaryIO

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from minnow.hub.api.asking import Asking
from minnow.hub.api.bodies import whole
from minnow.hub.api.errors import left_out
from minnow.hub.api.shown import PREFIXES
from minnow.hub.git_http import MOST_REQUEST_BYTES, GitHttp, unpacked_request
from minnow.hub.names import Kind

PIECE_BYTES = 1 << 20
FRESH = {"Cache-Control": "no-cache, max-age=0, must-revalidate"}
NO_PUSH = left_out(
    "git push; upload with `minnow push`, `hf upload` or huggingface_hub, which the hub checks file by file"
)


def git_routes(asking: Asking) -> list[Route]:
    """The routes of this file, for addresses with and without ``.git``."""
    handlers = _Handlers(asking)
    routes = []
    for kind, prefix in sorted(PREFIXES.items(), key=lambda item: item[1], reverse=True):
        for suffix in (".git", ""):
            base = f"/{prefix}{{owner}}/{{name}}{suffix}"
            routes += [
                Route(base + "/info/refs", partial(handlers.refs, kind)),
                Route(base + "/git-upload-pack", partial(handlers.upload_pack, kind), methods=["POST"]),
                Route(base + "/git-receive-pack", NO_PUSH, methods=["POST"]),
            ]
    return routes


class _Handlers:
    def __init__(self, asking: Asking):
        self._asking = asking
        self._git = GitHttp(asking.hub.database, asking.hub.objects)

    def refs(self, kind: Kind, request: Request) -> Response:
        """The refs, before a clone or a fetch."""
        if request.query_params.get("service") != "git-upload-pack":
            return NO_PUSH(request)
        asked = self._asking.clonable(request, kind)
        return _sent(self._git.advertise(asked.repository.id), "application/x-git-upload-pack-advertisement")

    async def upload_pack(self, kind: Kind, request: Request) -> Response:
        """A pack of what the client does not have."""
        content = await whole(request, MOST_REQUEST_BYTES)
        return await run_in_threadpool(self._upload_pack, kind, request, content)

    def _upload_pack(self, kind: Kind, request: Request, content: bytes) -> Response:
        asked = self._asking.clonable(request, kind)
        plain = unpacked_request(content, request.headers.get("content-encoding", ""))
        return _sent(self._git.upload_pack(asked.repository.id, plain), "application/x-git-upload-pack-result")


def _sent(answer: BinaryIO, media_type: str) -> Response:
    return StreamingResponse(_pieces(answer), media_type=media_type, headers=FRESH)


def _pieces(answer: BinaryIO) -> Iterator[bytes]:
    with answer:
        while piece := answer.read(PIECE_BYTES):
            yield piece
