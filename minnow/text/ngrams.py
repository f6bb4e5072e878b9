"""Text to hashed n-grams: the words in order and the letters inside them, counted once per text, without a vocabulary.

A text is folded (NFKC, lower case) and read as tokens: a run of letters, marks, digits and inner apostrophes is one
token; every Chinese or Japanese character and every sign of punctuation is one; white space and control characters are
none. Each text begins and ends with a border token, so that "starts with *what is*" is a feature too.

N texts · M distinct n-grams, summed over the texts.
"""

import unicodedata
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import numpy as np
from numba import njit
from numpy.typing import NDArray

from minnow.errors import BundleError, RecipeError

MAX_CHARACTERS = 1_000_000  # of one text; what follows is not read, so that memory is bounded
NUM_THREADS = 2
_MOST_PROBES = 10_000  # to a free slot; hashes need some tens
_PORTION = 500_000
_TABLE_SIZE = 0x20000  # planes 0 and 1; what lies above is Chinese (plane 2 and 3) or nothing that is written
_SPACE, _WORD, _SINGLE, _APOSTROPHE = range(4)
_FNV_BASIS, _FNV_PRIME = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3)
_BORDER = np.uint64(0x1D2C3B4A59687)
_CJK = ((0x3040, 0x30FF), (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF))


@dataclass(frozen=True)
class NgramSettings:
    """Which n-grams are counted.

    Attributes:
        word_order: n-grams of 1 to this many tokens; 0 for none.
        shortest_letters, longest_letters: runs of this many characters inside a word, its two borders counted as one
            character each; 0 and 0 for none.

    Raises:
        RecipeError: orders that cannot be.
    """

    word_order: int = 3
    shortest_letters: int = 0
    longest_letters: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.word_order <= 8 or not 0 <= self.shortest_letters <= self.longest_letters <= 12:
            raise RecipeError(
                "n-grams take word_order from 0 to 8 and shortest_letters <= longest_letters <= 12, but got "
                f"word_order={self.word_order}, shortest_letters={self.shortest_letters}, "
                f"longest_letters={self.longest_letters}; try 3, 1 and 5"
            )
        if self.word_order == 0 and self.longest_letters == 0:
            raise RecipeError("n-grams need word_order or longest_letters above 0, but both are 0; try word_order=3")


@dataclass(frozen=True)
class NgramCounts:
    """The n-grams of N texts: text ``i`` holds ``keys[starts[i]:starts[i+1]]``, each ``counts`` times.

    ``starts`` int64 [N+1] · ``keys`` uint32 [M], hashes in the order of first occurrence · ``counts`` uint16 [M].
    """

    starts: NDArray[np.int64]
    keys: NDArray[np.uint32]
    counts: NDArray[np.uint16]

    def __len__(self) -> int:
        return len(self.starts) - 1


def count_ngrams(texts: Sequence[str], settings: NgramSettings) -> NgramCounts:
    """Count the n-grams of every text, in the order of the texts, with two threads."""
    portions = _portions(texts)
    if len(portions) == 1:
        return _count(portions[0], settings)
    with ThreadPoolExecutor(NUM_THREADS) as pool:
        parts = list(pool.map(lambda portion: _count(portion, settings), portions))
    sizes = np.concatenate([np.zeros(1, np.int64), *(np.diff(part.starts) for part in parts)])
    return NgramCounts(
        np.cumsum(sizes), np.concatenate([part.keys for part in parts]), np.concatenate([part.counts for part in parts])
    )


def _fold(text: str) -> str:
    text = text[:MAX_CHARACTERS]
    return (text if text.isascii() else unicodedata.normalize("NFKC", text)).lower()


def _portions(texts: Sequence[str]) -> list[Sequence[str]]:
    """Stretches of about ``_PORTION`` characters, which stay in the processor's cache while they are counted."""
    ends = np.cumsum([len(text) for text in texts])
    cuts = np.searchsorted(ends, np.arange(_PORTION, ends[-1] if len(texts) else 0, _PORTION)) + 1
    bounds = [0, *dict.fromkeys(int(cut) for cut in cuts if cut < len(texts)), len(texts)]
    return [texts[first:last] for first, last in pairwise(bounds)]


def _count(texts: Sequence[str], settings: NgramSettings) -> NgramCounts:
    folded = [_fold(text) for text in texts]
    starts = np.zeros(len(folded) + 1, np.int64)
    np.cumsum([len(text) for text in folded], out=starts[1:])
    joined = "".join(folded).encode("utf-32-le", "surrogatepass")
    return NgramCounts(
        *_count_kernel(
            np.frombuffer(joined, np.uint32),
            starts,
            _character_classes(),
            settings.word_order,
            settings.shortest_letters,
            settings.longest_letters,
        )
    )


@cache
def _character_classes() -> NDArray[np.uint8]:
    """For each code point whether it is white space, part of a word, a token by itself or an apostrophe."""
    kinds = {"L": _WORD, "M": _WORD, "N": _WORD, "Z": _SPACE, "C": _SPACE}
    table = np.array(
        [kinds.get(unicodedata.category(chr(point))[0], _SINGLE) for point in range(_TABLE_SIZE)], np.uint8
    )
    for first, last in _CJK:
        table[first : last + 1] = _SINGLE
    table[ord("_")] = _WORD
    table[[ord("'"), ord("’")]] = _APOSTROPHE
    return table


