"""How a chunk is packed: as it is, LZ4, or LZ4 over bytes grouped by their place in every four.

Grouping helps floating-point numbers, whose high bytes resemble one another. Unpacking never produces more than the
length that was announced, whatever the packed bytes claim about themselves.
"""

from enum import IntEnum

from lz4 import frame

from minnow.errors import RefusedUploadError
from minnow.hub.blobs import Piece

_FRAME_MAGIC = b"\x04\x22\x4d\x18"
_DICTIONARY_FLAG = 0x01


class Scheme(IntEnum):
    """How a chunk is packed, as its header names it."""

    NONE = 0
    LZ4 = 1
    GROUPED_LZ4 = 2


def pack(content: bytes, scheme: Scheme) -> bytes:
    """The content packed by a scheme; it may come out longer than it went in."""
    if scheme is Scheme.NONE:
        return content
    grouped = _group(content) if scheme is Scheme.GROUPED_LZ4 else content
    packed: bytes = frame.compress(grouped, store_size=False)
    return packed


def unpack(packed: Piece, scheme: int, length: int) -> Piece:
    """The content of a packed chunk; where nothing was packed, the very same bytes.

    Args:
        length: how many bytes must come out; no more are ever produced.

    Raises:
        RefusedUploadError: an unknown scheme, a damaged frame, one that needs a dictionary, more or fewer bytes than
            announced, or anything behind the frame.
    """
    if scheme == Scheme.NONE:
        if len(packed) != length:
            raise RefusedUploadError(f"a chunk of {length} bytes that is stored as it is has {len(packed)} bytes")
        return packed
    if scheme == Scheme.LZ4:
        return _unframe(packed, length)
    if scheme == Scheme.GROUPED_LZ4:
        return _ungroup(_unframe(packed, length))
    raise RefusedUploadError(f"a chunk is packed by scheme 0, 1 or 2, but got {scheme}")


def _unframe(packed: Piece, length: int) -> bytes:
    if packed[:4] != _FRAME_MAGIC or len(packed) < 7 or packed[4] & _DICTIONARY_FLAG:
        raise RefusedUploadError("a packed chunk is one LZ4 frame without a dictionary")
    reader = frame.LZ4FrameDecompressor()
    try:
        content: bytes = reader.decompress(packed, max_length=length + 1)
    except RuntimeError as error:
        raise RefusedUploadError(f"a chunk holds a damaged LZ4 frame ({error})") from error
    if len(content) != length or not reader.eof or reader.unused_data:
        raise RefusedUploadError(f"a chunk must unpack to the {length} bytes that it announces and end there")
    return content


def _group(content: bytes) -> bytes:
    return b"".join(content[place::4] for place in range(4))


def _ungroup(grouped: bytes) -> bytes:
    content = bytearray(len(grouped))
    start = 0
    for place in range(4):
        end = start + (len(grouped) - place + 3) // 4
        content[place::4] = grouped[start:end]
        start = end
    return bytes(content)
