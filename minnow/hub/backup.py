"""A copy of a hub while it serves: first the tables at one moment, then every file that they may name.

Files are never changed, what a table row names was stored before the row, and nothing is collected meanwhile, so that a
copy in this order is whole. The tables take their place last: until then an earlier copy in the folder stays whole.
The copy is the folder of a hub: serve it, and it is the hub of that moment.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
        InputError: the tables are not in SQLite, or the folder is the hub's own or holds another hub.
        StorageError: the disk refuses, or the hub is being collected.
    """
    folder = Path(folder).resolve()
    if not database.is_sqlite or not database.url.database:
        raise InputError("the tables of this hub are not in SQLite; copy them by the database's own means (pg_dump)")
    if settings.data.resolve() in (folder, *folder.parents):
        raise InputError(f"a backup belongs outside of the hub's own folder, but got {folder}")
    try:
        _refuse_other_hub(settings, folder)
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        with keeping_alone(settings), _copied_tables(Path(database.url.database), folder / DATABASE) as part:
            copied, copied_bytes, kept = _copy_files(settings.blobs_url, folder / BLOBS, advance)
            with written_whole(folder / SECRET) as stream:
                stream.write(settings.secret)
            (folder / SECRET).chmod(0o600)
            size = _put_in_place(part, folder / DATABASE)
    except OSError as error:
        raise storage_error(error, folder) from error
    return Backup(folder, size, copied, copied_bytes, kept)


def _refuse_other_hub(settings: HubSettings, folder: Path) -> None:
    """Raises InputError where the folder holds a hub that is not an earlier copy of this one, by its secret."""
    secret = folder / SECRET
    if secret.is_file() and secret.read_bytes() == settings.secret:
        return
    there = next((path for path in (secret, folder / DATABASE) if path.exists()), None)
    if there is not None:
        raise InputError(
            f"a backup belongs into a new folder or into that of an earlier one, but {folder} holds another hub "
            f"({there.name}); choose another folder"
        )


@contextmanager
def _copied_tables(source: Path, target: Path) -> Iterator[Path]:
    """A copy of the tables beside their place, which is gone after the block unless it was put there."""
    part = target.with_name(f".{target.name}.part")
    part.unlink(missing_ok=True)
    try:
        part.touch(mode=0o600)
        reader = sqlite3.connect(f"file:{source}?mode=ro", uri=True)
        writer = sqlite3.connect(part)
        try:
            reader.backup(writer)  # in one step, and so of one moment, whoever writes meanwhile
        finally:
            writer.close()
            reader.close()
        yield part
    except sqlite3.Error as error:
        raise StorageError(f"cannot copy the tables to {target}: {error}") from error
    finally:
        part.unlink(missing_ok=True)


def _put_in_place(part: Path, target: Path) -> int:
    """Let the copied tables take the place of earlier ones; returns how many bytes they have."""
    for stale in (f"{target.name}-wal", f"{target.name}-shm"):
        target.with_name(stale).unlink(missing_ok=True)
    part.replace(target)
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
