"""How a file of rows is laid out: its format by name and checked by content, its delimiter, quoting and header line."""

import csv
import io
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

from minnow.data.columns import SIDES, names_a_role, side_of, sounds_like_a_role
from minnow.data.streams import MAX_LINE_BYTES, blocks, decode, read_head
from minnow.errors import DataError
from minnow.text.language import HAN

SAMPLE_CHARACTERS = 1 << 18
_BY_SUFFIX = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".parquet": "parquet",
    ".pq": "parquet",
}
_LONGEST_HAN_NAME = 6  # 商品评论内容
_LONGEST_CELL = 2**31 - 1
_DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}


@dataclass(frozen=True)
class Layout:
    """What the reader needs to know of a file; ``notes`` say in words what was decided."""

    format: str
    delimiter: str = ""
    quoted: bool = False
    escaped: bool = False
    header: bool = False
    columns: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def format_of(path: Path) -> str:
    """The format that the name promises: csv, tsv, jsonl, json, parquet or else txt; a trailing .gz is ignored."""
    name = Path(path.name.removesuffix(".gz"))
    return _BY_SUFFIX.get(name.suffix.lower(), "txt")


def find_layout(
    path: Path, encoding: str | None = None, max_line_bytes: int = MAX_LINE_BYTES, every_line: bool = False
) -> Layout:
    """Look at the first part of the file and say how to read it; ``every_line`` as in ``streams.blocks``.

    Raises:
        DataError: an empty file, content that is not what the name promises, or one of the faults of ``streams``.
    """
    named = format_of(path)
    head = read_head(path)
    if head.startswith(b"PAR1"):
        return Layout("parquet")
    if named == "parquet":
        raise DataError(f"{path} is named parquet but does not begin like one; is it whole?")
    sample, whole = _sample(path, encoding, max_line_bytes, every_line)
    if not sample.strip():
        raise DataError(f"{path} is empty; it needs one row for each text")
    as_json = _json_layout(path, named, sample)
    if as_json is not None:
        return as_json
    if named in ("csv", "tsv"):
        return _delimited_layout(path, "," if named == "csv" else "\t", sample, whole)
    return _text_layout(path, sample, whole)


def records(layout: Layout, lines: Iterator[str]) -> Iterator[list[str]]:
    """Split lines (with their breaks) into records of cells; blank lines are skipped."""
    if not layout.quoted:
        for line in lines:
            bare = line.removesuffix("\n").removesuffix("\r")
            if bare:
                yield bare.split(layout.delimiter)
        return
    csv.field_size_limit(_LONGEST_CELL)  # whoever hands out lines bounds them; the module's own is 128 KiB
    reader = csv.reader(
        lines,
        delimiter=layout.delimiter,
        strict=True,
        doublequote=True,
        escapechar="\\" if layout.escaped else None,
    )
    for record in reader:
        if record:
            yield record


def _sample(path: Path, encoding: str | None, max_line_bytes: int, every_line: bool) -> tuple[str, bool]:
    """The first lines of the file as text, and whether that is the whole of it."""
    parts: list[str] = []
    size = 0
    for block in blocks(path, encoding, max_line_bytes, ahead=False, every_line=every_line):
        # One line too long for the sample is still taken whole: half a record would mislead.
        cut = block.text.find(b"\n", SAMPLE_CHARACTERS) + 1 if len(block.text) > SAMPLE_CHARACTERS else 0
        if cut and cut < len(block.text):
            parts.append(decode(path, replace(block, text=block.text[:cut])))
            return "".join(parts), False
        parts.append(decode(path, block))
        size += len(parts[-1])
        if size > SAMPLE_CHARACTERS:
            return "".join(parts), False
    return "".join(parts), True


def _json_layout(path: Path, named: str, sample: str) -> Layout | None:
    begin = sample.lstrip()[:1]
    first = sample.lstrip().split("\n", 1)[0]
    if named not in ("json", "jsonl") and not _begins_with_records(sample):
        return None
    if named == "jsonl" and _is_list_of_objects(sample):
        return Layout("json", notes=(f"{path.name} holds one JSON list",))
    if _is_json_record(first) and not (named == "json" and begin == "["):
        note = () if named == "jsonl" else (f"{path.name} holds one JSON record a line",)
        return Layout("jsonl", notes=note)
    if named == "jsonl" and begin == "{":
        return Layout("jsonl")  # the reader names the malformed line
    if begin == "[" and named in ("json", "jsonl"):
        return Layout("json", notes=() if named == "json" else (f"{path.name} holds one JSON list",))
    if named in ("json", "jsonl"):
        raise DataError(f'{path} is not JSON rows; it needs a list of objects, or one {{"text": …, "label": …}} a line')
    return None


