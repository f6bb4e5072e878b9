"""Xet as the rest of the hub sees it: leave to use it, what uploads and downloads ask, and files as contents."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache

from sqlalchemy import select
from sqlalchemy.orm import Session

from minnow.errors import GatedError, HubError, HubNotFoundError
from minnow.hub.blobs import SweptBlobStore
from minnow.hub.database import Database
from minnow.hub.limits import Quotas
from minnow.hub.repository_tables import LargeFileRow
from minnow.hub.rights import Caller
from minnow.hub.xet.grants import SECONDS, Grant, Signer
from minnow.hub.xet.hashing import from_text, to_text
from minnow.hub.xet.lineage import Answers, Bases, near
from minnow.hub.xet.reconstruction import ChunkTable, Reconstruction, reconstruct
from minnow.hub.xet.registration import Registrar
from minnow.hub.xet.shard import Term
from minnow.hub.xet.store import XORBS_REMEMBERED, StoredFile, XorbStore, files_by_sha256
from minnow.hub.xet_tables import XetFileRow, XetTermRow, XorbRow


class BeyondEndError(HubError):
    """A range that begins behind the end of its file; ``size`` is where the file ends."""

    def __init__(self, size: int):
        super().__init__(f"the file has {size} bytes; ask for a range within it")
        self.size = size


@dataclass(frozen=True)
class Leave:
    """A token for Xet, and until when it holds (seconds since 1970)."""

    token: str
    expires: int


class _Tables:
    """The tables of xorbs, read when they are asked for; a whole file of 64 GiB has a thousand, so few are held."""

    def __init__(self, session: Session):
        self._session = session
        self._read = lru_cache(XORBS_REMEMBERED)(self._table)

    def __getitem__(self, xorb: bytes, /) -> ChunkTable:
        return self._read(xorb)

    def _table(self, xorb: bytes) -> ChunkTable:
        chunks = self._session.execute(select(XorbRow.chunks).where(XorbRow.hash == to_text(xorb))).scalar_one()
        return ChunkTable(chunks)


class Xet:
    """The chunk store of a hub.

    Args:
        database: with the tables of repositories and of Xet.
        blobs: where xorbs are kept.
        secret: signs tokens and addresses.
        quotas: how much an account may store.
        now: the clock, in seconds since 1970.
    """

    def __init__(
        self,
        database: Database,
        blobs: SweptBlobStore,
        secret: bytes,
        quotas: Quotas,
        now: Callable[[], float] = time.time,
    ):
        self._database = database
        self._now = now
        self.signer = Signer(secret)
        self.xorbs = XorbStore(database, blobs, quotas)
        self.registrar = Registrar(database, self.xorbs, quotas)
        self.answers = Answers(database, self.signer, now)
        self.bases = Bases(now)

    def leave(self, caller: Caller, repository_id: int, *, reads: bool, pays: str | None = None) -> Leave:
        """Leave to use Xet for a repository, for a caller whose rights to it were checked.

        Args:
            reads: whether he may have its files, besides sending some.
            pays: the account that pays for uploads until they are accepted; None is leave to read.
        """
        expires = int(self._now()) + SECONDS
        others: tuple[int, ...] = ()
        if pays is not None:
            with self._database.reading() as session:
                others = near(session, caller, repository_id, self.bases)
        grant = Grant(repository_id, others, pays is not None, expires, pays or "", reads)
        return Leave(self.signer.token(grant), expires)

    def grant(self, token: str, *, writing: bool = False) -> Grant:
        """What a token allows; raises NotSignedInError or ForbiddenError."""
        return self.signer.grant(token, int(self._now()), writing=writing)

    def reconstruction(self, grant: Grant, hashed: str, start: int = 0, stop: int | None = None) -> Reconstruction:
        """How to make a range of a file of the repository that the grant is for.

        Args:
            hashed: the file's Xet hash as text.
            start, stop: from which byte to before which; what lies beyond the end is left out.

        Raises:
            GatedError: the grant is for sending only.
            HubNotFoundError: the repository has no such file.
            BeyondEndError: the range begins behind the end.
        """
        from_text(hashed)
        if not grant.reads:
            raise GatedError("this Xet token may only send, since access to the repository is restricted; ask for it")
        with self._database.reading() as session:
            file = session.scalar(
                select(XetFileRow)
                .join(LargeFileRow, LargeFileRow.sha256 == XetFileRow.sha256)
                .where(XetFileRow.hash == hashed, LargeFileRow.repository_id == grant.repository_id)
            )
            if file is None:
                raise HubNotFoundError("file", hashed)
            stop = file.size if stop is None else min(stop, file.size)
            if start >= stop:
                raise BeyondEndError(file.size)
            rows = session.execute(
                select(XorbRow.hash, XetTermRow.start, XetTermRow.stop, XetTermRow.length)
                .join(XorbRow, XorbRow.id == XetTermRow.xorb_id)
                .where(XetTermRow.file_id == file.id)
                .order_by(XetTermRow.position)
            ).all()
            terms = [Term(from_text(row.hash), row.start, row.stop, row.length) for row in rows]
            return reconstruct(terms, _Tables(session), start, stop)

    def address(self, xorb: str, stored: tuple[int, int]) -> str:
        """The query that gives these bytes of a xorb to whoever holds it, for a quarter of an hour."""
        return self.signer.query(xorb, *stored, int(self._now()) + SECONDS)

    def check_address(self, xorb: str, stored: tuple[int, int], expires: int, signature: str) -> None:
        """Raises ForbiddenError where a query was not made by ``address`` or has expired."""
        self.signer.check(xorb, *stored, expires, signature, int(self._now()))

    def content(self, sha256: str) -> StoredFile | None:
        """A file that is stored as chunks, to be read like a blob; None where it is not stored so.

        Rights are the caller's matter: whether the repository has the file stands in ``repository_files``.
        """
        with self._database.reading() as session:
            file_id = session.scalar(select(XetFileRow.id).where(XetFileRow.sha256 == sha256))
        return None if file_id is None else self.xorbs.file(file_id)

    def hashes(self, sha256s: Iterable[str]) -> dict[str, str]:
        """The Xet hashes of those files that are stored as chunks, by their SHA-256."""
        with self._database.reading() as session:
            return {name: row.hash for name, row in files_by_sha256(session, sha256s).items()}
