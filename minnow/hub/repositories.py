"""The repositories of a hub: made, found by name, moved, set, deleted."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Literal, cast

from sqlalchemy import Delete, bindparam, delete, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from minnow.errors import HubConflictError, HubExistsError, HubNotFoundError
from minnow.hub.clock import Clock, utc_now
from minnow.hub.database import Database
from minnow.hub.limits import Quotas
from minnow.hub.names import MAIN, Kind, repository_key, repository_name
from minnow.hub.objects import FILE_MODE, GitObject, GitObjects, TreeEntry, blob_of, commit_of, identity, tree_of
from minnow.hub.questions import Question
from minnow.hub.repository_tables import CommitRow, FormerNameRow, LargeFileRow, RefRow, RepositoryRow
from minnow.hub.rights import Gate, Place

LARGE_SUFFIXES = (
    *("7z", "arrow", "bin", "bz2", "ftz", "gguf", "gz", "h5", "lz4", "model", "msgpack", "npy", "npz", "onnx", "ot"),
    *("parquet", "rar", "safetensors", "tar", "tflite", "tgz", "wasm", "xz", "zip", "zst"),
    *("flac", "mp3", "ogg", "wav", "mp4", "webm", "jpeg", "jpg", "png", "webp", "gif", "pdf"),
)
LARGE_ATTRIBUTES = "filter=lfs diff=lfs merge=lfs -text"
ATTRIBUTES_FILE, CARD_FILE = ".gitattributes", "README.md"


@dataclass(frozen=True)
class Repository:
    """A repository as it was when it was read; see ``RepositoryRow`` for what the figures mean."""

    id: int
    kind: Kind
    owner: str
    name: str
    private: bool
    gate: Gate
    created_at: datetime
    updated_at: datetime
    pipeline_tag: str | None
    library_name: str | None
    card: Mapping[str, Any] | None
    config: Mapping[str, Any] | None
    safetensors: Mapping[str, Any] | None
    used_bytes: int
    downloads: int
    downloads_all_time: int
    likes: int

    @property
    def full_name(self) -> str:
        """``owner/name``."""
        return f"{self.owner}/{self.name}"

    @property
    def place(self) -> Place:
        """What rights need to know of it."""
        return Place(self.kind, self.owner, self.name, self.private, self.gate)


COLUMNS = tuple(RepositoryRow.__table__.columns[field.name] for field in fields(Repository))  # Repository(*row)


class Repositories:
    """The repositories of a hub. Rights are the caller's matter: ask ``rights`` before.

    Args:
        quotas: how much the owner of what was moved or copied may store.
        now: the clock, in UTC.
    """

    def __init__(self, database: Database, objects: GitObjects, quotas: Quotas, now: Clock = utc_now):
        self._database = database
        self._objects = objects
        self._quotas = quotas
        self._now = now

    def create(
        self, kind: Kind, owner: str, name: str, *, private: bool, by: str, card: bytes | None = None
    ) -> Repository:
        """Make a repository whose branch main holds one commit with ``.gitattributes``.

        Args:
            card: the ``README.md`` that it holds besides.

        Raises:
            InputError: a name that cannot be.
            HubExistsError: the name, in upper or lower case, is taken by a repository of this kind.
        """
        now = self._now()
        first = _first_commit(by, now, card)
        with self._entered(kind, owner, name, private, now) as (session, row):
            self._objects.add_within(session, first)
            _begin(session, row, [first[-1].id], now)
        return repository_of(row)

    def copy(self, source: Repository, owner: str, name: str, *, private: bool) -> Repository:
        """Make a repository with the history that leads to the head of another's main, and the large files in it.

        Nothing is stored twice.

        Raises:
            InputError, HubExistsError: as ``create``.
            HubNotFoundError: the other one is gone.
            QuotaError: it does not fit under the owner's name.
        """
        now = self._now()
        with self._entered(source.kind, owner, name, private, now) as (session, row):
            locked(session, source.id)  # so that nobody takes files out of it meanwhile
            main = session.get(RefRow, (source.id, MAIN))
            if main is None:
                raise HubNotFoundError("revision", "main")
            history = [info.id for info in self._objects.ancestors(session, [main.commit_id])]
            _begin(session, row, history, now)
            # Whatever else the source holds, its readers never saw: what was sent and not committed, or squashed away.
            named = self._objects.large_files(session, history)
            files = select(LargeFileRow.sha256, LargeFileRow.size).where(LargeFileRow.repository_id == source.id)
            copied = [
                LargeFileRow(repository_id=row.id, sha256=sha256, size=size, admitted_at=now)
                for sha256, size in session.execute(files)
                if sha256 in named
            ]
            session.add_all(copied)
            row.used_bytes = sum(file.size for file in copied)
            session.flush()
            self._quotas.require_within(session, owner, row.used_bytes)
        return repository_of(row)

    def find(self, kind: Kind, owner: str, name: str, *, formerly: bool = True) -> Repository:
        """The repository of this name, in upper or lower case, or the one that had it before it moved.

        Args:
            formerly: whether one that has moved is looked for.

        Raises:
            HubNotFoundError: there is none.
        """
        key = repository_key(owner, name)
        with self._database.looking() as connection:
            row = _NAMED.first(connection, kind=kind, key=key)
            if row is None and formerly:
                row = _FORMERLY_NAMED.first(connection, kind=kind, key=key)
        if row is None:
            raise HubNotFoundError("repository", f"{owner}/{name}")
        return Repository(*row)

    def by_id(self, repository_id: int) -> Repository:
        """The repository with this number; raises HubNotFoundError where it is gone."""
        with self._database.reading() as session:
            return repository_of(existing(session, repository_id))

    def change(self, repository_id: int, *, private: bool | None = None, gate: Gate | None = None) -> Repository:
        """Change settings; None leaves one as it is."""
        with self._database.writing() as session:
            row = existing(session, repository_id)
            row.private = row.private if private is None else private
            row.gate = row.gate if gate is None else gate
            return repository_of(row)

    def move(self, repository_id: int, owner: str, name: str) -> Repository:
        """Give a repository another owner or name; whoever asks for the old one is led to the new one.

        Raises:
            InputError: a name that cannot be.
            HubExistsError: the new name is taken.
            QuotaError: it does not fit under the new owner's name.
        """
        repository_name(name)
        key = repository_key(owner, name)
        try:
            with self._database.writing() as session:
                row = locked(session, repository_id)
                before, stays = row.key, row.owner.lower() == owner.lower()
                row.owner, row.name, row.key = owner, name, key
                session.flush()
                self._quotas.require_within(session, owner, 0 if stays else row.used_bytes)
                session.execute(_former(row.kind, key))
                if before != key:
                    session.merge(FormerNameRow(kind=row.kind, key=before, repository_id=row.id))
                return repository_of(row)
        except IntegrityError as error:
            raise HubExistsError("repository", f"{owner}/{name}") from error

    @contextmanager
    def _entered(
        self, kind: Kind, owner: str, name: str, private: bool, now: datetime
    ) -> Iterator[tuple[Session, RepositoryRow]]:
        """The row of a new repository, within the transaction that makes it; raises as ``create`` does."""
        repository_name(name)
        key = repository_key(owner, name)
        values = {"kind": kind, "owner": owner, "name": name, "key": key, "private": private, "gate": ""}
        row = RepositoryRow(**values, created_at=now, updated_at=now)
        try:
            with self._database.writing() as session:
                session.add(row)
                session.flush()
                session.execute(_former(kind, key))
                yield session, row
        except IntegrityError as error:
            raise HubExistsError(kind, f"{owner}/{name}") from error

    def delete(self, repository_id: int) -> None:
        """Delete a repository with its history; what it alone held is freed by the next garbage collection."""
        with self._database.writing() as session:
            existing(session, repository_id)
            session.execute(delete(RepositoryRow).where(RepositoryRow.id == repository_id))


def existing(session: Session, repository_id: int) -> RepositoryRow:
    """The row of a repository; raises HubNotFoundError where it is gone."""
    row = session.get(RepositoryRow, repository_id)
    if row is None:
        raise HubNotFoundError("repository", f"number {repository_id}")
    return row


def locked(session: Session, repository_id: int) -> RepositoryRow:
    """The row of a repository that nobody else changes, nor any of its refs, until the transaction ends."""
    row = session.get(RepositoryRow, repository_id, with_for_update=True)
    if row is None:
        raise HubNotFoundError("repository", f"number {repository_id}")
    return row


def move_ref(session: Session, repository_id: int, ref: str, before: str, after: str, at: datetime) -> None:
    """Let a ref lead from one commit to another, if it still leads to the first.

    Raises:
        HubConflictError: it leads elsewhere by now.
    """
    moved = session.execute(
        update(RefRow)
        .where(RefRow.repository_id == repository_id, RefRow.name == ref, RefRow.commit_id == before)
        .values(commit_id=after, updated_at=at)
    )
    if cast(Any, moved).rowcount != 1:
        raise HubConflictError(f"{ref} moved on while you were working; fetch it and try again")


def repository_of(row: RepositoryRow) -> Repository:
    """A row as a value."""
    return Repository(
        id=row.id,
        kind=cast(Kind, row.kind),
        owner=row.owner,
        name=row.name,
        private=row.private,
        gate=cast(Literal["", "auto", "manual"], row.gate),
        created_at=row.created_at,
        updated_at=row.updated_at,
        pipeline_tag=row.pipeline_tag,
        library_name=row.library_name,
        card=row.card,
        config=row.config,
        safetensors=row.safetensors,
        used_bytes=row.used_bytes or 0,
        downloads=row.downloads or 0,
        downloads_all_time=row.downloads_all_time or 0,
        likes=row.likes or 0,
    )


def _begin(session: Session, row: RepositoryRow, commits: Sequence[str], at: datetime) -> None:
    """Let main lead to the first of these commits, which are all of its history."""
    session.add(RefRow(repository_id=row.id, name=MAIN, commit_id=commits[0], updated_at=at))
    session.add_all(CommitRow(repository_id=row.id, commit_id=commit) for commit in commits)


def _former(kind: str, key: str) -> Delete:
    """The deletion of the sign that leads on from a name, since somebody has that name now."""
    return delete(FormerNameRow).where(FormerNameRow.kind == kind, FormerNameRow.key == key)


_NAMED = Question(
    select(*COLUMNS).where(RepositoryRow.kind == bindparam("kind"), RepositoryRow.key == bindparam("key"))
)
_FORMERLY_NAMED = Question(
    select(*COLUMNS)
    .join(FormerNameRow, FormerNameRow.repository_id == RepositoryRow.id)
    .where(FormerNameRow.kind == bindparam("kind"), FormerNameRow.key == bindparam("key"))
)


def _first_commit(by: str, at: datetime, card: bytes | None) -> list[GitObject]:
    """The first commit, behind all that it holds."""
    lines = "".join(f"*.{suffix} {LARGE_ATTRIBUTES}\n" for suffix in sorted(LARGE_SUFFIXES))
    blobs = {ATTRIBUTES_FILE: blob_of(lines.encode())} | ({CARD_FILE: blob_of(card)} if card else {})
    tree = tree_of([TreeEntry(name, FILE_MODE, blob.id) for name, blob in blobs.items()])
    return [*blobs.values(), tree, commit_of(tree.id, (), author=identity(by), message="initial commit", at=at)]
