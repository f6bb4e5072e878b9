"""Users and organisations: who there is, and who is what in which organisation."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from minnow.errors import HubConflictError, HubExistsError, HubNotFoundError, InputError
from minnow.hub.account_tables import AccountRow, MembershipRow, RemovedNameRow
from minnow.hub.clock import Clock, utc_now
from minnow.hub.database import Database
from minnow.hub.passwords import fits, hash_password
from minnow.hub.rights import Role

Kind = Literal["user", "organization"]
NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9]|[-_.](?=[A-Za-z0-9])){0,95}")
RESERVED = frozenset(
    {
        "api",
        "apps",
        "assets",
        "blog",
        "datasets",
        "docs",
        "health",
        "join",
        "login",
        "logout",
        "metrics",
        "models",
        "new",
    }
    | {"oauth", "organizations", "settings", "spaces", "static", "uploads", "users", "v1", "v2", "xet"}
    | {"hardware", "semantic-search", "templates", "zero-gpu"}  # behind /api/spaces
)


@dataclass(frozen=True)
class Account:
    """A user or an organisation.

    Attributes:
        disabled: may not sign in; what it owns stays.
        quota_bytes: how much it may store, what nobody accepted yet included; None is the hub's own bound.
    """

    id: int
    name: str
    kind: Kind
    full_name: str
    email: str
    site_admin: bool
    disabled: bool
    quota_bytes: int | None
    created_at: datetime


@dataclass(frozen=True)
class Membership:
    """One end of a membership: the other account's name, and the user's role."""

    name: str
    role: Role


class Accounts:
    """The users and organisations of a hub.

    Args:
        database: with the tables of ``account_tables``.
        now: the clock, in UTC.
    """

    def __init__(self, database: Database, now: Clock = utc_now):
        self._database = database
        self._now = now

    def create_user(
        self, name: str, *, full_name: str = "", email: str = "", password: str | None = None, site_admin: bool = False
    ) -> Account:
        """Make a user.

        Raises:
            InputError: a name or a password that cannot be.
            HubConflictError: an account had this name that was removed.
            HubExistsError: the name is taken, by a user or an organisation.
        """
        stored = None if password is None else hash_password(password)
        return self._create(name, kind="user", full_name=full_name, email=email, password=stored, site_admin=site_admin)

    def create_organization(self, name: str, *, full_name: str = "", admin_id: int | None = None) -> Account:
        """Make an organisation, with a user who administers it.

        Raises:
            InputError, HubConflictError, HubExistsError: as ``create_user``.
        """
        return self._create(name, kind="organization", full_name=full_name, admin_id=admin_id)

    def find(self, name: str, kind: Kind | None = None) -> Account:
        """The account of this name, in upper or lower case.

        Raises:
            HubNotFoundError: there is none, or it is of another kind.
        """
        with self._database.reading() as session:
            return _account(_find(session, name, kind))

    def by_id(self, account_id: int) -> Account:
        """The account with this number.

        Raises:
            HubNotFoundError: it is gone.
        """
        with self._database.reading() as session:
            row = session.get(AccountRow, account_id)
            if row is None:
                raise HubNotFoundError("account", str(account_id))
            return _account(row)

    def all(self, kind: Kind) -> list[Account]:
        """Every user, or every organisation, by name."""
        asked = select(AccountRow).where(AccountRow.kind == kind).order_by(AccountRow.key)
        with self._database.reading() as session:
            return [_account(row) for row in session.scalars(asked)]

    def any_admin(self) -> bool:
        """Whether the hub has somebody who keeps it."""
        with self._database.reading() as session:
            asked = select(func.count()).select_from(AccountRow).where(AccountRow.site_admin, ~AccountRow.disabled)
            return bool(session.scalar(asked))

    def change(self, name: str, **changes: Any) -> Account:
        """Change ``full_name``, ``email``, ``site_admin``, ``disabled``, ``quota_bytes`` or ``password``.

        Raises:
            HubNotFoundError: there is no such account.
            HubConflictError: the hub would be left without an administrator.
        """
        if "password" in changes:
            changes["password"] = hash_password(changes["password"])
        with self._database.writing() as session:
            row = _find(session, name)
            for key, value in changes.items():
                if key in {"full_name", "email"}:
                    _one_line(key, value)
                assert key in {"full_name", "email", "site_admin", "disabled", "quota_bytes", "password"}, key
                setattr(row, key, value)
            session.flush()
            _keep_an_admin(session)
            return _account(row)

    def remove(self, name: str, owns: Callable[[str], int]) -> Account:
        """Remove an account that owns nothing; its tokens and memberships go with it.

        Nobody else gets its name, since comments, pull requests and likes go by it.

        Args:
            owns: how many repositories there are under a name.

        Raises:
            HubNotFoundError: there is no such account.
            HubConflictError: it owns repositories, or it is the last administrator.
        """
        account = self.find(name)
        owned = owns(account.name)
        if owned:
            raise HubConflictError(
                f"{account.name} owns {owned} repositories; move or delete these first, or disable the account"
            )
        with self._database.writing() as session:
            session.delete(_find(session, name))
            session.add(RemovedNameRow(key=account.name.lower()))
            session.flush()
            _keep_an_admin(session)
        return account

    def check_password(self, name: str, password: str) -> Account | None:
        """The user of this name and password; None for a wrong one, an unknown or a disabled user."""
        with self._database.reading() as session:
            row = session.scalar(select(AccountRow).where(AccountRow.key == name.lower(), AccountRow.kind == "user"))
            right = fits(password, row.password if row else None)
            return _account(row) if row and right and not row.disabled else None

    def set_role(self, organization: str, user: str, role: Role) -> None:
        """Take a user into an organisation, or change what he is in it.

        Raises:
            HubNotFoundError: there is no such organisation or user.
            HubConflictError: the organisation would be left without an administrator.
        """
        with self._database.writing() as session:
            place, member = _find(session, organization, "organization"), _find(session, user, "user")
            row = session.get(MembershipRow, (place.id, member.id))
            if row is None:
                session.add(MembershipRow(organization_id=place.id, user_id=member.id, role=role.name.lower()))
            else:
                row.role = role.name.lower()
                session.flush()
                _keep_an_admin_of(session, place)

    def remove_member(self, organization: str, user: str) -> None:
        """Take a user out of an organisation.

        Raises:
            HubNotFoundError: there is no such organisation, or the user is not in it.
            HubConflictError: it is its last administrator.
        """
        with self._database.writing() as session:
            place, member = _find(session, organization, "organization"), _find(session, user, "user")
            row = session.get(MembershipRow, (place.id, member.id))
            if row is None:
                raise HubNotFoundError("member", f"{user} of {organization}")
            session.delete(row)
            session.flush()
            _keep_an_admin_of(session, place)

    def members(self, organization: str) -> list[Membership]:
        """The users of an organisation, by name.

        Raises:
            HubNotFoundError: there is no such organisation.
        """
        with self._database.reading() as session:
            place = _find(session, organization, "organization")
            asked = (
                select(AccountRow.name, MembershipRow.role)
                .join(MembershipRow, MembershipRow.user_id == AccountRow.id)
                .where(MembershipRow.organization_id == place.id)
                .order_by(AccountRow.key)
            )
            return [Membership(name, Role[role.upper()]) for name, role in session.execute(asked)]

    def organizations_of(self, user_id: int) -> list[Membership]:
        """The organisations of a user, by name."""
        asked = (
            select(AccountRow.name, MembershipRow.role)
            .join(MembershipRow, MembershipRow.organization_id == AccountRow.id)
            .where(MembershipRow.user_id == user_id)
            .order_by(AccountRow.key)
        )
        with self._database.reading() as session:
            return [Membership(name, Role[role.upper()]) for name, role in session.execute(asked)]

    def _create(self, name: str, *, kind: Kind, admin_id: int | None = None, **values: Any) -> Account:
        checked = account_name(name)
        for key in ("full_name", "email"):
            _one_line(key, values.get(key, ""))
        try:
            with self._database.writing() as session:
                if session.get(RemovedNameRow, checked.lower()) is not None:
                    raise HubConflictError(
                        f"{checked} was an account that was removed, and what it wrote goes by its name; choose another"
                    )
                row = AccountRow(name=checked, key=checked.lower(), kind=kind, created_at=self._now(), **values)
                session.add(row)
                session.flush()
                if admin_id is not None:
                    session.add(MembershipRow(organization_id=row.id, user_id=admin_id, role="admin"))
                return _account(row)
        except IntegrityError:
            raise HubExistsError("account", checked) from None


def account_name(name: str) -> str:
    """The name, where an account may be called so.

    Raises:
        InputError: otherwise.
    """
    if not NAME.fullmatch(name) or name.lower().endswith(".git"):
        raise InputError(
            f"an account's name must have 1 to 96 ASCII letters, digits and single - _ . between them, but got {name!r}"
        )
    if name.lower() in RESERVED:
        raise InputError(f"an account may not be called {name!r}, which is an address of the hub; choose another name")
    return name


def role_named(text: str) -> Role:
    """``read``, ``write`` or ``admin``.

    Raises:
        InputError: something else.
    """
    try:
        return Role[text.upper()]
    except KeyError:
        raise InputError(f"a role must be read, write or admin, but got {text!r}") from None


def _find(session: Session, name: str, kind: Kind | None = None) -> AccountRow:
    row = session.scalar(select(AccountRow).where(AccountRow.key == name.lower()))
    if row is None or kind not in (None, row.kind):
        raise HubNotFoundError({None: "account", "user": "user", "organization": "organisation"}[kind], name)
    return row


def _keep_an_admin(session: Session) -> None:
    asked = select(func.count()).select_from(AccountRow).where(AccountRow.site_admin, ~AccountRow.disabled)
    if not session.scalar(asked):
        raise HubConflictError("a hub needs an administrator; make another user one first")


def _keep_an_admin_of(session: Session, organization: AccountRow) -> None:
    asked = select(func.count()).select_from(MembershipRow)
    asked = asked.where(MembershipRow.organization_id == organization.id, MembershipRow.role == "admin")
    if not session.scalar(asked):
        raise HubConflictError(f"{organization.name} needs an administrator; make another member one first")


def _one_line(key: str, value: str) -> None:
    if len(value) > 256 or not value.isprintable():
        raise InputError(f"{key} must be one line of at most 256 characters, but got {value!r}")


def _account(row: AccountRow) -> Account:
    kind: Kind = "user" if row.kind == "user" else "organization"
    return Account(
        id=row.id,
        name=row.name,
        kind=kind,
        full_name=row.full_name,
        email=row.email,
        site_admin=row.site_admin,
        disabled=row.disabled,
        quota_bytes=row.quota_bytes,
        created_at=row.created_at,
    )
