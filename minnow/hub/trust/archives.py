"""Looks into archives and compressed files, a few levels deep, within bounds on how much is ever unpacked.

Only as much of each member is unpacked as shows what it is. What cannot be looked into is refused, as it may hold
anything.
"""

import io
import lzma
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from tempfile import TemporaryFile
from typing import BinaryIO, cast

from minnow.errors import RefusedUploadError
from minnow.hub.trust.content import Bytes, Content, File, Seekable, buffered, part
from minnow.hub.trust.pickles import HEAD_BYTES
from minnow.hub.trust.tar import BLOCK_BYTES, Stream, is_tar, members
from minnow.hub.trust.unpacking import MOST_DICTIONARY_BYTES, dictionary_bytes, unpacked

MOST_DEPTH = 3
MOST_MEMBERS = 100_000
MOST_DIRECTORY_BYTES = 16 << 20  # of a zip archive, which is read as a whole and takes ten times as much
MOST_UNPACKED_BYTES = 64 * 1024**3
MOST_INNER_BYTES = 1024 * 1024 * 1024
MOST_RATIO = 300
SLACK_BYTES = 16 * 1024 * 1024
CLOSED = {b"7z\xbc\xaf\x27\x1c": "7z", b"Rar!\x1a\x07": "rar"}
_PIECE = 1 << 20
_TAIL_BYTES = 66_000
_ZIP = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
_ZIP_END, _ZIP_ENTRY = b"PK\x05\x06", b"PK\x01\x02"
_DAMAGE = (zipfile.BadZipFile, struct.error, OSError, EOFError, zlib.error, lzma.LZMAError, ValueError, RuntimeError)

Look = Callable[[str, bytes, BinaryIO], None]
Opener = Callable[[str, Content, "Budget"], Iterator[tuple[str, Stream]]]


@dataclass
class Budget:
    """How much may still be unpacked for one upload.

    Attributes:
        name: of the upload.
        stored: its size in bytes.
    """

    name: str
    stored: int
    unpacked: int = 0
    members: int = 0
    most: int = field(init=False)

    def __post_init__(self) -> None:
        self.most = min(MOST_UNPACKED_BYTES, MOST_RATIO * self.stored + SLACK_BYTES)

    def spend(self, length: int) -> None:
        """Raises RefusedUploadError once more came out than is looked at for a file of this size."""
        self.unpacked += length
        if self.unpacked > self.most:
            raise RefusedUploadError(
                f"{self.name} unpacks to more than {self.most} bytes, too many to look into; upload its files unpacked"
            )

    def member(self) -> None:
        """Raises RefusedUploadError once there are more members than are looked at."""
        self.members += 1
        if self.members > MOST_MEMBERS:
            raise RefusedUploadError(
                f"{self.name} has more than {MOST_MEMBERS} members, too many to look into; split it into several"
            )


def look_into(name: str, content: Content, head: bytes, look: Look, budget: Budget, depth: int = 0) -> None:
    """Show every member of an archive, and what a compressed file holds, to ``look``; other contents are left alone.

    Args:
        head: the first bytes of the content.
        look: is given a member's name, its first bytes and the whole, of which it reads what it needs, and raises where
            the member may not be uploaded.

    Raises:
        RefusedUploadError: from ``look``, or because the archive cannot be looked into.
    """
    found = _opener(name, content, head)
    if found is None:
        return
    opener, sure = found
    if depth >= MOST_DEPTH:
        raise RefusedUploadError(f"{name} holds archives within archives, too deep to look into; upload them unpacked")
    try:
        for member, stream in opener(name, content, budget):
            _look_at(f"{name}/{member}" if member else name, stream, look, budget, depth)
    except NotImplementedError as error:
        raise RefusedUploadError(f"{name} is packed in a way that cannot be looked into; upload it unpacked") from error
    except _DAMAGE as error:
        if sure:
            raise RefusedUploadError(
                f"{name} is damaged or encrypted and cannot be looked into ({str(error)[:200]}); pack it again, openly"
            ) from error


def _look_at(name: str, stream: Stream, look: Look, budget: Budget, depth: int) -> None:
    budget.member()
    head = _head(stream, HEAD_BYTES, budget)
    if _opener(name, Bytes(head), head) is None:
        look(name, head, cast(BinaryIO, io.BufferedReader(_Member(head, stream, budget), HEAD_BYTES)))
        return
    look(name, head, io.BytesIO(head))
    with TemporaryFile(prefix="minnow-") as inner:
        inner.write(head)
        while piece := stream.read(_PIECE):
            budget.spend(len(piece))
            inner.write(piece)
            if inner.tell() > MOST_INNER_BYTES:
                raise RefusedUploadError(
                    f"{name} is an archive of more than {MOST_INNER_BYTES} bytes within another; upload it by itself"
                )
        inner.flush()
        look(name, head, buffered(File(inner), HEAD_BYTES))
        look_into(name, File(inner), head, look, budget, depth + 1)


