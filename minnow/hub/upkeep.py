"""Keeping a hub well: what it holds, whether all of it is right, and what nobody needs any more, found and removed."""

import time
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256 as new_sha256

from dulwich.objects import ShaFile
from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from minnow.errors import HubNotFoundError, MinnowError, StorageError
from minnow.hub.blobs import StoredBlob, SweptBlobStore, open_blobs
from minnow.hub.database import Database, batches
from minnow.hub.keeping import keeping_alone
from minnow.hub.large_files import PARTS_PREFIX, PREFIX, LargeFiles
from minnow.hub.limits import Quotas
from minnow.hub.names import KINDS, PULLS
from minnow.hub.objects import EMPTY_TREE, GitObjects, Pointer
from minnow.hub.payers import settle, waiting, weigh
from minnow.hub.repository_tables import (
    CommitRow,
    DiscussionRow,
    GitObjectRow,
    LargeFileRow,
    RefRow,
    RepositoryRow,
)
from minnow.hub.settings import HubSettings
from minnow.hub.xet.checking import problems as xet_problems
from minnow.hub.xet.service import Xet
from minnow.hub.xet.sweeping import UPLOADS_TAKE, Sweep

GRACE = timedelta(days=21)
HELD_SECONDS = 0.25


@dataclass(frozen=True)
class Collected:
    """What a garbage collection removed, or would remove.

    Attributes:
        commits: that no branch, no tag and no pull request leads to any more.
        git_objects: that belonged to such commits only, or to uploads that were never committed.
        large_files: of a repository, in none of its commits.
        contents: stored files, xorbs and parts of uploads.
        freed_bytes: in the store of large files, and in the tables, which reuse the space.
        damaged: why a repository was left as it is; then no git object goes, since it may be one of its own.
    """

    commits: int
    git_objects: int
    large_files: int
    contents: int
    freed_bytes: int
    damaged: tuple[str, ...] = ()


def figures(settings: HubSettings, database: Database) -> dict[str, int]:
    """What a hub holds.

    ``stored_bytes`` is what contents take: files, xorbs and git objects as they are packed. ``logical_bytes`` is what
    they would take if every repository kept each of its files for itself, unpacked.
    """
    with database.reading() as session:
        counted = select(RepositoryRow.kind, func.count()).group_by(RepositoryRow.kind)
        kinds = dict(session.execute(counted).all())
        large = select(func.count(), func.coalesce(func.sum(LargeFileRow.size), 0))
        large_files, large_bytes = session.execute(large).one()
        git = select(
            func.count(),
            func.coalesce(func.sum(GitObjectRow.size), 0),
            func.coalesce(func.sum(func.length(GitObjectRow.content)), 0),
        )
        git_objects, git_bytes, packed_bytes = session.execute(git).one()
    stored = [blob.size for blob in open_blobs(settings.blobs_url).stored()]
    return {
        "repositories": sum(kinds.values()),
        **{f"{kind}s": kinds.get(kind, 0) for kind in KINDS},
        "large_files": large_files,
        "git_objects": git_objects,
        "stored_files": len(stored),
        "stored_bytes": sum(stored) + int(packed_bytes),
        "logical_bytes": int(large_bytes) + int(git_bytes),
    }


def problems(settings: HubSettings, database: Database, *, contents: bool) -> Iterator[str]:
    """What is wrong, a sentence each; nothing where all is well.

    Args:
        contents: read every large file and compute its hash again, rather than see only that it is there.
    """
    blobs, objects = open_blobs(settings.blobs_url), GitObjects(database)
    quotas = Quotas(database)
    large_files = LargeFiles(database, blobs, Xet(database, blobs, settings.secret, quotas), quotas)
    yield from _damaged_objects(database)
    with database.reading() as session:
        repositories = session.execute(select(RepositoryRow.id, RepositoryRow.kind, RepositoryRow.key)).all()
    for id, kind, key in repositories:
        yield from (f"{kind} {key}: {problem}" for problem in _of_repository(database, objects, large_files, id))
    if contents:
        yield from _damaged_files(blobs)
    yield from xet_problems(database, blobs, contents=contents)


def collect(
    settings: HubSettings,
    database: Database,
    now: datetime,
    *,
    grace: timedelta = GRACE,
    dry_run: bool = False,
) -> Collected:
    """Remove what nobody needs and nobody touched for the time of grace, pull requests that were closed among it.

    Rows go first and contents after them, so that no row ever names what is gone; others go on writing meanwhile, but
    for the moments at which something is removed. What no commit ever named may belong to an upload that is under way,
    so it stays for some hours even without any grace.

    Args:
        dry_run: change nothing and say what would be removed.

    Raises:
        StorageError: the hub is being copied.
    """
    with nullcontext() if dry_run else keeping_alone(settings):
        return _collect(settings, database, now, grace, dry_run)


