"""Word vectors by their words: read from the usual files, looked up, compared, laid out to start embeddings.

V words · D dimensions
"""

import codecs
import gzip
import zlib
from collections.abc import Iterable, Iterator, Sequence, Set
from contextlib import contextmanager
from functools import cached_property, partial
from itertools import chain
from pathlib import Path
from typing import BinaryIO, Self, cast

import numpy as np
import numpy.typing as npt

from minnow.errors import DataError, InputError
from minnow.files import written_whole

Matrix = npt.NDArray[np.float32]
Rows = Iterator[tuple[list[str], Matrix]]

LONGEST_LINE = 1_000_000  # bytes; a line beyond it is no line of vectors
LONGEST_WORD = 10_000  # bytes, in the binary format
MOST_DIMENSIONS = 100_000
ROWS_AT_ONCE = 2_048
_DAMAGED_GZIP = (gzip.BadGzipFile, zlib.error, EOFError)


class KeyedVectors:
    """Words and their vectors: ``words[i]`` belongs to ``vectors_VD[i]`` (float32)."""

    def __init__(self, words: Sequence[str], vectors_VD: Matrix):
        """Take words and vectors as they are.

        Raises:
            DataError: the shapes do not fit, or a word stands twice.
        """
        self.words = list(words)
        self.vectors_VD = np.ascontiguousarray(vectors_VD, dtype=np.float32)
        if self.vectors_VD.ndim != 2 or len(self.words) != len(self.vectors_VD):
            raise DataError(
                f"vectors must be a matrix with a row a word, but got {len(self.words)} words and "
                f"shape {self.vectors_VD.shape}; give one row for each"
            )
        self._row_of = {word: row for row, word in enumerate(self.words)}
        if len(self._row_of) < len(self.words):
            twice = next(word for row, word in enumerate(self.words) if self._row_of[word] != row)
            raise DataError(f"every word must stand once, but {twice!r} stands again; remove one of them")

    @classmethod
    def load(cls, path: Path | str, only: Set[str] | None = None) -> Self:
        """Read a file of vectors; with ``only``, keep these words alone, in memory for them alone.

        The name tells the format: ``.bin`` is word2vec's binary one, ``.safetensors`` is what ``save`` writes, anything
        else is text, with word2vec's header (``V D``) or without (GloVe). Text and ``.bin`` may end in ``.gz``. Of a
        word that stands twice the first vector counts.

        Raises:
            DataError: the file is missing or damaged; the message has the line (in binary files, the word).
        """
        path = Path(path)
        suffix = path.with_suffix("").suffix if path.suffix == ".gz" else path.suffix
        if suffix == ".safetensors":
            words, blocks = _gathered(_safetensors_rows(path), only)
        else:
            read = _binary_rows if suffix == ".bin" else _text_rows
            with _opened(path) as stream:
                words, blocks = _gathered(read(stream, path, only), only)
        if not blocks:
            what = "vectors" if only is None else f"vector for any of the {len(only)} words asked for"
            raise DataError(f"{path} holds no {what}; check its language and its case")
        return cls(words, np.concatenate(blocks))

    def save(self, path: Path | str) -> None:
        """Write word2vec's text format (``.gz`` packs it), or ``.safetensors``; whole or not at all.

        Text keeps nine digits, which give back the same float32.

        Raises:
            DataError: a word cannot be written: it is empty, or holds a line feed or a tab.
        """
        path = Path(path)
        for word in self.words:
            if not _can_be_written(word):
                raise DataError(f"a word must not be empty nor hold a line feed or a tab, but got {word!r}; rename it")
        with written_whole(path) as stream:
            if path.suffix == ".safetensors":
                stream.write(self._safetensors())
            elif path.suffix == ".gz":
                # No name and no clock in the header: the same vectors give the same bytes.
                with gzip.GzipFile(filename="", fileobj=stream, mode="wb", compresslevel=6, mtime=0) as packed:
                    self._write_text(cast(BinaryIO, packed))
            else:
                self._write_text(stream)

    def __len__(self) -> int:
        return len(self.words)

    def __contains__(self, word: object) -> bool:
        return word in self._row_of

    @property
    def dimensions(self) -> int:
        """How many numbers a vector has (D)."""
        return int(self.vectors_VD.shape[1])

    def vector(self, word: str) -> Matrix:
        """The word's own D numbers, a copy.

        Raises:
            InputError: the word has no vector.
        """
        return np.array(self.vectors_VD[self._row(word)])

    def similarity(self, first: str, second: str) -> float:
        """The cosine between two words, 0 where a vector is all zeros.

        Raises:
            InputError: a word has no vector.
        """
        return float(self._unit(first) @ self._unit(second))

    def neighbours(self, query: str | npt.ArrayLike, count: int = 10) -> list[tuple[str, float]]:
        """The ``count`` words nearest to a word (itself left out) or to a vector, with their cosines, nearest first.

        Raises:
            InputError: the word has no vector, or the vector has not D numbers.
        """
        if isinstance(query, str):
            return self._nearest(self._unit(query), count, leave_out=(query,))
        vector = np.asarray(query, dtype=np.float32)
        if vector.shape != (self.dimensions,):
            raise InputError(f"the vector must have {self.dimensions} numbers, but got shape {vector.shape}")
        return self._nearest(_units(vector), count, leave_out=())

    def analogy(self, a: str, b: str, c: str, count: int = 1) -> list[tuple[str, float]]:
        """What is to ``c`` as ``b`` is to ``a``: the words nearest to b - a + c, the three left out.

        3CosAdd over unit vectors (Mikolov et al. 2013; Levy and Goldberg 2014, equation 1).

        Raises:
            InputError: a word has no vector.
        """
        target = self._unit(b) - self._unit(a) + self._unit(c)
        return self._nearest(_units(target), count, leave_out=(a, b, c))

    def matrix_for(self, vocabulary: Sequence[str]) -> tuple[Matrix, npt.NDArray[np.bool_]]:
        """A row for each entry of a vocabulary, and which of them were found; the rest are zeros.

        An entry is looked up as it stands, then in lower case.
        """
        rows = np.fromiter(
            (self._row_of.get(entry, self._row_of.get(entry.lower(), -1)) for entry in vocabulary),
            dtype=np.int64,
            count=len(vocabulary),
        )
        found = rows >= 0
        matrix = np.zeros((len(vocabulary), self.dimensions), dtype=np.float32)
        matrix[found] = self.vectors_VD[rows[found]]
        return matrix, found

    @cached_property
    def _lengths(self) -> Matrix:
        return np.asarray(np.linalg.norm(self.vectors_VD, axis=1), dtype=np.float32)

    def _row(self, word: str) -> int:
        # No nearest name here: the search through a million words would take minutes.
        if word not in self._row_of:
            raise InputError(
                f"{word!r} has no vector among the {len(self)} words; try it in lower case or another form"
            )
        return self._row_of[word]

    def _unit(self, word: str) -> Matrix:
        return _units(self.vectors_VD[self._row(word)])

    def _nearest(self, unit: Matrix, count: int, leave_out: Iterable[str]) -> list[tuple[str, float]]:
        if count < 1:
            raise InputError(f"count must be at least 1, but got count={count}")
        lengths = np.where(self._lengths > 0, self._lengths, 1)
        cosines = self.vectors_VD @ unit / lengths
        cosines[[self._row_of[word] for word in leave_out]] = -np.inf
        best = min(count, len(self))
        rows = np.argpartition(-cosines, best - 1)[:best]
        rows = rows[np.lexsort((rows, -cosines[rows]))]
        return [(self.words[row], float(cosines[row])) for row in rows if cosines[row] > -np.inf]

    def _write_text(self, stream: BinaryIO) -> None:
        stream.write(f"{len(self)} {self.dimensions}\n".encode())
        for word, vector in zip(self.words, self.vectors_VD, strict=True):
            stream.write(f"{word} {' '.join(f'{number:.9g}' for number in vector.tolist())}\n".encode())

    def _safetensors(self) -> bytes:
        from safetensors.numpy import save

        words = np.frombuffer("\n".join(self.words).encode(), dtype=np.uint8)
        return bytes(save({"words": words, "vectors": self.vectors_VD}))