def _begins_with_records(sample: str) -> bool:
    """Whether two lines are records: one alone, such as the note ``[1]``, may be so by chance."""
    lines = [line for line in sample.lstrip().split("\n", 20) if line.strip()][:2]
    return len(lines) == 2 and all(map(_is_json_record, lines))


def _is_list_of_objects(line: str) -> bool:
    """Whether the one line that there is holds all rows; several such lists are rows themselves."""
    try:
        rows = json.loads(line) if line.strip().count("\n") == 0 else None
    except (ValueError, RecursionError):
        return False
    return isinstance(rows, list) and bool(rows) and all(isinstance(row, dict) for row in rows)


def _is_json_record(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict | list)
    except (ValueError, RecursionError):
        return False


def _text_layout(path: Path, sample: str, whole: bool) -> Layout:
    """txt is fastText's form, cells between tabs, or one text a line."""
    lines = [line.removesuffix("\r") for line in sample.split("\n") if line.strip()]
    tagged = sum(line.startswith("__label__") for line in lines)
    if tagged > 0.9 * len(lines):
        return Layout("fasttext", columns=("label", "text"), notes=("labels are the words that begin with __label__",))
    num_tabs = {line.count("\t") for line in lines}
    if len(num_tabs) == 1 and num_tabs != {0}:
        return _delimited_layout(path, "\t", sample, whole)
    return Layout("txt", columns=("text",))


def _delimited_layout(path: Path, usual: str, sample: str, whole: bool) -> Layout:
    best: tuple[Layout, list[list[str]]] | None = None
    for delimiter in [usual, *(other for other in _DELIMITERS if other != usual)]:
        layout, rows = _try_delimiter(delimiter, sample, whole)
        if _is_table(rows):
            best = (layout, rows)
            break
        if best is None:
            best = (layout, rows)
    assert best is not None
    layout, rows = best
    notes = [] if layout.delimiter == usual else [f"cells are separated by {_DELIMITERS[layout.delimiter]}"]
    if not rows:
        raise DataError(f"{path} has no whole record in its first lines; is a quote left open?")
    header = _has_header(rows)
    columns = _column_names(rows[0], header)
    if header:
        notes.append(f"first line is a header: {', '.join(columns)}")
    else:
        notes.append(f"no header line: columns are named by position, {', '.join(columns)}")
    return Layout(
        "tsv" if layout.delimiter == "\t" else "csv",
        layout.delimiter,
        layout.quoted,
        layout.escaped,
        header,
        tuple(columns),
        tuple(notes),
    )


def _is_table(rows: list[list[str]]) -> bool:
    """At least two cells in the first record, and as many in nearly all the others."""
    if not rows or len(rows[0]) < 2:
        return False
    return sum(len(row) == len(rows[0]) for row in rows) >= 0.9 * len(rows)


def _try_delimiter(delimiter: str, sample: str, whole: bool) -> tuple[Layout, list[list[str]]]:
    """The kind of quoting that reads the sample, and its rows; commas are quoted unless that cannot be."""
    raw = Layout("", delimiter)
    plain = list(records(raw, _lines(sample)))
    if '"' not in sample:
        # Quotes may still come after the sample: where they are usual they are minded.
        return Layout("", delimiter, quoted=delimiter != "\t"), plain
    for escaped in (False, True):
        layout = Layout("", delimiter, quoted=True, escaped=escaped)
        rows = _quoted_rows(layout, sample, whole)
        if rows is None or (escaped and '\\"' not in sample):
            continue
        if delimiter != "\t" or _clearly_quoted(plain, rows):
            return layout, rows
    return (raw, plain) if delimiter == "\t" else (Layout("", delimiter, quoted=True), plain)


def _quoted_rows(layout: Layout, sample: str, whole: bool) -> list[list[str]] | None:
    """The sample's records, without the last where it may be cut; None where the quotes do not fit."""
    rows: list[list[str]] = []
    try:
        for row in records(layout, _lines(sample)):
            rows.append(row)
    except csv.Error as error:
        cut_inside_quotes = "unexpected end of data" in str(error) and not whole
        return rows if cut_inside_quotes else None
    return rows if whole or len(rows) < 2 else rows[:-1]


