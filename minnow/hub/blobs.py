"""Large contents by name, in a folder or a bucket: there whole or not at all, and never whole in memory."""

import errno
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit
from urllib.request import url2pathname

from minnow.errors import HubNotFoundError, InputError, StorageError
from minnow.hub.direct import Warming, write_past_cache, write_through_cache

if TYPE_CHECKING:
    from obstore.store import ObjectStore

CHUNK_BYTES = 1 << 20
Piece = bytes | memoryview
NAME = re.compile(r"[a-z0-9_-]+(/[a-z0-9_-]+)*")
PART_PREFIX = ".part-"


class Blob(Protocol):
    """One content, open for reading; it stays readable even when its name is removed meanwhile."""

    @property
    def size(self) -> int:
        """How many bytes it has."""

    def read(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """The bytes from ``start`` up to ``stop`` (the end), in pieces of about ``CHUNK_BYTES`` or as they come."""

    def close(self) -> None:
        """Give the file or connection back; reading ends."""


class BlobStore(Protocol):
    """Contents by name. A name belongs to one content for good, so two writers of a name cannot disagree."""

    def put(self, name: str, content: Iterable[Piece]) -> None:
        """Store what ``content`` yields; durable on return.

        A piece may be gone once the next one is asked for. When the iterable raises, its error passes through and
        nothing is stored.

        Raises:
            StorageError: the disk or the bucket refuses.
        """

    def open(self, name: str) -> Blob:
        """Open a content; raises HubNotFoundError where there is none."""

    def has(self, name: str) -> bool:
        """Whether the content is there, whole."""


class SweptBlobStore(BlobStore, Protocol):
    """A blob store as the garbage collector needs it."""

    def stored(self, prefix: str = "") -> Iterator["StoredBlob"]:
        """Every content whose name begins with the folder ``prefix``, in no order."""

    def remove(self, name: str) -> None:
        """Remove a content; removing what is not there is no error."""

    def remove_parts(self, before: datetime) -> int:
        """Remove what broken-off uploads from before that moment left behind, and folders that are empty since then;
        returns how many bytes that freed."""

    def free_bytes(self) -> int | None:
        """How many bytes there is room for; None where nobody can tell."""


@dataclass(frozen=True)
class StoredBlob:
    """A name in a store, the size of its content and when it was last put."""

    name: str
    size: int
    modified: datetime


def open_blobs(url: str, **options: Any) -> SweptBlobStore:
    """The store behind a folder's path, a ``file://`` URL or an ``s3://bucket/prefix`` URL.

    Args:
        url: where; credentials and the endpoint of a bucket come from the usual ``AWS_…`` variables.
        options: handed to obstore, over those variables.
    """
    scheme = urlsplit(url).scheme
    if scheme == "file":
        return FolderBlobs(Path(url2pathname(urlsplit(url).path)))
    if scheme == "s3":
        from obstore.store import from_url

        return BucketBlobs(from_url(url, **options))
    if "://" in url:
        raise InputError(f"large files live in a folder or under s3://, but got {url}")
    return FolderBlobs(Path(url))


class FolderBlobs:
    """Contents as files: written beside their place, flushed to the disk, renamed, and the folder flushed too."""

    def __init__(self, root: Path):
        self.root = Path(root)
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.warming = Warming()

    def put(self, name: str, content: Iterable[Piece]) -> None:
        """As ``BlobStore.put``."""
        path = self._path(name)
        try:
            handle, part = _begun(path.parent)
        except OSError as error:
            raise _refused(error, name) from error
        try:
            past_cache = False
            with os.fdopen(handle, "wb", buffering=0) as stream:
                for piece in content:
                    if len(piece) == CHUNK_BYTES:
                        past_cache |= write_past_cache(stream.fileno())
                    _write_all(stream.fileno(), piece, name)
                _flush(stream.fileno(), name)
            Path(part).replace(path)
            _flush_folder(path.parent)
            if past_cache:
                self.warming.read_soon(path)
        except BaseException:
            Path(part).unlink(missing_ok=True)
            raise

    def open(self, name: str) -> "FileBlob":
        """As ``BlobStore.open``."""
        try:
            return FileBlob(os.open(self._path(name), os.O_RDONLY | os.O_CLOEXEC))
        except FileNotFoundError as error:
            raise HubNotFoundError("object", name) from error

    def has(self, name: str) -> bool:
        """As ``BlobStore.has``."""
        return self._path(name).is_file()

    def stored(self, prefix: str = "") -> Iterator[StoredBlob]:
        """As ``SweptBlobStore.stored``."""
        for folder, _, files in os.walk(self._path(prefix) if prefix else self.root):
            for file in files:
                if not file.startswith(PART_PREFIX):
                    path = Path(folder, file)
                    found = _status(path)
                    if found is not None:
                        name = path.relative_to(self.root).as_posix()
                        yield StoredBlob(name, found.st_size, datetime.fromtimestamp(found.st_mtime, UTC))

    def remove(self, name: str) -> None:
        """As ``SweptBlobStore.remove``."""
        self._path(name).unlink(missing_ok=True)

    def remove_parts(self, before: datetime) -> int:
        """As ``SweptBlobStore.remove_parts``."""
        freed = 0
        for folder, _, files in os.walk(self.root, topdown=False):
            inside = _status(Path(folder))
            for path in (Path(folder, file) for file in files if file.startswith(PART_PREFIX)):
                found = _status(path)
                if found is not None and found.st_mtime < before.timestamp():
                    path.unlink(missing_ok=True)
                    freed += found.st_size
            if inside is not None and inside.st_mtime < before.timestamp() and Path(folder) != self.root:
                _remove_if_empty(Path(folder))
        return freed

    def free_bytes(self) -> int:
        """As ``SweptBlobStore.free_bytes``."""
        return shutil.disk_usage(self.root).free

    def _path(self, name: str) -> Path:
        return self.root / _checked(name)


class FileBlob:
    """A file of a folder, read by position, so that one handle serves any number of ranges."""

    def __init__(self, handle: int):
        self._handle: int | None = handle
        self.size = os.fstat(handle).st_size

    def read(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """As ``Blob.read``."""
        stop = self.size if stop is None else min(stop, self.size)
        while start < stop:
            assert self._handle is not None, "read after close"
            piece = os.pread(self._handle, min(CHUNK_BYTES, stop - start), start)
            if not piece:
                raise StorageError(f"a stored file ends {stop - start} bytes early; run `minnow hub fsck`")
            yield piece
            start += len(piece)

    def close(self) -> None:
        """As ``Blob.close``."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def __del__(self) -> None:
        self.close()


class BucketBlobs:
    """Contents as objects of a bucket, through obstore."""

    def __init__(self, store: "ObjectStore"):
        self.store = store

    def put(self, name: str, content: Iterable[Piece]) -> None:
        """As ``BlobStore.put``."""
        import obstore

        with _bucket_errors(name):
            obstore.put(self.store, _checked(name), map(bytes, content), chunk_size=8 * CHUNK_BYTES)

    def open(self, name: str) -> "BucketBlob":
        """As ``BlobStore.open``."""
        import obstore

        try:
            with _bucket_errors(name):
                return BucketBlob(self.store, name, obstore.head(self.store, _checked(name))["size"])
        except FileNotFoundError as error:
            raise HubNotFoundError("object", name) from error

    def has(self, name: str) -> bool:
        """As ``BlobStore.has``."""
        import obstore

        try:
            with _bucket_errors(name):
                obstore.head(self.store, _checked(name))
        except FileNotFoundError:
            return False
        return True

    def stored(self, prefix: str = "") -> Iterator[StoredBlob]:
        """As ``SweptBlobStore.stored``."""
        import obstore

        for page in obstore.list(self.store, _checked(prefix) if prefix else None, chunk_size=1000):
            for found in page:
                yield StoredBlob(found["path"], found["size"], found["last_modified"])

    def remove(self, name: str) -> None:
        """As ``SweptBlobStore.remove``."""
        import obstore

        try:
            with _bucket_errors(name):
                obstore.delete(self.store, _checked(name))
        except FileNotFoundError:
            return

    def remove_parts(self, before: datetime) -> int:
        """Nothing: a bucket's own rules for its life cycle remove uploads that were broken off."""
        del before
        return 0

    def free_bytes(self) -> None:
        """Nobody can tell of a bucket."""


class BucketBlob:
    """An object of a bucket; each read is a request of its own."""

    def __init__(self, store: "ObjectStore", name: str, size: int):
        self.store, self.name, self.size = store, name, size

    def read(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """As ``Blob.read``."""
        import obstore

        stop = self.size if stop is None else min(stop, self.size)
        if start < stop:
            with _bucket_errors(self.name):
                found = obstore.get(self.store, self.name, options={"range": (start, stop)})
                for piece in found.stream(min_chunk_size=CHUNK_BYTES):
                    yield bytes(piece)

    def close(self) -> None:
        """As ``Blob.close``."""


class _bucket_errors:  # noqa: N801 - reads as a statement
    """Turns what obstore raises into the house's error; what is not there stays a FileNotFoundError."""

    def __init__(self, name: str):
        self.name = name

    def __enter__(self) -> None: ...

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        from obstore.exceptions import BaseError

        if isinstance(error, BaseError) and not isinstance(error, FileNotFoundError):
            raise StorageError(f"the bucket refused {self.name}: {error}") from error


def _checked(name: str) -> str:
    if not NAME.fullmatch(name):
        raise HubNotFoundError("object", name)
    return name


def _begun(folder: Path) -> tuple[int, str]:
    """A new file in a folder, as a handle and a path; a folder that is swept at this moment is made again."""
    try:
        _make_folder(folder)
        return tempfile.mkstemp(dir=folder, prefix=PART_PREFIX)
    except FileNotFoundError:
        _make_folder(folder)
        return tempfile.mkstemp(dir=folder, prefix=PART_PREFIX)


def _status(path: Path) -> os.stat_result | None:
    """What the disk says of a file; None where it went since it was listed."""
    try:
        return path.stat()
    except FileNotFoundError:
        return None


def _remove_if_empty(folder: Path) -> None:
    try:
        folder.rmdir()
    except OSError:
        return  # somebody stored something in it


def _make_folder(folder: Path) -> None:
    if not folder.is_dir():
        _make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        _flush_folder(folder.parent)


def _write_all(handle: int, piece: Piece, name: str) -> None:
    view = memoryview(piece)
    while view:
        try:
            view = view[os.write(handle, view) :]
        except OSError as error:
            if not write_through_cache(handle):
                raise _refused(error, name) from error


def _flush(handle: int, name: str) -> None:
    try:
        os.fsync(handle)
    except OSError as error:
        raise _refused(error, name) from error


def _flush_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _refused(error: OSError, name: str) -> StorageError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StorageError("no space left where the hub keeps its files; free some, or run `minnow hub gc`")
    return StorageError(f"the hub cannot write {name}: {error.strerror or error}")
