"""A copy of a hub while it serves: first the tables at one moment, then every file that they may name.

Files are never changed, what a table row names was stored before the row, and nothing is collected meanwhile, so that a
copy in this order is whole.
The copy is the folder of a hub: serve it, and it is the hub of that moment.
"""

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from minnow.errors import HubNotFoundError, InputError, StorageError
from minnow.files import storage_error, written_whole
from minnow.hub.blobs import open_blobs
from minnow.hub.database import Database
from minnow.hub.keeping import keeping_alone
from minnow.hub.large_files import PARTS_PREFIX
from minnow.hub.settings import BLOBS, DATABASE, SECRET, HubSettings


@dataclass(frozen=True)
class Backup:
    """What a backup wrote: files that an earlier backup in the same folder had already are not copied again."""

    folder: Path
    database_bytes: int
    copied_files: int
    copied_bytes: int
    kept_files: int


def back_up(settings: HubSettings, database: Database, folder: Path, advance: Callable[[int], None]) -> Backup:
    """Copy a hub into a folder, new or of an earlier backup.

    Args:
        advance: told of the bytes of each file that was copied.

    Raises:
        InputError: the tables are not in SQLite, or the folder is the hub's own.
        StorageError: the disk refuses, or the hub is being collected.
    """
    folder = Path(folder).absolute()
    if not database.is_sqlite or not database.url.database:
        raise InputError("the tables of this hub are not in SQLite; copy them by the database's own means (pg_dump)")
    if folder == settings.data or settings.data in folder.parents:
        raise InputError(f"a backup belongs outside of the hub's own folder, but got {folder}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        with keeping_alone(settings):
            size = _copy_tables(Path(database.url.database), folder / DATABASE)
            copied, copied_bytes, kept = _copy_files(settings.blobs_url, folder / BLOBS, advance)
        with written_whole(folder / SECRET) as stream:
            stream.write(settings.secret)
        (folder / SECRET).chmod(0o600)
    except OSError as error:
        raise storage_error(error, folder) from error
    return Backup(folder, size, copied, copied_bytes, kept)


def _copy_tables(source: Path, target: Path) -> int:
    part = target.with_name(f".{target.name}.part")
    part.unlink(missing_ok=True)
    try:
        reader = sqlite3.connect(f"file:{source}?mode=ro", uri=True)
        writer = sqlite3.connect(part)
        try:
            reader.backup(writer)  # in one step, and so of one moment, whoever writes meanwhile
        finally:
            writer.close()
            reader.close()
        for stale in (f"{target.name}-wal", f"{target.name}-shm"):
            target.with_name(stale).unlink(missing_ok=True)
        part.replace(target)
    except sqlite3.Error as error:
        raise StorageError(f"cannot copy the tables to {target}: {error}") from error
    finally:
        part.unlink(missing_ok=True)
    return target.stat().st_size


def _copy_files(source_url: str, target: Path, advance: Callable[[int], None]) -> tuple[int, int, int]:
    source, copies = open_blobs(source_url), open_blobs(str(target))
    there = {blob.name: blob.size for blob in copies.stored()}
    copied, copied_bytes, kept = 0, 0, 0
    for blob in source.stored():
        if there.get(blob.name) == blob.size:
            kept += 1
            continue
        if blob.name.startswith(f"{PARTS_PREFIX}/"):
            continue  # of an upload that is under way
        try:
            content = source.open(blob.name)
        except HubNotFoundError:
            continue  # of an upload that was refused
        try:
            copies.put(blob.name, content.read())
        finally:
            content.close()
        copied, copied_bytes = copied + 1, copied_bytes + blob.size
        advance(blob.size)
    return copied, copied_bytes, kept
