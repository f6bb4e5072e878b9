"""Shards: which chunks of which xorbs make up which file, as uploaders send it and as answers about chunks are sent.

Everything is a record of 48 bytes: a hash and four numbers. Files come first (a header, its terms, proofs for the
terms, the SHA-256), then xorbs (a header, its chunks), each section closed by a record of ones; a footer may follow.
"""

import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count

from minnow.errors import RefusedUploadError
from minnow.hub.xet.hashing import HASH_BYTES, keyed, to_text
from minnow.hub.xet.xorb import MOST_CHUNKS, MOST_XORB_BYTES, Chunk

TAG = bytes.fromhex("48465265706f4d6574614461746100556967456a7b815783a5bdd95ccdd14aa9")
VERSION = 2
FOOTER_VERSION = 1
FOOTER_BYTES = 200
MOST_SHARD_BYTES = 80 * 1024 * 1024
MOST_FILES = 50_000

_HEADER = struct.Struct("<32sQQ")
_RECORD = struct.Struct("<32s4I")
_WITH_PROOFS = 1 << 31
_WITH_SHA256 = 1 << 30
_END = b"\xff" * HASH_BYTES


@dataclass(frozen=True)
class Term:
    """A run of chunks that is the next part of a file.

    Attributes:
        xorb: the hash of the xorb.
        start, end: the chunks, the end not among them.
        length: in bytes, unpacked.
    """

    xorb: bytes
    start: int
    end: int
    length: int


@dataclass(frozen=True)
class ShardFile:
    """A file as a shard describes it; nothing of it is believed before it was computed again.

    Attributes:
        hash: of the file.
        terms: what it is made of, in order.
        proofs: for each term the hash over the hashes of its chunks; empty where the uploader sent none.
        sha256: as hexadecimal; None where the uploader sent none.
    """

    hash: bytes
    terms: tuple[Term, ...]
    proofs: tuple[bytes, ...]
    sha256: str | None


@dataclass(frozen=True)
class ShardXorb:
    """A xorb as a shard describes it: its hash, and the hash and length of each of its chunks."""

    hash: bytes
    chunks: tuple[tuple[bytes, int], ...]


@dataclass(frozen=True)
class Shard:
    """What was read from a shard."""

    files: tuple[ShardFile, ...]
    xorbs: tuple[ShardXorb, ...]


def read_shard(content: bytes) -> Shard:
    """Read a shard; what follows the two sections is not looked at.

    Raises:
        RefusedUploadError: not a shard, another version, cut off, or numbers beyond what a xorb can hold.
    """
    if len(content) > MOST_SHARD_BYTES:
        raise RefusedUploadError(f"a shard has at most {MOST_SHARD_BYTES} bytes, but got {len(content)}")
    if len(content) < _HEADER.size or content[: len(TAG)] != TAG:
        raise RefusedUploadError("this is not a shard: it does not begin with the tag of one")
    version = _HEADER.unpack_from(content)[1]
    if version != VERSION:
        raise RefusedUploadError(f"shards of version {VERSION} are read, but got version {version}")
    records = _Records(content)
    return Shard(tuple(_files(records)), tuple(_xorbs(records)))


def write_shard(xorbs: Sequence[tuple[bytes, Sequence[Chunk]]], key: bytes, created: int, expires: int) -> bytes:
    """A shard that tells a client about xorbs it may refer to.

    Args:
        xorbs: their hashes and chunks.
        key: under which the chunks' hashes are hashed again, so that only who has a chunk can recognise it.
        created, expires: seconds since 1970.
    """
    parts = [_HEADER.pack(TAG, VERSION, FOOTER_BYTES), _RECORD.pack(_END, 0, 0, 0, 0)]
    for hashed, chunks in xorbs:
        length, stored = sum(chunk.length for chunk in chunks), sum(chunk.stored_length for chunk in chunks)
        parts.append(_RECORD.pack(hashed, 0, len(chunks), length, stored))
        start = 0
        for chunk in chunks:
            parts.append(_RECORD.pack(keyed(chunk.hash, key), start, chunk.length, 0, 0))
            start += chunk.length
    parts.append(_RECORD.pack(_END, 0, 0, 0, 0))
    body = b"".join(parts)
    return body + _footer(xorbs, key, created, expires, len(body))


def _footer(
    xorbs: Sequence[tuple[bytes, Sequence[Chunk]]], key: bytes, created: int, expires: int, offset: int
) -> bytes:
    """The footer of a shard without tables to look hashes up in; clients then read the sections from the start."""
    files_at = _HEADER.size
    xorbs_at = files_at + _RECORD.size
    unpacked = sum(chunk.length for _, chunks in xorbs for chunk in chunks)
    stored = sum(chunk.stored_length for _, chunks in xorbs for chunk in chunks)
    return (
        struct.pack("<9Q", FOOTER_VERSION, files_at, xorbs_at, offset, 0, offset, 0, offset, 0)
        + key
        + struct.pack("<12Q", created, expires, 0, 0, 0, 0, 0, 0, stored, 0, unpacked, offset)
    )


class _Records:
    """The records of a shard, one after another."""

    def __init__(self, content: bytes):
        self._content = content
        self._position = _HEADER.size

    def next(self) -> tuple[bytes, int, int, int, int]:
        """The next record.

        Raises:
            RefusedUploadError: the shard ends here.
        """
        self.require(1)
        record: tuple[bytes, int, int, int, int] = _RECORD.unpack_from(self._content, self._position)
        self._position += _RECORD.size
        return record

    def take(self, count: int) -> Iterable[tuple[bytes, int, int, int, int]]:
        """So many records, known to be there before the first is handed out."""
        self.require(count)
        return (self.next() for _ in range(count))

    def require(self, count: int) -> None:
        if count * _RECORD.size > len(self._content) - self._position:
            raise RefusedUploadError("the shard is cut off: it announces more records than it has")


def _files(records: _Records) -> Iterator[ShardFile]:
    numbers = count()
    while (header := records.next())[0] != _END:
        if next(numbers) == MOST_FILES:
            raise RefusedUploadError(f"a shard has at most {MOST_FILES} files; send several")
        hashed, flags, terms_told = header[:3]
        records.require(terms_told * (2 if flags & _WITH_PROOFS else 1) + (1 if flags & _WITH_SHA256 else 0))
        terms = tuple(_term(record) for record in records.take(terms_told))
        proofs = tuple(record[0] for record in records.take(terms_told)) if flags & _WITH_PROOFS else ()
        sha256 = to_text(records.next()[0]) if flags & _WITH_SHA256 else None
        yield ShardFile(hashed, terms, proofs, sha256)


def _term(record: tuple[bytes, int, int, int, int]) -> Term:
    xorb, _, length, start, end = record
    if not start < end <= MOST_CHUNKS or not 0 < length <= MOST_XORB_BYTES:
        raise RefusedUploadError(
            f"a file takes chunks {start} to {end} with {length} bytes from a xorb; that cannot be"
        )
    return Term(xorb, start, end, length)


def _xorbs(records: _Records) -> Iterator[ShardXorb]:
    while (header := records.next())[0] != _END:
        hashed, _, count = header[:3]
        if count > MOST_CHUNKS:
            raise RefusedUploadError(f"a xorb has at most {MOST_CHUNKS} chunks, but got {count}")
        yield ShardXorb(hashed, tuple((record[0], record[2]) for record in records.take(count)))