@njit(inline="always")
def _mix(value):  # type: ignore[no-untyped-def]
    """Spread the bits of a 64-bit hash (the finaliser of splitmix64, Steele et al. 2014, shortened)."""
    value ^= value >> np.uint64(29)
    value *= np.uint64(0xBF58476D1CE4E5B9)
    return value ^ (value >> np.uint64(32))


@njit(inline="always")
def _class_of(point, classes):  # type: ignore[no-untyped-def]
    return classes[point] if point < np.uint32(_TABLE_SIZE) else np.uint8(_SINGLE)


@njit(inline="always")
def _put(hashed, tag, place, entries, places, keys, counts):  # type: ignore[no-untyped-def]
    """Count an n-gram in the open-addressing set of the text; the next free place in ``keys`` and ``counts``.

    An entry is the text's tag above the key: entries of earlier texts are smaller than the tag and so count as free,
    and the set never has to be emptied. What is stored does not hang on whether the key is new, which no processor
    can guess; with a branch on it this takes twice as long.
    """
    entry = tag | (hashed >> np.uint64(32))
    mask = np.uint64(len(entries) - 1)
    slot = entry & mask
    while entries[slot] >= tag and entries[slot] != entry:
        slot = (slot + np.uint64(1)) & mask
    is_new = entries[slot] != entry
    entries[slot] = entry
    keys[place] = np.uint32(entry)
    where = place if is_new else places[slot]
    places[slot] = where
    count = np.uint16(0) if is_new else counts[where]
    counts[where] = count + np.uint16(count < np.uint16(65535))
    return place + is_new


@njit(nogil=True, cache=True)
def _read_tokens(points, first, end, classes, tokens, bounds):  # type: ignore[no-untyped-def]
    """Hash and place every token of one text, a border before and after them; how many there are.

    One look at each character: six times as fast here as looking for the end of each word in a loop of its own.
    """
    tokens[0] = _BORDER
    bounds[0, 0], bounds[0, 1] = first, first
    num_tokens = 1
    word = _FNV_BASIS
    begin = -1
    for at in range(first, end):
        point = points[at]
        kind = _class_of(point, classes)
        if kind == _APOSTROPHE and begin >= 0 and at + 1 < end and _class_of(points[at + 1], classes) == _WORD:
            kind = np.uint8(_WORD)  # between two letters it belongs to the word
        if kind == _WORD:
            word = (word ^ np.uint64(point)) * _FNV_PRIME  # FNV-1a over characters
            if begin < 0:
                begin = at
            continue
        if begin >= 0:
            tokens[num_tokens] = _mix(word)
            bounds[num_tokens, 0], bounds[num_tokens, 1] = begin, at
            num_tokens += 1
            word = _FNV_BASIS
            begin = -1
        if kind != _SPACE:
            tokens[num_tokens] = _mix((_FNV_BASIS ^ np.uint64(point)) * _FNV_PRIME)
            bounds[num_tokens, 0], bounds[num_tokens, 1] = at, at + 1
            num_tokens += 1
    if begin >= 0:
        tokens[num_tokens] = _mix(word)
        bounds[num_tokens, 0], bounds[num_tokens, 1] = begin, end
        num_tokens += 1
    tokens[num_tokens] = ~_BORDER
    bounds[num_tokens, 0], bounds[num_tokens, 1] = end, end
    return num_tokens + 1


@njit(nogil=True, cache=True)
def _put_words(tokens, num_tokens, word_order, tag, place, entries, places, keys, counts):  # type: ignore[no-untyped-def]
    for last in range(num_tokens):
        gram = np.uint64(0)
        for order in range(min(word_order, last + 1)):
            gram = (gram * np.uint64(0x9E3779B97F4A7C15)) ^ tokens[last - order]
            place = _put(_mix(gram + np.uint64(order)), tag, place, entries, places, keys, counts)
    return place


@njit(nogil=True, cache=True)
def _put_letters(points, first, end, shortest, longest, tag, place, entries, places, keys, counts):  # type: ignore[no-untyped-def]
    """The runs of ``shortest`` to ``longest`` characters of one word, its borders counted as spaces."""
    length = end - first + 2
    for begin in range(length):
        run = ~_FNV_BASIS
        for i in range(begin, min(length, begin + longest)):
            point = points[first + i - 1] if 0 < i < length - 1 else np.uint32(32)
            run = (run ^ np.uint64(point)) * _FNV_PRIME
            if i - begin + 1 >= shortest:
                place = _put(_mix(run), tag, place, entries, places, keys, counts)
    return place


@njit(nogil=True, cache=True)
def _most_ngrams(bounds, num_tokens, word_order, shortest, longest):  # type: ignore[no-untyped-def]
    """A bound on the distinct n-grams of one text, from its number of tokens and letters."""
    most = num_tokens * word_order
    if longest > 0:
        for i in range(num_tokens):
            most += (bounds[i, 1] - bounds[i, 0] + 2) * (longest - shortest + 1)
    return most


