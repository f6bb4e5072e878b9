"""Tar archives read strictly, in one pass and in little memory: anything unusual is refused, so nothing hides in it."""

import re
from collections.abc import Iterator
from typing import Protocol

from minnow.errors import RefusedUploadError

BLOCK_BYTES = 512
MOST_EXTENSION_BYTES = 1024 * 1024
_PIECE = 1 << 20
_REGULAR = (b"0", b"\x00", b"7")
_WITHOUT_CONTENT = (b"1", b"2", b"3", b"4", b"5", b"6")
_LONG_NAMES = (b"L", b"K")
_EXTENSIONS = (b"x", b"g")
_SIZE = re.compile(rb"\d+ size=(\d+)\n")
_PATH = re.compile(rb"\d+ path=([^\n]*)\n")


class Stream(Protocol):
    """Bytes one after another."""

    def read(self, length: int, /) -> bytes:
        """The next bytes, at most so many; none at the end."""


class Member:
    """A file of an archive, open for reading until the next one is asked for."""

    def __init__(self, name: str, size: int, stream: Stream):
        self.name = name
        self.left = size
        self._stream = stream

    def read(self, length: int, /) -> bytes:
        """The next bytes of the file."""
        found = self._stream.read(min(length, self.left)) if self.left else b""
        self.left -= len(found)
        return found


def is_tar(head: bytes) -> bool:
    """Whether the first block is the header of a tar archive: its sum is right."""
    block = head[:BLOCK_BYTES]
    return len(block) == BLOCK_BYTES and any(block) and _number(block[148:156]) == _sum(block)


def members(name: str, stream: Stream) -> Iterator[Member]:
    """The regular files of an archive; each must be read, as far as it is wanted, before the next is asked for.

    Raises:
        RefusedUploadError: the archive is damaged, cut off, or of a form that is not read here.
    """
    reader = _Exact(name, stream)
    said_size: int | None = None
    said_name: str | None = None
    while any(block := reader.block()):
        if not is_tar(block):
            raise RefusedUploadError(f"{name} is a damaged tar archive; pack it again")
        kind, size = block[156:157], _number(block[124:136])
        if size is None:
            raise RefusedUploadError(f"{name} is a tar archive with a size that cannot be read; pack it again")
        if kind in _EXTENSIONS or kind in _LONG_NAMES:
            told = reader.extension(size)
            if kind == b"L":
                said_name = _text(told.rstrip(b"\x00"))
            elif kind == b"x":
                said_name = _text(found[-1]) if (found := _PATH.findall(told)) else said_name
                said_size = int(found[-1][:18]) if (found := _SIZE.findall(told)) else said_size
            elif kind == b"g" and (_SIZE.search(told) or _PATH.search(told)):
                raise RefusedUploadError(f"{name} is a tar archive that names its files in an odd way; pack it again")
            continue
        if kind in _REGULAR:
            member = Member(said_name or _named(block), size if said_size is None else said_size, stream)
            padding = -member.left % BLOCK_BYTES
            yield member
            reader.skip(member.left + padding)
        elif kind not in _WITHOUT_CONTENT or size:
            raise RefusedUploadError(f"{name} is a tar archive with entries of type {kind!r}; pack it with plain files")
        said_size, said_name = None, None


class _Exact:
    """A stream of which whole blocks are read, or the archive is cut off."""

    def __init__(self, name: str, stream: Stream):
        self._name = name
        self._stream = stream

    def block(self) -> bytes:
        return self._take(BLOCK_BYTES)

    def extension(self, size: int) -> bytes:
        if size > MOST_EXTENSION_BYTES:
            raise RefusedUploadError(f"{self._name} is a tar archive with a header of {size} bytes; pack it again")
        return self._take(size + -size % BLOCK_BYTES)[:size]

    def skip(self, length: int) -> None:
        while length > 0:
            found = self._stream.read(min(length, _PIECE))
            if not found:
                self._cut_off()
            length -= len(found)

    def _take(self, length: int) -> bytes:
        parts, left = [], length
        while left:
            found = self._stream.read(left)
            if not found:
                self._cut_off()
            parts.append(found)
            left -= len(found)
        return b"".join(parts)

    def _cut_off(self) -> None:
        raise RefusedUploadError(f"{self._name} is a tar archive that is cut off; pack it again")


def _number(field: bytes) -> int | None:
    """A number in octal digits, or in binary where it is too large for them."""
    if field[:1] == b"\x80":
        return int.from_bytes(field[1:], "big")
    digits = field.strip(b" \x00")
    return int(digits, 8) if digits and not digits.strip(b"01234567") else 0 if not digits else None


def _sum(block: bytes) -> int:
    return sum(block) - sum(block[148:156]) + 8 * 32


def _named(block: bytes) -> str:
    prefix = _text(block[345:500].split(b"\x00", 1)[0]) if block[257:263] == b"ustar\x00" else ""
    name = _text(block[:100].split(b"\x00", 1)[0])
    return f"{prefix}/{name}" if prefix else name


def _text(name: bytes) -> str:
    return name.decode("utf-8", "replace")
