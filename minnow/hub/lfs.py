"""What git-lfs asks of a hub: tickets that let a client send or fetch one file without showing its token again."""

import re
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from minnow.errors import ForbiddenError, HubNotFoundError, RefusedUploadError
from minnow.hub.blobs import Piece
from minnow.hub.large_files import PART_BYTES, LargeFiles, new_upload
from minnow.hub.limits import Quotas
from minnow.hub.repositories import Repository
from minnow.hub.signing import SECONDS, Stamp

IN_PARTS_FROM = 4 << 30
TICKET = re.compile(
    r"(upload|download)\.(\d{1,18})\.([0-9a-f]{64})\.(\d{1,15})\.([0-9a-f]{32}|)\.([\w.-]{0,96})\."
    r"(\d{1,12})\.([0-9a-f]{64})",
    re.ASCII,
)
Action = Literal["upload", "download"]


@dataclass(frozen=True)
class Ticket:
    """What a ticket lets its holder do.

    Attributes:
        upload: names an upload that comes in parts.
        account: who pays for an upload.
    """

    action: Action
    repository_id: int
    sha256: str
    size: int
    upload: str = ""
    account: str = ""


@dataclass(frozen=True)
class UploadPlan:
    """Tickets for those files that are to be sent, and how long their parts are where they come in parts."""

    tickets: Mapping[str, str]
    part_bytes: int | None


class _UnderWay:
    """How many bytes of uploads in parts are stored for each account.

    They are counted in memory: what a hub forgets when it starts anew is swept some hours later all the same.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._parts: dict[str, tuple[str, float, dict[int, int]]] = {}

    def add(self, ticket: Ticket, number: int, length: int) -> None:
        """A part was stored."""
        with self._lock:
            parts = self._parts.get(ticket.upload, ("", 0.0, {}))[2]
            self._parts[ticket.upload] = ticket.account, time.monotonic(), parts | {number: length}

    def beside(self, ticket: Ticket) -> int:
        """How much the account's other uploads hold."""
        with self._lock:
            since = time.monotonic() - SECONDS
            self._parts = {upload: held for upload, held in self._parts.items() if held[1] > since}
            own = (held for upload, held in self._parts.items() if upload != ticket.upload)
            return sum(sum(parts.values()) for account, _, parts in own if account == ticket.account)

    def end(self, ticket: Ticket) -> None:
        """The upload was joined."""
        with self._lock:
            self._parts.pop(ticket.upload, None)


class Lfs:
    """The desk where tickets are written.

    Args:
        stamp: signs them.
        in_parts_from: files of this many bytes come in parts, where the client can do that.
        part_bytes: the length of a part.
    """

    def __init__(
        self,
        large_files: LargeFiles,
        quotas: Quotas,
        stamp: Stamp,
        in_parts_from: int = IN_PARTS_FROM,
        part_bytes: int = PART_BYTES,
    ):
        self._large_files = large_files
        self._quotas = quotas
        self._stamp = stamp
        self._in_parts_from = in_parts_from
        self._part_bytes = part_bytes
        self._under_way = _UnderWay()

    def uploads(self, repository: Repository, account: str, sizes: Mapping[str, int], *, in_parts: bool) -> UploadPlan:
        """Tickets for the files that the repository has not yet.

        Args:
            account: who pays for them until they are accepted.

        Raises:
            QuotaError: they do not fit into the account's room.
            StorageError: they do not fit on the disk.
        """
        held = self._large_files.keep(repository.id, sizes)
        missing = {sha256: size for sha256, size in sizes.items() if sha256 not in held}
        self._quotas.require(account, sum(missing.values()))
        if missing:
            self._large_files.require_room(sum(missing.values()))
        parted = in_parts and any(size >= self._in_parts_from for size in missing.values())
        tickets = {
            sha256: self._written(
                Ticket("upload", repository.id, sha256, size, new_upload() if parted and size else "", account)
            )
            for sha256, size in missing.items()
        }
        return UploadPlan(tickets, self._part_bytes if parted else None)

    def downloads(self, repository_id: int, sha256s: Iterable[str]) -> dict[str, str]:
        """Tickets for the files that the repository has."""
        held = self._large_files.held(repository_id, sha256s)
        return {sha256: self._written(Ticket("download", repository_id, sha256, size)) for sha256, size in held.items()}

    def ticket(self, text: str, action: Action) -> Ticket:
        """A ticket, read; raises ForbiddenError where it was not written here, has expired, or allows another thing."""
        found = TICKET.fullmatch(text)
        if not found or found[1] != action:
            raise ForbiddenError("this address was not made by the hub; ask the hub for one")
        ticket = Ticket(action, int(found[2]), found[3], int(found[4]), found[5], found[6])
        self._stamp.check(int(found[7]), found[8], *_parts(ticket))
        return ticket

    def require_held(self, ticket: Ticket) -> None:
        """Raises HubNotFoundError where the repository of a ticket is gone, or has the file no more."""
        if not self._large_files.held(ticket.repository_id, [ticket.sha256]):
            raise HubNotFoundError("large file", ticket.sha256)

    def take_part(self, ticket: Ticket, number: int, pieces: Iterable[Piece]) -> str:
        """Store a part.

        Raises:
            RefusedUploadError: the file has no such part.
            HubNotFoundError: the repository is gone.
            QuotaError: the file, beside the account's other uploads in parts, does not fit into its room any more.
        """
        if not ticket.upload or not 1 <= number <= self._count(ticket):
            raise RefusedUploadError(f"the file has parts 1 to {self._count(ticket)}, but got {number}")
        self._large_files.require_repository(ticket.repository_id)
        self._quotas.require(ticket.account, ticket.size + self._under_way.beside(ticket))
        counted = 0

        def passing() -> Iterator[Piece]:
            nonlocal counted
            for piece in pieces:
                counted += len(piece)
                yield piece

        name = self._large_files.take_part(ticket.upload, number, passing())
        self._under_way.add(ticket, number, counted)
        return name

    def join_parts(self, ticket: Ticket, count: int) -> None:
        """Make the file of its parts; raises RefusedUploadError where they are not all there, or not what was told."""
        if not ticket.upload or count != self._count(ticket):
            raise RefusedUploadError(f"the file has {self._count(ticket)} parts, but got {count}")
        self._large_files.join_parts(
            ticket.upload, count, ticket.repository_id, ticket.account, ticket.sha256, ticket.size
        )
        self._under_way.end(ticket)

    def verify(self, repository_id: int, sha256: str, size: int) -> None:
        """Raises RefusedUploadError where the repository does not have a file of this size."""
        if self._large_files.held(repository_id, [sha256]).get(sha256) != size:
            raise RefusedUploadError(f"{sha256} with {size} bytes has not arrived; send it again")

    def _count(self, ticket: Ticket) -> int:
        return -(-ticket.size // self._part_bytes)

    def _written(self, ticket: Ticket) -> str:
        until, signature = self._stamp.made(*_parts(ticket))
        return ".".join(map(str, (*_parts(ticket), until, signature)))


def _parts(ticket: Ticket) -> tuple[object, ...]:
    return ticket.action, ticket.repository_id, ticket.sha256, ticket.size, ticket.upload, ticket.account
