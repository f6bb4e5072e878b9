"""What the upload of a shard does: every file in it is computed again from stored chunks before a word is believed."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from itertools import islice

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from minnow.errors import RefusedUploadError
from minnow.hub.database import Database
from minnow.hub.limits import Quotas
from minnow.hub.payers import admit
from minnow.hub.repositories import locked
from minnow.hub.xet.hashing import file_hash, range_hash, to_text
from minnow.hub.xet.reconstruction import ChunkTable
from minnow.hub.xet.shard import Shard, ShardFile, Term, read_shard
from minnow.hub.xet.store import StoredFile, XorbStore
from minnow.hub.xet.xorb import Chunk
from minnow.hub.xet_tables import XetFileRow, XetMarkRow, XetTermRow, XorbRow

MOST_FILE_BYTES = 64 * 1024**3
MOST_BYTES = 8 * MOST_FILE_BYTES
LEAST_CHUNK_BYTES = 8 * 1024
ATTEMPTS = 3
FORGOTTEN = (
    "is not on this hub (any more), so the client remembers an upload that is gone; remove the client's "
    "`xet` folder in its cache (~/.cache/huggingface/xet) and upload again"
)
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class KnownXorb:
    """A stored xorb that a shard refers to."""

    id: int
    table: ChunkTable


@dataclass(frozen=True)
class VerifiedFile:
    """A file of a shard with what was computed of it."""

    hash: str
    sha256: str
    size: int
    terms: tuple[tuple[int, int, int, int], ...]
    first: tuple[str, int]


class Registrar:
    """Enters the files of shards."""

    def __init__(self, database: Database, store: XorbStore, quotas: Quotas):
        self._database = database
        self._store = store
        self._quotas = quotas

    def register(
        self, repository_id: int, account: str, content: bytes, progress: Progress = lambda _done, _total: None
    ) -> None:
        """Enter the files of a shard, so that the repository may commit them.

        Args:
            account: who pays for the files until they are accepted.
            progress: told how many mebibytes of how many were read again.

        Raises:
            RefusedUploadError: a shard that cannot be read, a xorb that is not there, or anything in it that is not so;
                nothing of the shard is entered.
            QuotaError: the files do not fit into the account's room.
        """
        shard = read_shard(content)
        with self._database.reading() as session:
            xorbs = _known(session, shard)
            known = _known_files(session, shard)
        _agree(shard, xorbs)
        sizes = [_checked_size(file, xorbs) for file in shard.files]
        if sum(sizes) > MOST_BYTES:
            raise RefusedUploadError(f"the files of a shard have at most {MOST_BYTES} bytes, but got {sum(sizes)}")
        verified, done = [], 0
        for file, size in zip(shard.files, sizes, strict=True):
            before = done

            def read(length: int, before: int = before) -> None:
                progress((before + length) >> 20, sum(sizes) >> 20)

            verified.append(self._verify(file, size, xorbs, known.get(to_text(file.hash)), read))
            done += size
        self._enter(repository_id, account, verified)

    def _verify(
        self,
        file: ShardFile,
        size: int,
        xorbs: Mapping[bytes, KnownXorb],
        known_sha256: str | None,
        progress: Callable[[int], None],
    ) -> VerifiedFile:
        terms = tuple((xorbs[term.xorb].id, term.start, term.end, term.length) for term in file.terms)
        found = known_sha256 or _sha256(StoredFile(self._store, size, terms), progress)
        if file.sha256 not in (None, found):
            raise RefusedUploadError(f"the file's content has the SHA-256 {found}, but it was sent as {file.sha256}")
        first = file.terms[0]
        opening = to_text(xorbs[first.xorb].table.chunk(first.start).hash), xorbs[first.xorb].id
        return VerifiedFile(to_text(file.hash), found, size, terms, opening)

    def _enter(self, repository_id: int, account: str, files: Sequence[VerifiedFile]) -> None:
        now, sizes = datetime.now(UTC), {file.sha256: file.size for file in files}
        for attempt in range(ATTEMPTS):
            try:
                with self._database.writing() as session:
                    locked(session, repository_id)
                    for file in {file.sha256: file for file in files}.values():
                        _enter(session, file, now)
                    session.flush()
                    admit(session, self._quotas, repository_id, account, sizes, now)
                return
            except IntegrityError as error:
                # Somebody entered one of them meanwhile, or a xorb was collected.
                if attempt == ATTEMPTS - 1:
                    raise RefusedUploadError(f"a xorb of the shard {FORGOTTEN}") from error
                time.sleep(0.05)


def _known(session: Session, shard: Shard) -> dict[bytes, KnownXorb]:
    """The stored xorbs that the files of a shard are made of.

    Raises:
        RefusedUploadError: one of them is not stored.
    """
    wanted = {to_text(term.xorb): term.xorb for file in shard.files for term in file.terms}
    found: dict[bytes, KnownXorb] = {}
    for batch in _batches(list(wanted)):
        rows = session.execute(select(XorbRow.hash, XorbRow.id, XorbRow.chunks).where(XorbRow.hash.in_(batch)))
        found |= {wanted[row.hash]: KnownXorb(row.id, ChunkTable(row.chunks)) for row in rows}
    missing = sorted(text for text, hashed in wanted.items() if hashed not in found)
    if missing:
        raise RefusedUploadError(f"xorb {missing[0]} {FORGOTTEN}")
    return found


def _known_files(session: Session, shard: Shard) -> dict[str, str]:
    """The SHA-256 of those files of a shard that are known by their Xet hash: equal hashes are equal contents."""
    found: dict[str, str] = {}
    for batch in _batches([to_text(file.hash) for file in shard.files]):
        rows = session.execute(select(XetFileRow.hash, XetFileRow.sha256).where(XetFileRow.hash.in_(batch)))
        found |= {row.hash: row.sha256 for row in rows}
    return found


def _agree(shard: Shard, xorbs: Mapping[bytes, KnownXorb]) -> None:
    """Raises RefusedUploadError where the shard tells other chunks of a xorb than the hub found in it."""
    for told in shard.xorbs:
        known = xorbs.get(told.hash)
        if known and [(chunk.hash, chunk.length) for chunk in known.table.chunks()] != list(told.chunks):
            raise RefusedUploadError(f"the shard lists other chunks than xorb {to_text(told.hash)} has")


def _checked_size(file: ShardFile, xorbs: Mapping[bytes, KnownXorb]) -> int:
    """The size of a file, after its terms, its proofs and its hash were found right.

    Raises:
        RefusedUploadError: one of them is not.
    """
    name = to_text(file.hash)
    if not file.terms or len(file.proofs) != len(file.terms):
        raise RefusedUploadError(f"file {name} needs terms and for each a proof that the uploader has its chunks")
    size, count = sum(term.length for term in file.terms), sum(term.end - term.start for term in file.terms)
    if size > MOST_FILE_BYTES:
        raise RefusedUploadError(f"a file has at most {MOST_FILE_BYTES} bytes, but {name} has {size}")
    if count > size // LEAST_CHUNK_BYTES + 1:
        raise RefusedUploadError(f"chunks within a file have at least {LEAST_CHUNK_BYTES} bytes; {name} has {count}")
    leaves: list[tuple[bytes, int]] = []
    for term, proof in zip(file.terms, file.proofs, strict=True):
        chunks = _chunks(term, xorbs[term.xorb].table)
        if range_hash(chunk.hash for chunk in chunks) != proof:
            raise RefusedUploadError(f"file {name}: the proof for chunks of xorb {to_text(term.xorb)} is wrong")
        leaves += [(chunk.hash, chunk.length) for chunk in chunks]
    found = file_hash(leaves)
    if found != file.hash:
        raise RefusedUploadError(f"the file's chunks have the hash {to_text(found)}, but it was sent as {name}")
    return size


def _chunks(term: Term, table: ChunkTable) -> list[Chunk]:
    if term.end > len(table) or table.length(term.start, term.end) != term.length:
        raise RefusedUploadError(
            f"chunks {term.start} to {term.end} of xorb {to_text(term.xorb)} with {term.length} bytes are not in it"
        )
    return table.chunks(term.start, term.end)


def _sha256(file: StoredFile, progress: Callable[[int], None]) -> str:
    found, length = sha256(), 0
    with ThreadPoolExecutor(1, "sha256") as hashing:  # one piece is hashed while the next is read
        waiting: Future[None] | None = None
        for piece in file.read():
            if waiting:
                waiting.result()
            waiting = hashing.submit(found.update, piece)
            length += len(piece)
            progress(length)
    if length != file.size:
        raise RefusedUploadError(f"the file's chunks hold {length} bytes, but its terms say {file.size}")
    return found.hexdigest()


def _enter(session: Session, file: VerifiedFile, now: datetime) -> None:
    row = session.scalar(select(XetFileRow).where(XetFileRow.sha256 == file.sha256))
    if row is None:
        row = XetFileRow(hash=file.hash, sha256=file.sha256, size=file.size, created_at=now)
        session.add(row)
        session.flush()
        session.add_all(
            XetTermRow(file_id=row.id, position=position, xorb_id=xorb_id, start=start, stop=stop, length=length)
            for position, (xorb_id, start, stop, length) in enumerate(file.terms)
        )
        used = {xorb_id for xorb_id, *_ in file.terms}
        session.execute(update(XorbRow).where(XorbRow.id.in_(used)).values(unused_since=None, payer=None))
        session.merge(XetMarkRow(chunk=file.first[0], xorb_id=file.first[1]))


def _batches(names: Sequence[str]) -> Iterator[list[str]]:
    rest = iter(names)
    while batch := list(islice(rest, 500)):
        yield batch
