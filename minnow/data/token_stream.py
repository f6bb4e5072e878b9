"""A corpus as one stream of token ids, with what was in it counted on the way.

Tokenizers that keep spaces see line ends as characters. The others read line by line, and each line end becomes the
end token, as is usual for language models over words. One end token closes a document.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from minnow.data.corpus import Corpus, Piece
from minnow.text.tokenizer import Tokenizer

CHARACTERS_AT_ONCE = 1 << 20
MAX_HELD_BACK = 1 << 16


@dataclass(frozen=True)
class Counts:
    """What a stretch of text holds.

    ``bytes`` are UTF-8; ``words`` stand between white space, a line end counts as a word, and so does the end of a
    document that ends without one. Neither depends on the tokenizer.
    """

    tokens: int = 0
    bytes: int = 0
    words: int = 0
    documents: int = 0
    unknown: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(*(getattr(self, field.name) + getattr(other, field.name) for field in fields(self)))


@dataclass(frozen=True)
class Encoded:
    """The next token ids of the stream, and what they were made from."""

    token_ids: NDArray[np.int64]
    counts: Counts


@dataclass(frozen=True)
class _Stretch:
    text: str
    end_follows: bool


def encode_corpus(corpus: Corpus, tokenizer: Tokenizer) -> Iterator[Encoded]:
    """The stream in portions of about a million characters, in constant memory.

    Raises:
        DataError: the corpus holds no text, or a file of it cannot be read.
    """
    pieces = _with_counts(corpus.pieces())
    cut = _solid_stretches if tokenizer.keeps_spaces else _lines
    waiting: list[_Stretch] = []
    counts, size = Counts(), 0
    for stretch, counted in cut(pieces):
        waiting.append(stretch)
        counts, size = counts + counted, size + len(stretch.text)
        if size >= CHARACTERS_AT_ONCE:
            yield _encoded(waiting, counts, tokenizer)
            waiting, counts, size = [], Counts(), 0
    if waiting:
        yield _encoded(waiting, counts, tokenizer)


def _encoded(stretches: list[_Stretch], counts: Counts, tokenizer: Tokenizer) -> Encoded:
    rows = tokenizer.encode_ids([stretch.text for stretch in stretches])
    unknown = sum(row.count(tokenizer.unk_id) for row in rows)  # counted before end tokens, which may have the same id
    for row, stretch in zip(rows, stretches, strict=True):
        if stretch.end_follows:
            row.append(tokenizer.eos_id)
    token_ids = np.concatenate([np.array(row, np.int64) for row in rows])
    return Encoded(token_ids, counts + Counts(tokens=len(token_ids), unknown=unknown))


def _with_counts(pieces: Iterable[Piece]) -> Iterator[tuple[Piece, Counts]]:
    for piece in pieces:
        text = piece.text
        words = len(text.split()) + text.count("\n") + (piece.ends_document and not text.endswith("\n"))
        yield piece, Counts(0, len(text.encode("utf-8", "replace")), words, int(piece.ends_document))


def _solid_stretches(pieces: Iterable[tuple[Piece, Counts]]) -> Iterator[tuple[_Stretch, Counts]]:
    """Pieces cut before white space instead of behind it: no tokenizer joins what stands before white space with it,
    so the ids do not depend on where the pieces end."""
    held_back = ""
    for piece, counts in pieces:
        text = held_back + piece.text
        solid = text if piece.ends_document else text.rstrip()
        if len(text) - len(solid) > MAX_HELD_BACK:
            solid = text
        held_back = text[len(solid) :]
        yield _Stretch(solid, piece.ends_document), counts
    if held_back:
        yield _Stretch(held_back, False), Counts()


def _lines(pieces: Iterable[tuple[Piece, Counts]]) -> Iterator[tuple[_Stretch, Counts]]:
    for piece, counts in pieces:
        *whole, rest = piece.text.split("\n")
        for at, line in enumerate(whole):
            yield _Stretch(line, True), Counts() if at else counts
        if rest or not whole:
            yield _Stretch(rest, piece.ends_document), Counts() if whole else counts
