"""Texts to learn a language from, in pieces and in constant memory: files, folders, tables and public sets.

A text file is one running text; a row of a table is a document. What is read depends on the files alone, so two
readings give the same pieces.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator, Set
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, Self

import polars as pl

from minnow.data import catalog
from minnow.data.catalog import file_sha256
from minnow.data.columns import find_roles
from minnow.data.entry import Entry
from minnow.data.folders import folder_parts, is_table_name
from minnow.data.layout import format_of
from minnow.data.prepare import steps
from minnow.data.sources import hash_split
from minnow.data.sources import parts as source_parts
from minnow.data.streams import MAX_LINE_BYTES, Block, blocks, decode
from minnow.data.table import iterate_rows, read_table
from minnow.errors import DataError
from minnow.text.clean import strip_markup

ROWS_AT_ONCE = 1_000


@dataclass(frozen=True)
class Piece:
    """A stretch of text; a running text is cut at line ends, and a line's end belongs to the line's piece."""

    text: str
    ends_document: bool


class Texts(Protocol):
    """One file's worth of text."""

    def pieces(self) -> Iterator[Piece]: ...

    def identity(self) -> list[Any]:
        """What was chosen of which bytes; equal for equal text."""
        ...

    def divided(self, share: float) -> tuple["Texts", "Texts"]:
        """The text without a share of it, and that share."""
        ...


