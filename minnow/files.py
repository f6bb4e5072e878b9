"""The one way onto the disk: a file is there whole or not at all."""

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from minnow.errors import FullDiskError, StorageError


@contextmanager
def written_whole(path: Path) -> Iterator[BinaryIO]:
    """Open a binary file that takes its name only when the block ends without an error; see ``replaced_whole``."""
    with replaced_whole(path) as temporary, temporary.open("wb") as stream:
        yield stream


@contextmanager
def replaced_whole(path: Path) -> Iterator[Path]:
    """An empty file for the block to write, which takes the name ``path`` when the block ends without an error.

    It lies in the same folder, is flushed to the disk and renamed into place; after any error it is gone and an older
    file at ``path`` stands untouched.

    Raises:
        StorageError: the disk is full, read-only or the folder may not be written.
    """
    path = Path(path)
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
        os.close(handle)
        temporary = Path(name)
        yield temporary
        with temporary.open("rb+") as stream:
            os.fsync(stream.fileno())
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
        temporary = None
    except OSError as error:
        raise storage_error(error, path) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def folder_name(folder: Path) -> str:
    """What a folder is called, also where the path to it does not say so, as ``.`` does not."""
    return folder.name if folder.name not in ("", "..") else folder.resolve().name


def write_text(path: Path, text: str) -> None:
    """Write ``text`` as UTF-8, whole or not at all."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, content: bytes) -> None:
    """Write ``content``, whole or not at all."""
    with written_whole(path) as stream:
        stream.write(content)


def storage_error(error: OSError, path: Path) -> StorageError:
    """Say in one line what the disk refused and what would help."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return FullDiskError(f"no space left on the disk while writing {path}; free some or choose another --out")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return StorageError(f"{path} may not be written ({error.strerror}); choose another --out")
    return StorageError(f"cannot write {path}: {error.strerror or error}")


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current


def read_table(path: Path) -> dict[str, Any]:
    """A JSON object that the house keeps for itself; one that is missing or damaged is an empty one."""
    try:
        kept = orjson.loads(path.read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return {}
    return kept if isinstance(kept, dict) else {}
