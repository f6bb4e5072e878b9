"""Which chunks a client is told about: those of the repositories that its upload most likely descends from.

A client asks about the first chunk of a file and one in a thousand others. The hub may answer with any xorbs, so it
tells of all chunks in earlier revisions of the repository, in the models that its card names as its base, and in the
newest repositories of the same owner: whatever an upload shares with them is not sent again. Only what the caller may
read is told, under a key, so that nobody learns a hash of content that he does not have.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from minnow.hub.database import Database
from minnow.hub.repository_tables import LargeFileRow, RepositoryRow
from minnow.hub.rights import Caller, Place, may_download
from minnow.hub.xet.grants import Grant, Signer
from minnow.hub.xet.hashing import from_text
from minnow.hub.xet.reconstruction import PACKED_BYTES, ChunkTable
from minnow.hub.xet.shard import write_shard
from minnow.hub.xet_tables import XetFileRow, XetMarkRow, XetTermRow, XorbRow

MOST_NEAR = 12
MOST_OF_OWNER = 6
MOST_CHUNKS_TOLD = 1 << 17
MOST_XORBS_TOLD = 2000
HINT_SECONDS = 3600
REPEAT_SECONDS = 10
MOST_REPEATS = 32
VALID_SECONDS = 7 * 24 * 3600
MOST_REMEMBERED = 1000

Clock = Callable[[], float]


class Bases:
    """Which bases an upload has named before its card was committed: clients show the card's first bytes early."""

    def __init__(self, now: Clock = time.time):
        self._now = now
        self._lock = threading.Lock()
        self._told: OrderedDict[int, tuple[float, tuple[str, ...]]] = OrderedDict()

    def tell(self, repository_id: int, bases: Iterable[str]) -> None:
        """Remember for an hour that the repository is about to descend from these models."""
        with self._lock:
            self._told[repository_id] = (self._now() + HINT_SECONDS, tuple(bases)[:MOST_NEAR])
            self._told.move_to_end(repository_id)
            while len(self._told) > MOST_REMEMBERED:
                self._told.popitem(last=False)

    def of(self, repository_id: int) -> tuple[str, ...]:
        """What was told within the hour."""
        with self._lock:
            until, bases = self._told.get(repository_id, (0.0, ()))
            return bases if until > self._now() else ()


def bases_of_card(card: Mapping[str, Any] | None) -> tuple[str, ...]:
    """The models that a card names as its base."""
    named = (card or {}).get("base_model", ())
    listed = [named] if isinstance(named, str) else named if isinstance(named, Sequence) else []
    return tuple(name for name in listed if isinstance(name, str))


def near(session: Session, caller: Caller, repository_id: int, bases: Bases) -> tuple[int, ...]:
    """The repositories whose chunks an upload most likely shares, nearest first, of those that the caller may read."""
    start = session.get(RepositoryRow, repository_id)
    if start is None:
        return ()
    found: dict[int, None] = {}
    waiting = [*bases.of(repository_id), *bases_of_card(start.card)]
    asked: set[str] = set()
    while waiting and len(found) < MOST_NEAR:
        name = waiting.pop(0).lower()
        if name in asked:
            continue
        asked.add(name)
        row = session.scalar(select(RepositoryRow).where(RepositoryRow.kind == "model", RepositoryRow.key == name))
        if row and row.id != repository_id and _readable(caller, row):
            found[row.id] = None
            waiting += bases_of_card(row.card)
    for row in session.scalars(
        select(RepositoryRow)
        .where(RepositoryRow.kind == start.kind, RepositoryRow.owner == start.owner, RepositoryRow.id != repository_id)
        .order_by(RepositoryRow.updated_at.desc())
        .limit(MOST_OF_OWNER)
    ):
        if _readable(caller, row):
            found[row.id] = None
    return tuple(found)[:MOST_NEAR]


@dataclass
class _Told:
    """What one token was told.

    Attributes:
        at: when it first asked.
        first: the xorbs of its lineage, found then; None until they are.
        repeats: how often they were told.
        xorbs: all that it was told of.
    """

    at: float
    first: tuple[int, ...] | None = None
    repeats: int = 0
    xorbs: set[int] = field(default_factory=set)


