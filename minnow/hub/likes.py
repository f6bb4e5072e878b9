"""Who likes which repository."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from minnow.hub.account_tables import AccountRow
from minnow.hub.clock import Clock, utc_now
from minnow.hub.database import Database, insert_missing
from minnow.hub.repositories import Repository, existing, repository_of
from minnow.hub.repository_tables import LikeRow, RepositoryRow
from minnow.hub.rights import Caller, may_read


@dataclass(frozen=True)
class Liker:
    """A user who likes a repository."""

    name: str
    full_name: str


class Likes:
    """The likes of a hub.

    Args:
        now: the clock, in UTC.
    """

    def __init__(self, database: Database, now: Clock = utc_now):
        self._database = database
        self._now = now

    def add(self, repository_id: int, user: str) -> None:
        """Like a repository; once is enough."""
        with self._database.writing() as session:
            existing(session, repository_id)
            values = {"repository_id": repository_id, "user": user, "liked_at": self._now()}
            session.execute(insert_missing(session, LikeRow), [values])
            _count(session, repository_id)

    def remove(self, repository_id: int, user: str) -> None:
        """Like a repository no more."""
        with self._database.writing() as session:
            existing(session, repository_id)
            row = session.get(LikeRow, (repository_id, user))
            if row is not None:
                session.delete(row)
                session.flush()
                _count(session, repository_id)

    def of_repository(self, repository_id: int) -> list[Liker]:
        """Who likes a repository, the first first."""
        asked = (
            select(AccountRow.name, AccountRow.full_name)
            .join(LikeRow, LikeRow.user == AccountRow.name)
            .where(LikeRow.repository_id == repository_id)
            .order_by(LikeRow.liked_at)
        )
        with self._database.reading() as session:
            return [Liker(name, full_name or name) for name, full_name in session.execute(asked)]

    def of_user(self, user: str, caller: Caller) -> list[tuple[Repository, datetime]]:
        """What a user likes and the caller may know of, the latest first."""
        asked = (
            select(RepositoryRow, LikeRow.liked_at)
            .join(LikeRow, LikeRow.repository_id == RepositoryRow.id)
            .where(func.lower(LikeRow.user) == user.lower())
            .order_by(LikeRow.liked_at.desc())
        )
        with self._database.reading() as session:
            found = [(repository_of(row), at) for row, at in session.execute(asked)]
        return [(repository, at) for repository, at in found if may_read(caller, repository.place)]


def _count(session: Session, repository_id: int) -> None:
    likes = select(func.count()).select_from(LikeRow).where(LikeRow.repository_id == repository_id)
    session.execute(
        update(RepositoryRow).where(RepositoryRow.id == repository_id).values(likes=likes.scalar_subquery())
    )