def _can_be_written(word: str) -> bool:
    half_pair = any("\ud800" <= character <= "\udfff" for character in word)
    return bool(word) and "\n" not in word and "\t" not in word and not half_pair


def _units(vector: Matrix) -> Matrix:
    length = float(np.linalg.norm(vector))
    return vector / np.float32(length) if length > 0 else vector


# Reading: each format gives blocks of words and rows, so that a file larger than memory can be read for some words.


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as stream:
            yield cast(BinaryIO, stream)
    except _DAMAGED_GZIP as error:
        raise DataError(f"{path} is not a whole gzip file ({error}); fetch it again") from error
    except OSError as error:
        raise DataError(f"cannot read the vectors {path} ({error.strerror or error}); check the path") from error


def _gathered(rows: Rows, only: Set[str] | None) -> tuple[list[str], list[Matrix]]:
    words: list[str] = []
    seen: set[str] = set()
    blocks: list[Matrix] = []
    for block_words, block in rows:
        kept = []
        for row, word in enumerate(block_words):
            if word not in seen and (only is None or word in only):
                seen.add(word)
                kept.append(row)
        if kept:
            words += [block_words[row] for row in kept]
            blocks.append(block if len(kept) == len(block_words) else block[kept])
    return words, blocks


def _text_rows(stream: BinaryIO, path: Path, only: Set[str] | None) -> Rows:
    lines = _lines(stream, path)
    first = next(lines, None)
    if first is None:
        raise DataError(f"{path} is empty; it must hold a word and its numbers on every line")
    header = _header(first[1])
    declared, dimensions = header if header else (None, first[1].replace(b"\t", b" ").count(b" "))
    if dimensions < 1:
        raise DataError(f"{path}, line 1: a line must hold a word and its numbers, but got {_shown(first[1])}")
    if not header:
        lines = chain([first], lines)
    count = 0
    block: list[tuple[int, str, bytes]] = []
    for number, line in lines:
        count += 1
        word, numbers = _word_and_numbers(line, dimensions, number, path)
        if only is None or word in only:
            block.append((number, word, numbers))
        if len(block) == ROWS_AT_ONCE:
            yield _parsed(block, dimensions, path)
            block = []
    if block:
        yield _parsed(block, dimensions, path)
    _check_count(count, declared, path)