@dataclass(frozen=True)
class RunningText:
    """A text file, or of its bytes (as UTF-8, unpacked) those from ``start`` to ``stop``, whole characters only.

    ``is_document``: the end of the text is marked, since another one follows.
    """

    path: Path
    encoding: str | None = None
    start: int = 0
    stop: int | None = None
    is_document: bool = False

    def pieces(self) -> Iterator[Piece]:
        place = 0
        waiting: str | None = None
        for block in self._blocks():
            first, last = max(0, self.start - place), None if self.stop is None else self.stop - place
            place += len(block.text)
            if first >= len(block.text):
                continue
            if last is not None and last <= 0:
                break
            if waiting is not None:
                yield Piece(waiting, False)
            cut = _at_character(block.text, first), _at_character(block.text, last)
            own = replace(block, text=block.text[slice(*cut)])
            waiting = decode(self.path, own).replace("\r\n", "\n")
        if waiting is not None:
            yield Piece(waiting, self.is_document)

    def identity(self) -> list[Any]:
        return ["running", file_sha256(self.path), self.encoding, self.start, self.stop, self.is_document]

    def divided(self, share: float) -> tuple["RunningText", "RunningText"]:
        """The text in two at the line end nearest to the share's place, or at the place where no line ends near."""
        size = self.stop if self.stop is not None else self.size()
        place = self.start + int((size - self.start) * (1 - share))
        border = self._line_end_near(place, min(place - self.start, size - place) // 2)
        return replace(self, stop=border), replace(self, start=border)

    def _line_end_near(self, place: int, reach: int) -> int:
        first = 0
        for block in self._blocks():
            at = place - first
            if at < len(block.text):
                behind = [block.text.rfind(b"\n", 0, at) + 1, block.text.find(b"\n", at) + 1 or len(block.text)]
                found = first + min(behind, key=lambda end: abs(end - at))
                return found if abs(found - place) <= reach else place
            first += len(block.text)
        return place

    def portion(self, first: float, last: float) -> Self:
        """The text between two shares of its length, such as 0.9 and 1."""
        size = self.size()
        return replace(self, start=int(size * first), stop=None if last >= 1 else int(size * last))

    def content(self) -> tuple[bytes, int]:
        """A hash of the text, and its characters; none in one that is empty or blank."""
        digest = hashlib.blake2b(digest_size=8)
        size = 0
        blank = True
        for piece in self.pieces():
            digest.update(piece.text.encode())
            size += len(piece.text)
            blank = blank and not piece.text.strip()
        return digest.digest(), 0 if blank else size

    def size(self) -> int:
        """Bytes of the whole file as UTF-8, unpacked."""
        return sum(len(block.text) for block in self._blocks())

    def _blocks(self) -> Iterator[Block]:
        """A running text is no list of examples: empty lines and those that come again are part of it."""
        return blocks(self.path, self.encoding, MAX_LINE_BYTES, every_line=True)


@dataclass(frozen=True)
class Rows:
    """The rows of a table, or those whose texts' hashes lie in ``hashes``, as shares of all hashes.

    ``column`` None is guessed from the first rows. ``step`` names a preparation (``prepare.steps``), ``split`` the part
    of a public set that was published in one piece.
    """

    path: Path
    column: str | None = None
    encoding: str | None = None
    step: str | None = None
    markup: bool = True
    split: str = ""
    hashes: tuple[float, float] = (0.0, 1.0)

    def pieces(self) -> Iterator[Piece]:
        column = self.column
        before = 0
        for frame in self._frames():
            if column is None or column not in frame.columns:
                column = find_roles(frame, self.column, need_label=False).text
            yield from self._of(cells(frame[column], str(self.path), before))
            before += frame.height

    def notes(self) -> tuple[str, ...]:
        """How the file is laid out, and which column is read where none was asked for; from the first rows."""
        told: list[str] = []
        frame = next(iterate_rows(self.path, ROWS_AT_ONCE, self.encoding, note=told.append), None)
        if frame is not None and self.column is None:
            told.append(find_roles(frame, need_label=False).reasons[0])
        return tuple(told)

    def _frames(self) -> Iterator[pl.DataFrame]:
        if self.split and self.column is not None:
            return iter([hash_split(read_table(self.path, self.encoding), self.column, self.split)])
        return iterate_rows(self.path, ROWS_AT_ONCE, self.encoding)

    def _of(self, texts: Iterator[str]) -> Iterator[Piece]:
        for raw in texts:
            text = steps[self.step](raw) if self.step else raw
            text = text if self.markup else strip_markup(text)
            if text.strip() and self._chosen(text):
                yield Piece(text, True)

    def _chosen(self, text: str) -> bool:
        return self.hashes == (0.0, 1.0) or self.hashes[0] <= hash_share(text) < self.hashes[1]

    def identity(self) -> list[Any]:
        chosen = [self.column, self.encoding, self.step, self.markup, self.split, *self.hashes]
        return ["rows", file_sha256(self.path), *chosen]

    def divided(self, share: float) -> tuple["Rows", "Rows"]:
        first, last = self.hashes
        border = self._border(first + (last - first) * share)
        return replace(self, hashes=(border, last)), replace(self, hashes=(first, border))

    def _border(self, border: float) -> float:
        """The border, or where all of a few documents lie on one side of it, one that the last of them passes."""
        lowest: set[float] = set()
        highest: set[float] = set()
        for piece in self.pieces():
            found = hash_share(piece.text)
            lowest, highest = set(sorted(lowest | {found})[:2]), set(sorted(highest | {found})[-2:])
            if min(lowest) < border <= max(highest):  # nearly always after a few
                return border
        if len(lowest) < 2:
            return border
        return sum(lowest if min(lowest) >= border else highest) / 2


@dataclass(frozen=True)
class Corpus:
    """A corpus that is read anew by each iteration, from the disk.

    Attributes:
        name: for the person.
        files: what it is read from, in order.
        notes: sentences that a person should be told.
    """

    name: str
    files: tuple[Texts, ...]
    licence: str | None = None
    research_only: bool = False
    language: str | None = None
    notes: tuple[str, ...] = ()

    def pieces(self) -> Iterator[Piece]:
        """All text, in the order of the files.

        Raises:
            DataError: there is none, or a file cannot be read; the message names the line.
        """
        empty = True
        for file in self.files:
            for piece in file.pieces():
                empty = empty and not piece.text.strip()
                yield piece
        if empty:
            raise DataError(f"{self.name} holds no text; a corpus needs at least one line that is not empty")

    def texts(self) -> Iterator[str]:
        """The texts of the pieces, for those who only count."""
        return (piece.text for piece in self.pieces())

    def sha256(self) -> str:
        """A hash of everything that ``pieces`` depends on; the files are read for it."""
        return hashlib.sha256(json.dumps([file.identity() for file in self.files]).encode()).hexdigest()

    def held_out(self, share: float) -> tuple[Self, Self]:
        """The corpus in two: what to learn from, and ``share`` of it to measure on.

        Of a running text that is its end; of documents those whose hash says so, so equal texts fall on one side. Of
        files that are documents none may be small enough, such as of a few books: then it is the end of each.
        """
        if not 0 < share < 1:
            raise DataError(f"the share to hold out must lie between 0 and 1, but got {share}; try 0.1")
        documents = {file for file in self.files if isinstance(file, RunningText) and file.is_document}
        whole = _held_documents(documents, share)
        kept: list[Texts] = []
        held: list[Texts] = []
        for file in self.files:
            if whole and file in documents:
                (held if file in whole else kept).append(file)
            else:
                rest, end = file.divided(share)
                kept.append(rest)
                held.append(end)
        name = f"the held-out {share:.3g} of {self.name}"
        return replace(self, files=tuple(kept)), replace(self, name=name, files=tuple(held), notes=())


def _held_documents(documents: Set[RunningText], share: float) -> set[RunningText]:
    """Those to hold out, equal ones together: in the order of their hashes as far as the share of all text goes, to
    within half a document."""
    alike: dict[bytes, list[RunningText]] = defaultdict(list)
    sizes: dict[bytes, int] = defaultdict(int)
    for document in documents:
        digest, size = document.content()
        alike[digest].append(document)
        sizes[digest] += size
    owed = share * sum(sizes.values())
    held: set[RunningText] = set()
    for digest in sorted(digest for digest, size in sizes.items() if size)[:-1]:  # the last is always kept
        if sizes[digest] <= 2 * owed:
            held.update(alike[digest])
            owed -= sizes[digest]
    return held


def open_corpus(
    source: str | Path,
    part: str = "train",
    *,
    text: str | None = None,
    encoding: str | None = None,
    markup: bool | None = None,
) -> Corpus:
    """The corpus of a file, a folder or a public set.

    Args:
        source: a file (read whole), a folder (its part of that name, else all files below it) or a name of the catalog.
        part: train, valid, test …
        text: the column with the text, where it should not be guessed; for tables alone.
        encoding: of the files, where it is not UTF-8.
        markup: whether HTML stays in the texts of tables; None: it goes where the catalog says that there is some.

    Raises:
        DataError: nothing is there, or no file of it holds text.
    """
    path = Path(source)
    if path.is_file():
        return _of_file(path.name, _file(path, text, encoding, markup))
    if path.is_dir():
        return _folder(path, part, text, encoding, markup)
    if catalog.is_known(str(source)):
        return _entry(catalog.find(str(source)), part, markup)
    source_parts(source)  # says what is near
    raise DataError(f"no file, folder or public set {str(source)!r}")


def corpus_parts(source: str | Path) -> tuple[str, ...]:
    """The parts that ``open_corpus`` can open; ``all`` for what has none."""
    path = Path(source)
    if path.is_dir():
        return tuple(_parts_of(path)) or ("all",)
    return source_parts(source)


def hash_share(text: str) -> float:
    """A number from 0 to below 1 that depends on the text alone."""
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=6).digest()
    return int.from_bytes(digest, "big") / (1 << 48)


