"""A new model in the place of an old one: the old one is put aside and stays until the new one is complete."""

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from minnow.bundle.layout import (
    ADAPTER_CONFIG,
    ADAPTER_WEIGHTS,
    CARD,
    CHECKPOINT,
    CONFIG,
    EVALUATION,
    GENERATION_CONFIG,
    MANIFEST,
    PAPERS,
    PREVIOUS,
    RECIPE,
    RUN,
    STATE,
    TARGET_TOKENIZER,
    TOKENIZER,
    TOKENIZER_CONFIG,
    WEIGHTS,
    is_bundle,
    resuming,
)
from minnow.errors import StorageError
from minnow.files import storage_error

MODEL = (CONFIG, WEIGHTS, ADAPTER_CONFIG, ADAPTER_WEIGHTS)
FILES = (*MODEL, TOKENIZER, TARGET_TOKENIZER, TOKENIZER_CONFIG, GENERATION_CONFIG, RECIPE, CARD, *PAPERS, MANIFEST)
FOLDERS = (RUN, EVALUATION)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """One at a time makes a model in ``folder``; the system takes the hold back from one that is killed.

    Raises:
        StorageError: another one is at it, which would lose its checkpoint, or the disk refuses; where it does so in
            the middle of a run, the error says how to go on.
    """
    with _held(folder):
        try:
            yield
        except StorageError as error:
            if is_bundle(folder) or not _has_checkpoint(folder):
                raise
            raise type(error)(f"{error}; the last checkpoint is kept, go on with: {resuming(folder)}") from error


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    if sys.platform == "win32":  # has no hold on a folder
        yield
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise storage_error(error, folder) from error
    try:
        _hold(handle, folder)
        yield
    finally:
        os.close(handle)


def _hold(handle: int, folder: Path) -> None:
    import fcntl

    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise StorageError(
            f"another run is writing {folder} at this moment; wait until it ends, or choose another --out"
        ) from error
    except OSError:
        pass  # a file system without such holds


def begin(folder: Path) -> None:
    """Make room for a new model: a finished one is put aside, what an unfinished run left goes.

    Only names that Minnow writes are touched.

    Raises:
        StorageError: there is no room or no right to put the old one aside; it stays as it was.
    """
    if is_bundle(folder):
        shutil.rmtree(folder / PREVIOUS, ignore_errors=True)
        try:
            _linked(folder, folder / PREVIOUS)
        except OSError as error:
            shutil.rmtree(folder / PREVIOUS, ignore_errors=True)
            raise storage_error(error, folder) from error
    _remove(folder)


def end(folder: Path) -> None:
    """The attempt is over. A model that is complete stands, and the old one goes; else the old one is back.

    A run that failed but has a checkpoint can still go on, and then the old model stays aside.
    """
    if is_bundle(folder):
        shutil.rmtree(folder / PREVIOUS, ignore_errors=True)
        return
    if _has_checkpoint(folder):
        _remove(folder, folders=(EVALUATION,))
        return
    _remove(folder)
    if is_bundle(folder / PREVIOUS):
        _linked(folder / PREVIOUS, folder)
    shutil.rmtree(folder / PREVIOUS, ignore_errors=True)
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


def _has_checkpoint(folder: Path) -> bool:
    return (folder / RUN / CHECKPOINT / STATE).is_file()


def _linked(source: Path, target: Path) -> None:
    """The files of a model under a second name, the manifest last, so that a process killed halfway loses nothing."""
    inside = [path for name in FOLDERS for path in (source / name).rglob("*")]
    for path in (*inside, *(source / name for name in FILES)):
        if path.is_file():
            _link(path, target / path.relative_to(source))


def _link(source: Path, target: Path) -> None:
    """A second name for a file, or a copy where the file system has no such thing."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _remove(folder: Path, folders: tuple[str, ...] = FOLDERS) -> None:
    for name in (MANIFEST, *FILES):
        (folder / name).unlink(missing_ok=True)
    for name in folders:
        shutil.rmtree(folder / name, ignore_errors=True)
