"""Bytes off the disk as blocks of whole UTF-8 lines, in constant memory; gz and byte order marks are undone.

Nothing here trusts the file: a line above the bound, a NUL, a wrong encoding, a truncated gz each end in one DataError.
"""

import codecs
import io
import queue
import shlex
import sys
import threading
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import cast

from minnow.errors import DataError

STANDARD_INPUT = Path("standard input")  # this object itself, in the place of a file's path
MAX_LINE_BYTES = 64 << 20
CHUNK_BYTES = 1 << 20
HEAD_BYTES = 16  # enough to tell a format or a byte order mark by
GZIP_MAGIC = b"\x1f\x8b"
# UTF-32 first: its little-endian mark begins with the one of UTF-16.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_FOREIGN = (
    (b"PK\x03\x04", "a zip archive or an Excel workbook; unpack it, or save the sheet as csv"),
    (b"%PDF", "a PDF; extract its text first"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd; decompress it first, or use gz"),
    (b"BZh", "compressed with bzip2; decompress it first, or use gz"),
    (b"\xfd7zXZ", "compressed with xz; decompress it first, or use gz"),
    (b"SQLite format 3", "an SQLite database; export the table as csv"),
)


@dataclass(frozen=True)
class Block:
    """Whole lines: ``text`` ends at a line break or the end of the file and starts in line ``first_line`` (from 1).

    ``every_line`` and ``folder`` are as in ``blocks``.
    """

    first_line: int
    text: bytes
    every_line: bool = False
    folder: Path | None = None


def read_head(path: Path, size: int = HEAD_BYTES) -> bytes:
    """The first bytes as stored; a file that is missing, a folder or unreadable is a DataError."""
    try:
        with path.open("rb") as stream:
            return stream.read(size)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error


def blocks(
    path: Path,
    encoding: str | None = None,
    max_line_bytes: int = MAX_LINE_BYTES,
    ahead: bool = True,
    every_line: bool = False,
    folder: Path | None = None,
) -> Iterator[Block]:
    """Yield the file, or ``STANDARD_INPUT``, as blocks of whole UTF-8 lines.

    Args:
        ahead: unpack gz in a second thread while the caller works.
        every_line: no line of the file may get lost on the way, so cleaning is no remedy for a wrong encoding.
        folder: of the classes that the file belongs to, which are cleaned together.

    Raises:
        DataError: a line above ``max_line_bytes``, a NUL, bytes that are not UTF-8 (or not ``encoding``), a damaged gz.
    """
    for read in _whole_lines(_utf8(path, encoding, ahead), path, max_line_bytes):
        block = replace(read, every_line=every_line, folder=folder)
        if b"\0" in block.text:
            raise _nul_error(path, block)
        yield block


def decode(path: Path, block: Block) -> str:
    """The block as text; bytes that are not UTF-8 are a DataError that names the line and how to convert the file."""
    try:
        return block.text.decode("utf-8")
    except UnicodeDecodeError as error:
        raise encoding_error(path, block, error) from error


def encoding_error(path: Path, block: Block, error: UnicodeDecodeError) -> DataError:
    """Name the first bad byte and the command that converts the file."""
    line = block.first_line + block.text.count(b"\n", 0, error.start)
    guess = _guess_encoding(block.text)
    start = block.text.rfind(b"\n", 0, error.start) + 1
    return DataError(
        f"{path} is not UTF-8: byte 0x{block.text[error.start]:02x} in line {line}, "
        f"at byte {error.start - start + 1} of the line; if it is {guess}, "
        f"convert {_conversion(path, block, guess)}"
    )


def _conversion(path: Path, block: Block, encoding: str) -> str:
    """What to convert, and the command that makes UTF-8 of it."""
    if not block.every_line:
        what, place = ("it", path) if block.folder is None else ("its folder", block.folder)
        return f"{what} with: minnow data clean {shlex.quote(str(place))} --encoding {encoding} --out DIR"
    return f"it with: {_lossless_conversion(path, encoding)}"


def _lossless_conversion(path: Path, encoding: str) -> str:
    convert = f"iconv -f {encoding.replace('utf-16-', 'utf-16')} -t utf-8"  # which spells utf-16le in one
    if path is STANDARD_INPUT:
        return f"{convert} FILE | minnow …"
    spelt = shlex.quote(str(path))
    if read_head(path).startswith(GZIP_MAGIC):
        return f"gunzip -c {spelt} | {convert} > OTHER"
    return f"{convert} {spelt} > OTHER"


def _whole_lines(chunks: Iterator[bytes], path: Path, max_line_bytes: int) -> Iterator[Block]:
    pending: list[bytes] = []
    pending_bytes = 0
    first_line = 1
    for chunk in chunks:
        first_break = chunk.find(b"\n")
        if pending_bytes + (len(chunk) if first_break < 0 else first_break) > max_line_bytes:
            raise DataError(
                f"line {first_line} of {path} is longer than {max_line_bytes:,} bytes, which no line may be; "
                "is it one record a line?"
            )
        cut = chunk.rfind(b"\n") + 1
        if cut:
            text = b"".join([*pending, chunk[:cut]])
            pending, pending_bytes = [], 0
            yield Block(first_line, text)
            first_line += text.count(b"\n")
        pending.append(chunk[cut:])
        pending_bytes += len(chunk) - cut
    if pending_bytes:
        yield Block(first_line, b"".join(pending))