def cells(column: pl.Series, name: str, rows_before: int = 0) -> Iterator[str]:
    """The texts of a column; a list is joined, by line ends where it holds sentences and by spaces where words."""
    for row, value in enumerate(column.to_list(), start=rows_before + 1):
        if isinstance(value, str):
            yield value
        elif isinstance(value, list) and all(isinstance(part, str) for part in value):
            yield ("\n" if any(" " in part for part in value) else " ").join(value)
        elif value is not None:
            raise DataError(
                f'column "{column.name}" of {name} should hold text, but row {row} holds {str(value)[:40]!r}; '
                "choose another column with --text"
            )


def _at_character(text: bytes, place: int | None) -> int | None:
    """The place, moved forward out of the middle of a character: bytes 10xxxxxx go on with one."""
    while place is not None and place < len(text) and text[place] & 0xC0 == 0x80:
        place += 1
    return place


def _file(path: Path, text: str | None, encoding: str | None, markup: bool | None) -> Texts:
    if format_of(path) == "txt":
        return RunningText(path, encoding)
    return Rows(path, text, encoding, markup=markup is not False)


def _of_file(name: str, file: Texts) -> Corpus:
    return Corpus(name, (file,), notes=file.notes() if isinstance(file, Rows) else ())


def part_to_measure(source: str | Path, part: str = "test") -> str:
    """That part of a corpus, its valid part where it has no test part, or the whole where it has no parts."""
    present = corpus_parts(source)
    if present == ("all",):
        return "all"
    return "valid" if part == "test" and part not in present and "valid" in present else part


