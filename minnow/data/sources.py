"""Where data comes from: a file, a folder or a name of the catalog, all read into one kind of table with its story."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path

import numpy as np
import polars as pl

from minnow.data import catalog
from minnow.data.catalog import file_sha256
from minnow.data.entry import Entry
from minnow.data.folders import folder_parts, read_class_folders
from minnow.data.parallel import read_parallel
from minnow.data.prepare import steps
from minnow.data.split import hold_out, hold_out_pairs
from minnow.data.table import read_with_layout
from minnow.errors import DataError

TEST_SHARE = 0.2
# Of sentence pairs: enough to tell models apart, and little of the training text.
PAIR_TEST_SHARE, MAX_PAIR_TEST_SHARE, PAIR_TEST_ROWS = 0.02, 0.05, 1_000
SPLIT_SEED = 0


@dataclass(frozen=True)
class Source:
    """A table and where it is from; ``notes`` are for the person, ``text`` and ``label`` the columns if known.

    A table of sentence pairs with a column a language has ``languages``, if the columns are known to be that; ``files``
    are those of the languages where a caller's own files were read, in which line i of each says the same.
    """

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
    languages: tuple[str, ...] = ()
    files: Mapping[str, Path] = field(default_factory=dict)


def parts(source: str | Path) -> tuple[str, ...]:
    """The parts that can be read: of a catalog set those on this machine, of a folder those it has, of a file ``all``.

    A catalog set that was published in one piece has ``train``, ``test`` and ``all``; one of sentence pairs also has
    ``valid``.
    """
    path = Path(source)
    if path.is_file():
        return ("all",)
    if path.is_dir():
        return tuple(folder_parts(path))
    if catalog.is_known(str(source)):
        entry = catalog.find(str(source))
        here = catalog.present(entry)
        return (*entry.made_parts, "all") if here == ("all",) else here
    raise _nothing_there(source)


def read_source(
    source: str | Path, part: str = "train", encoding: str | None = None, every_line: bool = False
) -> Source:
    """Read a file, one part of a folder, or one part of a catalog set.

    A file has no parts: it is read whole. An existing path goes before a catalog name. ``every_line`` as in
    ``streams.blocks``.

    Raises:
        DataError: nothing is there, or it cannot be read; the message says what would help.
    """
    path = Path(source)
    if path.is_file():
        return _read_file(path, encoding, every_line)
    if path.is_dir():
        return _read_folder(path, part, encoding, every_line)
    if catalog.is_known(str(source)):
        entry = catalog.find(str(source))
        return read_translations(entry, part) if entry.languages else _read_entry(entry, part)
    raise _nothing_there(source)


def read_translations(entry: Entry, part: str, languages: Sequence[str] = ()) -> Source:
    """Read one part of a catalog set of sentence pairs, a column a language.

    Of a part in a file a language the files of ``languages`` are read, in that order; of all, where none is named.
    """
    split = part in entry.made_parts
    stored = "all" if split else part
    if "" in catalog.part_files(entry, stored):
        located = {"": catalog.locate(entry, stored)}
        path = located[""].path
        frame, sha256 = _named_columns(path, entry.languages), file_sha256(path)
        hashes = {"": sha256}
    else:
        wanted = languages or entry.languages
        located = {language: catalog.locate(entry, stored, language=language) for language in wanted}
        path = located[wanted[0]].path
        frame, sha256 = read_parallel({language: place.path for language, place in located.items()})
        hashes = {language: file_sha256(place.path) for language, place in located.items()}
    notes = _entry_notes(entry, located, hashes)
    if split:
        whole, frame = frame, hash_split_pairs(frame, part)
        notes.append(
            f"published in one piece: {part} is {frame.height:,} of its {whole.height:,} pairs by hash; no sentence of "
            "either side stands in two parts"
        )
    return Source(
        frame,
        f"{entry.name}/{part}",
        path,
        sha256,
        licence=entry.licence,
        notes=tuple(notes),
        languages=tuple(frame.columns),
    )


def hash_split(frame: pl.DataFrame, text: str, part: str) -> pl.DataFrame:
    """The train (80 %) or test (20 %) rows of a set without parts: by hash of the text, whatever the label."""
    texts = ["" if value is None else str(value) for value in frame[text].to_list()]
    kept, held = hold_out(texts, TEST_SHARE, SPLIT_SEED)
    chosen = np.zeros(frame.height, dtype=bool)
    chosen[held if part == "test" else kept] = True
    return frame.filter(pl.Series(chosen))


def hash_split_pairs(frame: pl.DataFrame, part: str) -> pl.DataFrame:
    """The train, valid or test rows of a table of sentence pairs: no sentence of either side stands in two parts.

    The test part has 2 % of the rows, or a thousand where that is up to 5 %; the valid part has half as many.
    """
    share = max(PAIR_TEST_SHARE, min(PAIR_TEST_ROWS / frame.height, MAX_PAIR_TEST_SHARE))
    train, held = _held_out(frame, 1.5 * share)
    if part == "train":
        return train
    valid, test = _held_out(held, 2 / 3)
    return test if part == "test" else valid


def _held_out(frame: pl.DataFrame, share: float) -> tuple[pl.DataFrame, pl.DataFrame]:
    sources, targets, *_ = ([text or "" for text in column.to_list()] for column in frame.iter_columns())
    kept, held = hold_out_pairs(sources, targets, share, SPLIT_SEED)
    return frame[kept], frame[held]


def _read_file(path: Path, encoding: str | None, every_line: bool) -> Source:
    frame, layout = read_with_layout(path, encoding, every_line=every_line)
    return Source(frame, path.name, path, file_sha256(path), notes=layout.notes)


def _read_folder(folder: Path, part: str, encoding: str | None, every_line: bool) -> Source:
    found = folder_parts(folder)
    if part not in found and "all" not in found:
        raise DataError(f"folder {folder} has no part {part!r}; it has: {', '.join(found)}")
    path = found.get(part) or found["all"]
    if path.is_file():
        read = _read_file(path, encoding, every_line)
        return Source(read.frame, f"{folder.name}/{path.name}", path, read.sha256, notes=read.notes)
    frame, sha256 = read_class_folders(path, encoding)
    classes = frame["label"].unique(maintain_order=True).to_list()
    notes = (f"{len(classes)} folders are the labels: {', '.join(classes[:20])}",)
    name = folder.name if path == folder else f"{folder.name}/{path.name}"
    return Source(frame, name, path, sha256, "text", "label", notes=notes)


def _read_entry(entry: Entry, part: str) -> Source:
    split = part in entry.made_parts
    located = catalog.locate(entry, "all" if split else part)
    frame, _ = read_with_layout(located.path)
    frame = _lines_of(frame, catalog.part_files(entry, "all" if split else part)[""].portion)
    sha256 = file_sha256(located.path)
    notes = _entry_notes(entry, {"": located}, {"": sha256})
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
    label = entry.label if entry.label in frame.columns else None
    return Source(
        frame,
        f"{entry.name}/{part}",
        located.path,
        sha256,
        entry.text,
        label,
        entry.label_names,
        entry.licence,
        entry.language,
        tuple(notes),
    )


def _lines_of(frame: pl.DataFrame, portion: tuple[float, float]) -> pl.DataFrame:
    """The lines of a running text that begin between two shares of its length, where several parts lie in one file."""
    if portion == (0.0, 1.0):
        return frame
    ends = (frame["text"].str.len_bytes().cast(pl.Int64) + 1).cum_sum()
    begins = ends.shift(1, fill_value=0)
    first, last = (share * int(ends[-1]) for share in portion)
    return frame.filter((begins >= first) & (begins < last))


def _named_columns(path: Path, languages: Sequence[str]) -> pl.DataFrame:
    """A table whose first columns are called after the languages; others, such as the authors, are left."""
    frame, _ = read_with_layout(path)
    if frame.width < len(languages):
        raise DataError(
            f"{path} should have a column for each of {', '.join(languages)}, but has {frame.width}; fetch it again"
        )
    return frame.select(pl.col(column).alias(name) for column, name in zip(frame.columns, languages, strict=False))


def _entry_notes(entry: Entry, located: Mapping[str, catalog.Located], hashes: Mapping[str, str]) -> list[str]:
    """What to tell of a part in a file, or in one a language, whose hashes are these."""
    others = [catalog.another_file(place, hashes[language]) for language, place in located.items()]
    notes = [note for note in (*others, next(iter(located.values())).note, entry.note) if note]
    if entry.research_only:
        notes.append(f"licence: {entry.licence}; for research, do not pass its text on")
    return notes


def _nothing_there(source: str | Path) -> DataError:
    if Path(source).exists():
        return DataError(
            f"{source} is neither a file nor a folder; what comes from a pipe can be read only once, so write it to a "
            "file first"
        )
    close = get_close_matches(str(source).lower(), catalog.names(), n=1)
    if close:
        return DataError(f"no file, folder or public set {str(source)!r}; did you mean {close[0]!r}?")
    path = Path(source)
    beside = [other.name for other in path.parent.iterdir()] if path.parent.is_dir() else []
    near = get_close_matches(path.name, beside, n=1)
    hint = f"did you mean {str(path.parent / near[0])!r}?" if near else "see: minnow data list"
    return DataError(f"no file, folder or public set {str(source)!r}; {hint}")
