"""Files of rows to tables and back: csv, tsv, jsonl, json, parquet, txt and fastText's form, plain or gz.

Cells of csv, tsv and txt are always strings; JSON and parquet keep their types. A column of mixed JSON types comes as
``polars.Object``, so that whoever needs that column can name the rows at fault, and nobody else stumbles over it.
"""

import csv
import gzip
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import orjson
import polars as pl

from minnow.data.layout import Layout, find_layout, format_of, records
from minnow.data.streams import MAX_LINE_BYTES, Block, blocks, decode
from minnow.errors import DataError
from minnow.files import written_whole
from minnow.listeners import Note, unheard

MAX_TABLE_BYTES = 4 << 30
Columns = dict[str, list[Any]]
_DIGITS_AS_ZERO = bytes.maketrans(b"123456789", b"0" * 9)


def read_table(path: Path | str, encoding: str | None = None, max_line_bytes: int = MAX_LINE_BYTES) -> pl.DataFrame:
    """Read a whole file into a table.

    Args:
        path: csv, tsv, jsonl, json (a list), parquet or txt; all but parquet may be packed with gz.
        encoding: the file's encoding, where it is not UTF-8 and has no byte order mark.
        max_line_bytes: a longer line (or record) is refused without being read to its end.

    Raises:
        DataError: whatever is wrong with the file, in one line that names the line or the byte.
    """
    return read_with_layout(Path(path), encoding, max_line_bytes)[0]


def read_with_layout(
    path: Path, encoding: str | None = None, max_line_bytes: int = MAX_LINE_BYTES, every_line: bool = False
) -> tuple[pl.DataFrame, Layout]:
    """The table and how the file was read, for those who tell a person; ``every_line`` as in ``streams.blocks``."""
    layout = find_layout(path, encoding, max_line_bytes, every_line)
    if layout.format == "parquet":
        return _read_parquet(path), layout
    merged = _Merge()
    read = _bounded(path, blocks(path, encoding, max_line_bytes, every_line=every_line))
    for piece in _pieces(path, layout, read, max_line_bytes):
        merged.add(piece)
    if not merged.num_rows:
        raise DataError(f"{path} has no rows below its header; it needs one row for each text")
    return merged.frame(), layout


def read_lines(path: Path, encoding: str | None = None) -> list[str]:
    """The lines of a text file, blank ones too and whatever they look like: each may belong to one of another file.

    Raises:
        DataError: whatever is wrong with the file, in one line that names the line or the byte.
    """
    return list(_lines_in(path, _bounded(path, blocks(path, encoding, MAX_LINE_BYTES, every_line=True))))


def iterate_lines(path: Path, encoding: str | None = None) -> Iterator[str]:
    """The same, one by one in constant memory, of a file of any size."""
    return _lines_in(path, blocks(path, encoding, MAX_LINE_BYTES, every_line=True))


def _lines_in(path: Path, read: Iterator[Block]) -> Iterator[str]:
    for block in read:
        yield from _bare_lines(decode(path, block))


def iterate_rows(
    path: Path | str,
    rows_per_chunk: int = 10_000,
    encoding: str | None = None,
    max_line_bytes: int = MAX_LINE_BYTES,
    note: Note = unheard,
    kept: bool = False,
) -> Iterator[pl.DataFrame]:
    """Yield the table in chunks of ``rows_per_chunk`` rows (the last may be shorter) in constant memory.

    How the file is read is told to ``note``. A file may have any size, unless all of it is ``kept`` in memory.
    A ``json`` list alone is read whole first: it has no lines. The type of a JSON column may differ between chunks.
    """
    path = Path(path)
    layout = find_layout(path, encoding, max_line_bytes, every_line=True)
    for line in layout.notes:
        note(line)
    if layout.format == "parquet":
        yield from _parquet_chunks(path, rows_per_chunk)
        return
    merged = _Merge()
    read = blocks(path, encoding, max_line_bytes, every_line=True)
    for piece in _pieces(path, layout, _bounded(path, read) if kept else read, max_line_bytes):
        merged.add(piece)
        while merged.num_rows >= rows_per_chunk:
            yield merged.take(rows_per_chunk)
    if merged.num_rows:
        yield merged.take(merged.num_rows)


