"""What of Xet's store nobody needs any more: found, and removed once it has been so for long enough.

A file goes when no repository has it; its xorbs wait from then on as long again, since clients remember for weeks which
chunks the hub has and may refer to them without sending them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, delete, exists, func, or_, select, update
from sqlalchemy.orm import Session

from minnow.hub.blobs import StoredBlob, SweptBlobStore
from minnow.hub.database import Database, batches
from minnow.hub.repository_tables import LargeFileRow
from minnow.hub.xet.store import PREFIX
from minnow.hub.xet_tables import XetFileRow, XetTermRow, XorbRow

UPLOADS_TAKE = timedelta(hours=6)  # between what is sent and the commit that names it


@dataclass(frozen=True)
class Swept:
    """What was removed, or would be."""

    files: int
    xorbs: int
    bytes: int


@dataclass(frozen=True)
class Stored:
    """What Xet's store holds: files and their sizes, xorbs and the bytes that they take."""

    files: int
    file_bytes: int
    xorbs: int
    stored_bytes: int


class Sweep:
    """Removes what is not needed."""

    def __init__(self, database: Database, blobs: SweptBlobStore):
        self._database = database
        self._blobs = blobs

    def stored(self) -> Stored:
        """What there is."""
        with self._database.reading() as session:
            files = session.execute(select(func.count(), func.coalesce(func.sum(XetFileRow.size), 0))).one()
            xorbs = session.execute(select(func.count(), func.coalesce(func.sum(XorbRow.stored_length), 0))).one()
        return Stored(files[0], files[1], xorbs[0], xorbs[1])

    def find(self, now: datetime, grace: timedelta) -> Swept:
        """What ``remove`` would remove."""
        with self._database.reading() as session:
            files = len(_unneeded_files(session, now - grace))
            rows = _unneeded_xorbs(session, now, grace)
            orphans = list(self._orphans(session, now, grace))
        freed = sum(length for _, _, length in rows) + sum(blob.size for blob in orphans)
        return Swept(files, len(rows) + len(orphans), freed)

    def remove(self, now: datetime, grace: timedelta) -> Swept:
        """Remove files that no repository has, and xorbs that no file has needed for the time of grace.

        Rows go before what they name, so that whatever happens in between, no row names what is gone. They go in short
        transactions, each of which looks again.
        """
        with self._database.reading() as session:
            found = _unneeded_files(session, now - grace)
        files = 0
        for batch in batches(found):
            with self._database.collecting() as session:
                gone = _unneeded_files(session, now - grace, XetFileRow.id.in_(batch))
                needed = select(XetTermRow.xorb_id).where(XetTermRow.file_id.in_(gone))
                session.execute(update(XorbRow).where(XorbRow.id.in_(needed)).values(unused_since=now))
                session.execute(delete(XetFileRow).where(XetFileRow.id.in_(gone)))
            files += len(gone)
        with self._database.reading() as session:
            left = _unneeded_xorbs(session, now, grace)
        rows: list[tuple[int, str, int]] = []
        for batch in batches(xorb_id for xorb_id, _, _ in left):
            with self._database.collecting() as session:
                unneeded = _unneeded_xorbs(session, now, grace, XorbRow.id.in_(batch))
                session.execute(delete(XorbRow).where(XorbRow.id.in_([xorb_id for xorb_id, _, _ in unneeded])))
            rows += unneeded
        with self._database.reading() as session:
            orphans = list(self._orphans(session, now, grace))
        freed = sum(length for _, _, length in rows)
        known = {blob for _, blob, _ in rows}
        for blob in known:
            self._blobs.remove(blob)
        for orphan in orphans:
            if orphan.name not in known:
                self._blobs.remove(orphan.name)
                freed += orphan.size
        return Swept(files, len(rows) + len({orphan.name for orphan in orphans} - known), freed)

    def _orphans(self, session: Session, now: datetime, grace: timedelta) -> Iterator[StoredBlob]:
        """Stored xorbs that were never entered; a young one may be an upload that is about to be."""
        before = now - max(grace, UPLOADS_TAKE)
        known = set(session.scalars(select(XorbRow.blob)))
        return (blob for blob in self._blobs.stored(PREFIX) if blob.name not in known and blob.modified <= before)


def _unneeded_files(session: Session, before: datetime, *among: ColumnElement[bool]) -> Sequence[int]:
    kept = exists().where(LargeFileRow.sha256 == XetFileRow.sha256)
    return session.scalars(select(XetFileRow.id).where(~kept, XetFileRow.created_at <= before, *among)).all()


def _unneeded_xorbs(
    session: Session, now: datetime, grace: timedelta, *among: ColumnElement[bool]
) -> list[tuple[int, str, int]]:
    """Ids, blobs and stored lengths; one that no file was ever made of may belong to an upload that is under way."""
    needed = exists().where(XetTermRow.xorb_id == XorbRow.id)
    left = XorbRow.unused_since <= now - grace
    never_used = XorbRow.unused_since.is_(None) & (XorbRow.created_at <= now - max(grace, UPLOADS_TAKE))
    rows = session.execute(
        select(XorbRow.id, XorbRow.blob, XorbRow.stored_length).where(~needed, or_(left, never_used), *among)
    )
    return [(row.id, row.blob, row.stored_length) for row in rows]
