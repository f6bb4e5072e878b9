"""What handlers share: who asks for which repository, checked; parameters, bodies and moments in the clients' form."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from json import dumps
from typing import Any, TypeVar

import orjson
from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from minnow.errors import GatedError, HubNotFoundError, InputError, NotSignedInError
from minnow.hub.api.bodies import whole
from minnow.hub.api.callers import Door, address_of
from minnow.hub.api.routing import part
from minnow.hub.hub import Hub
from minnow.hub.names import PULLS, Kind, branch_ref
from minnow.hub.repositories import Repository
from minnow.hub.rights import (
    Caller,
    may_download,
    may_read,
    may_write,
    payer,
    require_act,
    require_admin,
    require_download,
    require_write,
)

KINDS: Mapping[str, Kind] = {"models": "model", "datasets": "dataset", "spaces": "space"}
REPOSITORY = "/api/{kinds}/{owner}/{name}"
MOST_BODY = 8 << 20


class Body(BaseModel):
    """A JSON body; keys that this hub does not know are overlooked, since clients add some with every version."""

    model_config = ConfigDict(extra="ignore")


AnyBody = TypeVar("AnyBody", bound=Body)


@dataclass(frozen=True)
class Asked:
    """Who asks, for which repository; the right to it was checked."""

    caller: Caller
    repository: Repository

    @property
    def pays(self) -> str:
        """The account that pays for what is sent until it is accepted."""
        return payer(self.caller, self.repository.place)


class Asking:
    """Finds out who asks for what, in threads, and refuses what he has no right to."""

    def __init__(self, hub: Hub, door: Door):
        self.hub = hub
        self._door = door

    def caller(self, request: Request) -> Caller:
        """Who asks; raises NotSignedInError for a token that is none, RateLimitError for too many requests."""
        return self._door.caller(request)

    def known(self, caller: Caller, kind: Kind, owner: str, name: str, *, formerly: bool = True) -> Repository:
        """The repository of this name, for somebody who may know of it.

        Args:
            formerly: whether one that had the name before it moved is meant too.

        Raises:
            HubNotFoundError: there is none, or he may not; in the words of the question, which do not tell which it is.
        """
        repository = self.hub.repositories.find(kind, owner, name, formerly=formerly)
        if not may_read(caller, repository.place):
            raise HubNotFoundError("repository", f"{owner}/{name}")
        return repository

    def readable(self, request: Request, kind: Kind | None = None) -> Asked:
        """The repository of the address, for somebody who may know of it."""
        caller = self.caller(request)
        wanted = kind or KINDS.get(part(request, "kinds"))
        if wanted is None:
            raise HubNotFoundError("address", request.url.path)
        return Asked(caller, self.known(caller, wanted, part(request, "owner"), part(request, "name")))

    def downloadable(self, request: Request, kind: Kind | None = None) -> Asked:
        """The repository of the address, for somebody who may have its files."""
        asked = self.readable(request, kind)
        require_download(asked.caller, asked.repository.place, self._granted(asked))
        return asked

    def downloads(self, asked: Asked) -> bool:
        """Whether somebody with another right to a repository may have its files too."""
        return may_download(asked.caller, asked.repository.place, self._granted(asked))

    def clonable(self, request: Request, kind: Kind | None = None) -> Asked:
        """As ``downloadable``, for git and git-lfs, which send a token only when they are asked for one.

        Raises:
            NotSignedInError: somebody without a token asks for what is not public, or not there; which of the two, he
                is not told.
        """
        try:
            return self.downloadable(request, kind)
        except (HubNotFoundError, GatedError) as error:
            if request.headers.get("authorization"):
                raise
            raise NotSignedInError("a token is needed, as the password beside any user name") from error

    def writable(self, request: Request, kind: Kind | None = None) -> Asked:
        """The repository of the address, for somebody who may commit to it."""
        asked = self.readable(request, kind)
        require_write(asked.caller, asked.repository.place)
        return asked

    def proposing(self, request: Request, revision: str, kind: Kind | None = None) -> Asked:
        """The repository of the address, for somebody who may commit to it or goes on with his own pull request."""
        asked = self.readable(request, kind)
        ref = branch_ref(revision)
        if ref.startswith(PULLS) and not may_write(asked.caller, asked.repository.place):
            require_act(asked.caller, asked.repository.place, "discuss")
            if self.hub.discussions.author(asked.repository.id, int(ref.removeprefix(PULLS))) == asked.caller.name:
                return asked
        require_write(asked.caller, asked.repository.place)
        return asked

    def acting(self, request: Request, what: str, kind: Kind | None = None) -> Asked:
        """The repository of the address, for somebody who may do what any user may, such as ``like`` it."""
        asked = self.readable(request, kind)
        require_act(asked.caller, asked.repository.place, what)
        return asked

    def discussable(self, request: Request, kind: Kind | None = None) -> Asked:
        """The repository of the address, for somebody who may propose changes to it."""
        return self.acting(request, "discuss", kind)

    def administrable(self, request: Request) -> Asked:
        """The repository of the address, for somebody who may change its settings."""
        asked = self.readable(request)
        require_admin(asked.caller, asked.repository.place)
        return asked

    def note(self, request: Request, caller: Caller, action: str, repository: Repository, **detail: Any) -> None:
        """Write into the audit log."""
        subject = f"{repository.kind} {repository.full_name}"
        self.hub.audit.note(caller, action, subject, address=address_of(request), **detail)

    def count_download(self, request: Request, asked: Asked, path: str, *, again: bool = True) -> None:
        """Count a fetched file where the client says that somebody downloads."""
        if request.headers.get("x-hf-download-counter"):
            who = asked.caller.name or address_of(request)
            self.hub.downloads.count(asked.repository.id, who, path, again=again)

    def endpoint(self, request: Request) -> str:
        """The address of the hub as the client of a request sees it."""
        return self.hub.settings.endpoint or str(request.base_url).rstrip("/")

    def _granted(self, asked: Asked) -> bool:
        return bool(asked.repository.gate) and self.hub.access.granted(asked.caller, asked.repository.id)


def with_body(
    body: type[AnyBody], handler: Callable[[Request, AnyBody], Response]
) -> Callable[[Request], Awaitable[Response]]:
    """A handler that is called in a thread with its JSON body, read and checked; an empty one has its defaults."""

    async def read(request: Request) -> Response:
        return await run_in_threadpool(handler, request, read_body(body, await whole(request, MOST_BODY)))

    return read


def read_body(body: type[AnyBody], content: bytes) -> AnyBody:
    """A JSON body; raises InputError where it is not what the handler needs."""
    try:
        read = body.model_validate_json(content or b"{}")
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the body"
        raise InputError(f"{place}: {first['msg']}") from error
    if b"\\u0000" in content and _holds_nul(read.model_dump()):
        raise InputError("no text holds a NUL character, but one in the body does")
    return read


def _holds_nul(value: Any) -> bool:
    if isinstance(value, dict):
        return any(_holds_nul(inner) for pair in value.items() for inner in pair)
    if isinstance(value, list):
        return any(map(_holds_nul, value))
    return isinstance(value, str) and "\0" in value


def is_true(request: Request, name: str) -> bool:
    """Whether a parameter says yes, in the words of any version of the client."""
    return request.query_params.get(name, "").lower() in {"true", "1", "yes"}


def number(request: Request, name: str, default: int, most: int) -> int:
    """A parameter that is a whole number; raises InputError where it is none."""
    text = request.query_params.get(name)
    if text is None or text == "":
        return default
    if not text.isascii() or not text.isdigit() or len(text) > 12:
        raise InputError(f"{name} must be a whole number, but got {text[:40]!r}")
    return min(int(text), most)


def json(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON answer."""
    try:
        content = orjson.dumps(value)
    except TypeError:  # a number of over 64 bits or half of a letter, from a card that was entered as it was written
        content = dumps(value).encode()
    return Response(content, status, dict(headers or {}), media_type="application/json")


def moment(at: datetime) -> str:
    """A moment as clients read it."""
    return at.isoformat(timespec="milliseconds")[:23] + "Z"


def next_page(request: Request, endpoint: str, path: str | None = None, **changed: str | int) -> dict[str, str]:
    """The header that leads to the next page: the same address, or another path, with these parameters changed."""
    url = request.url.include_query_params(**changed)
    return {"Link": f'<{endpoint}{path or request.scope["path"]}?{url.query}>; rel="next"'}
