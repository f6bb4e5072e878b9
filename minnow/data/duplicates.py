"""Repeated texts: exact after normalising, and nearly the same by the overlap of their shingles.

A. Z. Broder, "On the resemblance and containment of documents", SEQUENCES 1997; candidates come from datasketch's
MinHash index and are confirmed by their true Jaccard similarity.
"""

import re
import zlib
from collections import OrderedDict
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from minnow.errors import InputError
from minnow.text.clean import normalise
from minnow.text.language import HAN, KANA

WORDS_PER_SHINGLE = 3
CHARACTERS_PER_SHINGLE = 5
NUM_PERMUTATIONS = 128
MOST_SHINGLES = 2_000_000  # that are kept; each takes some 130 bytes
_WORD = re.compile(r"\w+")
_HAN_OR_KANA = re.compile(f"[{KANA}{HAN}]")
Progress = Callable[[int, int], None]


def exact_duplicates(texts: Sequence[str]) -> NDArray[np.int64]:
    """For each row the first row of the same normalised text, or -1 where the row is that first one."""
    first: dict[str, int] = {}
    repeats = np.full(len(texts), -1, dtype=np.int64)
    for row, text in enumerate(texts):
        earlier = first.setdefault(normalise(text), row)
        if earlier != row:
            repeats[row] = earlier
    return repeats


def near_duplicates(
    texts: Sequence[str], threshold: float = 0.8, progress: Progress | None = None
) -> NDArray[np.int64]:
    """For each row the earliest row that it repeats or nearly repeats, or -1.

    Only rows that repeat nothing are compared with, so a chain of small changes does not join texts far apart.

    Args:
        texts: N texts.
        threshold: Jaccard similarity of the shingles (three words, or five characters of Chinese and Japanese) from
            which two texts count as one; the index finds pairs above it with high probability, not with certainty.
        progress: called with the rows done and N.
    """
    if not 0 < threshold <= 1:
        raise InputError(f"the threshold for near duplicates must lie between 0 and 1, but got {threshold}; try 0.85")
    repeats = exact_duplicates(texts)
    kept = _Shingles()
    index = _index(threshold)
    for row, text in enumerate(texts):
        if progress is not None and row % 256 == 0:
            progress(row, len(texts))
        if repeats[row] >= 0:
            first = int(repeats[row])
            repeats[row] = repeats[first] if repeats[first] >= 0 else first
            continue
        own = shingles(text)
        if not own:
            continue
        signature = _signature(own)
        candidates = sorted(index.query(signature))
        match = next((other for other in candidates if jaccard(own, kept.of(other, texts)) >= threshold), -1)
        repeats[row] = match
        if match < 0:
            index.insert(row, signature)
    return repeats


def shingles(text: str) -> set[str]:
    """Runs of three words; of five characters where a third of the letters are Han or kana. A short text is one."""
    bare = normalise(text)
    if len(_HAN_OR_KANA.findall(bare)) * 3 >= sum(character.isalnum() for character in bare) > 0:
        units: Sequence[str] = "".join(_WORD.findall(bare))
        size, glue = CHARACTERS_PER_SHINGLE, ""
    else:
        units = _WORD.findall(bare)
        size, glue = WORDS_PER_SHINGLE, " "
    if not units:
        return set()
    return {glue.join(units[start : start + size]) for start in range(max(len(units) - size + 1, 1))}


class _Shingles:
    """Shingles of rows that are compared with again and again, as those of texts from one template are.

    Those asked for last stay, at most MOST_SHINGLES of them.
    """

    def __init__(self) -> None:
        self._of_row: OrderedDict[int, set[str]] = OrderedDict()
        self._num_shingles = 0

    def of(self, row: int, texts: Sequence[str]) -> set[str]:
        if row in self._of_row:
            self._of_row.move_to_end(row)
            return self._of_row[row]
        cut = self._of_row[row] = shingles(texts[row])
        self._num_shingles += len(cut)
        while self._num_shingles > MOST_SHINGLES:
            self._num_shingles -= len(self._of_row.popitem(last=False)[1])
        return cut


def jaccard(first: set[str], second: set[str]) -> float:
    """Shared shingles over all shingles."""
    shared = len(first & second)
    return shared / (len(first) + len(second) - shared) if first or second else 1.0


def _index(threshold: float):  # type: ignore[no-untyped-def]
    try:
        from datasketch import MinHashLSH
    except ImportError as error:
        raise InputError("near duplicates need datasketch; install it with: pip install 'minnow-lm[clean]'") from error
    # Missing a pair costs more than comparing one too many, for every candidate is checked.
    return MinHashLSH(threshold=min(threshold, 0.98), num_perm=NUM_PERMUTATIONS, weights=(0.2, 0.8))


def _signature(own: set[str]):  # type: ignore[no-untyped-def]
    from datasketch import MinHash

    signature = MinHash(num_perm=NUM_PERMUTATIONS, seed=1, hashfunc=_given)
    signature.update_batch([zlib.crc32(shingle.encode("utf-8", "surrogatepass")) for shingle in own])
    return signature


def _given(value: int) -> int:
    """Shingles are hashed before: crc32 over a list costs a third of a call of Python for each."""
    return value
