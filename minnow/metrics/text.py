"""Measures of written text alone: how much it repeats itself, how varied it is, how much of it is copied.

Text is counted in units: a run of letters and digits, one Chinese or Japanese character, or one other sign.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_UNIT = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]|[^\W\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]+|[^\w\s]")
_FACTOR = np.uint64(0x100000001B3)
Hashes = NDArray[np.uint64]


def units(text: str) -> list[str]:
    """The words and signs of a text, in order and in lower case."""
    return _UNIT.findall(text.lower())


def repetition(text: Sequence[str], order: int) -> float:
    """The share of a text's n-grams that it has said before: one less the distinct ones among all.

    seq-rep-n of Welleck et al. (2020), "Neural Text Generation with Unlikelihood Training"; 0 for a text that is
    too short to repeat anything.
    """
    found = _ngrams(text, order)
    return 1 - len(set(found)) / len(found) if found else 0.0


def distinct(texts: Iterable[Sequence[str]], order: int) -> float:
    """Distinct n-grams of all texts among all their n-grams, 1 where none comes twice.

    distinct-n of Li et al. (2016), "A Diversity-Promoting Objective Function for Neural Conversation Models". It falls
    as texts grow, so only texts of like length compare.
    """
    found = [ngram for text in texts for ngram in _ngrams(text, order)]
    return len(set(found)) / len(found) if found else 0.0


@dataclass(frozen=True)
class Copied:
    """What of a text stands in another: ``found`` of its ``runs``, and the units of the longest stretch of such."""

    found: int
    runs: int
    longest: int

    @property
    def share(self) -> float:
        """0 for a text that is shorter than a run."""
        return self.found / self.runs if self.runs else 0.0


def copied(texts: Sequence[Sequence[str]], source: Iterable[tuple[str, bool]], order: int) -> list[Copied]:
    """How much of each text stands word for word in the source, in runs of ``order`` units.

    The source may be larger than memory: it passes by once, in pieces with a flag that says whether a document ends
    there, over which no run reaches. A run is known by a hash of 64 bits.

    Args:
        texts: in units.
        source: pieces of raw text, as of a corpus, which are cut between units.
        order: the units of a run; shorter ones are common to all texts of a language.
    """
    ids: dict[str, int] = {}
    rows = [np.array([ids.setdefault(unit, len(ids) + 1) for unit in text], np.uint64) for text in texts]
    wanted = [_hashes(row, order) for row in rows]
    every = np.unique(np.concatenate([np.zeros(0, np.uint64), *wanted]))
    seen = np.zeros(len(every), bool)
    before: list[int] = []
    for piece, ends in source:
        passing = before + [ids.get(unit, 0) for unit in units(piece)]
        if len(every):
            _mark(seen, every, _hashes(np.array(passing, np.uint64), order))
        before = [] if ends else passing[max(0, len(passing) - order + 1) :]
    return [_copied(seen[np.searchsorted(every, hashes)], order) for hashes in wanted]


def _mark(seen: NDArray[np.bool_], every: Hashes, passing: Hashes) -> None:
    places = np.minimum(np.searchsorted(every, passing), len(every) - 1)
    seen[places[every[places] == passing]] = True


def _copied(found: NDArray[np.bool_], order: int) -> Copied:
    longest = run = 0
    for one in found.tolist():
        run = run + 1 if one else 0
        longest = max(longest, run)
    return Copied(int(found.sum()), len(found), longest + order - 1 if longest else 0)


def _hashes(ids: NDArray[np.uint64], order: int) -> Hashes:
    """One for each run of ``order`` ids; 0, the id of what no text has, makes a run that no text has."""
    count = len(ids) - order + 1
    if count < 1:
        return np.zeros(0, np.uint64)
    mixed = _mixed(ids)
    total = np.zeros(count, np.uint64)
    for place in range(order):
        total = total * _FACTOR + mixed[place : place + count]
    return total


def _mixed(ids: NDArray[np.uint64]) -> Hashes:
    x = (ids + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ x >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
    return x ^ x >> np.uint64(27)


def _ngrams(text: Sequence[str], order: int) -> list[tuple[str, ...]]:
    return [tuple(text[start : start + order]) for start in range(len(text) - order + 1)]
