"""Texts cut into other sub-words each time they are read: BPE-dropout, Provilkov et al. (2020), section 3.

Byte-pair encoding puts a word together from its bytes by merges, the first one learnt first. Where each possible merge
is left out at random, a word is read now whole, now in pieces, so that a model also learns what its pieces mean. It is
for learning alone; whoever asks a model cuts by all merges.

N rows · C bytes of all rows · W words of all rows
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from minnow.errors import RecipeError
from minnow.text.tokenizer import Tokenizer

_NEVER = np.iinfo(np.int32).max  # the rank of a pair that no merge puts together


class SubwordDropout:
    """Rows of token ids, to be cut anew.

    Args:
        tokenizer: BPE that cut the rows.
        rows: token ids; special tokens may stand before and after the text.
        rate: share of the possible merges that are left out at each step; 0 gives the rows back.

    Raises:
        RecipeError: the tokenizer is another kind, or the rate lies outside [0, 1).
    """

    def __init__(self, tokenizer: Tokenizer, rows: Sequence[Sequence[int]], rate: float):
        check_kind(tokenizer.kind)
        check_rate(rate)
        self.rate = rate
        self._merges = _table(tokenizer)
        spelling = _Spelling(tokenizer)
        bytes_C: list[int] = []
        words_W, rows_N = [0], [0]  # where each ends
        for row in rows:
            for word in spelling.words(row):
                bytes_C += word
                words_W.append(len(bytes_C))
            rows_N.append(len(words_W) - 1)
        self._bytes = np.array(bytes_C, np.int32)
        self._word_starts = np.array(words_W, np.int64)
        self._row_starts = np.array(rows_N, np.int64)

    def draw(self, random: np.random.Generator) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """All rows, cut anew: their ids in one array, and where each row starts [N+1]."""
        ids = np.empty_like(self._bytes)
        starts = np.zeros_like(self._row_starts)
        count = _cut(self._bytes, self._word_starts, self._row_starts, *self._merges, self.rate, random, ids, starts)
        return ids[:count].copy(), starts


def check_kind(kind: str) -> None:
    """RecipeError unless merges can be left out of a tokenizer of this kind."""
    if kind != "bpe":
        raise RecipeError(
            f"merges can be left out of bpe alone, but the tokenizer's kind is {kind}; try tokenizer.kind=bpe, or "
            "tokenizer.bpe_dropout=0"
        )


def check_rate(rate: float) -> None:
    """RecipeError unless it is a share that leaves some merges."""
    if not 0 <= rate < 1:
        raise RecipeError(f"tokenizer.bpe_dropout must lie in [0, 1), but got {rate}; try 0.1")


class _Spelling:
    """Rows as the bytes of their words."""

    def __init__(self, tokenizer: Tokenizer):
        self._tokenizer = tokenizer
        self._id_of = {token: number for number, token in enumerate(tokenizer.vocabulary)}
        self._words: dict[str, list[int]] = {}

    def words(self, row: Sequence[int]) -> list[list[int]]:
        """Of each word its bytes; a special token is a word of its own."""
        special = self._tokenizer.special_ids
        inside = [place for place, token_id in enumerate(row) if token_id not in special]
        first, last = (inside[0], inside[-1] + 1) if inside else (len(row), len(row))
        text = self._tokenizer.decode(row[first:last])
        words = [self._word(stretch) for stretch in self._tokenizer.stretches(text)]
        return [[token_id] for token_id in row[:first]] + words + [[token_id] for token_id in row[last:]]

    def _word(self, stretch: str) -> list[int]:
        if stretch not in self._words:
            self._words[stretch] = [self._id_of[byte] for byte in stretch]
        return self._words[stretch]


def _table(tokenizer: Tokenizer) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int32], int]:
    """Of each merge its pair as one number, in ascending order; its rank; and the id that comes of it. Behind them by
    what the first id of a pair is multiplied."""
    size = tokenizer.vocab_size
    merges = tokenizer.merges()
    pairs = np.array([left * size + right for left, right, _ in merges], np.int64)
    made = np.array([whole for _, _, whole in merges], np.int32)
    order = np.argsort(pairs)
    return pairs[order], order.astype(np.int32), made[order], size


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _cut(
    bytes_C: Any,
    word_starts: Any,
    row_starts: Any,
    pairs: Any,
    ranks: Any,
    made: Any,
    size: int,
    rate: float,
    random: Any,
    ids: Any,
    starts: Any,
) -> int:
    """Fill ``ids`` and ``starts``; how many ids there are."""
    count = 0
    longest = 0
    for word in range(len(word_starts) - 1):
        longest = max(longest, word_starts[word + 1] - word_starts[word])
    places = np.empty(longest, np.int64)  # of the merge of each symbol and the next one in the table, -1 for none
    for row in range(len(row_starts) - 1):
        for word in range(row_starts[row], row_starts[row + 1]):
            first, last = word_starts[word], word_starts[word + 1]
            ids[count : count + last - first] = bytes_C[first:last]
            count += _merged(ids[count : count + last - first], places, pairs, ranks, made, size, rate, random)
        starts[row + 1] = count
    return count


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _merged(word: Any, places: Any, pairs: Any, ranks: Any, made: Any, size: int, rate: float, random: Any) -> int:
    """Merge in place; how many symbols are left."""
    count = len(word)
    for i in range(count - 1):
        places[i] = _found(word[i], word[i + 1], pairs, size)
    while True:
        best, lowest = -1, _NEVER
        for i in range(count - 1):
            # Whether a merge would have been left out that does not come first anyway need not be drawn.
            if places[i] >= 0 and ranks[places[i]] < lowest and (rate == 0 or random.random() >= rate):
                best, lowest = i, ranks[places[i]]
        if best < 0:
            return count
        word[best] = made[places[best]]
        count -= 1
        for i in range(best + 1, count):
            word[i] = word[i + 1]
            places[i] = places[i + 1]
        if best > 0:
            places[best - 1] = _found(word[best - 1], word[best], pairs, size)
        if best < count - 1:
            places[best] = _found(word[best], word[best + 1], pairs, size)


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _found(left: Any, right: Any, pairs: Any, size: int) -> int:
    """Where the pair stands among the sorted ones; -1 where it does not."""
    pair = left * size + right
    place = np.searchsorted(pairs, pair)
    return place if place < len(pairs) and pairs[place] == pair else -1
