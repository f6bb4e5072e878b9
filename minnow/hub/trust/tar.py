"""Tar archives read strictly, in one pass and in little memory: anything unusual is refused, so nothing hides in it."""

import re
import tarfile
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
_OCTAL = re.compile(rb" *([0-7]*)[ \x00]*")
_RECORD = re.compile(rb"(\d{1,7}) ([^=\x00]{1,200})=")


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
    """Whether Python's own reader would take the first block for the header of a tar archive."""
    try:
        tarfile.TarInfo.frombuf(head[:BLOCK_BYTES], "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True


def members(name: str, stream: Stream) -> Iterator[Member]:
    """The regular files of an archive; each must be read, as far as it is wanted, before the next is asked for.

    Raises:
        RefusedUploadError: the archive is damaged, cut off, or of a form that is not read here.
    """
    reader = _Exact(name, stream)
    said: dict[bytes, bytes] = {}
    while any(block := reader.block()):
        kind, size = block[156:157], _number(block[124:136])
        if size is None or _number(block[148:156]) != _sum(block):
            raise RefusedUploadError(f"{name} is a damaged tar archive; pack it again")
        if kind in _LONG_NAMES:
            told = reader.extension(size)
            said |= {b"path": told.rstrip(b"\x00")} if kind == b"L" else {}
        elif kind in _EXTENSIONS:
            said |= _records(name, reader.extension(size), for_all=kind == b"g")
        elif kind in _REGULAR and not (kind == b"\x00" and _named(block).endswith("/")):
            member = Member(_text(said.get(b"path", b"")) or _named(block), _said_size(name, said, size), stream)
            padding = -member.left % BLOCK_BYTES
            yield member
            reader.skip(member.left + padding)
            said = {}
        elif kind not in (*_WITHOUT_CONTENT, b"\x00") or size or b"size" in said:
            raise RefusedUploadError(f"{name} is a tar archive with entries of type {kind!r}; pack it with plain files")
        else:
            said = {}
    reader.require_zeros()


def _records(name: str, told: bytes, *, for_all: bool) -> dict[bytes, bytes]:
    """What an extended header says of the next file: each record begins with its own length."""
    found: dict[bytes, bytes] = {}
    position = 0
    while position < len(told):
        record = _RECORD.match(told, position)
        end = position + int(record[1]) if record else 0
        if not record or not record.end() < end <= len(told) or told[end - 1 : end] != b"\n":
            raise RefusedUploadError(f"{name} is a tar archive with a damaged header; pack it again")
        found[record[2]] = told[record.end() : end - 1]
        position = end
    odd = [key for key in found if key.startswith(b"GNU.sparse") or (for_all and key in {b"size", b"path"})]
    if odd:
        raise RefusedUploadError(f"{name} is a tar archive that says {odd[0]!r} of its files; pack it with plain files")
    return found


def _said_size(name: str, said: dict[bytes, bytes], size: int) -> int:
    text = said.get(b"size", b"%d" % size)
    if not text.isdigit() or len(text) > 18:
        raise RefusedUploadError(f"{name} is a tar archive with a size that cannot be read; pack it again")
    return int(text)


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

    def require_zeros(self) -> None:
        """Raises RefusedUploadError where anything but zeros follows the end."""
        while found := self._stream.read(_PIECE):
            if any(found):
                raise RefusedUploadError(f"{self._name} is a tar archive with more behind its end; pack it again")

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
    found = _OCTAL.fullmatch(field)
    return int(found[1] or b"0", 8) if found else None


def _sum(block: bytes) -> int:
    return sum(block) - sum(block[148:156]) + 8 * 32


def _named(block: bytes) -> str:
    prefix = _text(block[345:500].split(b"\x00", 1)[0]) if block[257:263] == b"ustar\x00" else ""
    name = _text(block[:100].split(b"\x00", 1)[0])
    return f"{prefix}/{name}" if prefix else name


def _text(name: bytes) -> str:
    return name.decode("utf-8", "replace")
