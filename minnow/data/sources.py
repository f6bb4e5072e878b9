"""Where data comes from: a file, a folder or a name of the catalog, all read into one kind of table with its story."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path

import numpy as np
import polars as pl

from minnow.data import catalog
from minnow.data.catalog import file_sha256
from minnow.data.entry import Entry
from minnow.data.folders import folder_parts, read_class_folders
from minnow.data.prepare import steps
from minnow.data.split import hold_out
from minnow.data.table import read_with_layout
from minnow.errors import DataError

TEST_SHARE = 0.2
SPLIT_SEED = 0


@dataclass(frozen=True)
class Source:
    """A table and where it is from; ``notes`` are for the person, ``text`` and ``label`` the columns if known."""

    frame: pl.DataFrame
    name: str
    path: Path
    sha256: str
    text: str | None = None
    label: str | None = None
    label_names: Mapping[str, str] = field(default_factory=dict)
    licence: str | None = None
    language: str | None = None
    notes: tuple[str, ...] = ()


def parts(source: str | Path) -> tuple[str, ...]:
    """The parts that can be read: of a catalog set those on this machine, of a folder those it has, of a file ``all``.

    A catalog set that was published in one piece has ``train``, ``test`` and ``all``.
    """
    path = Path(source)
    if path.is_file():
        return ("all",)
    if path.is_dir():
        return tuple(folder_parts(path))
    if catalog.is_known(str(source)):
        entry = catalog.find(str(source))
        here = catalog.present(entry)
        return ("train", "test", "all") if here == ("all",) else here
    raise _nothing_there(source)


def read_source(source: str | Path, part: str = "train", encoding: str | None = None) -> Source:
    """Read a file, one part of a folder, or one part of a catalog set.

    A file has no parts: it is read whole. An existing path goes before a catalog name.

    Raises:
        DataError: nothing is there, or it cannot be read; the message says what would help.
    """
    path = Path(source)
    if path.is_file():
        return _read_file(path, encoding)
    if path.is_dir():
        return _read_folder(path, part, encoding)
    if catalog.is_known(str(source)):
        return _read_entry(catalog.find(str(source)), part)
    raise _nothing_there(source)


def hash_split(frame: pl.DataFrame, text: str, part: str) -> pl.DataFrame:
    """The train (80 %) or test (20 %) rows of a set without parts: by hash of the text, whatever the label."""
    texts = ["" if value is None else str(value) for value in frame[text].to_list()]
    kept, held = hold_out(texts, TEST_SHARE, SPLIT_SEED)
    chosen = np.zeros(frame.height, dtype=bool)
    chosen[held if part == "test" else kept] = True
    return frame.filter(pl.Series(chosen))


def _read_file(path: Path, encoding: str | None) -> Source:
    frame, layout = read_with_layout(path, encoding)
    return Source(frame, path.name, path, file_sha256(path), notes=layout.notes)


def _read_folder(folder: Path, part: str, encoding: str | None) -> Source:
    found = folder_parts(folder)
    if part not in found and "all" not in found:
        raise DataError(f"folder {folder} has no part {part!r}; it has: {', '.join(found)}")
    path = found.get(part) or found["all"]
    if path.is_file():
        read = _read_file(path, encoding)
        return Source(read.frame, f"{folder.name}/{path.name}", path, read.sha256, notes=read.notes)
    frame, sha256 = read_class_folders(path, encoding)
    classes = frame["label"].unique(maintain_order=True).to_list()
    notes = (f"{len(classes)} folders are the labels: {', '.join(classes[:20])}",)
    name = folder.name if path == folder else f"{folder.name}/{path.name}"
    return Source(frame, name, path, sha256, "text", "label", notes=notes)


def _read_entry(entry: Entry, part: str) -> Source:
    split = part in ("train", "test") and tuple(entry.parts) == ("all",)
    located = catalog.locate(entry, "all" if split else part)
    frame, _ = read_with_layout(located.path)
    notes = [note for note in (located.note, entry.note) if note]
    if split:
        frame = hash_split(frame, entry.text, part)
        notes.append(
            f"published in one piece: {part} is {'20' if part == 'test' else '80'} % of it by hash of the text"
        )
    if entry.prepare is not None:
        step = steps[entry.prepare]
        texts = [None if text is None else step(text) for text in frame[entry.text].to_list()]
        frame = frame.with_columns(pl.Series(entry.text, texts, dtype=pl.String))
        notes.append("headers, quotes and signatures are stripped")
    if entry.research_only:
        notes.append(f"licence: {entry.licence}; for research, do not pass its text on")
    label = entry.label if entry.label in frame.columns else None
    return Source(
        frame,
        f"{entry.name}/{part}",
        located.path,
        located.sha256 or file_sha256(located.path),
        entry.text,
        label,
        entry.label_names,
        entry.licence,
        entry.language,
        tuple(notes),
    )


def _nothing_there(source: str | Path) -> DataError:
    close = get_close_matches(str(source).lower(), catalog.names(), n=1)
    if close:
        return DataError(f"no file, folder or public set {str(source)!r}; did you mean {close[0]!r}?")
    path = Path(source)
    beside = [other.name for other in path.parent.iterdir()] if path.parent.is_dir() else []
    near = get_close_matches(path.name, beside, n=1)
    hint = f"did you mean {str(path.parent / near[0])!r}?" if near else "see: minnow data list"
    return DataError(f"no file, folder or public set {str(source)!r}; {hint}")
