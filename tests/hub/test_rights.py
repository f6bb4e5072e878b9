"""Who may do what on a hub."""

import pytest

from minnow.errors import ForbiddenError, GatedError, HubNotFoundError, NotSignedInError
from minnow.hub.rights import (
    ANONYMOUS,
    Caller,
    Place,
    Role,
    may_act,
    may_admin,
    may_download,
    may_read,
    may_write,
    require_act,
    require_admin,
    require_create,
    require_download,
    require_read,
    require_write,
)

PUBLIC = Place("model", "Team", "speller")
PRIVATE = Place("dataset", "Team", "letters", private=True)
GATED = Place("model", "Team", "reader", gate="manual")


def member(role: Role | None, *, writes: bool = True, scope: tuple[str, ...] | None = None) -> Caller:
    return Caller(7, "ann", roles={"team": role} if role else {}, token_id=1, writes=writes, scope=scope)


@pytest.mark.parametrize(
    ("caller", "rights"),
    [
        (ANONYMOUS, (False, False, False)),
        (member(None), (False, False, False)),
        (member(Role.READ), (True, False, False)),
        (member(Role.WRITE), (True, True, False)),
        (member(Role.ADMIN), (True, True, True)),
        (member(Role.ADMIN, writes=False), (True, False, False)),
        (Caller(1, "team", writes=True), (True, True, True)),
        (Caller(1, "root", site_admin=True, writes=True), (True, True, True)),
        (Caller(1, "root", site_admin=True), (True, False, False)),
    ],
)
def test_roles_and_tokens_together_decide(caller: Caller, rights: tuple[bool, bool, bool]) -> None:
    assert (may_read(caller, PRIVATE), may_write(caller, PRIVATE), may_admin(caller, PRIVATE)) == rights
    assert may_read(caller, PUBLIC)
    assert (may_write(caller, PUBLIC), may_admin(caller, PUBLIC)) == rights[1:]


@pytest.mark.parametrize(
    ("scope", "allowed"),
    [
        (("team/letters",), True),
        (("TEAM/*",), True),
        (("datasets/team/*",), True),
        (("models/team/*",), False),
        (("team/letter",), False),
        (("other/*", "team/speller"), False),
        ((), False),
    ],
)
def test_a_token_bound_to_repositories_opens_no_others(scope: tuple[str, ...], allowed: bool) -> None:
    for keeper in (member(Role.ADMIN, scope=scope), Caller(1, "root", site_admin=True, writes=True, scope=scope)):
        assert may_read(keeper, PRIVATE) == may_write(keeper, PRIVATE) == may_admin(keeper, PRIVATE) == allowed
        assert may_read(keeper, PUBLIC)
        assert may_act(keeper, PRIVATE) == allowed
        assert not may_act(keeper, Place("model", "somebody", "else"))


def test_whoever_signed_in_may_propose_changes_to_what_is_visible() -> None:
    assert may_act(member(None), PUBLIC)
    assert not may_act(member(None), PRIVATE)
    assert not may_act(member(None, writes=False), PUBLIC)
    with pytest.raises(NotSignedInError):
        require_act(ANONYMOUS, PUBLIC, "discuss")


def test_gated_files_are_for_members_and_for_those_whose_request_was_accepted() -> None:
    assert may_read(ANONYMOUS, GATED)
    assert not may_download(member(None), GATED, granted=False)
    assert may_download(member(None), GATED, granted=True)
    assert may_download(member(Role.READ), GATED, granted=False)
    assert may_download(ANONYMOUS, PUBLIC, granted=False)
    assert not may_download(member(None), Place("model", "team", "x", private=True, gate="auto"), granted=True)
    for scope, allowed in ((("team/*",), True), (("ann/*",), False)):
        assert may_download(member(None, scope=scope), GATED, granted=True) == allowed
    with pytest.raises(GatedError, match="log in first"):
        require_download(ANONYMOUS, GATED, granted=False)
    with pytest.raises(GatedError, match="ask for access"):
        require_download(member(None), GATED, granted=False)


def test_what_is_invisible_is_missing_whatever_was_asked() -> None:
    for require in (require_read, require_write, require_admin):
        with pytest.raises(HubNotFoundError, match="repository Team/letters was not found"):
            require(member(None), PRIVATE)


def test_a_refusal_says_what_would_help() -> None:
    with pytest.raises(NotSignedInError, match="minnow login"):
        require_write(ANONYMOUS, PUBLIC)
    with pytest.raises(ForbiddenError, match="its role is read"):
        require_write(member(Role.ADMIN, writes=False), PUBLIC)
    with pytest.raises(ForbiddenError, match="ask an administrator"):
        require_create(member(Role.READ), PUBLIC)
    require_create(member(Role.WRITE), PUBLIC)
