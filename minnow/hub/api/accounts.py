"""The routes of accounts: who am I, who is that, requests for gated repositories."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from minnow.errors import HubNotFoundError, InputError, NotSignedInError
from minnow.hub.access import STATUSES, AccessRequest, AccessRequests, Status
from minnow.hub.accounts import Account, Accounts
from minnow.hub.api.bodies import whole
from minnow.hub.api.callers import Door, address_of
from minnow.hub.audit import Audit
from minnow.hub.rights import Caller, Place, require_admin, require_read
from minnow.hub.tokens import Tokens

MOST_BODY = 1 << 20
KINDS = {"models": "model", "datasets": "dataset", "spaces": "space"}
FindPlace = Callable[[str, str, str], tuple[int, Place]]


@dataclass(frozen=True)
class AccountRooms:
    """What the routes of accounts need.

    Attributes:
        find_place: the number and the facts of a repository by kind, owner and name; raises HubNotFoundError.
    """

    door: Door
    accounts: Accounts
    tokens: Tokens
    access: AccessRequests
    audit: Audit
    find_place: FindPlace


def account_routes(rooms: AccountRooms) -> list[Route]:
    """The routes below ``/api``."""
    handlers = _Handlers(rooms)
    repository = "/api/{kinds}/{owner}/{name}"
    return [
        Route("/api/whoami-v2", handlers.whoami),
        Route("/api/users/{user}/overview", handlers.user),
        Route("/api/organizations/{organization}/overview", handlers.organization),
        Route("/api/organizations/{organization}/members", handlers.members),
        Route(repository + "/user-access-request", _with_body(handlers.ask), methods=["POST"]),
        Route(repository + "/user-access-request/handle", _with_body(handlers.handle), methods=["POST"]),
        Route(repository + "/user-access-request/grant", _with_body(handlers.grant), methods=["POST"]),
        Route(repository + "/user-access-request/cancel", handlers.withdraw, methods=["POST"]),
        Route(repository + "/user-access-request/{status}", handlers.requests),
    ]


class _Handlers:
    """Plain functions of a request, run in threads."""

    def __init__(self, rooms: AccountRooms):
        self._rooms = rooms

    def whoami(self, request: Request) -> Response:
        """Whose token this is, and what it may do."""
        caller = self._rooms.door.caller(request)
        if caller.user_id is None or caller.token_id is None:
            raise NotSignedInError("Invalid username or password.")
        account = self._rooms.accounts.by_id(caller.user_id)
        token = self._rooms.tokens.named(caller.token_id)
        orgs = [
            {"type": "org", "name": member.name, "fullname": member.name, "roleInOrg": member.role.name.lower()}
            for member in self._rooms.accounts.organizations_of(caller.user_id)
        ]
        access = {"displayName": token.name, "role": token.role, "createdAt": _moment(token.created_at)}
        about = _user(account) | {"name": account.name, "email": account.email, "emailVerified": False}
        return JSONResponse(
            about
            | {"orgs": orgs, "auth": {"type": "access_token", "accessToken": access}, "isAdmin": caller.site_admin}
        )

    def user(self, request: Request) -> Response:
        """What anybody may know of a user."""
        self._rooms.door.caller(request)
        account = self._rooms.accounts.find(request.path_params["user"], "user")
        orgs = [{"name": member.name} for member in self._rooms.accounts.organizations_of(account.id)]
        return JSONResponse(_user(account) | {"orgs": orgs})

    def organization(self, request: Request) -> Response:
        """What anybody may know of an organisation."""
        self._rooms.door.caller(request)
        account = self._rooms.accounts.find(request.path_params["organization"], "organization")
        members = self._rooms.accounts.members(account.name)
        return JSONResponse(
            {"name": account.name, "fullname": account.full_name, "numUsers": len(members), "isVerified": False}
        )

    def members(self, request: Request) -> Response:
        """Who belongs to an organisation."""
        self._rooms.door.caller(request)
        members = self._rooms.accounts.members(request.path_params["organization"])
        return JSONResponse(
            [{"user": member.name, "type": "user", "role": member.role.name.lower()} for member in members]
        )

    def requests(self, request: Request) -> Response:
        """The access requests in a state, for who administers the repository."""
        _, repository_id, _ = self._gated(request)
        status = status_named(request.path_params["status"])
        return JSONResponse([_request(one) for one in self._rooms.access.of(repository_id, status)])

    def ask(self, request: Request, body: Mapping[str, Any]) -> Response:
        """Ask for access to a gated repository."""
        caller = self._rooms.door.caller(request)
        repository_id, place = self._place(request)
        require_read(caller, place)
        if caller.user_id is None:
            raise NotSignedInError("a token is needed to ask for access; run `minnow login` or `hf auth login`")
        status = self._rooms.access.ask(caller.user_id, repository_id, place.gate, body)
        self._note(request, caller, "access.ask", place, status=status)
        return JSONResponse({"status": status})

    def withdraw(self, request: Request) -> Response:
        """Take one's own request back."""
        caller = self._rooms.door.caller(request)
        repository_id, place = self._place(request)
        require_read(caller, place)
        if caller.user_id is not None:
            self._rooms.access.withdraw(caller.user_id, repository_id)
        return JSONResponse({})

    def handle(self, request: Request, body: Mapping[str, Any]) -> Response:
        """Accept or reject a request, or make it pending again."""
        caller, repository_id, place = self._gated(request)
        status = status_named(str(body.get("status", "")))
        user_id = self._asker(repository_id, body)
        self._rooms.access.decide(user_id, repository_id, status, str(body.get("rejectionReason") or ""))
        self._note(request, caller, f"access.{status}", place, user=self._rooms.accounts.by_id(user_id).name)
        return JSONResponse({})

    def grant(self, request: Request, body: Mapping[str, Any]) -> Response:
        """Give access to a user who did not ask."""
        caller, repository_id, place = self._gated(request)
        user = self._rooms.accounts.find(str(body.get("user", "")), "user")
        if not self._rooms.access.grant(user.id, repository_id):
            raise InputError(f"{user.name} has access to {place.owner}/{place.name} already")
        self._note(request, caller, "access.grant", place, user=user.name)
        return JSONResponse({})

    def _asker(self, repository_id: int, body: Mapping[str, Any]) -> int:
        if body.get("user"):
            return self._rooms.accounts.find(str(body["user"]), "user").id
        number = str(body.get("requestId", ""))
        if not number.isascii() or not number.isdigit() or len(number) > 18:
            raise InputError(f"a request must be named by its user or its requestId, but got {number!r}")
        return self._rooms.access.user_of(int(number), repository_id)

    def _gated(self, request: Request) -> tuple[Caller, int, Place]:
        caller = self._rooms.door.caller(request)
        repository_id, place = self._place(request)
        require_admin(caller, place)
        if not place.gate:
            raise InputError(f"{place.owner}/{place.name} is not gated; its files need no request")
        return caller, repository_id, place

    def _place(self, request: Request) -> tuple[int, Place]:
        wanted = request.path_params
        if wanted["kinds"] not in KINDS:
            raise HubNotFoundError("address", request.url.path)
        return self._rooms.find_place(KINDS[wanted["kinds"]], wanted["owner"], wanted["name"])

    def _note(self, request: Request, caller: Caller, action: str, place: Place, **detail: Any) -> None:
        subject = f"{place.kind} {place.owner}/{place.name}"
        self._rooms.audit.note(caller, action, subject, address=address_of(request), **detail)


