"""Xorbs: chunks one after another, each behind a header of eight bytes; read while every length and hash is checked.

A xorb is checked as it streams in, one chunk in memory at a time, and its bytes are handed on as they were found right.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from minnow.errors import RefusedUploadError
from minnow.hub.blobs import Piece
from minnow.hub.xet.compression import Scheme, pack, unpack
from minnow.hub.xet.hashing import chunk_hash, to_text, tree_hash

MOST_CHUNK_BYTES = 128 * 1024
MOST_XORB_BYTES = 64 * 1024 * 1024
MOST_CHUNKS = 8 * 1024
HEADER_BYTES = 8
MOST_STORED_BYTES = MOST_XORB_BYTES + MOST_CHUNKS * HEADER_BYTES

_FOOTER = b"XETBLOB"
_SCHEMES = frozenset(int(scheme) for scheme in Scheme)
_MOST_FOOTER_BYTES = 1024 * 1024


@dataclass(frozen=True)
class Chunk:
    """A chunk of a xorb.

    Attributes:
        hash: of its content.
        length: of its content, in bytes.
        stored_length: of its header and packed content, in bytes.
    """

    hash: bytes
    length: int
    stored_length: int


@dataclass(frozen=True)
class Header:
    """What stands before a packed chunk: lengths in bytes of what follows and of what it unpacks to."""

    scheme: int
    packed_length: int
    length: int

    @classmethod
    def read(cls, header: bytes | bytearray | memoryview) -> "Header":
        """Read a header.

        Raises:
            RefusedUploadError: another version, an unknown scheme, or lengths beyond what a chunk may have.
        """
        if header[0] != 0:
            raise RefusedUploadError(f"a chunk's header has version 0, but got {header[0]}")
        packed_length = int.from_bytes(header[1:4], "little")
        length = int.from_bytes(header[5:8], "little")
        if header[4] not in _SCHEMES:
            raise RefusedUploadError(f"a chunk is packed by scheme 0, 1 or 2, but got {header[4]}")
        if not 0 < length <= MOST_CHUNK_BYTES:
            raise RefusedUploadError(f"a chunk has 1 to {MOST_CHUNK_BYTES} bytes, but got {length}")
        if not 0 < packed_length <= 2 * MOST_CHUNK_BYTES:
            raise RefusedUploadError(f"a packed chunk has 1 to {2 * MOST_CHUNK_BYTES} bytes, but got {packed_length}")
        return cls(header[4], packed_length, length)

    def written(self) -> bytes:
        """The eight bytes."""
        lengths = self.packed_length.to_bytes(3, "little"), self.length.to_bytes(3, "little")
        return b"\x00" + lengths[0] + bytes([self.scheme]) + lengths[1]


def write_chunk(content: bytes, scheme: Scheme) -> bytes:
    """A chunk as it stands in a xorb; content that does not shrink is stored as it is."""
    packed = pack(content, scheme)
    if len(packed) >= len(content):
        scheme, packed = Scheme.NONE, content
    return Header(scheme, len(packed), len(content)).written() + packed


def read_chunks(pieces: Iterable[Piece]) -> Iterator[Piece]:
    """The contents of stored chunks, whatever the pieces they come in.

    Raises:
        RefusedUploadError: a damaged chunk, or an end in the middle of one.
    """
    left = b""
    for piece in pieces:
        waiting, position = memoryview(b"".join((left, piece))), 0
        while (header := _whole(waiting, position)) is not None:
            position += HEADER_BYTES + header.packed_length
            yield _content(waiting, position, header)
        left = bytes(waiting[position:])
    if left:
        raise RefusedUploadError("the bytes end in the middle of a chunk")


class CheckedXorb:
    """A xorb on its way in: iterate over it once to have its bytes, each handed on after its chunk was found right.

    A footer, which older clients send behind the chunks, is left out: all that it says can be computed.

    Attributes:
        chunks: what was found so far; all of them once the iteration has ended without an error.
    """

    def __init__(self, pieces: Iterable[Piece], claimed: bytes):
        """Check against the hash that the uploader claims."""
        self._pieces = pieces
        self._claimed = claimed
        self._length = 0
        self._stored_length = 0
        self.chunks: list[Chunk] = []

    def __iter__(self) -> Iterator[Piece]:
        """The bytes of the chunks.

        Raises:
            RefusedUploadError: a damaged chunk, too many or too large ones, or a hash other than the claimed one. It
                may come after all bytes were handed on, so they count for nothing until the iteration has ended.
        """
        left = b""
        pieces = iter(self._pieces)
        for piece in pieces:
            waiting = memoryview(b"".join((left, piece)))
            position = self._check(waiting)
            if position:
                yield waiting[:position]
            left = bytes(waiting[position:])
            if left.startswith(_FOOTER):
                _skip(pieces, len(left))
                left = b""
        if left:
            raise RefusedUploadError("the xorb ends in the middle of a chunk")
        found = tree_hash([(chunk.hash, chunk.length) for chunk in self.chunks])
        if not self.chunks or found != self._claimed:
            raise RefusedUploadError(
                f"the xorb's content has the hash {to_text(found)}, but it was sent as {to_text(self._claimed)}"
            )

    def _check(self, waiting: memoryview) -> int:
        """Check the whole chunks at the start of what is waiting; how many bytes they are."""
        position = 0
        while (header := _whole(waiting, position)) is not None:
            position += HEADER_BYTES + header.packed_length
            content = _content(waiting, position, header)
            self._add(Chunk(chunk_hash(content), header.length, HEADER_BYTES + header.packed_length))
        return position

    def _add(self, chunk: Chunk) -> None:
        self.chunks.append(chunk)
        self._length += chunk.length
        self._stored_length += chunk.stored_length
        if len(self.chunks) > MOST_CHUNKS:
            raise RefusedUploadError(f"a xorb has at most {MOST_CHUNKS} chunks")
        if self._length > MOST_XORB_BYTES or self._stored_length > MOST_STORED_BYTES:
            raise RefusedUploadError(f"a xorb has at most {MOST_XORB_BYTES} bytes")


def _whole(waiting: memoryview, position: int) -> Header | None:
    """The header of the chunk at this position, once all of the chunk is there."""
    if len(waiting) - position < HEADER_BYTES or waiting[position : position + len(_FOOTER)] == _FOOTER:
        return None
    header = Header.read(waiting[position : position + HEADER_BYTES])
    return header if len(waiting) - position >= HEADER_BYTES + header.packed_length else None


def _content(waiting: memoryview, end: int, header: Header) -> Piece:
    return unpack(waiting[end - header.packed_length : end], header.scheme, header.length)


def _skip(pieces: Iterator[Piece], length: int) -> None:
    for piece in pieces:
        length += len(piece)
        if length > _MOST_FOOTER_BYTES:
            raise RefusedUploadError(f"a xorb's footer has at most {_MOST_FOOTER_BYTES} bytes")
