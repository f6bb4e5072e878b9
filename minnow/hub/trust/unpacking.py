"""Compressed streams unpacked as far as they are read, in bounded memory, through all the parts they consist of."""

import bz2
import lzma
import zlib
from collections.abc import Callable
from typing import Protocol

from lz4 import frame

from minnow.hub.trust.tar import Stream

MOST_MEMORY_BYTES = 256 * 1024 * 1024
MOST_DICTIONARY_BYTES = MOST_MEMORY_BYTES // 2
_PIECE = 1 << 18


class Unpacker(Protocol):
    """What the standard library's decompressors share."""

    @property
    def eof(self) -> bool:
        """Whether the end of this part was reached."""

    @property
    def needs_input(self) -> bool:
        """Whether nothing more comes out without more going in."""

    @property
    def unused_data(self) -> bytes:
        """What came behind the end."""

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """At most so many bytes more."""


class Unpacked:
    """What a compressed stream holds; parts that follow one another are one content, as its readers take it."""

    def __init__(self, stream: Stream, new: Callable[[], Unpacker], mark: bytes):
        """A part begins with the mark and is read by a new unpacker; what follows without one is left alone."""
        self._stream = stream
        self._new = new
        self._mark = mark
        self._unpacker = new()
        self._packed = b""

    def read(self, length: int, /) -> bytes:
        """The next bytes, at most so many; none at the end. Raises EOFError where the stream is cut off."""
        found = b""
        while length > 0 and not found:
            if self._unpacker.eof and not self._next():
                break
            if self._unpacker.needs_input and not self._packed:
                self._packed = self._stream.read(_PIECE)
                if not self._packed:
                    raise EOFError("the compressed stream is cut off")
            found = self._unpacker.decompress(self._packed, length)
            self._packed = b""
        return found

    def _next(self) -> bool:
        rest = self._unpacker.unused_data or b""  # lz4 has None for none
        while len(rest) < len(self._mark) and (more := self._stream.read(_PIECE)):
            rest += more
        if not rest.startswith(self._mark):
            return False
        self._unpacker, self._packed = self._new(), rest
        return True


class _Zlib:
    """zlib's decompressor in the form of the others."""

    def __init__(self, window_bits: int):
        self._unpacker = zlib.decompressobj(window_bits)

    @property
    def eof(self) -> bool:
        return self._unpacker.eof

    @property
    def needs_input(self) -> bool:
        return not self._unpacker.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._unpacker.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return self._unpacker.decompress(self._unpacker.unconsumed_tail + data, max_length)


def _gzip() -> Unpacker:
    return _Zlib(zlib.MAX_WBITS | 16)


def _xz() -> Unpacker:
    return lzma.LZMADecompressor(lzma.FORMAT_XZ, MOST_MEMORY_BYTES)


def _lzma() -> Unpacker:
    return lzma.LZMADecompressor(lzma.FORMAT_ALONE, MOST_MEMORY_BYTES)


def _zlib() -> Unpacker:
    return _Zlib(zlib.MAX_WBITS)


def _lz4() -> Unpacker:
    unpacker: Unpacker = frame.LZ4FrameDecompressor()
    return unpacker


_STRONG: dict[bytes, Callable[[], Unpacker]] = {
    b"\x1f\x8b": _gzip,
    b"BZh": bz2.BZ2Decompressor,
    b"\xfd7zXZ\x00": _xz,
    b"\x04\x22\x4d\x18": _lz4,
}
_ZLIB = b"\x78"
_LZMA = b"\x5d\x00"
_LZMA_HEADER_BYTES = 13  # settings, the dictionary's size in 4 bytes, the content's in 8


def unpacked(head: bytes) -> tuple[Callable[[Stream], Stream], bool] | None:
    """What unpacks a content that begins so, and whether its mark is sure; None where it is not compressed.

    The marks of zlib and of the older form of LZMA are so short that other contents may begin with them.
    """
    for mark, new in _STRONG.items():
        if head.startswith(mark):
            return _of(new, mark), True
    if _is_lzma(head):
        return _of(_lzma, _LZMA), False
    if len(head) > 2 and head.startswith(_ZLIB) and int.from_bytes(head[:2], "big") % 31 == 0:
        return _of(_zlib, _ZLIB), False
    return None


def dictionary_bytes(head: bytes) -> int:
    """How much memory a content in the older form of LZMA asks for before anything comes out of it; 0 for others."""
    return int.from_bytes(head[1:5], "little") if _is_lzma(head) else 0


def _is_lzma(head: bytes) -> bool:
    """Whether the older form of LZMA may begin so: what is packed begins with a zero."""
    return head.startswith(_LZMA) and head[_LZMA_HEADER_BYTES : _LZMA_HEADER_BYTES + 1] == b"\0"


def _of(new: Callable[[], Unpacker], mark: bytes) -> Callable[[Stream], Stream]:
    return lambda stream: Unpacked(stream, new, mark)
