"""A content that is looked into: its size, and any part of it on demand, so that nothing large is held in memory."""

import io
import os
from collections.abc import Iterator
from typing import IO, BinaryIO, Protocol, cast

from minnow.errors import RefusedUploadError

MOST_AT_ONCE = 64 * 1024 * 1024
PIECE_BYTES = 1 << 20


class Content(Protocol):
    """Bytes with a size, read in ranges; the hub's blobs are such."""

    @property
    def size(self) -> int:
        """How many bytes there are."""

    def read(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """The bytes from start up to stop (the end), in pieces."""


class Bytes:
    """A content that is in memory."""

    def __init__(self, content: bytes):
        self._content = content
        self.size = len(content)

    def read(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """As ``Content.read``."""
        yield self._content[start:stop]


class File:
    """A content in an open file, which is read by position and stays the caller's to close."""

    def __init__(self, file: IO[bytes]):
        self._handle = file.fileno()
        self.size = os.fstat(self._handle).st_size

    def read(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """As ``Content.read``."""
        stop = self.size if stop is None else min(stop, self.size)
        while start < stop and (piece := os.pread(self._handle, min(PIECE_BYTES, stop - start), start)):
            yield piece
            start += len(piece)


def part(content: Content, start: int, length: int) -> bytes:
    """So many bytes from a place on; fewer where the content ends before."""
    return b"".join(content.read(start, min(start + length, content.size)))


class Seekable(io.RawIOBase):
    """A content as a file for readers of archives; it never hands out more than ``MOST_AT_ONCE`` in one call."""

    def __init__(self, content: Content):
        self._content = content
        self._position = 0

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def tell(self) -> int:
        """Where reading goes on."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go on reading elsewhere."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._content.size}[whence]
        if base + offset < 0:
            raise OSError("a place before the start")
        self._position = base + offset
        return self._position

    def readinto(self, buffer) -> int:  # type: ignore[no-untyped-def]
        """Fill a buffer."""
        found = self.read(len(buffer))
        buffer[: len(found)] = found
        return len(found)

    def read(self, size: int | None = -1) -> bytes:
        """The next bytes; all that are left where no size is given.

        Raises:
            RefusedUploadError: they are more than a reader of archives has any need for.
        """
        left = max(self._content.size - self._position, 0)
        length = left if size is None or size < 0 else min(size, left)
        if length > MOST_AT_ONCE:
            raise RefusedUploadError(f"the archive's table of contents has more than {MOST_AT_ONCE} bytes")
        found = part(self._content, self._position, length) if length else b""
        self._position += len(found)
        return found


def buffered(content: Content, length: int) -> BinaryIO:
    """A content as a file of which so many bytes are fetched at a time."""
    return cast(BinaryIO, io.BufferedReader(Seekable(content), length))