def _collect(settings: HubSettings, database: Database, now: datetime, grace: timedelta, dry_run: bool) -> Collected:
    bounds = _Bounds(now - grace, now - max(grace, UPLOADS_TAKE))
    blobs, objects = open_blobs(settings.blobs_url), GitObjects(database)
    unneeded = _unneeded(database, objects, bounds)
    if not dry_run:
        unneeded = _let_go(database, objects, unneeded, bounds)
    found = Sweep(database, blobs).find(now, grace) if dry_run else Sweep(database, blobs).remove(now, grace)
    removed = _remove_files(database, blobs, bounds.never_named, dry_run=dry_run)
    removed += _remove_parts(blobs, now - UPLOADS_TAKE, dry_run=dry_run)
    broken_off = 0 if dry_run else blobs.remove_parts(now - UPLOADS_TAKE)
    return Collected(
        commits=sum(map(len, unneeded.commits.values())),
        git_objects=len(unneeded.objects),
        large_files=sum(map(len, unneeded.large_files.values())),
        contents=len(removed) + found.xorbs,
        freed_bytes=sum(unneeded.objects.values()) + sum(blob.size for blob in removed) + found.bytes + broken_off,
        damaged=unneeded.damaged,
    )


@dataclass(frozen=True)
class _Bounds:
    """Before which moment something must have been touched last in order to go.

    Attributes:
        named: what a commit named once.
        never_named: what was only sent so far; never later than the other.
    """

    named: datetime
    never_named: datetime


@dataclass(frozen=True)
class _Unneeded:
    """Refs of closed pull requests, commits and large files that repositories need no more, git objects with their
    lengths that none needs, and what is wrong with those repositories that were not looked at for it."""

    pulls: dict[int, set[str]]
    commits: dict[int, set[str]]
    large_files: dict[int, set[str]]
    objects: dict[str, int]
    damaged: tuple[str, ...] = ()


def _unneeded(database: Database, objects: GitObjects, bounds: _Bounds) -> _Unneeded:
    """Looked for in one snapshot, while others go on writing."""
    pulls: dict[int, set[str]] = {}
    commits: dict[int, set[str]] = {}
    large_files: dict[int, set[str]] = {}
    reached: set[str] = set()
    damaged: list[str] = []
    with database.reading() as session:
        for id, kind, key in session.execute(select(RepositoryRow.id, RepositoryRow.kind, RepositoryRow.key)).all():
            closed = _closed_pulls(session, id, bounds.named)
            candidates = _old_files(session, id, bounds)
            try:
                known, lost = _lost_commits(session, objects, id, bounds.named)
                of_repository = objects.reached(session, known - lost)
            except StorageError as error:
                damaged.append(f"{kind} {key}: {error}")
                continue
            if candidates:
                infos = objects.blobs(session, of_repository).values()
                candidates -= {info.pointer.sha256 for info in infos if info.pointer}
            for needless, found in ((pulls, closed), (commits, lost), (large_files, candidates)):
                if found:
                    needless[id] = found
            reached |= of_repository
        reached |= set(session.scalars(select(RefRow.tag_id).where(RefRow.tag_id.is_not(None))))
        lengths = select(GitObjectRow.id, func.length(GitObjectRow.content)).where(
            GitObjectRow.stored_at < bounds.never_named
        )
        unneeded = {} if damaged else {id: length for id, length in session.execute(lengths) if id not in reached}
        return _Unneeded(pulls, commits, large_files, unneeded, tuple(damaged))


def _old_files(session: Session, repository_id: int, bounds: _Bounds) -> set[str]:
    """The large files of a repository that were not touched for long enough."""
    old = select(LargeFileRow.sha256, LargeFileRow.admitted_at).where(
        LargeFileRow.repository_id == repository_id, LargeFileRow.admitted_at < bounds.named
    )
    found: dict[str, datetime] = dict(session.execute(old).all())
    young = [sha256 for sha256, admitted_at in found.items() if admitted_at >= bounds.never_named]
    named: set[str | None] = set()
    for batch in batches(young):
        named |= set(session.scalars(select(GitObjectRow.lfs_sha256).where(GitObjectRow.lfs_sha256.in_(batch))))
    return found.keys() - (set(young) - named)


