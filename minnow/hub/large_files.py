"""Large files by their SHA-256: taken in and checked, admitted to repositories, read again however they are stored."""

import secrets
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256 as new_sha256
from itertools import chain
from typing import Protocol

from sqlalchemy import select, update

from minnow.errors import HubNotFoundError, RefusedUploadError, StorageError
from minnow.hub.blobs import Blob, Piece, SweptBlobStore
from minnow.hub.clock import Clock, utc_now
from minnow.hub.database import Database, batches
from minnow.hub.limits import Quotas
from minnow.hub.names import sha256_of
from minnow.hub.payers import admit
from minnow.hub.repositories import existing
from minnow.hub.repository_tables import LargeFileRow

MOST_BYTES = 1 << 40
PART_BYTES = 64 << 20
LEAST_FREE_BYTES = 64 << 20  # a xorb
PREFIX, PARTS_PREFIX = "lfs", "parts"
SHARED_AT_ONCE = 20  # in one transaction, which asks the store for each of them


class Chunked(Protocol):
    """Files that are stored in another way than whole; ``None`` where this one is not."""

    def content(self, sha256: str) -> Blob | None:
        """The file, to be read like a blob."""

    def hashes(self, sha256s: Iterable[str]) -> dict[str, str]:
        """The names, in that other way, of those files that are stored so."""


@dataclass(frozen=True)
class LargeFile:
    """A large file of a repository, and when it came there."""

    sha256: str
    size: int
    admitted_at: datetime


