"""Git's objects in the hub's tables: blobs, trees, commits and tags under their git ids, shared by all repositories."""

import heapq
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count, islice
from typing import TypeVar

from dulwich.objects import Commit, ObjectID, ShaFile, Tag, parse_tree, serialize_tree, sorted_tree_items
from sqlalchemy import bindparam, select, update
from sqlalchemy.orm import Session

from minnow.errors import StorageError
from minnow.hub.database import Database, insert_missing
from minnow.hub.questions import Question
from minnow.hub.repository_tables import GitObjectRow

COMMIT, TREE, BLOB, TAG = 1, 2, 3, 4
FOLDER_MODE, FILE_MODE = 0o040000, 0o100644
EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
ROWS = 500
MOST_ENTRIES, MOST_BLOBS, MOST_COMMITS = 300_000, 100_000, 10_000  # that are remembered
BATCH_BYTES = 16 << 20
Read = TypeVar("Read")
POINTER = re.compile(
    rb"version https://git-lfs\.github\.com/spec/v1\noid sha256:([0-9a-f]{64})\nsize (0|[1-9][0-9]{0,17})\n"
)


@dataclass(frozen=True)
class Pointer:
    """A large file, as the blob that stands for it in git names it."""

    sha256: str
    size: int

    def to_bytes(self) -> bytes:
        """The content of the blob."""
        text = f"version https://git-lfs.github.com/spec/v1\noid sha256:{self.sha256}\nsize {self.size}\n"
        return text.encode()


@dataclass(frozen=True)
class GitObject:
    """An object ready to be stored.

    Attributes:
        packed: the content through zlib.
        pointer: of a blob that stands for a large file.
    """

    id: str
    kind: int
    size: int
    packed: bytes
    pointer: Pointer | None = None


@dataclass(frozen=True)
class TreeEntry:
    """A name in a folder; ``id`` is that of a blob or of a folder's tree."""

    name: str
    mode: int
    id: str

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder."""
        return self.mode == FOLDER_MODE


@dataclass(frozen=True)
class BlobInfo:
    """What is known of a blob without reading it."""

    id: str
    size: int
    pointer: Pointer | None


@dataclass(frozen=True)
class CommitInfo:
    """A commit, read."""

    id: str
    tree: str
    parents: tuple[str, ...]
    author: str
    message: str
    made_at: datetime

    @property
    def title(self) -> str:
        """The first line of the message."""
        return self.message.partition("\n")[0]


def blob_of(content: bytes) -> GitObject:
    """The blob of a file's content."""
    return _object(BLOB, content, pointer_in(content))


def pointer_in(content: bytes) -> Pointer | None:
    """The large file that a content stands for; None where it is a file of its own."""
    found = POINTER.fullmatch(content) if len(content) < 200 else None
    return Pointer(found[1].decode(), int(found[2])) if found else None


def tree_of(entries: Iterable[TreeEntry]) -> GitObject:
    """The tree of a folder."""
    named = {entry.name.encode(): (entry.mode, ObjectID(entry.id.encode())) for entry in entries}
    items = sorted_tree_items(named, False)
    return _object(TREE, b"".join(serialize_tree((item.path, item.mode, item.sha) for item in items)))


def commit_of(
    tree: str, parents: Sequence[str], *, author: str, message: str, at: datetime, committer: str | None = None
) -> GitObject:
    """A commit; author and committer are ``name <address>``."""
    commit = Commit()
    commit.tree = ObjectID(tree.encode())
    commit.parents = [ObjectID(parent.encode()) for parent in parents]
    commit.author, commit.committer = _identity(author), _identity(committer or author)
    commit.author_time = commit.commit_time = int(at.timestamp())
    commit.author_timezone = commit.commit_timezone = 0
    commit.encoding = b"UTF-8"
    commit.message = message.replace("\0", "").encode("utf-8", "replace")
    return _object(COMMIT, commit.as_raw_string())


def tag_of(commit: str, name: str, *, author: str, message: str, at: datetime) -> GitObject:
    """A tag with a message."""
    tag = Tag()
    tag.object = (Commit, ObjectID(commit.encode()))
    tag.name = name.encode()
    tag.tagger, tag.tag_time, tag.tag_timezone = _identity(author), int(at.timestamp()), 0
    tag.message = message.replace("\0", "").encode("utf-8", "replace")
    return _object(TAG, tag.as_raw_string())