def _utf8(path: Path, encoding: str | None, ahead: bool) -> Iterator[bytes]:
    """The stored text as UTF-8 bytes without a byte order mark."""
    chunks = _stored(path, ahead)
    first = next(chunks, b"")
    found = encoding or next((name for mark, name in _MARKS if first.startswith(mark)), None)
    if found is None:
        yield first
        yield from chunks
    elif found == "utf-8-sig":
        yield first.removeprefix(codecs.BOM_UTF8)
        yield from chunks
    else:
        yield from _transcoded(path, first, chunks, found)


def _transcoded(path: Path, first: bytes, chunks: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    try:
        "".encode(encoding)  # refuses hex, zlib and their like, which turn bytes into bytes
        decoder = codecs.getincrementaldecoder(encoding)()
    except (LookupError, ValueError) as error:
        raise DataError(f"unknown encoding {encoding!r}; try cp1252, gb18030, big5, shift_jis or utf-16") from error
    offset = 0
    try:
        yield decoder.decode(first).removeprefix("\ufeff").encode("utf-8")
        offset += len(first)
        for chunk in chunks:
            yield decoder.decode(chunk).encode("utf-8")
            offset += len(chunk)
        yield decoder.decode(b"", final=True).encode("utf-8")
    except UnicodeError as error:
        raise DataError(f"{path} is not {encoding}: {error} (after byte {offset}); try another --encoding") from error


def _stored(path: Path, ahead: bool) -> Iterator[bytes]:
    chunks = _plain(path)
    first = next(chunks, b"")
    for magic, what in _FOREIGN:
        if first.startswith(magic):
            raise DataError(f"{path} is {what}")
    whole = chain((first,), chunks)
    if first.startswith(GZIP_MAGIC):
        unpacked = _unpacked(whole, path)
        return _ahead(unpacked) if ahead else unpacked
    return whole


def _plain(path: Path) -> Iterator[bytes]:
    if path is STANDARD_INPUT:
        piped = cast(io.BufferedIOBase, sys.stdin.buffer)
        yield piped.read(HEAD_BYTES)
        while chunk := piped.read1(CHUNK_BYTES):  # no more than has come: who writes may think in between
            yield chunk
        return
    try:
        with path.open("rb") as stream:
            while chunk := stream.read(CHUNK_BYTES):
                yield chunk
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error


def gunzipped(path: Path) -> Iterator[bytes]:
    """Decompress in bounded pieces, so that a few bytes of gz cannot claim all the memory at once."""
    return _unpacked(_plain(path), path)


def _unpacked(chunks: Iterator[bytes], path: Path) -> Iterator[bytes]:
    member = zlib.decompressobj(wbits=31)
    begun = False
    try:
        for chunk in chunks:
            left = chunk
            while left:
                if member.eof:
                    left = left.lstrip(b"\0")  # padding after the last member is allowed by the format
                    if not left:
                        break
                    member = zlib.decompressobj(wbits=31)
                piece = member.decompress(left, 2 * CHUNK_BYTES)
                begun = True
                if piece:
                    yield piece
                left = member.unused_data if member.eof else member.unconsumed_tail
    except zlib.error as error:
        raise DataError(f"{path} is a damaged gz file ({error}); fetch or pack it again") from error
    if begun and not member.eof:
        raise DataError(f"{path} ends in the middle of its gz stream; it was cut off, so fetch or pack it again")


def _ahead(chunks: Iterator[bytes], depth: int = 4) -> Iterator[bytes]:
    """Decompress in a second thread: zlib lets go of the interpreter, so unpacking and parsing run side by side."""
    ready: queue.Queue[bytes | BaseException | None] = queue.Queue(maxsize=depth)
    stopped = threading.Event()

    def hand_over(item: bytes | BaseException | None) -> None:
        while not stopped.is_set():
            try:
                ready.put(item, timeout=0.1)
                return
            except queue.Full:
                continue

    def work() -> None:
        try:
            for chunk in chunks:
                hand_over(chunk)
                if stopped.is_set():
                    return
            hand_over(None)
        except BaseException as error:  # handed to the reader's thread, which raises it
            hand_over(error)

    thread = threading.Thread(target=work, name="gunzip", daemon=True)
    thread.start()
    try:
        while (item := ready.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        stopped.set()
        thread.join()


def _nul_error(path: Path, block: Block) -> DataError:
    text = block.text
    at = text.index(b"\0")
    line = block.first_line + text.count(b"\n", 0, at)
    hint = "it is no text file; if it is, take such bytes out with: tr -d '\\000' < FILE > OTHER"
    if len(text) >= 4 and text.count(b"\0") > len(text) // 4:
        guess = "utf-16-le" if text[1:2] == b"\0" else "utf-16-be"
        hint = f"if it is {guess}, convert {_conversion(path, block, guess)}"
    return DataError(f"{path} holds a NUL byte in line {line}, which text never does; {hint}")


def _guess_encoding(sample: bytes) -> str:
    """gb18030 where most high bytes come in its pairs and read as common Han characters, else cp1252."""
    high = sum(byte >= 0x80 for byte in sample[:65536])
    try:
        read = codecs.getincrementaldecoder("gb18030")().decode(sample[:65536])
    except UnicodeDecodeError:
        return "cp1252"
    num_han = sum("\u4e00" <= character <= "\u9fff" for character in read)
    # A Han character has two high bytes; an accented letter before a plain one reads as Han too, but with one.
    return "gb18030" if 0.6 * high < num_han * 2 < 1.5 * high else "cp1252"