def _let_go(database: Database, objects: GitObjects, unneeded: _Unneeded, bounds: _Bounds) -> _Unneeded:
    """Remove the rows in short transactions, and return those that went.

    What somebody wanted again since it was looked for stays: its time is new by then. Where a commit is reachable
    again, all git objects stay, until the next collection looks anew.
    """
    gone = _Unneeded({}, {}, {}, {}, unneeded.damaged)
    for id in unneeded.pulls:
        with database.collecting() as session:
            if session.get(RepositoryRow, id, with_for_update=True) is None:
                continue
            refs = _closed_pulls(session, id, bounds.named) & unneeded.pulls[id]
            session.execute(delete(RefRow).where(RefRow.repository_id == id, RefRow.name.in_(refs)))
            session.flush()
            settle(session, objects, id)
        gone.pulls[id] = refs
    for id, lost in unneeded.commits.items():
        with database.collecting() as session:
            if session.get(RepositoryRow, id, with_for_update=True) is None:
                continue
            if not lost <= _lost_commits(session, objects, id, bounds.named)[1]:
                return gone
            for batch in batches(lost):
                session.execute(delete(CommitRow).where(CommitRow.repository_id == id, CommitRow.commit_id.in_(batch)))
        gone.commits[id] = lost
    for id, files in unneeded.large_files.items():
        old: set[str] = set()
        with database.collecting() as session:
            own = (LargeFileRow.repository_id == id) & (LargeFileRow.admitted_at < bounds.named)
            for batch in batches(files):
                left = delete(LargeFileRow).where(own, LargeFileRow.sha256.in_(batch))
                old |= set(session.scalars(left.returning(LargeFileRow.sha256)))
            weigh(session, id)
        if old:
            gone.large_files[id] = old
    for batch in batches(unneeded.objects):
        with database.collecting() as session:
            still = GitObjectRow.id.in_(batch) & (GitObjectRow.stored_at < bounds.never_named)
            ids = session.scalars(delete(GitObjectRow).where(still).returning(GitObjectRow.id)).all()
        gone.objects.update({id: unneeded.objects[id] for id in ids})
    return gone


def _lost_commits(
    session: Session, objects: GitObjects, repository_id: int, before: datetime
) -> tuple[set[str], set[str]]:
    """The commits of a repository, and those of them that are old and that nothing leads to which stays.

    No ref does but old, closed ones, and no younger commit either: it stays with the history before it.
    """
    known = set(session.scalars(select(CommitRow.commit_id).where(CommitRow.repository_id == repository_id)))
    closed = _closed_pulls(session, repository_id, before)
    refs = session.execute(select(RefRow.name, RefRow.commit_id).where(RefRow.repository_id == repository_id)).all()
    heads = {commit for name, commit in refs if name not in closed}
    lost = known - {info.id for info in objects.ancestors(session, heads)}
    young = {commit for commit in lost if objects.commit(session, commit).made_at >= before}
    return known | heads, lost - {info.id for info in objects.ancestors(session, young)}


def _closed_pulls(session: Session, repository_id: int, before: datetime) -> set[str]:
    """The refs of pull requests that were closed before a moment, without being merged."""
    numbers = select(DiscussionRow.number).where(
        DiscussionRow.repository_id == repository_id,
        DiscussionRow.is_pull_request.is_(True),
        DiscussionRow.status == "closed",
    )
    closed = {f"{PULLS}{number}" for number in session.scalars(numbers)}
    old = select(RefRow.name).where(
        RefRow.repository_id == repository_id, RefRow.name.startswith(PULLS), RefRow.updated_at < before
    )
    return closed & set(session.scalars(old))


def _remove_files(database: Database, blobs: SweptBlobStore, before: datetime, *, dry_run: bool) -> list[StoredBlob]:
    """Remove files that no repository has."""
    old = [blob for blob in blobs.stored(PREFIX) if blob.modified < before]
    removed: list[StoredBlob] = []
    for batch in batches(old):
        if dry_run:
            with database.reading() as session:
                removed += _unnamed(session, batch)
        else:
            removed += _remove_unnamed(database, blobs, batch)
    return removed


def _remove_unnamed(database: Database, blobs: SweptBlobStore, batch: Sequence[StoredBlob]) -> list[StoredBlob]:
    """Remove those of these files that no repository has.

    Nobody is told at this moment that one of them is there, since nobody else writes. A bucket takes its time for each,
    so the others are let in between.
    """
    removed: list[StoredBlob] = []
    waiting = list(batch)
    while waiting:
        with database.collecting() as session:
            waiting, until = _unnamed(session, waiting), time.monotonic() + HELD_SECONDS
            while waiting:
                blobs.remove(waiting[-1].name)
                removed.append(waiting.pop())
                if time.monotonic() >= until:
                    break
        if waiting:
            time.sleep(HELD_SECONDS)
    return removed


