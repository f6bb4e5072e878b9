"""Folders of data: one folder for each class with one text a file, or one file for each part (train.csv …)."""

from collections.abc import Iterable
from pathlib import Path

import polars as pl

from minnow.data.catalog import files_sha256
from minnow.data.streams import blocks, decode
from minnow.errors import DataError

PART_NAMES = {
    "train": ("train", "training"),
    "valid": ("valid", "dev", "val", "validation"),
    "test": ("test", "testing"),
}
_TABLES = (".csv", ".tsv", ".tab", ".jsonl", ".ndjson", ".json", ".parquet", ".pq", ".txt")
# Of the film review set: texts without a label beside the folders of the classes.
_UNLABELLED = ("unsup", "unlabelled", "unlabeled")


def folder_parts(folder: Path) -> dict[str, Path]:
    """The parts of a data folder, each a file or a folder of class folders; ``all`` for class folders without parts.

    Raises:
        DataError: the folder holds neither.
    """
    found = {part: path for part, known in PART_NAMES.items() if (path := _part_path(folder, known)) is not None}
    if found:
        return found
    if _class_folders(folder):
        return {"all": folder}
    tables = [path.name for path in _listed(folder) if path.is_file() and is_table_name(path)]
    hint = (
        f"name one of its files: {', '.join(tables[:8])}" if tables else "it has no files of rows and no class folders"
    )
    raise DataError(f"folder {folder} has neither train and test parts nor folders of classes; {hint}")


def is_table_name(path: Path) -> bool:
    """Whether the name is one of a file of rows, plain or gz."""
    return Path(path.name.removesuffix(".gz")).suffix.lower() in _TABLES


def read_class_folders(folder: Path, encoding: str | None = None) -> tuple[pl.DataFrame, str]:
    """Read one text a file; the label is the name of its folder.

    Returns:
        A table with the columns file, label and text in the order of the names, and one sha256 over names and contents.
    """
    rows: list[tuple[str, str, str]] = []
    read: dict[str, Path] = {}
    for class_folder in _class_folders(folder):
        for path in _files(class_folder):
            text = "".join(decode(path, block) for block in blocks(path, encoding, ahead=False, folder=folder))
            name = path.relative_to(folder).as_posix()
            rows.append((name, class_folder.name, text.strip()))
            read[name] = path
    columns = {"file": pl.String, "label": pl.String, "text": pl.String}
    return pl.DataFrame(rows, schema=columns, orient="row"), files_sha256(read)


def _part_path(folder: Path, known: Iterable[str]) -> Path | None:
    for name in known:
        if (folder / name).is_dir() and _class_folders(folder / name):
            return folder / name
    for path in _listed(folder):
        if path.is_file() and is_table_name(path) and path.name.split(".")[0].lower() in known:
            return path
    return None


def _class_folders(folder: Path) -> list[Path]:
    """At least two folders with files in them; parts and unlabelled texts are no classes."""
    parts = {name for known in PART_NAMES.values() for name in known}
    inner = [path for path in _listed(folder) if path.is_dir() and path.name.lower() not in (*parts, *_UNLABELLED)]
    filled = [path for path in inner if _files(path)]
    return filled if len(filled) > 1 else []


def _files(folder: Path) -> list[Path]:
    return [path for path in _listed(folder) if path.is_file()]


def _listed(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise DataError(f"cannot read the folder {folder}: {error.strerror or error}") from error