def numbered_json_rows(path: Path | str, max_line_bytes: int = MAX_LINE_BYTES) -> Iterator[tuple[int, Any]]:
    """Yield the rows of a jsonl file as they stand there, each with the number of its line, for who keeps them all.

    Raises:
        DataError: a line is not JSON, or too long; the message names it.
    """
    path = Path(path)
    for block in _bounded(path, blocks(path, None, max_line_bytes, every_line=True)):
        yield from _json_rows_one_by_one(path, block)


def write_table(frame: pl.DataFrame, path: Path | str) -> None:
    """Write a table in the format that the name says (``.gz`` at its end packs it), whole or not at all.

    Columns named column_1, column_2 … stand for a file without a header, and none is written. txt is one text a line,
    or fastText's form where the columns are ``label`` (lists) and ``text``.

    Raises:
        DataError: the format cannot hold the table (a NUL in csv; a line break in txt).
        StorageError: the disk refuses.
    """
    path = Path(path)
    file_format = format_of(path)
    if file_format == "parquet":
        with written_whole(path) as stream:
            _flat(frame, (pl.Object,)).write_parquet(stream)
        return
    encoded = _encoders[file_format](frame)
    with written_whole(path) as stream, packing(stream, path) as packed:
        _write_all(packed, encoded)


def write_texts(rows: Iterable[Sequence[str]], columns: Sequence[str], path: Path | str) -> None:
    """Write rows of texts as they come, in constant memory, as tsv or jsonl (``.gz`` packs), whole or not at all.

    In tsv each row is a line: white space inside a text becomes one space, and before a text that begins with a quote
    there stands one.

    Raises:
        DataError: the name promises another format.
        StorageError: the disk refuses.
    """
    path = Path(path)
    file_format = format_of(path)
    if file_format not in ("tsv", "jsonl"):
        raise DataError(f"texts are written as .tsv or .jsonl (.gz packs them), but got {path.name}; choose one")
    encoded = _lines_of(rows, columns) if file_format == "tsv" else _records_of(rows, columns)
    with written_whole(path) as stream, packing(stream, path) as packed:
        _write_all(packed, encoded)


class _Merge:
    """Pieces of columns put after one another; a column that a piece lacks is filled with None."""

    def __init__(self) -> None:
        self.columns: Columns = {}
        self.num_rows = 0

    def add(self, piece: Columns) -> None:
        height = len(next(iter(piece.values()), []))
        for name, values in piece.items():
            if name not in self.columns:
                self.columns[name] = [None] * self.num_rows
            self.columns[name] += values
        self.num_rows += height
        for name in self.columns.keys() - piece.keys():
            self.columns[name] += [None] * height

    def frame(self) -> pl.DataFrame:
        return pl.DataFrame([typed_series(name, values) for name, values in self.columns.items()])

    def take(self, num_rows: int) -> pl.DataFrame:
        taken = pl.DataFrame([typed_series(name, values[:num_rows]) for name, values in self.columns.items()])
        self.columns = {name: values[num_rows:] for name, values in self.columns.items()}
        self.num_rows -= num_rows
        return taken


def typed_series(name: str, values: list[Any]) -> pl.Series:
    """A column of the one type that its values have, ``polars.Object`` where they have several or an odd one."""
    kinds = set(map(type, values)) - {type(None)}
    simple: dict[frozenset[type], Any] = {
        frozenset(): pl.String,
        frozenset({str}): pl.String,
        frozenset({bool}): pl.Boolean,
        frozenset({float}): pl.Float64,
        frozenset({int, float}): pl.Float64,
    }
    if frozenset(kinds) in simple:
        return pl.Series(name, values, dtype=simple[frozenset(kinds)], strict=False)
    if kinds == {int} and all(value is None or -(2**63) <= value < 2**63 for value in values):
        return pl.Series(name, values, dtype=pl.Int64)
    if kinds == {list} and all(value is None or all(isinstance(part, str) for part in value) for value in values):
        return pl.Series(name, values, dtype=pl.List(pl.String))
    return pl.Series(name, values, dtype=pl.Object)


