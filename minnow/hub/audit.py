"""The audit log: who did what to what, in the order it happened; nothing in the house changes or removes a line."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select

from minnow.hub.account_tables import AuditRow
from minnow.hub.clock import Clock, utc_now
from minnow.hub.database import Database
from minnow.hub.rights import Caller

KEEPER = Caller(name="(command line)", site_admin=True, writes=True)


@dataclass(frozen=True)
class Entry:
    """One thing that was done.

    Attributes:
        actor: the account, or ``(command line)`` for the person at the hub's own machine.
        action: such as ``token.create`` or ``repository.delete``.
        subject: what it was done to, such as ``model team/name``.
        address: of the client.
    """

    id: int
    at: datetime
    actor: str
    token_id: int | None
    action: str
    subject: str
    detail: Mapping[str, Any]
    address: str


class Audit:
    """The audit log of a hub.

    Args:
        database: with the tables of ``account_tables``.
        now: the clock, in UTC.
    """

    def __init__(self, database: Database, now: Clock = utc_now):
        self._database = database
        self._now = now

    def note(self, caller: Caller, action: str, subject: str, *, address: str = "", **detail: Any) -> None:
        """Write that the caller did this; durable on return."""
        with self._database.writing() as session:
            session.add(
                AuditRow(
                    at=self._now(),
                    actor=caller.name,
                    token_id=caller.token_id,
                    action=action,
                    subject=subject[:256],
                    detail=detail,
                    address=address[:64],
                )
            )

    def read(self, *, subject: str | None = None, actor: str | None = None, last: int = 100) -> list[Entry]:
        """The last so many lines, oldest first; of one subject or actor where these are named."""
        asked = select(AuditRow).order_by(AuditRow.id.desc()).limit(last)
        if subject is not None:
            asked = asked.where(AuditRow.subject == subject)
        if actor is not None:
            asked = asked.where(AuditRow.actor == actor)
        with self._database.reading() as session:
            rows = list(session.scalars(asked))
        return [
            Entry(row.id, row.at, row.actor, row.token_id, row.action, row.subject, row.detail, row.address)
            for row in reversed(rows)
        ]