class Answers:
    """Answers about chunks. A token is told of its lineage once, but for those who ask at the same moment."""

    def __init__(self, database: Database, signer: Signer, now: Clock = time.time):
        self._database = database
        self._signer = signer
        self._now = now
        self._lock = threading.Lock()
        self._told: OrderedDict[Grant, _Told] = OrderedDict()

    def about(self, grant: Grant, chunk: str) -> bytes | None:
        """A shard of xorbs that may have this chunk and those around it; None where there is nothing new to tell."""
        from_text(chunk)
        told = self._remembered(grant)
        with self._database.reading() as session:
            if told.first is None:
                own = (grant.repository_id,) if grant.reads else ()
                told.first = tuple(_bounded(session, own + grant.near))
            with_chunk = _bounded(session, _public_with(session, chunk))
            wanted = self._to_tell(told, with_chunk)
            rows = {row.id: row for row in session.scalars(select(XorbRow).where(XorbRow.id.in_(wanted)))}
        if not rows:
            return None
        xorbs = [(from_text(row.hash), ChunkTable(row.chunks).chunks()) for row in rows.values()]
        now = int(self._now())
        key = self._signer.key("chunks", grant.repository_id, grant.near, now // VALID_SECONDS)
        return write_shard(sorted(xorbs), key, created=now, expires=now + VALID_SECONDS)

    def _remembered(self, grant: Grant) -> _Told:
        with self._lock:
            told = self._told.setdefault(grant, _Told(self._now()))
            self._told.move_to_end(grant)
            while len(self._told) > MOST_REMEMBERED:
                self._told.popitem(last=False)
            return told

    def _to_tell(self, told: _Told, with_chunk: Sequence[int]) -> list[int]:
        """Of a token's lineage and of the xorbs around the chunk, those to tell of now."""
        with self._lock:
            fresh = [xorb for xorb in with_chunk if xorb not in told.xorbs]
            if told.repeats == 0 or (told.repeats < MOST_REPEATS and self._now() <= told.at + REPEAT_SECONDS):
                told.repeats += 1
                fresh += [xorb for xorb in told.first or () if xorb not in fresh]
            told.xorbs.update(fresh)
            return fresh


def _bounded(session: Session, repositories: Sequence[int]) -> list[int]:
    """The xorbs of these repositories, each one's newest first, as many as an answer holds."""
    found: dict[int, None] = {}
    chunks = 0
    for repository_id in repositories:
        for row in session.execute(_of_repository(repository_id).limit(MOST_XORBS_TOLD)):
            chunks += 0 if row.id in found else row.packed_length // PACKED_BYTES
            if chunks > MOST_CHUNKS_TOLD:
                return list(found)
            found[row.id] = None
    return list(found)


def _public_with(session: Session, chunk: str) -> Sequence[int]:
    """The newest repository that anybody may read and that has this chunk."""
    return session.scalars(
        select(LargeFileRow.repository_id)
        .join(RepositoryRow, RepositoryRow.id == LargeFileRow.repository_id)
        .join(XetFileRow, XetFileRow.sha256 == LargeFileRow.sha256)
        .join(XetTermRow, XetTermRow.file_id == XetFileRow.id)
        .join(XetMarkRow, XetMarkRow.xorb_id == XetTermRow.xorb_id)
        .where(XetMarkRow.chunk == chunk, RepositoryRow.private.is_(False), RepositoryRow.gate == "")
        .order_by(LargeFileRow.repository_id.desc())
        .limit(1)
    ).all()


def _of_repository(repository_id: int) -> Select[Any]:
    """The xorbs that the files of a repository are made of, the newest first, and how long their tables are."""
    return (
        select(XorbRow.id, func.length(XorbRow.chunks).label("packed_length"))
        .join(XetTermRow, XetTermRow.xorb_id == XorbRow.id)
        .join(XetFileRow, XetFileRow.id == XetTermRow.file_id)
        .join(LargeFileRow, LargeFileRow.sha256 == XetFileRow.sha256)
        .where(LargeFileRow.repository_id == repository_id)
        .group_by(XorbRow.id)
        .order_by(XorbRow.id.desc())
    )


def _readable(caller: Caller, row: RepositoryRow) -> bool:
    place = Place(row.kind, row.owner, row.name, row.private, row.gate)  # type: ignore[arg-type]
    return may_download(caller, place, granted=False)
