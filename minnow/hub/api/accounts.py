"""The routes of accounts: who am I, who is that, requests for gated repositories."""

from typing import Any

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from minnow.errors import ForbiddenError, InputError, NotSignedInError
from minnow.hub.access import STATUSES, AccessRequest, Status
from minnow.hub.accounts import Account
from minnow.hub.api.asking import REPOSITORY, Asked, Asking, Body, json, moment, with_body
from minnow.hub.api.routing import MOST_DIGITS, part
from minnow.hub.limits import Stored
from minnow.hub.names import KINDS
from minnow.hub.rights import ANONYMOUS, Caller, may_read, role_in

REQUESTS = REPOSITORY + "/user-access-request"


class AskBody(Body):
    """What somebody answers to the questions of a gated repository's card."""

    fields: dict[str, str | int | float | bool | None] = Field(default_factory=dict)


class HandleBody(Body):
    """Whose request is decided, by name or number, and how."""

    user: str | None = None
    requestId: str | None = None
    status: str
    rejectionReason: str | None = None


class GrantBody(Body):
    """Who gets access."""

    user: str


def account_routes(asking: Asking) -> list[Route]:
    """The routes of this file."""
    handlers = _Handlers(asking)
    return [
        Route("/api/whoami-v2", handlers.whoami),
        Route("/api/users/{user}/overview", handlers.user),
        Route("/api/organizations/{organization}/overview", handlers.organization),
        Route("/api/organizations/{organization}/members", handlers.members),
        Route("/api/settings/repositories", handlers.own_storage),
        Route("/api/organizations/{organization}/settings/repositories", handlers.storage),
        Route(REQUESTS, with_body(AskBody, handlers.ask), methods=["POST"]),
        Route(REQUESTS + "/handle", with_body(HandleBody, handlers.handle), methods=["POST"]),
        Route(REQUESTS + "/grant", with_body(GrantBody, handlers.grant), methods=["POST"]),
        Route(REQUESTS + "/cancel", handlers.withdraw, methods=["POST"]),
        Route(REQUESTS + "/{status}", handlers.requests),
    ]