def status_named(text: str) -> Status:
    """``pending``, ``accepted`` or ``rejected``; raises InputError for anything else."""
    for status in STATUSES:
        if status == text:
            return status
    raise InputError(f"a request is pending, accepted or rejected, but got {text!r}")


def _with_body(
    handler: Callable[[Request, Mapping[str, Any]], Response],
) -> Callable[[Request], Awaitable[Response]]:
    async def read(request: Request) -> Response:
        content = await whole(request, MOST_BODY)
        try:
            body = orjson.loads(content) if content else {}
        except orjson.JSONDecodeError:
            body = None
        if not isinstance(body, dict):
            raise InputError("the body must be a JSON object")
        return await run_in_threadpool(handler, request, body)

    return read


def _user(account: Account) -> dict[str, Any]:
    return {
        "id": f"{account.id:024x}",
        "type": "user",
        "user": account.name,
        "fullname": account.full_name or account.name,
        "isPro": False,
        "createdAt": _moment(account.created_at),
    }


def _request(one: AccessRequest) -> dict[str, Any]:
    return {
        "requestId": str(one.id),
        "user": {"user": one.user, "fullname": one.full_name or one.user, "email": one.email},
        "status": one.status,
        "timestamp": _moment(one.asked_at),
        "fields": dict(one.fields),
    }


def _moment(moment: Any) -> str:
    return str(moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z")