class LargeFiles:
    """The large files of a hub. A repository has those that were uploaded to it or copied into it, and no others.

    Args:
        chunked: where files may be stored besides.
        quotas: how much an account may store.
        now: the clock, in UTC.
    """

    def __init__(
        self, database: Database, blobs: SweptBlobStore, chunked: Chunked, quotas: Quotas, now: Clock = utc_now
    ):
        self._database = database
        self._blobs = blobs
        self._chunked = chunked
        self._quotas = quotas
        self._now = now

    def held(self, repository_id: int, sha256s: Iterable[str]) -> dict[str, int]:
        """Of these files, the sizes of those that the repository has."""
        found: dict[str, int] = {}
        with self._database.reading() as session:
            for part in batches(dict.fromkeys(sha256s)):
                rows = session.execute(
                    select(LargeFileRow.sha256, LargeFileRow.size).where(
                        LargeFileRow.repository_id == repository_id, LargeFileRow.sha256.in_(part)
                    )
                )
                found |= {row.sha256: row.size for row in rows}
        return found

    def keep(self, repository_id: int, sha256s: Iterable[str]) -> dict[str, int]:
        """As ``held``, for files that are about to be named by a commit: the garbage collector leaves them a while."""
        wanted, now = list(dict.fromkeys(sha256s)), self._now()
        with self._database.writing() as session:
            for part in batches(wanted):
                own = LargeFileRow.repository_id == repository_id, LargeFileRow.sha256.in_(part)
                session.execute(update(LargeFileRow).where(*own).values(admitted_at=now))
        return self.held(repository_id, wanted)

    def of(self, repository_id: int) -> list[LargeFile]:
        """Every large file of a repository, the newest first."""
        asked = select(LargeFileRow).where(LargeFileRow.repository_id == repository_id)
        with self._database.reading() as session:
            rows = session.scalars(asked.order_by(LargeFileRow.admitted_at.desc(), LargeFileRow.sha256))
            return [LargeFile(row.sha256, row.size, row.admitted_at) for row in rows]

    def take(self, repository_id: int, account: str, sha256: str, size: int, pieces: Iterable[Piece]) -> None:
        """Store what was uploaded and admit it to the repository; durable on return.

        What the hub has already is read and compared all the same: the hash alone proves nothing.

        Args:
            account: who pays for it until it is accepted.

        Raises:
            HubNotFoundError: the repository is gone.
            RefusedUploadError: the content is not what its hash and size say; nothing is stored.
            QuotaError: it does not fit into the account's room.
            StorageError: the disk refuses.
        """
        self.require_repository(repository_id)
        if not self.held(repository_id, [sha256]):
            self._quotas.require(account, size)
        checked = _checked(pieces, sha256_of(sha256), size)
        if self._stored(sha256):
            for _ in checked:
                pass
        else:
            self._blobs.put(blob_name(sha256), checked)
        self._admit(repository_id, account, {sha256: size})

    def require_repository(self, repository_id: int) -> None:
        """Raises HubNotFoundError where the repository is gone; what is sent to it would count for nobody."""
        with self._database.reading() as session:
            existing(session, repository_id)

    def require_room(self, adding_bytes: int = 0) -> None:
        """Raises StorageError where so many bytes do not fit on the disk, or hardly any more do.

        Asked before something is sent: clients that hear of a full disk while they send try again for minutes.
        """
        free = self._blobs.free_bytes()
        if free is not None and free < max(adding_bytes, LEAST_FREE_BYTES):
            raise StorageError(
                f"the hub's disk is full: {free:,} bytes are left, and {max(adding_bytes, LEAST_FREE_BYTES):,} are "
                "needed; free some, or run `minnow hub gc`"
            )

    def take_part(self, upload: str, number: int, pieces: Iterable[Piece]) -> str:
        """Store a part of an upload that comes in several, and return what names its content."""
        digest, counted = new_sha256(), 0

        def hashed() -> Iterator[Piece]:
            nonlocal counted
            for piece in pieces:
                digest.update(piece)
                counted += len(piece)
                if counted > PART_BYTES:
                    raise RefusedUploadError(f"a part has at most {PART_BYTES} bytes")
                yield piece

        self._blobs.put(_part_name(upload, number), hashed())
        return digest.hexdigest()

    def join_parts(self, upload: str, count: int, repository_id: int, account: str, sha256: str, size: int) -> None:
        """Make one file of the parts of an upload, and remove them; raises as ``take`` does."""
        names = [_part_name(upload, number) for number in range(1, count + 1)]
        missing = [name for name in names if not self._blobs.has(name)]
        if missing and not self.held(repository_id, [sha256]):
            raise RefusedUploadError(f"{len(missing)} parts of the upload are missing; send them first")
        if not missing:
            self.take(repository_id, account, sha256, size, chain.from_iterable(map(self._read, names)))
        for name in names:
            self._blobs.remove(name)

    def share(self, source_id: int, target_id: int, account: str, sha256s: Iterable[str]) -> None:
        """Admit files of one repository to another, for somebody who may download them from the first.

        Args:
            account: who pays for them in the second.

        Raises:
            HubNotFoundError: the first does not have one of them.
            QuotaError: they do not fit into the account's room; some were admitted before.
        """
        wanted = list(dict.fromkeys(sha256s))
        held = self.held(source_id, wanted)
        for sha256 in wanted:
            if sha256 not in held:
                raise HubNotFoundError("large file", sha256)
        for batch in batches(wanted, SHARED_AT_ONCE):
            self._admit(target_id, account, {sha256: held[sha256] for sha256 in batch})

    def open(self, sha256: str) -> Blob:
        """A file's content; whether the caller may have it is decided before.

        Raises:
            HubNotFoundError: no such file, which fsck reports where a revision names it.
        """
        if self._blobs.has(blob_name(sha256)):
            return self._blobs.open(blob_name(sha256))
        content = self._chunked.content(sha256)
        if content is None:
            raise HubNotFoundError("large file", sha256)
        return content

    def chunked_names(self, sha256s: Iterable[str]) -> Mapping[str, str]:
        """Of these files, the names in the other way of those that are stored so."""
        return self._chunked.hashes(sha256s)

    def _stored(self, sha256: str) -> bool:
        return self._blobs.has(blob_name(sha256)) or bool(self._chunked.hashes([sha256]))

    def _admit(self, repository_id: int, account: str, sizes: Mapping[str, int]) -> None:
        with self._database.writing() as session:
            admit(session, self._quotas, repository_id, account, sizes, self._now())
            # The garbage collector removes contents while nobody writes: none can go between these two lines.
            for sha256 in sizes:
                if not self._stored(sha256):
                    raise RefusedUploadError(f"{sha256} is not stored any more; upload it again")

    def _read(self, name: str) -> Iterator[bytes]:
        with closing(self._blobs.open(name)) as blob:
            yield from blob.read()


def blob_name(sha256: str) -> str:
    """Where a file lies that is stored whole."""
    return f"{PREFIX}/{sha256[:2]}/{sha256[2:4]}/{sha256}"


def new_upload() -> str:
    """A name for an upload that comes in parts."""
    return secrets.token_hex(16)


def _part_name(upload: str, number: int) -> str:
    return f"{PARTS_PREFIX}/{upload}/{number}"


def _checked(pieces: Iterable[Piece], sha256: str, size: int) -> Iterator[Piece]:
    """The same pieces; at the end, an error where they are not what hash and size say.

    Each is hashed in a thread of its own while whoever asked for it writes it.

    Raises:
        RefusedUploadError: they are not.
    """
    digest, counted = new_sha256(), 0
    with ThreadPoolExecutor(1, "sha256") as hashing:
        for piece in pieces:
            counted += len(piece)
            if counted > size:
                break
            hashed = hashing.submit(digest.update, piece)
            yield piece
            hashed.result()
    if counted != size:
        raise RefusedUploadError(f"the upload has {'more' if counted > size else counted} bytes, but {size} were told")
    if digest.hexdigest() != sha256:
        raise RefusedUploadError(f"the upload has the SHA-256 {digest.hexdigest()}, but {sha256} was told")