def _lines(stream: BinaryIO, path: Path) -> Iterator[tuple[int, bytes]]:
    # Only a line feed ends a line: words hold every other kind of separator that Unicode has.
    for number, line in enumerate(iter(partial(stream.readline, LONGEST_LINE), b""), start=1):
        if len(line) == LONGEST_LINE and not line.endswith(b"\n"):
            raise DataError(f"{path}, line {number} is longer than {LONGEST_LINE:,} bytes; this is no file of vectors")
        stripped = (line.removeprefix(codecs.BOM_UTF8) if number == 1 else line).rstrip(b" \t\r\n")
        if stripped:
            yield number, stripped


def _header(line: bytes) -> tuple[int, int] | None:
    """The numbers of words and of dimensions, where a line holds just these two."""
    fields = line.split()
    if len(fields) != 2 or not all(field.isdigit() and len(field) <= 12 for field in fields):
        return None
    words, dimensions = map(int, fields)
    return (words, dimensions) if 1 <= dimensions <= MOST_DIMENSIONS else None


def _word_and_numbers(line: bytes, dimensions: int, number: int, path: Path) -> tuple[str, bytes]:
    """Cut a line behind its word, which may hold spaces of its own (GloVe's ``at name@domain.com``)."""
    line = line.replace(b"\t", b" ")
    word, _, numbers = line.partition(b" ")
    if numbers.count(b" ") != dimensions - 1:
        fields = line.rsplit(b" ", dimensions)
        word, numbers = fields[0], b" ".join(fields[1:])
        if len(fields) != dimensions + 1 or not all(fields):
            raise DataError(f"{path}, line {number}: expected a word and {dimensions} numbers, but got {_shown(line)}")
    try:
        return word.decode("utf-8"), numbers
    except UnicodeDecodeError as error:
        raise DataError(f"{path}, line {number} is not UTF-8 ({error.reason}); convert the file to UTF-8") from error


