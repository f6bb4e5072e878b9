"""The routes of uploads: which way files go, the commit itself, leave to use Xet, the list of large files."""

import binascii
import re
from base64 import b64decode
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Annotated, Any, Literal

import orjson
from anyio import CapacityLimiter
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from minnow.errors import InputError
from minnow.hub.api.asking import REPOSITORY, Asked, Asking, Body, is_true, json, moment, with_body
from minnow.hub.api.bodies import Turns, consumed
from minnow.hub.api.callers import address_of
from minnow.hub.api.routing import part
from minnow.hub.api.shown import repository_url
from minnow.hub.api.xet import leave_response
from minnow.hub.names import MAIN
from minnow.hub.publishing import Published
from minnow.hub.revisions import Message
from minnow.hub.rights import payer, require_act
from minnow.hub.uploads import (
    REGULAR_BYTES,
    AddFile,
    AddLarge,
    Announced,
    DeleteFile,
    DeleteFolder,
    Operation,
)

MOST_COMMIT_BODY = 1 << 30
MOST_LINE = REGULAR_BYTES * 4 // 3 + 8192
COMMITS_AT_ONCE, COMMITS_OF_ONE = 16, 4
MOST_PLANNED = 1000


class PlannedFile(Body):
    """A file that is about to be sent; the sample is its first bytes in base64."""

    path: str
    size: Annotated[int, Field(ge=0)]
    sample: Annotated[str, Field(max_length=8192)] = ""


class PlanBody(Body):
    """Files that are about to be sent."""

    files: Annotated[list[PlannedFile], Field(max_length=MOST_PLANNED)]
    gitIgnore: str | None = None


class Deletions(Body):
    """Large files by their SHA-256."""

    sha: list[str]
    rewriteHistory: bool = True


class LargeFilesBody(Body):
    """Large files that are to go."""

    deletions: Deletions


class DuplicateTarget(Body):
    """A repository."""

    type: Literal["model", "dataset", "space"] = "model"
    name: str


class DuplicateFile(Body):
    """A large file by its SHA-256."""

    sha256: str


class DuplicateBody(Body):
    """Large files that another repository is to have too."""

    target: DuplicateTarget
    files: Annotated[list[DuplicateFile], Field(max_length=MOST_PLANNED)]


def commit_routes(asking: Asking) -> list[Route]:
    """The routes of this file."""
    handlers = _Handlers(asking)
    return [
        Route(REPOSITORY + "/preupload/{revision}", with_body(PlanBody, handlers.plan), methods=["POST"]),
        Route(REPOSITORY + "/commit/{revision}", handlers.commit, methods=["POST"]),
        Route(REPOSITORY + "/xet-write-token/{revision}", handlers.leave_to_write),
        Route(REPOSITORY + "/xet-read-token/{revision}", handlers.leave_to_read),
        Route(REPOSITORY + "/lfs-files", handlers.large_files),
        Route(REPOSITORY + "/lfs-files/batch", with_body(LargeFilesBody, handlers.purge), methods=["POST"]),
        Route(REPOSITORY + "/lfs-files/duplicate", with_body(DuplicateBody, handlers.duplicate), methods=["POST"]),
    ]


