"""Requests for the files of gated repositories: asked, accepted, rejected, taken back."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from minnow.errors import HubNotFoundError, InputError
from minnow.hub.account_tables import AccessRequestRow, AccountRow
from minnow.hub.clock import Clock, utc_now
from minnow.hub.database import Database
from minnow.hub.rights import Caller, Gate

Status = Literal["pending", "accepted", "rejected"]
STATUSES: tuple[Status, ...] = ("pending", "accepted", "rejected")
MOST_FIELDS, MOST_LETTERS = 32, 2000


@dataclass(frozen=True)
class AccessRequest:
    """A user who asked for access.

    Attributes:
        fields: what he answered to the questions of the repository's card.
    """

    id: int
    user: str
    full_name: str
    email: str
    status: Status
    fields: Mapping[str, Any]
    asked_at: datetime


class AccessRequests:
    """The access requests of a hub.

    Args:
        database: with the tables of ``account_tables``.
        now: the clock, in UTC.
    """

    def __init__(self, database: Database, now: Clock = utc_now):
        self._database = database
        self._now = now

    def granted(self, caller: Caller, repository_id: int) -> bool:
        """Whether the caller's request for this repository was accepted."""
        if caller.user_id is None:
            return False
        asked = select(AccessRequestRow.id).where(
            AccessRequestRow.repository_id == repository_id,
            AccessRequestRow.user_id == caller.user_id,
            AccessRequestRow.status == "accepted",
        )
        with self._database.reading() as session:
            return session.scalar(asked) is not None

    def ask(self, user_id: int, repository_id: int, gate: Gate, fields: Mapping[str, Any]) -> Status:
        """Ask for access; at an ``auto`` gate it is accepted at once. Asking again leaves a decision as it is.

        Raises:
            InputError: the repository is not gated, or the fields are too many or too long.
        """
        if not gate:
            raise InputError("this repository is not gated; its files need no request")
        if len(fields) > MOST_FIELDS or any(len(f"{key}{value}") > MOST_LETTERS for key, value in fields.items()):
            raise InputError(f"a request may have {MOST_FIELDS} fields of {MOST_LETTERS} letters")
        with self._database.writing() as session:
            row = _row(session, user_id, repository_id)
            if row is None:
                status: Status = "accepted" if gate == "auto" else "pending"
                self._add(session, user_id, repository_id, status, fields)
                return status
            if row.status == "pending" and gate == "auto":
                row.status, row.decided_at = "accepted", self._now()
            return _status(row)

    def decide(self, user_id: int, repository_id: int, status: Status, reason: str = "") -> None:
        """Accept or reject a user's request, or make it pending again.

        Raises:
            HubNotFoundError: the user did not ask.
        """
        with self._database.writing() as session:
            row = _row(session, user_id, repository_id)
            if row is None:
                raise HubNotFoundError("access request", f"of user {user_id}")
            row.status, row.decided_at, row.reason = status, self._now(), reason[:MOST_LETTERS]

    def user_of(self, request_id: int, repository_id: int) -> int:
        """Whose request this is; raises HubNotFoundError where the repository has none of this number."""
        with self._database.reading() as session:
            row = session.get(AccessRequestRow, request_id)
            if row is None or row.repository_id != repository_id:
                raise HubNotFoundError("access request", str(request_id))
            return row.user_id

    def grant(self, user_id: int, repository_id: int) -> bool:
        """Give access to a user who need not have asked; returns False where he had it already."""
        with self._database.writing() as session:
            row = _row(session, user_id, repository_id)
            if row is None:
                self._add(session, user_id, repository_id, "accepted", {})
                return True
            before, row.status, row.decided_at = row.status, "accepted", self._now()
            return before != "accepted"

    def withdraw(self, user_id: int, repository_id: int) -> None:
        """Take a request, or an access that was given, back; one that was rejected stays rejected."""
        with self._database.writing() as session:
            session.execute(
                delete(AccessRequestRow).where(
                    AccessRequestRow.repository_id == repository_id,
                    AccessRequestRow.user_id == user_id,
                    AccessRequestRow.status != "rejected",
                )
            )

    def of(self, repository_id: int, status: Status) -> list[AccessRequest]:
        """The requests for a repository in this state, oldest first."""
        asked = (
            select(AccessRequestRow, AccountRow)
            .join(AccountRow, AccountRow.id == AccessRequestRow.user_id)
            .where(AccessRequestRow.repository_id == repository_id, AccessRequestRow.status == status)
            .order_by(AccessRequestRow.id)
        )
        with self._database.reading() as session:
            return [
                AccessRequest(row.id, user.name, user.full_name, user.email, _status(row), row.fields, row.asked_at)
                for row, user in session.execute(asked)
            ]

    def _add(
        self, session: Session, user_id: int, repository_id: int, status: Status, fields: Mapping[str, Any]
    ) -> None:
        now = self._now()
        session.add(
            AccessRequestRow(
                repository_id=repository_id,
                user_id=user_id,
                status=status,
                fields=dict(fields),
                asked_at=now,
                decided_at=None if status == "pending" else now,
            )
        )


def _row(session: Session, user_id: int, repository_id: int) -> AccessRequestRow | None:
    return session.scalar(
        select(AccessRequestRow).where(
            AccessRequestRow.repository_id == repository_id, AccessRequestRow.user_id == user_id
        )
    )


def _status(row: AccessRequestRow) -> Status:
    return next(status for status in STATUSES if status == row.status)
