"""The folder of a run of ``minnow train``: begun, gone on with, and left."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from minnow.bases import weights_hash
from minnow.bundle import layout, replacing
from minnow.errors import DataError, MinnowError, StorageError
from minnow.files import read_table, write_text

DATA_HASH, VALIDATION_HASH = "data.sha256", "validation.sha256"
SOURCE_HASH, TEMPLATE_HASH = "source.sha256", "template.sha256"


class Hashed(Protocol):
    """Data that a run reads."""

    @property
    def name(self) -> str: ...

    @property
    def sha256(self) -> str: ...


@contextmanager
def attempt(folder: Path, resume: bool) -> Iterator[Path]:
    """What trains in here puts a new model in the place of an old one, which comes back if nothing comes of it.

    Gives the folder of what a run leaves behind. The body calls ``replacing.end`` when the model is complete.

    Raises:
        StorageError: another run is writing the folder, or the disk refuses.
    """
    with replacing.alone(folder):
        try:
            if not resume:
                replacing.begin(folder)
            yield folder / layout.RUN
        except (MinnowError, OSError, KeyboardInterrupt):
            if not resume:
                replacing.end(folder)
            raise


def check_place(folder: Path, start: str, overwrite: bool, resume: bool) -> None:
    """StorageError where a run would destroy something, or take the place of the model that it starts from: it could
    not go on then."""
    if not resume:
        layout.check_free(folder, overwrite)
    if start and Path(start).resolve() == folder.resolve():
        raise StorageError(f"the new model would take the place of {start}, from which it starts; choose another --out")


def check_same_source(run: Path, start: str, resume: bool) -> None:
    """``check_same`` for the weights of the model that a run starts from, where it starts from one."""
    if start:
        check_same(run / SOURCE_HASH, _hash_of(Path(start)), resume, f"the model {start}")


def _hash_of(folder: Path) -> str:
    """Of a model's weights; of an adapter's and those of the model beneath, for both are read."""
    own = weights_hash(folder)
    if not (folder / layout.ADAPTER_CONFIG).is_file():
        return own
    from minnow.bundle.adapter import base_of  # which needs torch

    return f"{own} {weights_hash(base_of(folder))}"


def check_same_data(run: Path, train: Hashed, validation: Hashed | None, resume: bool) -> None:
    """``check_same`` for what a run learns from and chooses by; None for what is held out of the training part."""
    check_same(run / DATA_HASH, train.sha256, resume, train.name)
    if validation is not None:
        check_same(run / VALIDATION_HASH, validation.sha256, resume, validation.name)


def check_same(path: Path, found: str, resume: bool, what: str) -> None:
    """Keep a hash for a run that goes on, or compare with the one that was kept.

    Raises:
        DataError: ``what`` has changed since the run began.
    """
    if not resume:
        write_text(path, found)
    elif path.is_file() and path.read_text(encoding="utf-8") != found:
        raise changed(what)


def changed(what: str) -> DataError:
    """A run that goes on must find what it began with."""
    return DataError(f"{what} has changed since the run began; put the old one back or use --overwrite")


def seconds_before(run: Path) -> float:
    """What a run that goes on has trained up to its checkpoint; 0 where it begins."""
    return float(read_table(run / layout.CHECKPOINT / layout.STATE).get("seconds", 0.0))


def drop_state(run: Path) -> None:
    """What only a run that goes on would need."""
    for name in (layout.CHECKPOINT, layout.SHARDS):
        shutil.rmtree(run / name, ignore_errors=True)
    hashes = (DATA_HASH, VALIDATION_HASH, SOURCE_HASH, TEMPLATE_HASH)
    for name in (layout.TOKENIZER, layout.TARGET_TOKENIZER, *hashes):
        (run / name).unlink(missing_ok=True)
