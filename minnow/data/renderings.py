"""How a language without spaces writes the names of another: learnt from pairs, as ``Tom`` and ``汤姆`` stand together.

No alignment is needed for that: a name is a word with a capital, and what renders it is a stretch of characters that
hardly ever stands anywhere but across from it.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from minnow.text.terms import UNSPACED

MOST_TEXTS = 100_000  # that it is learnt from, evenly spread over all
LEAST_ROWS = 10  # that hold both
LEAST_SHARE = 0.1  # of the name's rows, or of those that no other rendering is in
SURE = 0.9  # share of a rendering's rows that hold the name
MOST_WITH_LESS = 1.25  # rows of a part of it, as a multiple of its own: 在日本 stands in few of those of 日本
MOST_WITH_MORE = 0.5  # share of its rows in which the same character stands beside it: 波士 is no more than a part
LONGEST = 9  # characters of a rendering
_STRETCH = re.compile(f"[{UNSPACED}]+")


def renderings(names: Sequence[Iterable[str]], texts: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The renderings of each name that has some, the most frequent first.

    Args:
        names: those of each of N texts.
        texts: their N translations; those that hold no character of a script without spaces do not count.
    """
    rows = range(0, len(texts), -(-len(texts) // MOST_TEXTS) or 1)
    rows_by_name: defaultdict[str, list[int]] = defaultdict(list)
    for row in rows:
        for name in dict.fromkeys(names[row]):
            if _STRETCH.search(texts[row]):
                rows_by_name[name].append(row)
    together = {
        name: {one: count for one, count in _counts(texts, some).items() if count >= LEAST_ROWS}
        for name, some in rows_by_name.items()
        if len(some) >= LEAST_ROWS
    }
    wanted = frozenset(one for counts in together.values() for one in counts)
    everywhere = _counts(texts, rows if wanted else (), wanted)
    found: dict[str, tuple[str, ...]] = {}
    for name, counts in together.items():
        sure = frozenset(one for one in _whole(counts) if counts[one] >= SURE * everywhere[one])
        if some := _best([_stretches(texts[row]) & sure for row in rows_by_name[name]]):
            found[name] = some
    return found


def _counts(texts: Sequence[str], rows: Iterable[int], wanted: frozenset[str] | None = None) -> Counter[str]:
    """How many of the rows hold a stretch."""
    counts: Counter[str] = Counter()
    for row in rows:
        stretches = _stretches(texts[row])
        counts.update(stretches if wanted is None else stretches & wanted)
    return counts


def _best(rows: Sequence[frozenset[str]]) -> tuple[str, ...]:
    """The stretches that explain the most of a name's rows, each of those that the ones before left."""
    found: list[str] = []
    while True:
        counts = Counter(one for row in rows for one in row)
        best = max(counts, key=lambda one: (counts[one], one), default=None)
        if best is None or counts[best] < max(LEAST_ROWS, LEAST_SHARE * len(rows)):
            return tuple(found)
        found.append(best)
        rows = [row for row in rows if best not in row]


def _whole(counts: Mapping[str, int]) -> set[str]:
    """Stretches that are not part of what mostly stands there, and hold nothing beside it; of the longest that are
    looked at it cannot be told."""
    whole: set[str] = set()
    most_with_less: dict[str, int] = {}  # rows of that part which has the most
    for stretch in sorted(counts, key=len):
        parts = [part for part in (stretch[1:], stretch[:-1]) if part in counts]
        most_with_less[stretch] = max((max(counts[part], most_with_less[part]) for part in parts), default=0)
        if most_with_less[stretch] <= MOST_WITH_LESS * counts[stretch]:
            whole.add(stretch)
        whole.difference_update(part for part in parts if counts[stretch] >= MOST_WITH_MORE * counts[part])
    return {stretch for stretch in whole if len(stretch) <= LONGEST}


def stretches(runs: Iterable[str], longest: int) -> frozenset[str]:
    """Every part of the runs, of two characters to ``longest``."""
    return frozenset(
        run[start : start + length]
        for run in runs
        for length in range(2, longest + 1)
        for start in range(len(run) - length + 1)
    )


def _stretches(text: str) -> frozenset[str]:
    return stretches(_STRETCH.findall(text), LONGEST + 1)