def _parts_of(folder: Path) -> dict[str, Path]:
    try:
        return folder_parts(folder)
    except DataError:
        return {}  # no parts, so all its files together are the corpus


def _folder(folder: Path, part: str, text: str | None, encoding: str | None, markup: bool | None) -> Corpus:
    found = {name: path for name, path in _parts_of(folder).items() if name != "all"}
    if found and part not in found:
        raise DataError(f"folder {folder} has no part {part!r}; it has: {', '.join(found)}")
    top = found.get(part, folder)
    if not found and part not in ("train", "all"):
        raise DataError(f"folder {folder} has no part {part!r}, only files; give a file or another folder for it")
    if top.is_file():
        return _of_file(f"{folder.name}/{top.name}", _file(top, text, encoding, markup))
    paths = sorted(
        path
        for path in top.rglob("*")
        if path.is_file()
        and is_table_name(path)
        and not any(name.startswith(".") for name in path.relative_to(top).parts)
    )
    if not paths:
        raise DataError(f"folder {top} has no files of text; a corpus is read from .txt, .jsonl, .csv or .parquet")
    files = [_file(path, text, encoding, markup) for path in paths]
    marked = [replace(file, is_document=True) if isinstance(file, RunningText) else file for file in files]
    table = next((file for file in files if isinstance(file, Rows)), None)
    told = [f"{table.path.name}: {line}" for line in table.notes()] if table is not None else []
    return Corpus(folder.name, tuple(marked), notes=(f"{len(paths)} files", *told))


def _entry(entry: Entry, part: str, markup: bool | None) -> Corpus:
    if entry.languages:
        raise DataError(
            f"data set {entry.name!r} holds sentence pairs ({', '.join(entry.languages)}) for translation, no text to "
            "read on its own; give a file of one language"
        )
    split = part if part in entry.made_parts else ""
    members = ("all",) if split else entry.corpus.get(part, (part,))
    files: list[Texts] = []
    notes: list[str] = []
    for member in members:
        located = catalog.locate(entry, member)
        notes += filter(None, [catalog.another_file(located, file_sha256(located.path))])
        first, last = catalog.part_files(entry, member)[""].portion
        if format_of(located.path) == "txt":
            running = RunningText(located.path)
            files.append(running if (first, last) == (0.0, 1.0) else running.portion(first, last))
        else:
            keep = markup if markup is not None else not entry.markup
            files.append(Rows(located.path, entry.text, None, entry.prepare, keep, split))
    if entry.note and not entry.label:
        notes.append(entry.note)
    if entry.research_only:
        notes.append(f"licence: {entry.licence}; for research, do not pass its text on")
    name = f"{entry.name}/{split or '+'.join(members)}"
    return Corpus(name, tuple(files), entry.licence, entry.research_only, entry.language, tuple(notes))