class _Handlers:
    def __init__(self, asking: Asking):
        self._asking = asking
        self._hub = asking.hub
        self._commits = CapacityLimiter(COMMITS_AT_ONCE)
        self._turns = Turns(COMMITS_OF_ONE)

    def plan(self, request: Request, body: PlanBody) -> Response:
        """Which way each file is to go."""
        asked = self._proposing(request)
        files = [Announced(file.path, file.size, _decoded(file.sample)) for file in body.files]
        revision = self._base(request)
        planned = self._hub.uploads.plan(asked.repository, asked.pays, revision, files, body.gitIgnore)
        shown = [
            {"path": file.path, "uploadMode": "lfs" if file.large else "regular", "shouldIgnore": file.ignored}
            | ({"oid": file.known} if file.known else {})
            for file in planned
        ]
        return json({"files": shown})

    async def commit(self, request: Request) -> Response:
        """Commit; the body is read while it comes in."""
        async with self._turns.of(request.headers.get("authorization") or address_of(request)):
            return await consumed(request, partial(self._commit, request), MOST_COMMIT_BODY, self._commits)

    def leave_to_write(self, request: Request) -> Response:
        """Leave to upload by Xet."""
        asked = self._proposing(request)
        reads = self._asking.downloads(asked)
        leave = self._hub.xet.leave(asked.caller, asked.repository.id, reads=reads, pays=asked.pays)
        return leave_response(leave, self._asking.endpoint(request))

    def leave_to_read(self, request: Request) -> Response:
        """Leave to download by Xet."""
        asked = self._asking.downloadable(request)
        self._hub.revisions.resolve(asked.repository.id, part(request, "revision"))
        self._asking.count_download(request, asked, "(chunks)", again=False)
        leave = self._hub.xet.leave(asked.caller, asked.repository.id, reads=True)
        return leave_response(leave, self._asking.endpoint(request))

    def large_files(self, request: Request) -> Response:
        """The large files that a repository has, used or not."""
        asked = self._asking.writable(request)
        head = self._hub.revisions.resolve(asked.repository.id, MAIN)
        paths = {entry.large.sha256: entry.path for entry in self._hub.contents.all(head) if entry.large}
        shown = [
            {
                "fileOid": file.sha256,
                "oid": file.sha256,
                "filename": paths.get(file.sha256, file.sha256),
                "size": file.size,
                "pushedAt": moment(file.admitted_at),
                "ref": MAIN if file.sha256 in paths else None,
            }
            for file in self._hub.large_files.of(asked.repository.id)
        ]
        return json(shown)

    def purge(self, request: Request, body: LargeFilesBody) -> Response:
        """Take large files out for good, and out of the history that names them."""
        asked = self._asking.administrable(request)
        if not body.deletions.rewriteHistory:
            raise InputError("large files go together with the history that names them; leave rewrite_history at True")
        self._hub.publishing.purge(asked.repository.id, body.deletions.sha)
        self._asking.note(request, asked.caller, "files.purge", asked.repository, files=len(body.deletions.sha))
        return json({})

    def duplicate(self, request: Request, body: DuplicateBody) -> Response:
        """Let another repository have large files of this one; whoever may propose changes to it may ask."""
        asked = self._asking.downloadable(request)
        owner, _, name = body.target.name.partition("/")
        target = self._asking.known(asked.caller, body.target.type, owner, name)
        require_act(asked.caller, target.place, "discuss")
        account, sha256s = payer(asked.caller, target.place), [file.sha256 for file in body.files]
        self._hub.large_files.share(asked.repository.id, target.id, account, sha256s)
        return json({"success": [{"sha256": file.sha256} for file in body.files], "failed": []})

    def _commit(self, request: Request, pieces: Iterator[bytes]) -> Response:
        asked = self._proposing(request)
        lines = _lines(pieces)
        header = _header(lines)
        published = self._hub.publishing.commit(
            asked.repository,
            self._base(request),
            _operations(lines),
            Message(str(header.get("summary") or ""), str(header.get("description") or "")),
            by=asked.caller.name,
            pays=asked.pays,
            parent=_parent(header),
            as_pull_request=is_true(request, "create_pr"),
        )
        return json(self._published(request, asked, published))

    def _published(self, request: Request, asked: Asked, published: Published) -> dict[str, Any]:
        url = repository_url(self._asking.endpoint(request), asked.repository.kind, asked.repository.full_name)
        shown = {"success": True, "commitOid": published.commit, "commitUrl": f"{url}/commit/{published.commit}"}
        if published.pull_request is not None:
            shown["pullRequestUrl"] = f"{url}/discussions/{published.pull_request}"
        return shown | {"hookOutput": ""}

    def _base(self, request: Request) -> str:
        """The branch that is asked for; a new pull request begins at main, whatever else is said."""
        revision = part(request, "revision")
        return "main" if is_true(request, "create_pr") else revision

    def _proposing(self, request: Request) -> Asked:
        """Somebody who may commit to the branch of the address, or who opens a pull request."""
        if is_true(request, "create_pr"):
            return self._asking.discussable(request)
        return self._asking.proposing(request, part(request, "revision"))


def _lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The lines of a body, each held in memory only while it is read.

    Raises:
        InputError: a line that is longer than any file may make it.
    """
    waiting: list[bytes] = []
    length = 0
    for piece in pieces:
        *ended, rest = piece.split(b"\n")
        for end in ended:
            yield b"".join((*waiting, end))
            waiting, length = [], 0
        waiting.append(rest)
        length += len(rest)
        if length > MOST_LINE:
            raise InputError(f"a file in a commit has at most {REGULAR_BYTES} bytes; send it as a large file")
    yield b"".join(waiting)


def _read(line: bytes) -> tuple[str, dict[str, Any]]:
    try:
        read = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise InputError(f"a line of the commit is no JSON: {error}") from error
    if not isinstance(read, dict) or not isinstance(read.get("key"), str) or not isinstance(read.get("value"), dict):
        raise InputError('a line of a commit must be such as {"key": "file", "value": {"path": …}}')
    return read["key"], read["value"]


def _header(lines: Iterator[bytes]) -> dict[str, Any]:
    key, value = _read(next(lines))
    if key != "header":
        raise InputError(f"a commit begins with its header, but got {key!r}")
    return {name: inner.replace("\0", "") if isinstance(inner, str) else inner for name, inner in value.items()}


def _parent(header: dict[str, Any]) -> str | None:
    parent = header.get("parentCommit")
    if parent is None:
        return None
    if not isinstance(parent, str) or not re.fullmatch(r"[0-9a-f]{4,40}", parent):
        raise InputError(f"parentCommit must be (the beginning of) a commit id, but got {str(parent)[:50]!r}")
    return parent


def _operations(lines: Iterable[bytes]) -> Iterator[Operation]:
    for line in lines:
        if line.strip():
            yield _operation(*_read(line))


def _operation(key: str, value: dict[str, Any]) -> Operation:
    path = value.get("path")
    if not isinstance(path, str):
        raise InputError(f"{key} needs a path")
    if key == "file":
        content = value.get("content", "")
        if not isinstance(content, str):
            raise InputError(f"the content of {path[:200]} must be a string")
        return AddFile(path, content.encode() if value.get("encoding") == "utf-8" else _decoded(content))
    if key == "lfsFile":
        size = value.get("size")
        if not isinstance(size, int | None) or value.get("algo", "sha256") != "sha256":
            raise InputError(f"{path[:200]}: a large file needs a size and its sha256")
        return AddLarge(path, str(value.get("oid")), size)
    if key == "deletedFile":
        return DeleteFile(path)
    if key == "deletedFolder":
        return DeleteFolder(path)
    raise InputError(f"a commit cannot hold {key[:50]!r}; it holds file, lfsFile, deletedFile and deletedFolder")


def _decoded(text: str) -> bytes:
    try:
        return b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InputError(f"a content must be in base64: {error}") from error