def _parsed(block: list[tuple[int, str, bytes]], dimensions: int, path: Path) -> tuple[list[str], Matrix]:
    try:
        matrix = _numbers(b" ".join(numbers for _, _, numbers in block), dimensions * len(block))
    except ValueError:
        for number, _, numbers in block:
            try:
                _numbers(numbers, dimensions)
            except ValueError as error:
                raise DataError(
                    f"{path}, line {number}: expected a word and {dimensions} finite numbers, but got {_shown(numbers)}"
                ) from error
        raise
    return [word for _, word, _ in block], matrix.reshape(len(block), dimensions)


def _numbers(text: bytes, count: int) -> Matrix:
    numbers = np.fromstring(text, dtype=np.float32, sep=" ")
    if len(numbers) != count or not np.isfinite(numbers).all():
        raise ValueError
    return numbers


def _binary_rows(stream: BinaryIO, path: Path, only: Set[str] | None) -> Rows:
    header = _header(stream.readline(100))
    if header is None:
        raise DataError(
            f"{path}, line 1: expected the numbers of words and dimensions of word2vec's binary format; "
            "fastText's .bin is another format, use its .vec file"
        )
    declared, dimensions = header
    read = partial(_binary_row, stream, dimensions, path)
    words: list[str] = []
    block: list[Matrix] = []
    for number in range(1, declared + 1):
        word, vector = read(number)
        if only is None or word in only:
            words.append(word)
            block.append(vector)
        if len(block) == ROWS_AT_ONCE:
            yield words, np.stack(block)
            words, block = [], []
    if block:
        yield words, np.stack(block)
    if stream.read(2).strip():
        raise DataError(f"{path} goes on behind the {declared} words that its header declares; fetch it again")


def _binary_row(stream: BinaryIO, dimensions: int, path: Path, number: int) -> tuple[str, Matrix]:
    letters = bytearray()
    while (letter := stream.read(1)) != b" ":
        if not letter or len(letters) > LONGEST_WORD:
            raise DataError(f"{path} ends or goes wrong at word {number}; fetch it again")
        letters += letter
    content = stream.read(4 * dimensions)
    if len(content) < 4 * dimensions:
        raise DataError(f"{path} ends within the vector of word {number}; fetch it again")
    vector = np.frombuffer(content, dtype="<f4").astype(np.float32)
    if not np.isfinite(vector).all():
        raise DataError(f"{path}, word {number}: expected finite numbers; fetch it again")
    # word2vec's own tool cuts long words in the middle of a character.
    return letters.lstrip(b"\n").decode("utf-8", errors="replace"), vector


def _safetensors_rows(path: Path) -> Rows:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as content:
            words = content.get_tensor("words").tobytes().decode("utf-8").split("\n")
            vectors = content.get_slice("vectors")
            shape = vectors.get_shape()
            if len(shape) != 2 or shape[0] != len(words) or vectors.get_dtype() != "F32":
                raise DataError(f"{path} holds {len(words)} words but vectors of shape {shape}; write it again")
            for start in range(0, len(words), ROWS_AT_ONCE):
                end = min(start + ROWS_AT_ONCE, len(words))
                block = vectors[start:end]
                if not np.isfinite(block).all():
                    raise DataError(f"{path}, words {start + 1} to {end}: expected finite numbers; write it again")
                yield words[start:end], block
    except (SafetensorError, UnicodeDecodeError, OSError) as error:
        raise DataError(f"{path} is not a whole file of vectors ({error}); fetch or write it again") from error


def _check_count(count: int, declared: int | None, path: Path) -> None:
    if declared is not None and count != declared:
        raise DataError(f"{path} declares {declared} words on line 1 but holds {count}; fetch it again")


def _shown(line: bytes) -> str:
    text = line.decode("utf-8", errors="replace")
    return repr(text if len(text) <= 60 else text[:60] + "…")
