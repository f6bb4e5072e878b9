"""Whether what Xet's tables say is so: every xorb is there and is what its hash says, every file comes out right."""

from collections.abc import Iterator
from contextlib import closing
from hashlib import sha256

from sqlalchemy import select

from minnow.errors import MinnowError
from minnow.hub.blobs import SweptBlobStore
from minnow.hub.database import Database
from minnow.hub.limits import Quotas
from minnow.hub.xet.hashing import file_hash, from_text, to_text
from minnow.hub.xet.reconstruction import ChunkTable
from minnow.hub.xet.store import XorbStore
from minnow.hub.xet.xorb import CheckedXorb
from minnow.hub.xet_tables import XetFileRow, XetTermRow, XorbRow


def problems(database: Database, blobs: SweptBlobStore, *, contents: bool) -> Iterator[str]:
    """What is wrong, a sentence each; nothing where all is well.

    Args:
        contents: read every xorb and compute every hash again, rather than look at names, sizes and tables only.
    """
    with database.reading() as session:
        xorbs = session.scalars(select(XorbRow.id).order_by(XorbRow.id)).all()
        files = session.scalars(select(XetFileRow.id).order_by(XetFileRow.id)).all()
    for xorb_id in xorbs:
        yield from _xorb(database, blobs, xorb_id, contents)
    store = XorbStore(database, blobs, Quotas(database))
    for file_id in files:
        yield from _file(database, store, file_id, contents)


def _xorb(database: Database, blobs: SweptBlobStore, xorb_id: int, contents: bool) -> Iterator[str]:
    with database.reading() as session:
        row = session.get(XorbRow, xorb_id)
    if row is None:
        return  # it was removed meanwhile
    table = ChunkTable(row.chunks)
    if (table.length(0, len(table)), table.stored(0, len(table))[1]) != (row.length, row.stored_length):
        yield f"xorb {row.hash}: its table of chunks does not have its length"
    try:
        with closing(blobs.open(row.blob)) as blob:
            if blob.size != row.stored_length:
                yield f"xorb {row.hash}: {blob.size} bytes are stored of {row.stored_length}"
            elif contents:
                checked = CheckedXorb(blob.read(), from_text(row.hash))
                for _ in checked:
                    pass
                if ChunkTable.pack(checked.chunks) != row.chunks:
                    yield f"xorb {row.hash}: its table names other chunks than it has"
    except MinnowError as error:
        yield f"xorb {row.hash}: {error}"


def _file(database: Database, store: XorbStore, file_id: int, contents: bool) -> Iterator[str]:
    with database.reading() as session:
        row = session.get(XetFileRow, file_id)
        if row is None:
            return
        terms = session.execute(
            select(XorbRow.chunks, XetTermRow.start, XetTermRow.stop, XetTermRow.length)
            .join(XorbRow, XorbRow.id == XetTermRow.xorb_id)
            .where(XetTermRow.file_id == file_id)
            .order_by(XetTermRow.position)
        ).all()
    leaves: list[tuple[bytes, int]] = []
    for chunks, start, stop, length in terms:
        table = ChunkTable(chunks)
        if stop > len(table) or table.length(start, stop) != length:
            yield f"file {row.sha256}: chunks {start} to {stop} of a xorb do not have {length} bytes"
            return
        leaves += [(chunk.hash, chunk.length) for chunk in table.chunks(start, stop)]
    if sum(length for _, length in leaves) != row.size or to_text(file_hash(leaves)) != row.hash:
        yield f"file {row.sha256}: its chunks do not give its size and its Xet hash"
    elif contents:
        yield from _content(store, row)


def _content(store: XorbStore, row: XetFileRow) -> Iterator[str]:
    found = sha256()
    try:
        for piece in store.file(row.id).read():
            found.update(piece)
    except MinnowError as error:
        yield f"file {row.sha256}: {error}"
        return
    if found.hexdigest() != row.sha256:
        yield f"file {row.sha256}: its content has the SHA-256 {found.hexdigest()}"
