"""Bounds on what one caller may take: requests in a time, and bytes under an owner's name."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from minnow.errors import QuotaError, RateLimitError
from minnow.hub.account_tables import AccountRow
from minnow.hub.database import Database
from minnow.hub.repository_tables import LargeFileRow, RepositoryRow
from minnow.hub.rights import Gate, Place
from minnow.hub.xet_tables import XorbRow

MOST_CALLERS = 100_000


@dataclass(frozen=True)
class Rate:
    """So many requests of a resource in each window of seconds; no requests means no bound."""

    resource: str
    requests: int
    seconds: int


class RateLimit:
    """Counts requests of each caller in windows that begin with his first request.

    Args:
        rate: the bound.
        now: seconds of a clock that only goes on.
    """

    def __init__(self, rate: Rate, now: Callable[[], float] = time.monotonic):
        self.rate = rate
        self._now = now
        self._windows: dict[str, tuple[float, int]] = {}
        self._lock = threading.Lock()

    def take(self, who: str) -> None:
        """Count one request of a caller.

        Raises:
            RateLimitError: the caller has had all of this window.
        """
        if not self.rate.requests:
            return
        now = self._now()
        with self._lock:
            began, taken = self._windows.get(who, (now, 0))
            if now - began >= self.rate.seconds:
                began, taken = now, 0
            if taken >= self.rate.requests:
                left = max(1, round(began + self.rate.seconds - now + 0.5))
                raise RateLimitError(self.rate.resource, self.rate.requests, self.rate.seconds, left)
            self._windows[who] = began, taken + 1
            if len(self._windows) > MOST_CALLERS:
                self._forget(now)

    def _forget(self, now: float) -> None:
        """Drop the windows that ended; under a flood of callers, the oldest half of all."""
        kept = {who: window for who, window in self._windows.items() if now - window[0] < self.rate.seconds}
        if len(kept) > MOST_CALLERS // 2:
            kept = dict(sorted(kept.items(), key=lambda item: item[1][0])[-MOST_CALLERS // 2 :])
        self._windows = kept


@dataclass(frozen=True)
class Room:
    """What an account holds, and may hold; ``most_bytes`` None is no bound.

    Attributes:
        waiting_bytes: what of that nobody accepted yet: uploads, and files that stand on pull requests only.
    """

    used_bytes: int
    most_bytes: int | None
    waiting_bytes: int = 0


@dataclass(frozen=True)
class Stored:
    """A repository of an owner, and what its large files hold."""

    place: Place
    used_bytes: int
    updated_at: datetime


class Quotas:
    """How much an account may hold: in its repositories, and in what it sent to others' that is not accepted yet.

    Args:
        database: with the tables of accounts and repositories.
        default_bytes: for accounts of which nothing else is said; None is no bound.
    """

    def __init__(self, database: Database, default_bytes: int | None = None):
        self._database = database
        self._default = default_bytes

    def of(self, account: str) -> Room:
        """What this account holds and may hold."""
        with self._database.reading() as session:
            return self._room(session, account, self._bound(session, account))

    def stored(self, owner: str) -> list[Stored]:
        """What each repository of this owner holds, the largest first."""
        asked = select(RepositoryRow).where(func.lower(RepositoryRow.owner) == owner.lower())
        with self._database.reading() as session:
            rows = session.scalars(asked.order_by(RepositoryRow.used_bytes.desc(), RepositoryRow.id)).all()
        return [Stored(_place(row), row.used_bytes, row.updated_at) for row in rows]

    def require(self, account: str, adding_bytes: int) -> None:
        """Raises QuotaError where so many bytes more would take the account over the bound."""
        if adding_bytes <= 0:
            return
        with self._database.reading() as session:
            most = self._bound(session, account)
            if most is not None:
                _require(account, self._room(session, account, most), adding_bytes)

    def require_within(self, session: Session, account: str, added_bytes: int, what: str = "") -> None:
        """Raises QuotaError where the bytes that somebody's transaction just added took the account over the bound.

        Whoever else adds to the account waits for the end of the transaction.

        Args:
            what: said before the reason.
        """
        if added_bytes <= 0:
            return
        session.execute(select(AccountRow.id).where(AccountRow.key == account.lower()).with_for_update())
        most = self._bound(session, account)
        if most is not None:
            room = self._room(session, account, most)
            _require(account, replace(room, used_bytes=room.used_bytes - added_bytes), added_bytes, what)

    def _bound(self, session: Session, account: str) -> int | None:
        own = session.scalar(select(AccountRow.quota_bytes).where(AccountRow.key == account.lower()))
        return self._default if own is None else own

    def _room(self, session: Session, account: str, most: int | None) -> Room:
        key = account.lower()
        accepted = _sum(session, RepositoryRow.used_bytes, func.lower(RepositoryRow.owner) == key)
        waiting = _sum(session, LargeFileRow.size, LargeFileRow.payer == key)
        waiting += _sum(session, XorbRow.stored_length, XorbRow.payer == key)
        return Room(accepted + waiting, most, waiting)


def _sum(session: Session, column: InstrumentedAttribute[int], met: ColumnElement[bool]) -> int:
    return int(session.scalar(select(func.coalesce(func.sum(column), 0)).where(met)) or 0)


def _require(account: str, room: Room, adding_bytes: int, what: str = "") -> None:
    if room.most_bytes is None or room.used_bytes + adding_bytes <= room.most_bytes:
        return
    waiting = f", {room.waiting_bytes:,} of them not accepted by anybody yet" if room.waiting_bytes else ""
    close = "close pull requests, " if room.waiting_bytes else ""
    raise QuotaError(
        f"{what}{account} may store {room.most_bytes:,} bytes and stores {room.used_bytes:,}{waiting}; "
        f"{adding_bytes:,} more do not fit; {close}delete files or ask an administrator of the hub for more"
    )


def _place(row: RepositoryRow) -> Place:
    gate: Gate = "auto" if row.gate == "auto" else "manual" if row.gate else ""
    return Place(row.kind, row.owner, row.name, row.private, gate)