def _pieces(path: Path, layout: Layout, read: Iterator[Block], max_line_bytes: int) -> Iterator[Columns]:
    if layout.format == "jsonl":
        return (_json_columns(_json_rows(path, block), path) for block in read)
    if layout.format == "json":
        return _json_list(path, _bounded(path, read))
    if layout.format == "txt":
        return ({"text": _bare_lines(decode(path, block))} for block in read)
    if layout.format == "fasttext":
        return (_fasttext_columns(decode(path, block)) for block in read)
    return _delimited(path, layout, read, max_line_bytes)


def _bounded(path: Path, read: Iterator[Block]) -> Iterator[Block]:
    """Refuse what no memory holds, of what is read whole: gz of a few megabytes can unpack to terabytes."""
    total = 0
    for block in read:
        total += len(block.text)
        if total > MAX_TABLE_BYTES:
            raise DataError(f"{path} holds more than {MAX_TABLE_BYTES >> 30} GiB of text; split it into several files")
        yield block


def _bare_lines(text: str) -> list[str]:
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    return [line.removesuffix("\r") for line in lines]


def _json_rows(path: Path, block: Block) -> list[Any]:
    """The rows of a block; parsed as one list, which is quicker than line by line, unless a line is at fault."""
    lines = [line for line in block.text.split(b"\n") if line and not line.isspace()]
    if _has_long_numbers(block.text):
        return [row for _, row in _json_rows_one_by_one(path, block)]
    try:
        rows: list[Any] = orjson.loads(b"[" + b",".join(lines) + b"]")
    except orjson.JSONDecodeError:
        return [row for _, row in _json_rows_one_by_one(path, block)]
    return rows if len(rows) == len(lines) else [row for _, row in _json_rows_one_by_one(path, block)]


def _json_rows_one_by_one(path: Path, block: Block) -> Iterator[tuple[int, Any]]:
    for number, line in enumerate(block.text.split(b"\n"), start=block.first_line):
        if not line or line.isspace():
            continue
        try:
            yield number, _loaded(line)
        except orjson.JSONDecodeError as error:
            decode(path, block)  # a wrong encoding is named as what it is
            raise DataError(f"line {number} of {path} is not JSON: {error.msg} at character {error.colno}") from error


def _loaded(text: bytes) -> Any:
    """JSON to the last digit: an integer of more than 64 bits, of which the quick reader makes a float, is a text."""
    found = orjson.loads(text)
    return json.loads(text, parse_int=_whole_number) if _has_long_numbers(text) else found


def _has_long_numbers(text: bytes) -> bool:
    return b"0" * 19 in text.translate(_DIGITS_AS_ZERO)


def _whole_number(digits: str) -> int | str:
    number = int(digits)
    return number if -(2**63) <= number < 2**64 else digits


def _json_columns(rows: Sequence[Any], path: Path) -> Columns:
    """Rows are objects, or lists of cells that are named by position."""
    names: dict[str, None] = {}
    last: Any = None
    as_objects = [_by_position(row) if isinstance(row, list) else row for row in rows]
    for row in as_objects:
        if not isinstance(row, dict):
            shown = json.dumps(row, ensure_ascii=False)[:40]
            raise DataError(f'{path} holds {shown} where a row should be; a row looks like {{"text": …, "label": …}}')
        keys = row.keys()
        if keys != last:
            names.update(dict.fromkeys(keys))
            last = keys
    return {name: [row.get(name) for row in as_objects] for name in names}


def _by_position(row: list[Any]) -> dict[str, Any]:
    return {f"column_{at}": cell for at, cell in enumerate(row, start=1)}


def _json_list(path: Path, read: Iterator[Block]) -> Iterator[Columns]:
    found = list(read)
    whole = replace(found[0], text=b"".join(block.text for block in found))
    try:
        rows = _loaded(whole.text)
    except orjson.JSONDecodeError as error:
        decode(path, whole)
        raise DataError(f"{path} is not JSON: {error.msg} in line {error.lineno}, character {error.colno}") from error
    if rows:
        yield _json_columns(rows, path)


def _fasttext_columns(text: str) -> Columns:
    labels: list[list[str]] = []
    texts: list[str] = []
    for line in _bare_lines(text):
        words = line.split(" ")
        num_labels = next((at for at, word in enumerate(words) if not word.startswith("__label__")), len(words))
        labels.append([word.removeprefix("__label__") for word in words[:num_labels]])
        texts.append(" ".join(words[num_labels:]))
    return {"label": labels, "text": texts}