def _head(stream: Stream, length: int, budget: Budget, *, begun: bool = False) -> bytes:
    """The first bytes of a stream, as far as it can be read: a loader, too, would run what comes before the damage.

    Args:
        begun: it was read from before, so that damage right here is its end too.
    """
    parts: list[bytes] = []
    try:
        while length and (found := stream.read(length)):
            budget.spend(len(found))
            parts.append(found)
            length -= len(found)
    except _DAMAGE:
        if not parts and not begun:
            raise
    return b"".join(parts)


def _opener(name: str, content: Content, head: bytes) -> tuple[Opener, bool] | None:
    """What opens the content, and whether it is sure to be what that opens; None where it is no archive."""
    for magic, closed in CLOSED.items():
        if head.startswith(magic):
            raise RefusedUploadError(
                f"{name} is a {closed} archive, which cannot be looked into; pack it as zip or tar"
            )
    if (asked := dictionary_bytes(head)) > MOST_DICTIONARY_BYTES:
        raise RefusedUploadError(
            f"{name} is packed with LZMA and a dictionary of {asked} bytes, and at most {MOST_DICTIONARY_BYTES} can be "
            "looked into; pack it again with a smaller one, or with xz"
        )
    if head.startswith(_ZIP) or _opens_as_zip(content):
        return _zip, True
    if is_tar(head):
        return _tar, True
    found = unpacked(head)
    return None if found is None else (_compressed(found[0]), found[1])


class _ZipFile(io.BufferedReader):
    """A zip archive as the library reads it: its directory in one piece, for whose length the archive's word is taken.

    What is longer and begins as a directory is refused; anything else is no archive.
    """

    def __init__(self, content: Content):
        super().__init__(Seekable(content), _PIECE)

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or size <= MOST_DIRECTORY_BYTES:
            return super().read(size)
        beginning = super().read(len(_ZIP_ENTRY))
        if beginning == _ZIP_ENTRY:
            raise RefusedUploadError(
                f"a zip archive has a directory of at most {MOST_DIRECTORY_BYTES} bytes, but got {size}; "
                "pack fewer files"
            )
        return beginning


def _zip(name: str, content: Content, budget: Budget) -> Iterator[tuple[str, Stream]]:
    del name
    with zipfile.ZipFile(_ZipFile(content)) as archive:
        for entry in archive.infolist():
            if entry.filename.endswith("/"):  # what is_dir asks, which fails where the name is empty
                budget.member()
            else:
                with archive.open(entry) as stream:
                    yield entry.filename, stream


def _tar(name: str, content: Content, budget: Budget) -> Iterator[tuple[str, Stream]]:
    del budget
    for member in members(name, buffered(content, _PIECE)):
        yield member.name, member


def _compressed(unpack: Callable[[Stream], Stream]) -> Opener:
    """Opens a compressed file: as its one content, or as the tar archive that it holds."""

    def opened(name: str, content: Content, budget: Budget) -> Iterator[tuple[str, Stream]]:
        if is_tar(_head(unpack(buffered(content, _PIECE)), BLOCK_BYTES, budget)):
            for member in members(name, _Counted(unpack(buffered(content, _PIECE)), budget)):
                yield member.name, member
        else:
            yield "", unpack(buffered(content, _PIECE))

    return opened


class _Member(io.RawIOBase):
    """A member as a file, of which the first bytes were read before; it ends where it is damaged."""

    def __init__(self, head: bytes, stream: Stream, budget: Budget):
        self._head = head
        self._stream = stream
        self._budget = budget

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:  # type: ignore[no-untyped-def]
        found = self._head[: len(buffer)]
        self._head = self._head[len(found) :]
        if not found:
            found = _head(self._stream, len(buffer), self._budget, begun=True)
        buffer[: len(found)] = found
        return len(found)


class _Counted:
    """A stream of which every byte counts against a budget, also those that are skipped."""

    def __init__(self, stream: Stream, budget: Budget):
        self._stream = stream
        self._budget = budget

    def read(self, length: int, /) -> bytes:
        found = self._stream.read(length)
        self._budget.spend(len(found))
        return found


def _opens_as_zip(content: Content) -> bool:
    """Whether a zip archive can be opened near the end of this content, whatever it begins with."""
    if _ZIP_END not in part(content, max(content.size - _TAIL_BYTES, 0), _TAIL_BYTES):
        return False
    try:
        zipfile.ZipFile(_ZipFile(content)).close()
    except NotImplementedError:  # of a version to come, which whoever looks into it refuses
        return True
    except (zipfile.BadZipFile, OSError, ValueError, struct.error):
        return False
    return True