class _Handlers:
    def __init__(self, asking: Asking):
        self._asking = asking
        self._hub = asking.hub

    def whoami(self, request: Request) -> Response:
        """Whose token this is, and what it may do."""
        caller = self._asking.caller(request)
        if caller.user_id is None or caller.token_id is None:
            raise NotSignedInError("Invalid username or password.")
        account = self._hub.accounts.by_id(caller.user_id)
        token = self._hub.tokens.named(caller.token_id)
        orgs = [
            {"type": "org", "name": member.name, "fullname": member.name, "roleInOrg": member.role.name.lower()}
            for member in self._hub.accounts.organizations_of(caller.user_id)
        ]
        access = {"displayName": token.name, "role": token.role, "createdAt": moment(token.created_at)}
        own = {"name": account.name, "email": account.email, "emailVerified": False, "isAdmin": caller.site_admin}
        return json(_user(account) | own | {"orgs": orgs, "auth": {"type": "access_token", "accessToken": access}})

    def user(self, request: Request) -> Response:
        """What anybody may know of a user."""
        self._asking.caller(request)
        account = self._hub.accounts.find(part(request, "user"), "user")
        orgs = [{"name": member.name} for member in self._hub.accounts.organizations_of(account.id)]
        likes = len(self._hub.likes.of_user(account.name, ANONYMOUS))
        return json(_user(account) | {"orgs": orgs, "numLikes": likes} | self._counts(account.name))

    def organization(self, request: Request) -> Response:
        """What anybody may know of an organisation."""
        self._asking.caller(request)
        account = self._hub.accounts.find(part(request, "organization"), "organization")
        told = {"name": account.name, "fullname": account.full_name or account.name, "isVerified": False}
        counted = {"numUsers": len(self._hub.accounts.members(account.name))}
        return json(told | counted | self._counts(account.name))

    def members(self, request: Request) -> Response:
        """Who belongs to an organisation."""
        self._asking.caller(request)
        members = self._hub.accounts.members(part(request, "organization"))
        return json([{"user": one.name, "fullname": one.name, "role": one.role.name.lower()} for one in members])

    def _counts(self, owner: str) -> dict[str, int]:
        counted = self._hub.listing.counts(owner)
        return {f"num{kind.capitalize()}s": counted.get(kind, 0) for kind in KINDS}

    def own_storage(self, request: Request) -> Response:
        """What the caller's own repositories hold."""
        caller = self._asking.caller(request)
        if not caller.signed_in:
            raise NotSignedInError("a token is needed to list your repositories; run `minnow login` or `hf auth login`")
        return self._storage(caller, caller.name)

    def storage(self, request: Request) -> Response:
        """What the repositories of an organisation hold, for its members."""
        caller = self._asking.caller(request)
        owner = self._hub.accounts.find(part(request, "organization")).name
        if role_in(caller, owner) is None:
            raise ForbiddenError(f"only members of {owner} may see what it stores")
        return self._storage(caller, owner)

    def _storage(self, caller: Caller, owner: str) -> Response:
        stored = [one for one in self._hub.quotas.stored(owner) if may_read(caller, one.place)]
        total = sum(one.used_bytes for one in stored)
        return json([_stored(one, total) for one in stored])

    def requests(self, request: Request) -> Response:
        """The access requests in a state, for who administers the repository."""
        asked = self._gated(request)
        return json([_shown(one) for one in self._hub.access.of(asked.repository.id, _status(part(request, "status")))])

    def ask(self, request: Request, body: AskBody) -> Response:
        """Ask for access to a gated repository."""
        asked = self._asking.acting(request, "ask for access to")
        assert asked.caller.user_id is not None, "only who signed in may act"
        status = self._hub.access.ask(asked.caller.user_id, asked.repository.id, asked.repository.gate, body.fields)
        self._asking.note(request, asked.caller, "access.ask", asked.repository, status=status)
        return json({"status": status})

    def withdraw(self, request: Request) -> Response:
        """Take one's own request back."""
        asked = self._asking.acting(request, "give up access to")
        assert asked.caller.user_id is not None, "only who signed in may act"
        self._hub.access.withdraw(asked.caller.user_id, asked.repository.id)
        return json({})

    def handle(self, request: Request, body: HandleBody) -> Response:
        """Accept or reject a request, or make it pending again."""
        asked = self._gated(request)
        status = _status(body.status)
        user_id = self._asker(asked.repository.id, body)
        self._hub.access.decide(user_id, asked.repository.id, status, body.rejectionReason or "")
        user = self._hub.accounts.by_id(user_id).name
        self._asking.note(request, asked.caller, f"access.{status}", asked.repository, user=user)
        return json({})

    def grant(self, request: Request, body: GrantBody) -> Response:
        """Give access to a user who did not ask."""
        asked = self._gated(request)
        user = self._hub.accounts.find(body.user, "user")
        if not self._hub.access.grant(user.id, asked.repository.id):
            raise InputError(f"{user.name} has access to {asked.repository.full_name} already")
        self._asking.note(request, asked.caller, "access.grant", asked.repository, user=user.name)
        return json({})

    def _gated(self, request: Request) -> Asked:
        asked = self._asking.administrable(request)
        if not asked.repository.gate:
            raise InputError(f"{asked.repository.full_name} is not gated; its files need no request")
        return asked

    def _asker(self, repository_id: int, body: HandleBody) -> int:
        if body.user:
            return self._hub.accounts.find(body.user, "user").id
        number = body.requestId or ""
        if not number.isascii() or not number.isdigit() or len(number) > MOST_DIGITS:
            raise InputError(f"a request is named by its user or its requestId, but got {number[:40]!r}")
        return self._hub.access.user_of(int(number), repository_id)


def _status(text: str) -> Status:
    for status in STATUSES:
        if status == text:
            return status
    raise InputError(f"a request is pending, accepted or rejected, but got {text[:40]!r}")


def _user(account: Account) -> dict[str, Any]:
    return {
        "id": f"{account.id:024x}",
        "type": "user",
        "user": account.name,
        "fullname": account.full_name or account.name,
        "isPro": False,
        "createdAt": moment(account.created_at),
    }


def _stored(one: Stored, total: int) -> dict[str, Any]:
    return {
        "id": f"{one.place.owner}/{one.place.name}",
        "type": one.place.kind,
        "updatedAt": moment(one.updated_at),
        "visibility": "private" if one.place.private else "public",
        "storage": one.used_bytes,
        "storagePercent": 100 * one.used_bytes / total if total else 0,
    }


def _shown(one: AccessRequest) -> dict[str, Any]:
    return {
        "requestId": str(one.id),
        "user": {"user": one.user, "fullname": one.full_name or one.user, "email": one.email},
        "status": one.status,
        "timestamp": moment(one.asked_at),
        "fields": dict(one.fields),
    }