def _unnamed(session: Session, batch: Sequence[StoredBlob]) -> list[StoredBlob]:
    names = [blob.name.rpartition("/")[2] for blob in batch]
    kept = set(session.scalars(select(LargeFileRow.sha256).where(LargeFileRow.sha256.in_(names))))
    return [blob for blob, name in zip(batch, names, strict=True) if name not in kept]


def _remove_parts(blobs: SweptBlobStore, before: datetime, *, dry_run: bool) -> list[StoredBlob]:
    """Remove the parts of uploads that were not finished; no row names one."""
    old = [blob for blob in blobs.stored(PARTS_PREFIX) if blob.modified < before]
    if not dry_run:
        for blob in old:
            blobs.remove(blob.name)
    return old


def _damaged_objects(database: Database) -> Iterator[str]:
    """Git objects that are not what their ids say."""
    with database.reading() as session:
        asked = select(GitObjectRow.id, GitObjectRow.kind, GitObjectRow.size, GitObjectRow.content)
        for id, kind, size, packed in session.execute(asked.execution_options(yield_per=100)):
            try:
                content = zlib.decompress(packed)
            except zlib.error as error:
                yield f"the git object {id} cannot be unpacked: {error}"
                continue
            if len(content) != size or ShaFile.from_raw_string(kind, content).id.decode() != id:
                yield f"the git object {id} has another content"


def _of_repository(
    database: Database, objects: GitObjects, large_files: LargeFiles, repository_id: int
) -> Iterator[str]:
    """What is wrong with a repository's history and files."""
    with database.reading() as session:
        refs = session.scalars(select(RefRow).where(RefRow.repository_id == repository_id)).all()
        commits = set(session.scalars(select(CommitRow.commit_id).where(CommitRow.repository_id == repository_id)))
        pointers: dict[str, Pointer] = {}
        try:
            history = {info.id for info in objects.ancestors(session, {ref.commit_id for ref in refs} | commits)}
            ids = objects.reached(session, history)
        except MinnowError as error:
            yield str(error)
            return
        yield from (f"commit {commit} is in its history and not in its list" for commit in sorted(history - commits))
        ids |= {ref.tag_id for ref in refs if ref.tag_id}
        missing = objects.missing(session, ids) - {EMPTY_TREE}
        yield from (f"the git object {id} is missing" for id in sorted(missing))
        for info in objects.blobs(session, ids).values():
            if info.pointer:
                pointers[info.pointer.sha256] = info.pointer
        yield from _wrongly_paid(session, objects, repository_id, refs)
    held = large_files.held(repository_id, pointers)
    for sha256, pointer in pointers.items():
        if held.get(sha256) != pointer.size:
            yield f"the large file {sha256} with {pointer.size} bytes was never uploaded to it"
            continue
        try:
            with closing(large_files.open(sha256)) as content:
                if content.size != pointer.size:
                    yield f"the large file {sha256} has {content.size} bytes, not {pointer.size}"
        except HubNotFoundError:
            yield f"the large file {sha256} is missing"


def _wrongly_paid(session: Session, objects: GitObjects, repository_id: int, refs: Iterable[RefRow]) -> Iterator[str]:
    """Large files that a branch or a tag leads to and that somebody else than the owner pays for."""
    payers = waiting(session, repository_id)
    if payers:
        heads = {ref.commit_id for ref in refs if not ref.name.startswith(PULLS)}
        ids = objects.reached(session, (info.id for info in objects.ancestors(session, heads)))
        named = {info.pointer.sha256 for info in objects.blobs(session, ids).values() if info.pointer}
        for sha256 in sorted(named & payers.keys()):
            yield f"the large file {sha256} is on a branch or a tag, but counts for {payers[sha256]}"


def _damaged_files(blobs: SweptBlobStore) -> Iterator[str]:
    """Files that are stored whole and are not what their names say."""
    for stored in blobs.stored(PREFIX):
        digest = new_sha256()
        with closing(blobs.open(stored.name)) as blob:
            for piece in blob.read():
                digest.update(piece)
        if digest.hexdigest() != stored.name.rpartition("/")[2]:
            yield f"the stored file {stored.name} has another content"
