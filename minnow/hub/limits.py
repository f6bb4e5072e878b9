"""Bounds on what one caller may take: requests in a time, and bytes under an owner's name."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select

from minnow.errors import QuotaError, RateLimitError
from minnow.hub.account_tables import AccountRow
from minnow.hub.database import Database
from minnow.hub.repository_tables import RepositoryRow
from minnow.hub.rights import Gate, Place

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
    """What an owner holds, and may hold; ``most_bytes`` None is no bound."""

    used_bytes: int
    most_bytes: int | None


@dataclass(frozen=True)
class Stored:
    """A repository of an owner, and what its large files hold."""

    place: Place
    used_bytes: int
    updated_at: datetime


class Quotas:
    """How much the repositories of an owner may hold together.

    Args:
        database: with the tables of accounts and repositories.
        default_bytes: for owners of whom nothing else is said; None is no bound.
    """

    def __init__(self, database: Database, default_bytes: int | None = None):
        self._database = database
        self._default = default_bytes

    def of(self, owner: str) -> Room:
        """What this owner holds and may hold."""
        held = select(func.coalesce(func.sum(RepositoryRow.used_bytes), 0))
        with self._database.reading() as session:
            used = session.scalar(held.where(func.lower(RepositoryRow.owner) == owner.lower())) or 0
        return Room(int(used), self._bound(owner))

    def stored(self, owner: str) -> list[Stored]:
        """What each repository of this owner holds, the largest first."""
        asked = select(RepositoryRow).where(func.lower(RepositoryRow.owner) == owner.lower())
        with self._database.reading() as session:
            rows = session.scalars(asked.order_by(RepositoryRow.used_bytes.desc(), RepositoryRow.id)).all()
        return [Stored(_place(row), row.used_bytes, row.updated_at) for row in rows]

    def require(self, owner: str, adding_bytes: int) -> None:
        """Raises QuotaError where so many bytes more would take the owner over the bound."""
        if adding_bytes <= 0 or self._bound(owner) is None:
            return
        room = self.of(owner)
        if room.most_bytes is not None and room.used_bytes + adding_bytes > room.most_bytes:
            raise QuotaError(
                f"{owner} may store {room.most_bytes:,} bytes and stores {room.used_bytes:,}; {adding_bytes:,} more do "
                "not fit; delete files or ask an administrator of the hub for more"
            )

    def _bound(self, owner: str) -> int | None:
        with self._database.reading() as session:
            own = session.scalar(select(AccountRow.quota_bytes).where(AccountRow.key == owner.lower()))
        return self._default if own is None else own


def _place(row: RepositoryRow) -> Place:
    gate: Gate = "auto" if row.gate == "auto" else "manual" if row.gate else ""
    return Place(row.kind, row.owner, row.name, row.private, gate)