def _clearly_quoted(plain: Sequence[Sequence[str]], rows: Sequence[Sequence[str]]) -> bool:
    """Tabs usually come without quoting, where a quote is a character of the text.

    Quoting is clear when every cell wears quotes, or when cells hold what only a writer of quotes leaves:
    a doubled quote, a tab or a line break inside.
    """
    if len({len(row) for row in rows}) != 1:
        return False
    cells = [cell for row in plain for cell in row]
    if all(len(cell) > 1 and cell[0] == cell[-1] == '"' for cell in cells):
        return True
    if any("\t" in cell or "\n" in cell for row in rows for cell in row):
        return True
    return any(cell.startswith('"') and cell.endswith('"') and '""' in cell[1:-1] for cell in cells)


def _lines(text: str) -> Iterator[str]:
    """Lines with their breaks; only a line feed ends one (str.splitlines also breaks at U+2028 and others)."""
    return io.StringIO(text, newline="\n")


def _has_header(rows: list[list[str]]) -> bool:
    """Careful: a data row taken for a header is lost, so a header needs a sign.

    Signs: names of known roles; a word above numbers or dates; the sides of sentence pairs, such as two languages;
    single words that never come back above longer cells or classes; several words that have a role in each cell
    (``Review text``, ``Star rating``) above classes.
    """
    first, rest = rows[0], rows[1:]
    cells = [cell.strip() for cell in first]
    if not any(cells) or not all(_is_name(cell) for cell in cells if cell):
        return False
    num_roles = sum(names_a_role(cell) for cell in cells)
    if num_roles >= min(2, len(cells)):
        return True
    if num_roles or not rest or _comes_back(cells, rest):
        return bool(num_roles) and not _comes_back(cells, rest)
    if _numbers_below(cells, rest) or _names_sides(cells):
        return True
    if all(_is_word(cell) for cell in cells if cell):
        return _longer_below(cells, rest) or _classes_below(cells, rest)
    return len(cells) > 1 and all(map(sounds_like_a_role, cells)) and _classes_below(cells, rest)


def _is_name(cell: str) -> bool:
    return len(cell) <= 40 and len(cell.split()) <= 4 and not re.search(r"[.?!,;:。！？，；]|^\W*\d", cell)


def _is_word(cell: str) -> bool:
    """One word by its look; of Chinese, which sets no spaces, at most six characters."""
    return bool(re.fullmatch(r"\w+([-_]\w+)*", cell)) and len(re.findall(f"[{HAN}]", cell)) <= _LONGEST_HAN_NAME


def _comes_back(cells: Sequence[str], rest: Sequence[Sequence[str]]) -> bool:
    return any(cell and len(row) > at and row[at].strip() == cell for at, cell in enumerate(cells) for row in rest)


def _numbers_below(cells: Sequence[str], rest: Sequence[Sequence[str]]) -> bool:
    columns = range(len(cells))
    return any(all(_is_number(row[at]) for row in rest if len(row) > at) for at in columns if not _is_number(cells[at]))


def _names_sides(cells: Sequence[str]) -> bool:
    """``en``, ``de`` or ``src``, ``tgt``; three letters in general are more often a word than a language."""
    return len(cells) > 1 and all(re.fullmatch("[a-z]{2}|[A-Z]{2}", cell) or side_of(cell) in SIDES for cell in cells)


def _is_number(cell: str) -> bool:
    """Or a date or a time, such as 2027-01-31, 31/1/27 and 10:30."""
    return re.fullmatch(r"\s*-?\d+([.:/-]\d+)*\s*", cell) is not None


def _longer_below(cells: Sequence[str], rest: Sequence[Sequence[str]]) -> bool:
    """Some column's cells are usually at least three times as long as its first."""
    for at, cell in enumerate(cells):
        lengths = sorted(len(row[at]) for row in rest if len(row) > at)
        if lengths and lengths[len(lengths) // 2] > max(3 * len(cell), 20):
            return True
    return False


def _classes_below(cells: Sequence[str], rest: Sequence[Sequence[str]]) -> bool:
    """Some column repeats few values, none of which is its first."""
    columns = [[row[at].strip() for row in rest if len(row) > at] for at in range(len(cells))]
    return len(rest) >= 4 and any(
        len({value for value in column if value}) in range(1, len(rest) // 2 + 1) for column in columns
    )


def _column_names(first: Sequence[str], header: bool) -> list[str]:
    """Header cells made distinct, or column_1, column_2 … by position."""
    given = [cell.strip() if header and cell.strip() else f"column_{at}" for at, cell in enumerate(first, start=1)]
    taken = set(given)
    names: dict[str, None] = {}
    for name in given:
        free = name
        if name in names:  # and no name that another column has
            free = next(other for number in count(2) if (other := f"{name}_{number}") not in taken)
        taken.add(free)
        names[free] = None
    return list(names)
