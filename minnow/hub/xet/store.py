"""Xorbs in the blob store with their tables in the database; files read from them as if they were one content."""

import secrets
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from itertools import islice

from sqlalchemy import bindparam, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from minnow.errors import HubNotFoundError, QuotaError
from minnow.hub.blobs import CHUNK_BYTES, Blob, Piece, SweptBlobStore
from minnow.hub.database import Database
from minnow.hub.limits import Quotas
from minnow.hub.questions import Question
from minnow.hub.xet.hashing import from_text, last_number, to_text
from minnow.hub.xet.reconstruction import ChunkTable
from minnow.hub.xet.xorb import CheckedXorb, Chunk, read_chunks
from minnow.hub.xet_tables import XetFileRow, XetMarkRow, XetTermRow, XorbRow

PREFIX = "xorbs"
ASKED_ABOUT = 1024
XORBS_REMEMBERED = 64


class XorbStore:
    """Xorbs by their hash, as text."""

    def __init__(self, database: Database, blobs: SweptBlobStore, quotas: Quotas):
        self._database = database
        self._blobs = blobs
        self._quotas = quotas

    def take(self, hashed: str, account: str, pieces: Iterable[Piece]) -> bool:
        """Store a xorb while it comes in; whether it was new.

        What is known already is read to its end and thrown away.

        Args:
            account: who pays for it until a file is made of it.

        Raises:
            RefusedUploadError: damaged, too large, or not what its hash says; nothing is stored.
            QuotaError: it does not fit into the account's room; nothing is stored.
        """
        claimed = from_text(hashed)
        if self.has(hashed):
            for _ in pieces:
                pass
            return False
        self._quotas.require(account, 1)
        checked = CheckedXorb(pieces, claimed)
        blob = f"{PREFIX}/{hashed[:2]}/{hashed}-{secrets.token_hex(4)}"
        self._blobs.put(blob, checked)
        try:
            return self._add(hashed, blob, account, checked.chunks)
        except QuotaError:
            self._blobs.remove(blob)
            raise

    def has(self, hashed: str) -> bool:
        """Whether the xorb is stored; one whose content is gone from the store may come again."""
        with self._database.reading() as session:
            blob = session.scalar(select(XorbRow.blob).where(XorbRow.hash == hashed))
        return blob is not None and self._blobs.has(blob)

    def open(self, hashed: str) -> Blob:
        """The stored bytes of a xorb; raises HubNotFoundError where there is none."""
        with self._database.looking() as connection:
            found = _BLOB.first(connection, hash=hashed)
        if found is None:
            raise HubNotFoundError("xorb", hashed)
        return self._blobs.open(found.blob)

    def file(self, file_id: int) -> "StoredFile":
        """A file as one content."""
        with self._database.reading() as session:
            size = session.scalar(select(XetFileRow.size).where(XetFileRow.id == file_id))
            terms = session.execute(
                select(XetTermRow.xorb_id, XetTermRow.start, XetTermRow.stop, XetTermRow.length)
                .where(XetTermRow.file_id == file_id)
                .order_by(XetTermRow.position)
            ).all()
        if size is None:
            raise HubNotFoundError("file", str(file_id))
        return StoredFile(self, size, [(term.xorb_id, term.start, term.stop, term.length) for term in terms])

    def located(self, xorb_id: int) -> tuple[str, ChunkTable]:
        """The blob and the chunks of a xorb."""
        with self._database.reading() as session:
            blob, chunks = session.execute(select(XorbRow.blob, XorbRow.chunks).where(XorbRow.id == xorb_id)).one()
        return blob, ChunkTable(chunks)

    def contents(self, blob: str, start: int, stop: int) -> Iterator[Piece]:
        """The contents of the chunks that are stored from start to before stop."""
        return read_chunks(self._read_blob(blob, start, stop))

    def _read_blob(self, blob: str, start: int, stop: int | None) -> Iterator[bytes]:
        opened = self._blobs.open(blob)
        try:
            yield from opened.read(start, stop)
        finally:
            opened.close()

    def _add(self, hashed: str, blob: str, account: str, chunks: Sequence[Chunk]) -> bool:
        """Enter a stored xorb; where another upload was faster, its blob stays and ours is left to be swept."""
        packed = {
            "blob": blob,
            "length": sum(chunk.length for chunk in chunks),
            "stored_length": sum(chunk.stored_length for chunk in chunks),
            "chunks": ChunkTable.pack(chunks),
            "created_at": datetime.now(UTC),
        }
        asked = {to_text(chunk.hash) for chunk in chunks if last_number(chunk.hash) % ASKED_ABOUT == 0}
        try:
            with self._database.writing() as session:
                row = session.scalar(select(XorbRow).where(XorbRow.hash == hashed))
                if row is None:
                    row = XorbRow(hash=hashed, payer=account.lower(), **packed)
                    session.add(row)
                    session.flush()
                    session.add_all(XetMarkRow(chunk=chunk, xorb_id=row.id) for chunk in asked)
                    self._quotas.require_within(session, account, row.stored_length)
                    return True
                if self._blobs.has(row.blob):
                    return False
                session.execute(update(XorbRow).where(XorbRow.id == row.id).values(packed))
                return True
        except IntegrityError:
            return False


_BLOB = Question(select(XorbRow.blob).where(XorbRow.hash == bindparam("hash")))


class StoredFile:
    """A file that is stored as chunks, read like a blob; each range reads only the chunks that it needs."""

    def __init__(self, store: XorbStore, size: int, terms: Sequence[tuple[int, int, int, int]]):
        """Each term is a xorb's id, from which chunk to before which chunk, and a length in bytes."""
        self._store = store
        self._terms = terms
        self._located = lru_cache(XORBS_REMEMBERED)(store.located)
        self.size = size

    def read(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """The bytes from start up to stop (the end), in pieces of about a mebibyte."""
        return _gathered(self._parts(start, self.size if stop is None else min(stop, self.size)))

    def close(self) -> None:
        """Nothing stays open between reads."""

    def _parts(self, start: int, stop: int) -> Iterator[Piece]:
        position = 0
        for xorb_id, first, last, length in self._terms:
            low, high = max(start - position, 0), min(stop - position, length)
            if low < high:
                yield from self._run(xorb_id, (first, last), low, high)
            position += length

    def _run(self, xorb_id: int, run: tuple[int, int], low: int, high: int) -> Iterator[Piece]:
        """Of a run of chunks, its bytes from low to before high."""
        blob, table = self._located(xorb_id)
        first, last = table.covering(*run, low, high)
        before = table.length(run[0], first)
        for content in self._store.contents(blob, *table.stored(first, last)):
            part = content[max(low - before, 0) : high - before]
            before += len(content)
            if part:
                yield part


def files_by_sha256(session: Session, sha256s: Iterable[str]) -> dict[str, XetFileRow]:
    """Of these files, those that are stored as chunks."""
    found: dict[str, XetFileRow] = {}
    wanted = iter(sha256s)
    while batch := list(islice(wanted, 500)):
        rows = session.scalars(select(XetFileRow).where(XetFileRow.sha256.in_(batch)))
        found |= {row.sha256: row for row in rows}
    return found


def _gathered(parts: Iterable[Piece]) -> Iterator[bytes]:
    """The same bytes in pieces that are worth a call."""
    waiting: list[Piece] = []
    length = 0
    for part in parts:
        waiting.append(part)
        length += len(part)
        if length >= CHUNK_BYTES:
            yield b"".join(waiting)
            waiting, length = [], 0
    if waiting:
        yield b"".join(waiting)
