"""How a language without spaces writes the names of another: learnt from pairs, as ``Tom`` and ``汤姆`` stand together.

No alignment is needed for that: a name is a word with a capital, and what renders it is a stretch of characters that
hardly ever stands anywhere but across from it.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from minnow.text.terms import UNSPACED

LEAST_ROWS = 10  # that hold both
LEAST_SHARE = 0.1  # of the name's rows, or of those that no other rendering is in
SURE = 0.9  # share of a rendering's rows that hold the name
MOST_WITH_LESS = 1.25  # rows of a part of it, as a multiple of its own: 在日本 stands in few of those of 日本
MOST_WITH_MORE = 0.5  # share of its rows in which the same character stands beside it: 波士 is no more than a part
LENGTHS = range(2, 7)  # of a rendering, in characters
_STRETCH = re.compile(f"[{UNSPACED}]+")


def renderings(names: Sequence[Iterable[str]], texts: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The renderings of each name that has some, the most frequent first.

    Args:
        names: those of each of N texts.
        texts: their N translations.
    """
    rows_by_name: defaultdict[str, list[int]] = defaultdict(list)
    for row, some in enumerate(names):
        for name in dict.fromkeys(some):
            rows_by_name[name].append(row)
    stretches: dict[int, frozenset[str]] = {}
    together: dict[str, dict[str, int]] = {}
    for name, rows in rows_by_name.items():
        if len(rows) >= LEAST_ROWS:
            stretches.update((row, _stretches(texts[row])) for row in rows if row not in stretches)
            counts = Counter(one for row in rows for one in stretches[row])
            together[name] = {one: count for one, count in counts.items() if count >= LEAST_ROWS}
    wanted = frozenset(one for counts in together.values() for one in counts)
    everywhere = Counter(one for text in texts for one in _stretches(text) & wanted)
    found = {
        name: _renderings(counts, everywhere, [stretches[row] for row in rows_by_name[name]])
        for name, counts in together.items()
    }
    claimed = Counter(one for some in found.values() for one in some)  # 纽约 is neither New nor York
    alone = {name: tuple(one for one in some if claimed[one] == 1) for name, some in found.items()}
    return {name: some for name, some in alone.items() if some}


def _renderings(counts: Mapping[str, int], everywhere: Mapping[str, int], rows: list[frozenset[str]]) -> list[str]:
    """The stretches that explain the most of a name's rows, each of those that the ones before left."""
    fitting = {one for one in _whole(counts) if counts[one] >= SURE * everywhere[one]}
    found: list[str] = []
    while True:
        left = Counter(one for row in rows for one in row & fitting)
        best = max(left, key=lambda one: (left[one], one), default=None)
        if best is None or left[best] < max(LEAST_ROWS, LEAST_SHARE * len(rows)):
            return found
        found.append(best)
        rows = [row for row in rows if best not in row]


def _whole(counts: Mapping[str, int]) -> set[str]:
    """Stretches that are not part of what mostly stands there, and hold nothing beside it."""
    whole: set[str] = set()
    most_with_less: dict[str, int] = {}  # rows of that part which has the most
    for stretch in sorted(counts, key=len):
        parts = [part for part in (stretch[1:], stretch[:-1]) if part in counts]
        most_with_less[stretch] = max((max(counts[part], most_with_less[part]) for part in parts), default=0)
        if most_with_less[stretch] <= MOST_WITH_LESS * counts[stretch]:
            whole.add(stretch)
        whole.difference_update(part for part in parts if counts[stretch] >= MOST_WITH_MORE * counts[part])
    return whole


def _stretches(text: str) -> frozenset[str]:
    return frozenset(
        run[start : start + length]
        for run in _STRETCH.findall(text)
        for length in LENGTHS
        for start in range(len(run) - length + 1)
    )
