"""Who may do what: pure functions over plain values, the one place where rights are decided."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Literal

from minnow.errors import ForbiddenError, GatedError, HubNotFoundError, NotSignedInError

Gate = Literal["", "auto", "manual"]


class Role(IntEnum):
    """What a member of an organisation may do; a higher role may do all that a lower one may."""

    READ = 1
    WRITE = 2
    ADMIN = 3


@dataclass(frozen=True)
class Caller:
    """Who asks, and with which token.

    Attributes:
        user_id: of the account; None for a caller who did not sign in.
        name: of the account.
        site_admin: keeps the whole hub; may read and change everything that the token allows.
        roles: of organisations, by their name in lower case.
        token_id: of the token; None without one.
        writes: whether the token may change anything.
        scope: patterns such as ``team/*`` or ``datasets/team/name`` that bound the token to repositories; None is
            all. Outside its scope a token reads what anybody may read, and no more: what its user alone was granted
            is not among it.
    """

    user_id: int | None = None
    name: str = ""
    site_admin: bool = False
    roles: Mapping[str, Role] = field(default_factory=lambda: MappingProxyType({}))
    token_id: int | None = None
    writes: bool = False
    scope: tuple[str, ...] | None = None

    @property
    def signed_in(self) -> bool:
        """Whether a valid token or session says who asks."""
        return self.user_id is not None


ANONYMOUS = Caller()


@dataclass(frozen=True)
class Place:
    """What rights need to know of a repository.

    Attributes:
        kind: ``model``, ``dataset`` or ``space``.
        owner: the name of the user or organisation.
        name: the part behind the slash.
        private: invisible to all but its owners.
        gate: ``auto`` or ``manual`` where files are handed out on request only.
    """

    kind: str
    owner: str
    name: str
    private: bool = False
    gate: Gate = ""


def role_in(caller: Caller, owner: str) -> Role | None:
    """What the caller is to an owner's things, whatever the token says: one's own things are one's to keep."""
    if caller.site_admin or (caller.signed_in and caller.name.lower() == owner.lower()):
        return Role.ADMIN
    return caller.roles.get(owner.lower())


def may_read(caller: Caller, place: Place) -> bool:
    """Whether the caller may know that the repository exists, and see its card, files' names and history."""
    return not place.private or _has(caller, place, Role.READ)


def may_download(caller: Caller, place: Place, granted: bool) -> bool:
    """Whether the caller may have the contents of files.

    Args:
        granted: whether a request of this caller for this gated repository was accepted.
    """
    if not may_read(caller, place):
        return False
    return not place.gate or (granted and _within(caller.scope, place)) or _has(caller, place, Role.READ)


def may_write(caller: Caller, place: Place) -> bool:
    """Whether the caller may commit, branch and tag."""
    return caller.writes and _has(caller, place, Role.WRITE)


def may_admin(caller: Caller, place: Place) -> bool:
    """Whether the caller may change settings, move, delete and decide on access requests."""
    return caller.writes and _has(caller, place, Role.ADMIN)


def may_act(caller: Caller, place: Place) -> bool:
    """Whether the caller may do what any user may: discuss and propose, like, ask for access."""
    return caller.signed_in and caller.writes and may_read(caller, place) and _within(caller.scope, place)


def payer(caller: Caller, place: Place) -> str:
    """Whose room an upload takes until it is accepted: who may write sends in the owner's name, others in their own."""
    return place.owner if may_write(caller, place) else caller.name


def may_create(caller: Caller, place: Place) -> bool:
    """Whether the caller may create this repository under its owner."""
    return caller.writes and _has(caller, place, Role.WRITE)


def require_read(caller: Caller, place: Place) -> None:
    """Raises HubNotFoundError where the caller may not know of the repository."""
    if not may_read(caller, place):
        raise HubNotFoundError("repository", f"{place.owner}/{place.name}")


def require_download(caller: Caller, place: Place, granted: bool) -> None:
    """Raises HubNotFoundError where it is invisible, GatedError where access has to be asked for first."""
    require_read(caller, place)
    if not may_download(caller, place, granted):
        raise GatedError(
            f"access to {place.owner}/{place.name} is restricted and "
            + ("you are not in its list; ask for access first" if caller.signed_in else "needs a token; log in first")
        )


def require_write(caller: Caller, place: Place) -> None:
    """Raises HubNotFoundError, NotSignedInError or ForbiddenError where the caller may not commit."""
    require_read(caller, place)
    _require(may_write(caller, place), caller, f"change {place.owner}/{place.name}")


def require_admin(caller: Caller, place: Place) -> None:
    """Raises HubNotFoundError, NotSignedInError or ForbiddenError where the caller may not change settings."""
    require_read(caller, place)
    _require(may_admin(caller, place), caller, f"administer {place.owner}/{place.name}")


def require_act(caller: Caller, place: Place, what: str) -> None:
    """Raises HubNotFoundError, NotSignedInError or ForbiddenError where the caller may not do what any user may.

    Args:
        what: it is, such as ``discuss``.
    """
    require_read(caller, place)
    _require(may_act(caller, place), caller, f"{what} {place.owner}/{place.name}")


def require_create(caller: Caller, place: Place) -> None:
    """Raises NotSignedInError or ForbiddenError where the caller may not create under this owner."""
    _require(may_create(caller, place), caller, f"create {place.owner}/{place.name}")


def _has(caller: Caller, place: Place, needed: Role) -> bool:
    role = role_in(caller, place.owner)
    return role is not None and role >= needed and _within(caller.scope, place)


def _within(scope: tuple[str, ...] | None, place: Place) -> bool:
    if scope is None:
        return True
    name = f"{place.owner}/{place.name}".lower()
    return any(
        fnmatchcase(spelled, pattern.lower()) for pattern in scope for spelled in (name, f"{place.kind}s/{name}")
    )


def _require(allowed: bool, caller: Caller, what: str) -> None:
    if allowed:
        return
    if not caller.signed_in:
        raise NotSignedInError(f"a token is needed to {what}; run `minnow login` or `hf auth login`")
    reason = "its role is read" if not caller.writes else "ask an administrator for the right or take another token"
    raise ForbiddenError(f"the token of {caller.name} may not {what}; {reason}")