def commit_with(content: bytes, tree: str, parents: Sequence[str]) -> GitObject:
    """A commit like another one in all but its tree and its parents."""
    commit = ShaFile.from_raw_string(COMMIT, content)
    assert isinstance(commit, Commit)
    commit.tree = ObjectID(tree.encode())
    commit.parents = [ObjectID(parent.encode()) for parent in parents]
    return _object(COMMIT, commit.as_raw_string())


def tag_with(content: bytes, commit: str) -> GitObject:
    """A tag like another one, of another commit."""
    tag = ShaFile.from_raw_string(TAG, content)
    assert isinstance(tag, Tag)
    tag.object = (Commit, ObjectID(commit.encode()))
    return _object(TAG, tag.as_raw_string())


def identity(name: str) -> str:
    """How an account signs its commits: a name and an address that reaches nobody."""
    return f"{name} <{name}@users.noreply.hub>"


class GitObjects:
    """The objects of a hub. What is stored under an id never changes, so what was read of it is remembered."""

    def __init__(self, database: Database):
        self._database = database
        self._trees: dict[str, Mapping[str, TreeEntry]] = {EMPTY_TREE: {}}
        self._remembered = 0
        self._commits: dict[str, CommitInfo] = {}
        self._blobs: dict[str, BlobInfo] = {}

    def add(self, objects: Iterable[GitObject]) -> None:
        """Store objects, durable on return, in transactions of a bounded size; those that are there are kept."""
        for batch in _batches(objects):
            with self._database.writing() as session:
                self.add_within(session, batch)

    def add_within(self, session: Session, objects: Iterable[GitObject]) -> None:
        """Store objects as a part of somebody's transaction."""
        now = datetime.now(UTC)
        wanted = {made.id: made for made in objects}
        there = set(_there(session, wanted))
        # What was about to be swept, since nothing led to it, is young again.
        for ids in _parts(there, ROWS):
            session.execute(update(GitObjectRow).where(GitObjectRow.id.in_(ids)).values(stored_at=now))
        rows = [_row(made, now) for id, made in wanted.items() if id not in there]
        if rows:
            session.execute(insert_missing(session, GitObjectRow), rows)

    def missing(self, session: Session, ids: Iterable[str]) -> set[str]:
        """Those of these objects that are not stored."""
        wanted = set(ids)
        return wanted - set(_there(session, wanted))

    def content(self, session: Session, id: str) -> bytes:
        """The content of an object; raises StorageError where it is missing, which fsck reports."""
        return self.raw(session, id)[1]

    def raw(self, session: Session, id: str) -> tuple[int, bytes]:
        """The kind and the content of an object."""
        found = _OBJECT.first(session.connection(), id=id)
        if found is None:
            raise StorageError(f"the git object {id} is missing; run `minnow hub fsck`")
        return found[0], zlib.decompress(found[1])

    def tree(self, session: Session, id: str) -> Mapping[str, TreeEntry]:
        """The entries of a folder by name, in git's order."""
        entries = self._trees.get(id)
        if entries is None:
            entries = _parsed(self.content(session, id))
            self._remembered += len(entries)
            if self._remembered > MOST_ENTRIES:
                self._trees, self._remembered = {EMPTY_TREE: {}}, len(entries)
            self._trees[id] = entries
        return entries

    def commit(self, session: Session, id: str) -> CommitInfo:
        """A commit."""
        known = self._commits.get(id)
        return known or _remember(self._commits, MOST_COMMITS, id, self._read_commit(session, id))

    def _read_commit(self, session: Session, id: str) -> CommitInfo:
        read = ShaFile.from_raw_string(COMMIT, self.content(session, id))
        assert isinstance(read, Commit)
        return CommitInfo(
            id=id,
            tree=read.tree.decode(),
            parents=tuple(parent.decode() for parent in read.parents),
            author=read.author.decode("utf-8", "replace").partition(" <")[0],
            message=read.message.decode("utf-8", "replace"),
            made_at=datetime.fromtimestamp(read.commit_time, UTC),
        )

    def ancestors(self, session: Session, heads: Iterable[str]) -> Iterator[CommitInfo]:
        """Commits and all that they descend from, the newest first, never a parent before its child on a line."""
        order = count()
        waiting: list[tuple[float, int, CommitInfo]] = []
        seen: set[str] = set()

        def add(commits: Iterable[str]) -> None:
            for id in commits:
                if id not in seen:
                    seen.add(id)
                    info = self.commit(session, id)
                    heapq.heappush(waiting, (-info.made_at.timestamp(), next(order), info))

        add(heads)
        while waiting:
            info = heapq.heappop(waiting)[2]
            yield info
            add(info.parents)

    def reached(self, session: Session, commits: Iterable[str]) -> set[str]:
        """The ids of these commits and of every folder and file in them."""
        reached: set[str] = set()
        for commit in commits:
            reached.add(commit)
            self._reach(session, self.commit(session, commit).tree, reached)
        return reached

    def large_files(self, session: Session, commits: Iterable[str]) -> set[str]:
        """The large files that stand in these commits."""
        infos = self.blobs(session, self.reached(session, commits)).values()
        return {info.pointer.sha256 for info in infos if info.pointer}

    def _reach(self, session: Session, tree: str, reached: set[str]) -> None:
        if tree in reached:
            return
        reached.add(tree)
        for entry in self.tree(session, tree).values():
            if entry.is_folder:
                self._reach(session, entry.id, reached)
            else:
                reached.add(entry.id)

    def blobs(self, session: Session, ids: Iterable[str]) -> dict[str, BlobInfo]:
        """What is known of these blobs."""
        wanted = dict.fromkeys(ids)
        found = {id: known for id in wanted if (known := self._blobs.get(id))}
        columns = GitObjectRow.id, GitObjectRow.size, GitObjectRow.lfs_sha256, GitObjectRow.lfs_size
        for part in _parts((id for id in wanted if id not in found), ROWS):
            for id, size, sha256, lfs_size in session.execute(select(*columns).where(GitObjectRow.id.in_(part))):
                pointer = Pointer(sha256, lfs_size or 0) if sha256 else None
                found[id] = _remember(self._blobs, MOST_BLOBS, id, BlobInfo(id, size, pointer))
        return found

    def entry(self, session: Session, tree: str, path: str) -> TreeEntry | None:
        """What stands at a path under a tree; None where nothing does."""
        entry = TreeEntry("", FOLDER_MODE, tree)
        for part in path.split("/"):
            if not entry.is_folder:
                return None
            inner = self.tree(session, entry.id).get(part)
            if inner is None:
                return None
            entry = inner
        return entry

    def walk(self, session: Session, tree: str, folder: str = "") -> Iterator[tuple[str, TreeEntry]]:
        """Every folder and file below a tree with its path, a folder before what is in it, in git's order.

        Args:
            folder: what stands before the paths, ending in ``/`` or empty.
        """
        for name, entry in self.tree(session, tree).items():
            yield folder + name, entry
            if entry.is_folder:
                yield from self.walk(session, entry.id, f"{folder}{name}/")


