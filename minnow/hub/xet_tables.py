"""The tables of Xet: xorbs, and files as runs of their chunks. Whose they are stands in ``repository_files``."""

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from minnow.hub.database import NUMBERED_ONCE, Base, Moment


class XorbRow(Base):
    """A xorb that was checked and is stored; ``chunks`` is a packed ``ChunkTable``, ``blob`` its name in the store.

    A content can be packed in several ways, so the name is new with every upload and belongs to this row alone.
    ``unused_since`` is when the last file that needed it was removed; None where one needs it, or none ever did.
    ``payer`` is whose room it takes, in lower case, until a file is made of it, which is paid for from then on.
    """

    __tablename__ = "xorbs"
    __table_args__ = NUMBERED_ONCE

    id: Mapped[int] = mapped_column(primary_key=True)
    hash: Mapped[str] = mapped_column(String(64), unique=True)
    blob: Mapped[str] = mapped_column(String(128))
    length: Mapped[int]
    stored_length: Mapped[int]
    chunks: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(Moment)
    unused_since: Mapped[datetime | None] = mapped_column(Moment)
    payer: Mapped[str | None] = mapped_column(String(96), index=True)


class XetFileRow(Base):
    """A file whose Xet hash and SHA-256 were both computed here."""

    __tablename__ = "xet_files"
    __table_args__ = NUMBERED_ONCE

    id: Mapped[int] = mapped_column(primary_key=True)
    hash: Mapped[str] = mapped_column(String(64), unique=True)
    sha256: Mapped[str] = mapped_column(String(64), unique=True)
    size: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(Moment)


class XetTermRow(Base):
    """The next part of a file: a run of chunks of a xorb, the end not among them; the length is unpacked."""

    __tablename__ = "xet_terms"

    file_id: Mapped[int] = mapped_column(ForeignKey("xet_files.id", ondelete="CASCADE"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    xorb_id: Mapped[int] = mapped_column(ForeignKey("xorbs.id"), index=True)
    start: Mapped[int]
    stop: Mapped[int]
    length: Mapped[int]


class XetMarkRow(Base):
    """A chunk that clients ask about, and a xorb that has it."""

    __tablename__ = "xet_marks"

    chunk: Mapped[str] = mapped_column(String(64), primary_key=True)
    xorb_id: Mapped[int] = mapped_column(ForeignKey("xorbs.id", ondelete="CASCADE"), primary_key=True, index=True)