class _Lines:
    """Lines for the csv reader; counts what was handed out since the last whole record, for a quote never closed."""

    def __init__(self, path: Path, read: Iterator[Block], max_line_bytes: int):
        self._lines = (line for block in read for line in io.StringIO(decode(path, block), newline="\n"))
        self._path = path
        self._max_line_bytes = max_line_bytes
        self.number = 0
        self._record_line = 1
        self._since_record = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self.number += 1
        self._since_record += len(line)
        if self._since_record > self._max_line_bytes:
            raise DataError(
                f"the record in line {self._record_line} of {self._path} is longer than {self._max_line_bytes:,} "
                "characters; is a quote left open there?"
            )
        return line

    def record_done(self) -> int:
        """Mark the end of a record and return the line that it began in."""
        began = self._record_line
        self._record_line, self._since_record = self.number + 1, 0
        return began


def _delimited(path: Path, layout: Layout, read: Iterator[Block], max_line_bytes: int) -> Iterator[Columns]:
    lines = _Lines(path, read, max_line_bytes)
    num_columns = len(layout.columns)
    rows: list[list[str]] = []
    try:
        for at, row in enumerate(records(layout, lines)):
            began = lines.record_done()
            if at == 0 and layout.header:
                continue
            if len(row) != num_columns:
                raise _ragged(path, layout, row, began)
            rows.append(row)
            if len(rows) == 8192:
                yield _by_column(layout, rows)
                rows = []
    except csv.Error as error:
        began = lines.record_done()
        raise DataError(f"the record in line {began} of {path} has {_fault(error)}") from error
    if rows:
        yield _by_column(layout, rows)


def _fault(error: csv.Error) -> str:
    if "new-line character seen in unquoted field" in str(error):
        return (
            "a carriage return outside quotes; put texts that hold one between double quotes, or where it ends a "
            "line, make line feeds with: tr '\\r' '\\n' < FILE > OTHER"
        )
    return f"a quote out of place ({error}); double it or close it"


def _by_column(layout: Layout, rows: list[list[str]]) -> Columns:
    return {name: list(cells) for name, cells in zip(layout.columns, zip(*rows, strict=True), strict=True)}


def _ragged(path: Path, layout: Layout, row: list[str], line: int) -> DataError:
    remedy = "put texts that hold a separator between double quotes" if layout.quoted else "no text may hold a tab"
    cells = f"{len(row)} cell{'' if len(row) == 1 else 's'}"
    first = "header" if layout.header else "first line"
    return DataError(f"line {line} of {path} has {cells}, but its {first} has {len(layout.columns)}; {remedy}")


def _read_parquet(path: Path) -> pl.DataFrame:
    try:
        frame = pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise _parquet_error(path, error) from error
    if not frame.height:
        raise DataError(f"{path} has no rows; it needs one row for each text")
    return frame


def _parquet_chunks(path: Path, rows_per_chunk: int) -> Iterator[pl.DataFrame]:
    try:
        scanned = pl.scan_parquet(path)
        num_rows = int(scanned.select(pl.len()).collect().item())
        for start in range(0, num_rows, rows_per_chunk):
            yield scanned.slice(start, rows_per_chunk).collect()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise _parquet_error(path, error) from error


def _parquet_error(path: Path, error: Exception) -> DataError:
    reason = (str(error).splitlines() or ["unreadable"])[0]
    return DataError(f"{path} is a damaged parquet file ({reason}); fetch or write it again")


@contextmanager
def packing(stream: BinaryIO, path: Path) -> Iterator[BinaryIO | gzip.GzipFile]:
    """The stream, or one that packs into it, as the name says."""
    if path.suffix != ".gz":
        yield stream
        return
    with gzip.GzipFile(filename="", mode="wb", fileobj=stream, mtime=0, compresslevel=6) as packed:
        yield packed


def _write_all(stream: BinaryIO | gzip.GzipFile, encoded: Iterable[bytes]) -> None:
    for piece in encoded:
        stream.write(piece)


def _records_of(rows: Iterable[Sequence[str]], columns: Sequence[str]) -> Iterator[bytes]:
    for row in rows:
        yield orjson.dumps(dict(zip(columns, row, strict=True)), option=orjson.OPT_APPEND_NEWLINE)