@njit(nogil=True, cache=True)
def _count_kernel(points, starts, classes, word_order, shortest, longest):  # type: ignore[no-untyped-def]
    """One pass over the texts; returns ``starts``, ``keys`` and ``counts`` of ``NgramCounts``."""
    num_texts = len(starts) - 1
    ends = np.zeros(num_texts + 1, np.int64)
    keys = np.empty(len(points) + 1024, np.uint32)
    counts = np.empty(len(keys), np.uint16)
    entries = np.zeros(1024, np.uint64)
    places = np.empty(1024, np.int64)
    longest_text = 0
    for text in range(num_texts):
        longest_text = max(longest_text, starts[text + 1] - starts[text])
    tokens = np.empty(longest_text + 2, np.uint64)
    bounds = np.empty((longest_text + 2, 2), np.int64)
    place = 0
    for text in range(num_texts):
        num_tokens = _read_tokens(points, starts[text], starts[text + 1], classes, tokens, bounds)
        most = _most_ngrams(bounds, num_tokens, word_order, shortest, longest)
        if 2 * most > len(entries):
            size = len(entries)
            while size < 2 * most:
                size *= 2
            entries = np.zeros(size, np.uint64)
            places = np.empty(size, np.int64)
        tag = np.uint64(text + 1) << np.uint64(32)
        if place + most >= len(keys):
            keys = _grown(keys, place, 2 * len(keys) + most + 1)
            counts = _grown(counts, place, len(keys))
        place = _put_words(tokens, num_tokens, word_order, tag, place, entries, places, keys, counts)
        if longest > 0:
            for i in range(num_tokens):
                begin, end = bounds[i]
                if begin < end and _class_of(points[begin], classes) == _WORD:
                    place = _put_letters(
                        points, begin, end, shortest, longest, tag, place, entries, places, keys, counts
                    )
        ends[text + 1] = place
    return ends, keys[:place].copy(), counts[:place].copy()


@njit(nogil=True, cache=True)
def _grown(array, used, size):  # type: ignore[no-untyped-def]
    larger = np.empty(size, array.dtype)
    larger[:used] = array[:used]
    return larger


class NgramVocabulary:
    """Which hashed n-grams a model knows: key to row, in an open-addressing table.

    ``keys`` uint32 [F] gives each of the F rows its n-gram.
    """

    def __init__(self, keys: NDArray[np.uint32]):
        self.keys = keys
        self._table: NDArray[np.int32] = _index(keys)
        if not len(self._table):
            raise BundleError("the keys of an n-gram model are hashes, but these crowd together; the file is damaged")

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def table(self) -> NDArray[np.int32]:
        """The open-addressing table: rows in the slots of their keys, -1 where a slot is free."""
        return self._table

    @classmethod
    def learn(cls, counted: NgramCounts, min_texts: int) -> "NgramVocabulary":
        """Know the n-grams that stand in at least ``min_texts`` texts, in ascending order of their keys."""
        ordered = np.sort(counted.keys)
        firsts = np.flatnonzero(np.concatenate([np.ones(1, bool), ordered[1:] != ordered[:-1]]))
        num_texts = np.diff(np.append(firsts, len(ordered)))
        return cls(ordered[firsts[num_texts >= min_texts]])

    def rows(self, keys: NDArray[np.uint32]) -> NDArray[np.int32]:
        """The row of each key, -1 for an unknown one."""
        found: NDArray[np.int32] = _rows_of(keys, self.keys, self._table)
        return found


@njit(inline="always")
def first_slot(key, table):  # type: ignore[no-untyped-def]
    """The key's leading bits, as many as the table has slots for; ascending keys so fill it in order."""
    return np.uint32((np.uint64(key) * np.uint64(len(table))) >> np.uint64(32))


@njit(nogil=True, cache=True)
def _index(keys):  # type: ignore[no-untyped-def]
    size = 16
    while size < 2 * len(keys):
        size *= 2
    table = np.full(size, -1, np.int32)
    for row in range(len(keys)):
        slot = first_slot(keys[row], table)
        probes = 0
        while table[slot] >= 0:
            slot = (slot + np.uint32(1)) & np.uint32(len(table) - 1)
            probes += 1
            if probes > _MOST_PROBES:
                return table[:0]
        table[slot] = row
    return table


@njit(nogil=True, cache=True)
def row_of(key, keys, table):  # type: ignore[no-untyped-def]
    """The row of one key in an ``NgramVocabulary``'s ``keys`` and ``table``, -1 if unknown; for kernels."""
    mask = np.uint32(len(table) - 1)
    slot = first_slot(key, table)
    while table[slot] >= 0 and keys[table[slot]] != key:
        slot = (slot + np.uint32(1)) & mask
    return table[slot]


@njit(nogil=True, cache=True)
def _rows_of(wanted, keys, table):  # type: ignore[no-untyped-def]
    rows = np.empty(len(wanted), np.int32)
    for i in range(len(wanted)):
        rows[i] = row_of(wanted[i], keys, table)
    return rows