_OBJECT = Question(select(GitObjectRow.kind, GitObjectRow.content).where(GitObjectRow.id == bindparam("id")))


def _remember(known: dict[str, Read], most: int, id: str, read: Read) -> Read:
    """What was read, which the next one need not read; where there is too much of it, all is forgotten."""
    if len(known) >= most:
        known.clear()
    known[id] = read
    return read


def _parsed(content: bytes) -> Mapping[str, TreeEntry]:
    parsed = parse_tree(content, 20, strict=False)
    return {name.decode(): TreeEntry(name.decode(), mode, sha.decode()) for name, mode, sha in parsed}


def _object(kind: int, content: bytes, pointer: Pointer | None = None) -> GitObject:
    made = ShaFile.from_raw_string(kind, content)
    return GitObject(made.id.decode(), kind, len(content), zlib.compress(content, 1), pointer)


def _row(made: GitObject, now: datetime) -> dict[str, object]:
    return {
        "id": made.id,
        "kind": made.kind,
        "size": made.size,
        "lfs_sha256": made.pointer.sha256 if made.pointer else None,
        "lfs_size": made.pointer.size if made.pointer else None,
        "stored_at": now,
        "content": made.packed,
    }


def _there(session: Session, ids: Iterable[str]) -> Iterator[str]:
    for part in _parts(ids, ROWS):
        yield from session.scalars(select(GitObjectRow.id).where(GitObjectRow.id.in_(part)))


def _batches(objects: Iterable[GitObject]) -> Iterator[list[GitObject]]:
    batch: list[GitObject] = []
    for made in objects:
        batch.append(made)
        if len(batch) == ROWS or sum(len(other.packed) for other in batch) > BATCH_BYTES:
            yield batch
            batch = []
    if batch:
        yield batch


def _parts(ids: Iterable[str], length: int) -> Iterator[list[str]]:
    waiting = iter(ids)
    while part := list(islice(waiting, length)):
        yield part


def _identity(text: str) -> bytes:
    return re.sub(r"[\0\n]", " ", text).encode("utf-8", "replace")
