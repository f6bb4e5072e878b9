"""What the upload of a shard does: every file in it is computed again from stored chunks before a word is believed."""

import time
from collections.abc import Callable, Mapping, Sequence, Set
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError, NoResultFound
from sqlalchemy.orm import Session

from minnow.errors import RefusedUploadError
from minnow.hub.database import Database, batches
from minnow.hub.limits import Quotas
from minnow.hub.payers import admit
from minnow.hub.repositories import locked
from minnow.hub.repository_tables import LargeFileRow
from minnow.hub.xet.hashing import file_hash, range_hash, to_text
from minnow.hub.xet.reconstruction import ChunkTable
from minnow.hub.xet.shard import Shard, ShardFile, Term, read_shard
from minnow.hub.xet.store import XORBS_REMEMBERED, StoredFile, XorbStore
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
    """A stored xorb that a shard refers to, and who pays how much for it until files are made of it."""

    id: int
    payer: str | None
    stored_length: int


@dataclass(frozen=True)
class Known:
    """What is stored of what a shard speaks of.

    Attributes:
        xorbs: by their hashes.
        files: the SHA-256 of those files that are known by their Xet hash: equal hashes are equal contents.
        held: those of these SHA-256 that the repository has.
        table: that of a xorb, by its id; few are held at a time.
    """

    xorbs: Mapping[bytes, KnownXorb]
    files: Mapping[str, str]
    held: Set[str]
    table: Callable[[int], ChunkTable]

    def table_of(self, xorb: bytes) -> ChunkTable:
        """The table of a xorb by its hash."""
        return self.table(self.xorbs[xorb].id)


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
            QuotaError: the files do not fit into the account's room, which is asked before they are read again.
        """
        shard = read_shard(content)
        known = self._known(shard, repository_id)
        _agree(shard, known)
        sizes = [_checked_size(file, known) for file in shard.files]
        if sum(sizes) > MOST_BYTES:
            raise RefusedUploadError(f"the files of a shard have at most {MOST_BYTES} bytes, but got {sum(sizes)}")
        self._require_room(account, shard, sizes, known)
        verified, done = [], 0
        for file, size in zip(shard.files, sizes, strict=True):
            before = done

            def read(length: int, before: int = before) -> None:
                progress((before + length) >> 20, sum(sizes) >> 20)

            verified.append(self._verify(file, size, known, read))
            done += size
        for files in batches(verified):
            self._enter(repository_id, account, files)

    def _known(self, shard: Shard, repository_id: int) -> Known:
        """What is stored of what a shard speaks of; raises RefusedUploadError where one of its xorbs is not."""

        def table(xorb_id: int) -> ChunkTable:
            try:
                return self._store.located(xorb_id)[1]
            except NoResultFound as error:
                raise RefusedUploadError(f"a xorb of the shard {FORGOTTEN}") from error

        with self._database.reading() as session:
            xorbs, files = _known_xorbs(session, shard), _known_files(session, shard)
            held: set[str] = set()
            for batch in batches(files.values()):
                own = (LargeFileRow.repository_id == repository_id) & LargeFileRow.sha256.in_(batch)
                held |= set(session.scalars(select(LargeFileRow.sha256).where(own)))
        return Known(xorbs, files, held, lru_cache(XORBS_REMEMBERED)(table))

    def _require_room(self, account: str, shard: Shard, sizes: Sequence[int], known: Known) -> None:
        """Raises QuotaError where the files cannot fit, though all that the account pays for their xorbs is let off."""
        hashes = [to_text(file.hash) for file in shard.files]
        new = dict(zip(hashes, sizes, strict=True))
        adding = sum(size for hashed, size in new.items() if known.files.get(hashed) not in known.held)
        own = [xorb.stored_length for xorb in known.xorbs.values() if xorb.payer == account.lower()]
        self._quotas.require(account, adding - sum(own))

    def _verify(self, file: ShardFile, size: int, known: Known, progress: Callable[[int], None]) -> VerifiedFile:
        terms = tuple((known.xorbs[term.xorb].id, term.start, term.end, term.length) for term in file.terms)
        found = known.files.get(to_text(file.hash)) or _sha256(StoredFile(self._store, size, terms), progress)
        if file.sha256 not in (None, found):
            raise RefusedUploadError(f"the file's content has the SHA-256 {found}, but it was sent as {file.sha256}")
        first = file.terms[0]
        opening = to_text(known.table_of(first.xorb).chunk(first.start).hash), known.xorbs[first.xorb].id
        return VerifiedFile(to_text(file.hash), found, size, terms, opening)

    def _enter(self, repository_id: int, account: str, files: Sequence[VerifiedFile]) -> None:
        now, sizes = datetime.now(UTC), {file.sha256: file.size for file in files}
        for attempt in range(ATTEMPTS):
            try:
                with self._database.writing() as session:
                    locked(session, repository_id)
                    used: set[int] = set()
                    for file in {file.sha256: file for file in files}.values():
                        used |= _enter(session, file, now)
                    session.flush()
                    _let_off(session, used)
                    admit(session, self._quotas, repository_id, account, sizes, now)
                return
            except IntegrityError as error:
                # Somebody entered one of them meanwhile, or a xorb was collected.
                if attempt == ATTEMPTS - 1:
                    raise RefusedUploadError(f"a xorb of the shard {FORGOTTEN}") from error
                time.sleep(0.05)


def _known_xorbs(session: Session, shard: Shard) -> dict[bytes, KnownXorb]:
    """The stored xorbs that the files of a shard are made of.

    Raises:
        RefusedUploadError: one of them is not stored.
    """
    wanted = {to_text(term.xorb): term.xorb for file in shard.files for term in file.terms}
    found: dict[bytes, KnownXorb] = {}
    for batch in batches(wanted):
        columns = XorbRow.hash, XorbRow.id, XorbRow.payer, XorbRow.stored_length
        rows = session.execute(select(*columns).where(XorbRow.hash.in_(batch)))
        found |= {wanted[row.hash]: KnownXorb(row.id, row.payer, row.stored_length) for row in rows}
    missing = sorted(text for text, hashed in wanted.items() if hashed not in found)
    if missing:
        raise RefusedUploadError(f"xorb {missing[0]} {FORGOTTEN}")
    return found


def _known_files(session: Session, shard: Shard) -> dict[str, str]:
    found: dict[str, str] = {}
    for batch in batches(to_text(file.hash) for file in shard.files):
        rows = session.execute(select(XetFileRow.hash, XetFileRow.sha256).where(XetFileRow.hash.in_(batch)))
        found |= {row.hash: row.sha256 for row in rows}
    return found


def _agree(shard: Shard, known: Known) -> None:
    """Raises RefusedUploadError where the shard tells other chunks of a xorb than the hub found in it."""
    for told in shard.xorbs:
        if told.hash not in known.xorbs:
            continue
        if [(chunk.hash, chunk.length) for chunk in known.table_of(told.hash).chunks()] != list(told.chunks):
            raise RefusedUploadError(f"the shard lists other chunks than xorb {to_text(told.hash)} has")


def _checked_size(file: ShardFile, known: Known) -> int:
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
        chunks = _chunks(term, known.table_of(term.xorb))
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


def _enter(session: Session, file: VerifiedFile, now: datetime) -> set[int]:
    """Enter a file, and return the xorbs that it uses, where it is new."""
    row = session.scalar(select(XetFileRow).where(XetFileRow.sha256 == file.sha256))
    if row is not None:
        return set()
    row = XetFileRow(hash=file.hash, sha256=file.sha256, size=file.size, created_at=now)
    session.add(row)
    session.flush()
    session.add_all(
        XetTermRow(file_id=row.id, position=position, xorb_id=xorb_id, start=start, stop=stop, length=length)
        for position, (xorb_id, start, stop, length) in enumerate(file.terms)
    )
    session.merge(XetMarkRow(chunk=file.first[0], xorb_id=file.first[1]))
    return {xorb_id for xorb_id, *_ in file.terms}


def _let_off(session: Session, used: Set[int]) -> None:
    """Enter that these xorbs are used, and let who pays for one off once files use at least half of it.

    A file pays for the chunks that it uses. Of what no file uses, so no more than that is paid for by nobody.
    """
    for batch in batches(used):
        those = XorbRow.id.in_(batch)
        session.execute(update(XorbRow).where(those).values(unused_since=None))
        for xorb_id, length, packed in session.execute(
            select(XorbRow.id, XorbRow.length, XorbRow.chunks).where(those, XorbRow.payer.is_not(None))
        ).all():
            if 2 * _used_length(session, xorb_id, ChunkTable(packed)) >= length:
                session.execute(update(XorbRow).where(XorbRow.id == xorb_id).values(payer=None))


def _used_length(session: Session, xorb_id: int, table: ChunkTable) -> int:
    """How many bytes the chunks of a xorb have that any file uses."""
    runs = select(XetTermRow.start, XetTermRow.stop).where(XetTermRow.xorb_id == xorb_id).distinct()
    length, end = 0, 0
    for start, stop in session.execute(runs.order_by(XetTermRow.start)):
        if stop > end:
            length += table.length(max(start, end), stop)
            end = stop
    return length
