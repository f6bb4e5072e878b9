"""Uploads: what is to go which way is planned before it is sent, and checked again when it is committed."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass

from minnow.errors import HubNotFoundError, InputError
from minnow.hub.cards import bases_in_sample
from minnow.hub.changes import Change, Put, Remove, RemoveFolder
from minnow.hub.contents import Contents, Entry
from minnow.hub.ignoring import ignored
from minnow.hub.large_files import LargeFiles
from minnow.hub.limits import Quotas
from minnow.hub.names import file_path, sha256_of
from minnow.hub.objects import GitObject, GitObjects, Pointer, blob_of, pointer_in
from minnow.hub.repositories import LARGE_SUFFIXES, Repository
from minnow.hub.revisions import Revisions
from minnow.hub.trust.check import Bytes, Policy, check_sample, check_upload
from minnow.hub.xet.lineage import Bases

REGULAR_BYTES = 10_000_000
MOST_OPERATIONS = 50_000
BATCH = 500
CARD, IGNORE_FILE = "README.md", ".gitignore"


@dataclass(frozen=True)
class Announced:
    """A file that a client is about to send.

    Attributes:
        sample: its first bytes, 512 of them as a rule.
    """

    path: str
    size: int
    sample: bytes


@dataclass(frozen=True)
class Planned:
    """Which way a file is to go.

    Attributes:
        large: outside of git.
        ignored: not at all.
        known: what the branch holds at this path: the id of a blob, or the SHA-256 of a large file.
    """

    path: str
    large: bool
    ignored: bool
    known: str | None


@dataclass(frozen=True)
class AddFile:
    """A small file with its content."""

    path: str
    content: bytes


@dataclass(frozen=True)
class AddLarge:
    """A large file that the repository has already; without a size where it is copied from another revision."""

    path: str
    sha256: str
    size: int | None


@dataclass(frozen=True)
class DeleteFile:
    """A file that goes."""

    path: str


@dataclass(frozen=True)
class DeleteFolder:
    """A folder that goes."""

    path: str


Operation = AddFile | AddLarge | DeleteFile | DeleteFolder


class Uploads:
    """How files come into a repository.

    Args:
        policy: what is refused.
        quotas: how much an account may store.
        bases: told which models an upload descends from, so that it need not send what it shares with them.
    """

    def __init__(
        self,
        objects: GitObjects,
        revisions: Revisions,
        contents: Contents,
        large_files: LargeFiles,
        policy: Policy,
        quotas: Quotas,
        bases: Bases,
    ):
        self._objects = objects
        self._revisions = revisions
        self._contents = contents
        self._large_files = large_files
        self._policy = policy
        self._quotas = quotas
        self._bases = bases

    def plan(
        self, repository: Repository, account: str, revision: str, files: Sequence[Announced], ignore: str | None = None
    ) -> list[Planned]:
        """Say of each file which way it is to go.

        Args:
            account: who pays for the files until they are accepted.
            ignore: a ``.gitignore`` that is part of the upload; else that of the revision counts.

        Raises:
            HubNotFoundError: no such revision.
            RefusedUploadError: a file that would be refused when it is committed.
            InputError: a path that cannot be, or more files than a ``.gitignore`` is compared with.
            QuotaError: the account's room is full.
            StorageError: the disk is full.
        """
        commit = self._revisions.resolve(repository.id, revision)
        for file in files:
            if file.path == CARD:
                self._bases.tell(repository.id, bases_in_sample(file.sample))
            check_sample(file_path(file.path), file.size, file.sample)
        there = {entry.path: entry for entry in self._contents.some(commit, [file.path for file in files])}
        growing = [file.size for file in files if file.path not in there or there[file.path].size != file.size]
        self._quotas.require(account, sum(growing))
        if any(map(is_large, files)):
            self._large_files.require_room()
        left_out = ignored((file.path for file in files), self._ignore_file(commit) if ignore is None else ignore)
        return [
            Planned(file.path, is_large(file), file.path in left_out, _known(there.get(file.path))) for file in files
        ]

    def prepare(self, repository: Repository, account: str, operations: Iterable[Operation]) -> list[Change]:
        """Check what was sent, store what git holds of it, and return the changes that a commit is to make.

        Args:
            account: who pays for the files until they are accepted.
            operations: read once, so that the contents of many files need not be held together.

        Raises:
            RefusedUploadError: a file that the hub does not take.
            InputError: a path that cannot be, or a large file that was not uploaded to this repository.
            QuotaError: the account's room is full.
        """
        changes: list[Change] = []
        self._objects.add(self._prepared(repository, account, operations, changes))
        return changes

    def _prepared(
        self, repository: Repository, account: str, operations: Iterable[Operation], changes: list[Change]
    ) -> Iterator[GitObject]:
        """The blobs that are to be stored; the changes are added to the list on the way."""
        adding = 0
        for batch in _batches(map(_meant, operations)):
            wanted = [sha256_of(operation.sha256) for operation in batch if isinstance(operation, AddLarge)]
            sizes = self._large_files.keep(repository.id, wanted) if wanted else {}
            for operation in batch:
                path = file_path(operation.path.rstrip("/"))
                if isinstance(operation, DeleteFile):
                    changes.append(Remove(path))
                elif isinstance(operation, DeleteFolder):
                    changes.append(RemoveFolder(path))
                else:
                    blob = self._blob(repository, path, operation, sizes)
                    adding += blob.size
                    self._quotas.require(account, adding)
                    changes.append(Put(path, blob.id))
                    yield blob

    def _blob(
        self, repository: Repository, path: str, operation: AddFile | AddLarge, sizes: Mapping[str, int]
    ) -> GitObject:
        """The blob of a file that was looked at.

        Args:
            sizes: of the large files that the repository has, by their SHA-256.
        """
        if isinstance(operation, AddFile):
            check_upload(path, Bytes(operation.content), self._policy)
            return blob_of(operation.content)
        sha256 = sha256_of(operation.sha256)
        size = sizes.get(sha256)
        if size is None or operation.size not in (None, size):
            raise InputError(f"{path}: a large file {sha256} of this size was not uploaded to {repository.full_name}")
        with closing(self._large_files.open(sha256)) as content:
            check_upload(path, content, self._policy)
        return blob_of(Pointer(sha256, size).to_bytes())

    def _ignore_file(self, commit: str) -> str:
        try:
            entry = self._contents.file(commit, IGNORE_FILE)
        except HubNotFoundError:
            return ""
        return "" if entry.large else self._contents.read(entry).decode("utf-8", "replace")


def _meant(operation: Operation) -> Operation:
    """What reads like the pointer of a large file is one, so the same is asked of it.

    Raises:
        InputError: a small file is too large for one.
    """
    if not isinstance(operation, AddFile):
        return operation
    if len(operation.content) > REGULAR_BYTES:
        raise InputError(f"{operation.path[:200]} has over {REGULAR_BYTES} bytes; send it as a large file")
    pointer = pointer_in(operation.content)
    return operation if pointer is None else AddLarge(operation.path, pointer.sha256, pointer.size)


def _batches(operations: Iterable[Operation]) -> Iterator[list[Operation]]:
    """Large files that follow one another together, since keeping them is a transaction; what has a content alone.

    Raises:
        InputError: there are more than a commit changes.
    """
    batch: list[Operation] = []
    for number, operation in enumerate(operations):
        if number == MOST_OPERATIONS:
            raise InputError(f"a commit changes at most {MOST_OPERATIONS} files; make several")
        batch.append(operation)
        if len(batch) == BATCH or isinstance(operation, AddFile):
            yield batch
            batch = []
    if batch:
        yield batch


def is_large(file: Announced) -> bool:
    """Whether a file goes beside git: by what it is called, by its size, or because it is no text."""
    suffix = file.path.rpartition(".")[2].lower()
    return file.size > 0 and (suffix in LARGE_SUFFIXES or file.size > REGULAR_BYTES or b"\0" in file.sample)


def _known(entry: Entry | None) -> str | None:
    if entry is None or entry.is_folder:
        return None
    return entry.large.sha256 if entry.large else entry.id
