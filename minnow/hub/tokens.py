"""Tokens: made, listed, revoked, and turned into the caller that holds one. Only their hashes are stored."""

import base64
import binascii
import hashlib
import re
import secrets
import string
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

from sqlalchemy import Select, bindparam, select, update
from sqlalchemy.orm import aliased

from minnow.errors import HubNotFoundError, InputError, NotSignedInError
from minnow.hub.account_tables import AccountRow, MembershipRow, TokenRow
from minnow.hub.clock import Clock, utc_now
from minnow.hub.database import Database
from minnow.hub.questions import Question
from minnow.hub.rights import ANONYMOUS, Caller, Role
from minnow.hub.settings import SPAN, read_span

MOST_NUMBER = 2**31 - 1  # of a token; the tables count no further
PREFIX = "hf_"
LETTERS = string.ascii_letters + string.digits
LENGTH = 40
USE_SHOWN_TO = timedelta(minutes=1)
NAME = r"[A-Za-z0-9][\w.-]{0,95}"
PATTERN = re.compile(rf"(?:(?:models|datasets|spaces)/)?{NAME}/(?:\*|{NAME})", re.ASCII)


@dataclass(frozen=True)
class Token:
    """What may be shown of a token.

    Attributes:
        user: the name of its owner.
        scope: patterns of repositories; None is all.
    """

    id: int
    user: str
    name: str
    writes: bool
    scope: tuple[str, ...] | None
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None

    @property
    def role(self) -> str:
        """``write`` or ``read``."""
        return "write" if self.writes else "read"


class Tokens:
    """The tokens of a hub.

    Args:
        database: with the tables of ``account_tables``.
        now: the clock, in UTC.
    """

    def __init__(self, database: Database, now: Clock = utc_now):
        self._database = database
        self._now = now
        # A use is noted behind the request, which else would wait while somebody else writes for long.
        self._notes = ThreadPoolExecutor(1, "token-use")
        self._noting: set[int] = set()

    def wait(self) -> None:
        """Return once every use so far is noted."""
        self._notes.submit(lambda: None).result()

    def create(
        self,
        user_id: int,
        name: str,
        *,
        writes: bool,
        scope: Iterable[str] | None = None,
        expires_at: datetime | None = None,
    ) -> tuple[str, Token]:
        """Make a token: its text, which is told this once, and what may be shown of it.

        Raises:
            InputError: a name, a scope or an end that cannot be.
            HubNotFoundError: there is no such user.
        """
        text = new_token()
        made = self._now()
        if expires_at is not None and expires_at <= made:
            raise InputError(f"a token must end in the future, but got {expires_at.isoformat()}")
        bounds = None if scope is None else list(read_scope(scope))
        with self._database.writing() as session:
            owner = session.get(AccountRow, user_id)
            if owner is None or owner.kind != "user":
                raise HubNotFoundError("user", str(user_id))
            row = TokenRow(
                user_id=user_id,
                digest=digest_of(text),
                name=token_name(name),
                writes=writes,
                scope=bounds,
                created_at=made,
                expires_at=expires_at,
            )
            session.add(row)
            session.flush()
            return text, _token(row, owner.name)

    def of(self, user_id: int | None = None) -> list[Token]:
        """The tokens of a user, or of all; the newest last, revoked ones among them."""
        asked = select(TokenRow, AccountRow.name).join(AccountRow, AccountRow.id == TokenRow.user_id)
        if user_id is not None:
            asked = asked.where(TokenRow.user_id == user_id)
        with self._database.reading() as session:
            return [_token(row, user) for row, user in session.execute(asked.order_by(TokenRow.id))]

    def revoke(self, token_id: int, user_id: int | None = None) -> Token:
        """End a token now; ending it again changes nothing.

        Args:
            user_id: where given, the token must be this user's.

        Raises:
            HubNotFoundError: there is no such token.
        """
        with self._database.writing() as session:
            row = session.get(TokenRow, token_id) if token_id <= MOST_NUMBER else None
            if row is None or user_id not in (None, row.user_id):
                raise HubNotFoundError("token", str(token_id))
            row.revoked_at = row.revoked_at or self._now()
            owner = session.get_one(AccountRow, row.user_id)
            return _token(row, owner.name)

    def named(self, token_id: int) -> Token:
        """The token of this number.

        Raises:
            HubNotFoundError: there is none.
        """
        with self._database.reading() as session:
            row = session.get(TokenRow, token_id)
            if row is None:
                raise HubNotFoundError("token", str(token_id))
            return _token(row, session.get_one(AccountRow, row.user_id).name)

    def authenticate(self, text: str) -> Caller:
        """Who holds this token, and what it allows.

        Raises:
            NotSignedInError: the token is unknown, revoked or at its end, or its user is disabled.
        """
        now = self._now()
        with self._database.looking() as connection:
            rows = _HELD.rows(connection, digest=digest_of(text))
        if not rows or not _valid(rows[0], now):
            raise NotSignedInError("Invalid credentials in Authorization header")
        first = rows[0]
        if first.last_used_at is None or now - first.last_used_at > USE_SHOWN_TO:
            self._note_soon(first.token_id, now)
        return Caller(
            user_id=first.user_id,
            name=first.name,
            site_admin=first.site_admin,
            roles=MappingProxyType({row.organization: Role[row.role.upper()] for row in rows if row.organization}),
            token_id=first.token_id,
            writes=first.writes,
            scope=None if first.scope is None else tuple(first.scope),
        )

    def caller(self, authorization: str | None) -> Caller:
        """Who sends this ``Authorization`` header: ANONYMOUS without one.

        Raises:
            NotSignedInError: what it holds is no valid token.
        """
        text = token_in(authorization)
        return ANONYMOUS if text is None else self.authenticate(text)

    def _note_soon(self, token_id: int, now: datetime) -> None:
        if token_id not in self._noting:
            self._noting.add(token_id)
            self._notes.submit(self._note_use, token_id, now)

    def _note_use(self, token_id: int, now: datetime) -> None:
        try:
            with self._database.writing() as session:
                session.execute(update(TokenRow).where(TokenRow.id == token_id).values(last_used_at=now))
        finally:
            self._noting.discard(token_id)


