"""Tokens: what they open, when they end, and what is stored of them."""

import base64
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from minnow.errors import HubNotFoundError, InputError, NotSignedInError
from minnow.hub.accounts import Accounts
from minnow.hub.database import Database
from minnow.hub.rights import ANONYMOUS, Role
from minnow.hub.tokens import Tokens, expiry_after, read_scope, token_in

START = datetime(2026, 5, 1, 12, tzinfo=UTC)


class Clock:
    """A clock that tests set."""

    def __init__(self) -> None:
        self.at = START

    def __call__(self) -> datetime:
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def tokens(database: Database, clock: Clock) -> Tokens:
    accounts = Accounts(database)
    accounts.create_user("Root", site_admin=True)
    ann = accounts.create_user("ann")
    accounts.create_organization("Team", admin_id=ann.id)
    accounts.create_organization("Other")
    accounts.set_role("other", "ann", Role.READ)
    return Tokens(database, clock)


@pytest.fixture
def ann(database: Database, tokens: Tokens) -> int:  # noqa: ARG001 - which makes the account
    return Accounts(database).find("ann").id


def test_a_token_says_who_asks_and_what_it_allows(tokens: Tokens, ann: int) -> None:
    text, token = tokens.create(ann, "laptop", writes=True, scope=["team/*"])
    caller = tokens.authenticate(text)
    assert text.startswith("hf_")
    assert len(text) == 43
    assert (caller.user_id, caller.name, caller.token_id) == (ann, "ann", token.id)
    assert caller.roles == {"team": Role.ADMIN, "other": Role.READ}
    assert (caller.writes, caller.scope, caller.site_admin) == (True, ("team/*",), False)
    assert caller.signed_in
    plain, _ = tokens.create(ann, "reader", writes=False)
    reader = tokens.authenticate(plain)
    assert (reader.writes, reader.scope) == (False, None)


def test_a_token_is_nowhere_in_the_database(tokens: Tokens, ann: int, tmp_path: Path) -> None:
    text, _ = tokens.create(ann, "laptop", writes=True)
    tokens.authenticate(text)
    tokens.wait()
    kept = b"".join(path.read_bytes() for path in tmp_path.glob("hub.db*"))
    assert b"laptop" in kept
    assert text.removeprefix("hf_").encode() not in kept


def test_a_token_ends_when_it_is_revoked(tokens: Tokens, ann: int) -> None:
    text, token = tokens.create(ann, "a", writes=True)
    other, _ = tokens.create(ann, "b", writes=True)
    with pytest.raises(HubNotFoundError):
        tokens.revoke(token.id, user_id=ann + 1)
    assert tokens.revoke(token.id, user_id=ann).revoked_at == START
    with pytest.raises(NotSignedInError, match="Invalid credentials"):
        tokens.authenticate(text)
    assert tokens.authenticate(other).signed_in


def test_a_token_ends_at_its_time(tokens: Tokens, ann: int, clock: Clock) -> None:
    text, _ = tokens.create(ann, "a", writes=True, expires_at=expiry_after("1d", START))
    clock.at = START + timedelta(hours=23)
    assert tokens.authenticate(text).signed_in
    clock.at = START + timedelta(hours=24)
    with pytest.raises(NotSignedInError):
        tokens.authenticate(text)
    with pytest.raises(InputError, match="must end in the future"):
        tokens.create(ann, "b", writes=True, expires_at=START)


def test_a_disabled_user_opens_nothing(tokens: Tokens, ann: int, database: Database) -> None:
    text, _ = tokens.create(ann, "a", writes=True)
    Accounts(database).change("ann", disabled=True)
    with pytest.raises(NotSignedInError):
        tokens.authenticate(text)


def test_the_last_use_is_shown_to_the_minute(tokens: Tokens, ann: int, clock: Clock) -> None:
    text, _ = tokens.create(ann, "a", writes=True)
    used = []
    for seconds in (0, 30, 90):
        clock.at = START + timedelta(seconds=seconds)
        tokens.authenticate(text)
        tokens.wait()
        used.append(tokens.of(ann)[0].last_used_at)
    assert used == [START, START, START + timedelta(seconds=90)]


def test_nobody_waits_for_a_writer_to_be_let_in(tokens: Tokens, ann: int, database: Database) -> None:
    text, _ = tokens.create(ann, "a", writes=True)
    with database.writing() as session:
        session.connection().exec_driver_sql("UPDATE accounts SET full_name = 'for long'")
        for _ in range(3):
            assert tokens.authenticate(text).signed_in
    tokens.wait()
    assert tokens.of(ann)[0].last_used_at == START


def test_every_client_says_its_token_in_its_own_way(tokens: Tokens, ann: int) -> None:
    text, _ = tokens.create(ann, "a", writes=True)
    basic = [base64.b64encode(pair.encode()).decode() for pair in (f"ann:{text}", f"{text}:", "ann:wrong")]
    for header in (f"Bearer {text}", f"bearer  {text}", f"Basic {basic[0]}", f"Basic {basic[1]}"):
        assert tokens.caller(header).name == "ann"
    for header in (None, "", "  "):
        assert tokens.caller(header) is ANONYMOUS
    for header in ("Bearer hf_wrong", f"Basic {basic[2]}", "Basic ???", f"Digest {text}", text, "Bearer \udcff"):
        with pytest.raises(NotSignedInError):
            tokens.caller(header)
    assert token_in("Basic ???") == ""


@pytest.mark.parametrize(
    "pattern", ["", "team", "*", "*/name", "team/na*", "team/[a]", "apps/team/name", "a/b/c", "../x"]
)
def test_a_scope_names_repositories(pattern: str) -> None:
    with pytest.raises(InputError, match="is bound to repositories such as"):
        read_scope([pattern])


def test_scopes_and_times_that_cannot_be_are_refused() -> None:
    assert read_scope(["team/*", "datasets/team/x.y"]) == ("team/*", "datasets/team/x.y")
    with pytest.raises(InputError, match="opens nothing"):
        read_scope([])
    assert expiry_after("2w", START) == START + timedelta(days=14)
    assert expiry_after("2027-01-31", START) == datetime(2027, 1, 31, tzinfo=UTC)
    for span in ("", "soon", "30", "-1d", "1m"):
        with pytest.raises(InputError, match="a time must be such as 12h"):
            expiry_after(span, START)