def _lines_of(rows: Iterable[Sequence[str]], columns: Sequence[str]) -> Iterator[bytes]:
    yield ("\t".join(columns) + "\n").encode()
    for row in rows:
        yield ("\t".join(map(_bare_cell, row)) + "\n").encode()


def _bare_cell(text: str) -> str:
    cell = " ".join(text.replace("\0", " ").split())
    # A reader takes a quote for one that cells wear where a cell begins with it.
    return f" {cell}" if cell.startswith('"') else cell


def _jsonl_bytes(frame: pl.DataFrame) -> Iterator[bytes]:
    for row in frame.iter_rows(named=True):
        yield orjson.dumps(row, default=str, option=orjson.OPT_APPEND_NEWLINE)


def _json_bytes(frame: pl.DataFrame) -> Iterator[bytes]:
    yield orjson.dumps(frame.to_dicts(), default=str, option=orjson.OPT_INDENT_2)
    yield b"\n"


def _csv_bytes(frame: pl.DataFrame) -> Iterator[bytes]:
    """Comma separated; every cell wears quotes where one holds a carriage return, which the writer would leave bare."""
    rows = _cells(frame)
    bare_return = any("\r" in cell for row in rows for cell in row)
    return _written_rows(frame, rows, ",", csv.QUOTE_ALL if bare_return else csv.QUOTE_MINIMAL)


def _tsv_bytes(frame: pl.DataFrame) -> Iterator[bytes]:
    """Tab separated without quoting, as public sets are; all cells wear quotes where one needs them."""
    rows = _cells(frame)
    needs_quotes = any(cell.startswith('"') or any(mark in cell for mark in "\t\n\r") for row in rows for cell in row)
    if needs_quotes or len(frame.columns) == 1:
        return _written_rows(frame, rows, "\t", csv.QUOTE_ALL)
    return (("\t".join(row) + "\n").encode() for row in [*_header(frame), *rows])


def _txt_bytes(frame: pl.DataFrame) -> Iterator[bytes]:
    if frame.columns == ["label", "text"] and frame.schema["label"] == pl.List(pl.String):
        rows = [
            " ".join([*(f"__label__{'_'.join(name.split())}" for name in labels or []), text or ""])
            for labels, text in frame.iter_rows()
        ]
    elif len(frame.columns) == 1:
        rows = [row[0] for row in _cells(frame)]
    else:
        return _tsv_bytes(frame)
    if any("\n" in row or "\r" in row for row in rows):
        raise DataError("txt holds one text a line, but a text has a line break; write .jsonl instead")
    return ((row + "\n").encode() for row in rows)


_encoders = {"csv": _csv_bytes, "tsv": _tsv_bytes, "txt": _txt_bytes, "jsonl": _jsonl_bytes, "json": _json_bytes}


def _written_rows(frame: pl.DataFrame, rows: list[list[str]], delimiter: str, quoting: Any) -> Iterator[bytes]:
    buffer = io.StringIO(newline="")
    csv.writer(buffer, delimiter=delimiter, quoting=quoting, lineterminator="\n").writerows([*_header(frame), *rows])
    yield buffer.getvalue().encode("utf-8")


def _header(frame: pl.DataFrame) -> list[list[str]]:
    by_position = [f"column_{at}" for at in range(1, len(frame.columns) + 1)]
    return [] if frame.columns == by_position else [list(frame.columns)]


def _cells(frame: pl.DataFrame) -> list[list[str]]:
    rows = [[_cell(value) for value in row] for row in frame.iter_rows()]
    if any("\0" in cell for row in rows for cell in row):
        raise DataError("csv, tsv and txt cannot hold a NUL character, but a text has one; write .jsonl instead")
    return rows


def _cell(value: Any) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool | list | dict):
        return orjson.dumps(value, default=str).decode()
    return str(value)


def _flat(frame: pl.DataFrame, kinds: tuple[Any, ...]) -> pl.DataFrame:
    """Columns of mixed types as JSON text, for formats with one type a column."""
    mixed = [name for name, kind in frame.schema.items() if kind in kinds]
    return frame.with_columns(
        pl.Series(name, [None if value is None else _cell(value) for value in frame[name].to_list()], dtype=pl.String)
        for name in mixed
    )