def new_token() -> str:
    """A token of 238 random bits; its form is the one that clients and scanners for leaked secrets know."""
    return PREFIX + "".join(secrets.choice(LETTERS) for _ in range(LENGTH))


def digest_of(text: str) -> str:
    """What is stored of a token. It is random and long, so that a plain hash is enough."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def token_in(authorization: str | None) -> str | None:
    """The token in an ``Authorization`` header: ``Bearer TOKEN``, or as git sends it, ``Basic`` with it as password."""
    kind, _, rest = (authorization or "").strip().partition(" ")
    if kind.lower() == "bearer":
        return rest.strip() or None
    if kind.lower() != "basic":
        return None if not kind else ""
    try:
        user, _, password = base64.b64decode(rest.strip(), validate=True).decode("utf-8").partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return ""
    return password or user or None


def token_name(name: str) -> str:
    """The name, where it is one line of at most 96 characters.

    Raises:
        InputError: otherwise.
    """
    cleaned = name.strip()
    if not cleaned or len(cleaned) > 96 or not cleaned.isprintable():
        raise InputError(f"a token's name must be one line of 1 to 96 characters, but got {name!r}")
    return cleaned


def read_scope(patterns: Iterable[str]) -> tuple[str, ...]:
    """Patterns such as ``team/*``, ``team/name`` and ``datasets/team/name``.

    Raises:
        InputError: a pattern of another form, or none at all.
    """
    scope = tuple(pattern.strip() for pattern in patterns)
    for pattern in scope:
        if not PATTERN.fullmatch(pattern):
            raise InputError(
                f"a token is bound to repositories such as team/name, team/* or datasets/team/name, but got {pattern!r}"
            )
    if not scope:
        raise InputError("a token that is bound to no repository opens nothing; name one, or leave the bound out")
    return scope


def expiry_after(span: str, now: datetime) -> datetime:
    """The end of a token after ``12h``, ``30d``, ``8w`` or ``1y``, or on a day such as ``2027-01-31``.

    Raises:
        InputError: what was written is neither.
    """
    if SPAN.fullmatch(span.strip()):
        return now + read_span(span)
    try:
        end = datetime.fromisoformat(span.strip())
    except ValueError:
        raise InputError(f"a time must be such as 12h, 30d, 8w, 1y or 2027-01-31, but got {span!r}") from None
    return end if end.tzinfo else end.replace(tzinfo=UTC)


def _asked() -> Select[Any]:
    organization = aliased(AccountRow)
    return (
        select(
            TokenRow.id.label("token_id"),
            TokenRow.writes,
            TokenRow.scope,
            TokenRow.expires_at,
            TokenRow.revoked_at,
            TokenRow.last_used_at,
            AccountRow.id.label("user_id"),
            AccountRow.name,
            AccountRow.site_admin,
            AccountRow.disabled,
            MembershipRow.role,
            organization.key.label("organization"),
        )
        .join(AccountRow, AccountRow.id == TokenRow.user_id)
        .outerjoin(MembershipRow, MembershipRow.user_id == AccountRow.id)
        .outerjoin(organization, organization.id == MembershipRow.organization_id)
        .where(TokenRow.digest == bindparam("digest"))
    )


def _valid(row: Any, now: datetime) -> bool:
    ended = row.expires_at is not None and row.expires_at <= now
    return bool(row.revoked_at is None and not row.disabled and not ended)


def _token(row: TokenRow, user: str) -> Token:
    return Token(
        id=row.id,
        user=user,
        name=row.name,
        writes=row.writes,
        scope=None if row.scope is None else tuple(row.scope),
        created_at=row.created_at,
        expires_at=row.expires_at,
        last_used_at=row.last_used_at,
        revoked_at=row.revoked_at,
    )


_HELD = Question(_asked())
