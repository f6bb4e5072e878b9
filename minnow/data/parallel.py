"""Texts that belong to one another line by line, in a file a language: ``train.en`` and ``train.de.gz``.

Moses, OPUS and most shared tasks publish sentence pairs so; ``train`` is their prefix.
"""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import polars as pl

from minnow.data.catalog import files_sha256
from minnow.data.columns import side_of
from minnow.data.folders import PART_NAMES
from minnow.data.table import packing, read_lines
from minnow.errors import DataError
from minnow.files import written_whole

# Two or three letters that name no language.
_FORMATS = (
    "bak", "bin", "bmp", "bz", "cfg", "csv", "dat", "db", "doc", "dtd", "eps", "gif", "gz", "htm", "ids", "ini", "jpg",
    "js", "log", "md", "npy", "npz", "odp", "ods", "odt", "old", "out", "pdf", "pkl", "png", "ppt", "pq", "py", "rar",
    "rst", "rtf", "sh", "sql", "svg", "tab", "tar", "tex", "tgz", "tif", "tmp", "tsv", "txt", "vec", "wav", "xls",
    "xml", "xz", "yml", "zip", "zst",
)  # fmt: skip


def language_of(path: Path) -> str | None:
    """The language that a file's name ends in, such as ``de`` of ``train.de.gz``."""
    return _parsed(path)[1]


def language_files(prefix: Path) -> dict[str, Path]:
    """The files of a prefix by language, in alphabetical order; a plain file goes before a packed one."""
    found: dict[str, Path] = {}
    for path in _files(prefix.parent):
        stem, language = _parsed(path)
        if stem == prefix.name and language is not None:
            found.setdefault(language, path)
    return dict(sorted(found.items()))


def parallel_parts(folder: Path) -> dict[str, Path]:
    """The prefixes of a folder that have two languages or more, by the part that each is."""
    part_of = {name: part for part, names in PART_NAMES.items() for name in names}
    stems = sorted({stem for stem, language in map(_parsed, _files(folder)) if language is not None})
    return {part_of.get(stem.lower(), stem): folder / stem for stem in stems if len(language_files(folder / stem)) > 1}


def read_parallel(files: Mapping[str, Path], encoding: str | None = None) -> tuple[pl.DataFrame, str]:
    """A table with a column a language, and one sha256 over the files.

    Raises:
        DataError: a file cannot be read, the files have different numbers of lines, or none has any.
    """
    columns = {language: read_lines(path, encoding) for language, path in files.items()}
    first = next(iter(columns))
    for language, lines in columns.items():
        if len(lines) != len(columns[first]):
            raise DataError(
                f"{files[first]} has {_counted(columns[first])}, but {files[language]} has {_counted(lines)}; "
                "line i of one belongs to line i of the other, so write both again from one source"
            )
    if not columns[first]:
        raise DataError(f"{' and '.join(map(str, files.values()))} are empty; they need one sentence a line")
    frame = pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String))
    return frame, files_sha256(dict(sorted(files.items())))


def write_parallel(texts: Mapping[Path, Sequence[str]]) -> None:
    """Write a text a line into each file (``.gz`` packs); none takes its name before all are written.

    Raises:
        DataError: a text has a line break, which would push the lines below it out of step.
        StorageError: the disk refuses.
    """
    with ExitStack() as stack:
        for path, lines in texts.items():
            packed = stack.enter_context(packing(stack.enter_context(written_whole(path)), path))
            for row, line in enumerate(lines, start=1):
                if "\n" in line:
                    raise DataError(f"{path.name} holds one text a line, but text {row:,} has a line break; mend it")
                packed.write(f"{line}\n".encode())


def _parsed(path: Path) -> tuple[str, str | None]:
    stem, _, suffix = path.name.removesuffix(".gz").rpartition(".")
    return stem, None if suffix.lower() in _FORMATS or not stem else side_of(suffix)


def _files(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.is_file())
    except OSError:
        return []  # whoever reads the prefix says that nothing is there


def _counted(lines: Sequence[str]) -> str:
    return f"{len(lines):,} line{'' if len(lines) == 1 else 's'}"
