"""Two pairs said in one, so that a model of single sentences learns to translate a text of more than one.

After Nguyen et al. (2021), "Data Augmentation by Concatenation for Low-Resource Translation: A Mystery and a Solution",
who set one sentence behind another. Half of those here run on behind a comma instead ("Hello, how are you?"): there a
word that begins a sentence stands in small letters, which pairs of single sentences hardly ever show.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from minnow.data.pairs import Pairs
from minnow.text.terms import UNSPACED

WITH_COMMA = 0.5  # of the added pairs, as far as there are openings
LONGEST_OPENING = 12  # characters of a sentence on either side that may stand before a comma: "Hi.", "Excuse me."
_WORD = re.compile(r"[^\W\d_]+")
_FIRST_WORD = re.compile(rf"[\W\d_]*({_WORD.pattern})")
_STATEMENT = re.compile(r"(?<![.!?。！？])\s?[.!。！]$")  # one mark: neither "..." nor "?!"
_WIDE_MARKS = "。！"
_NO_SPACE_BEHIND = re.compile(rf"[{UNSPACED}\u3000-\u303f\uff01-\uffee]$")


def add_joined(pairs: Pairs, share: float, seed: int) -> tuple[Pairs, int]:
    """The pairs, and behind them such of two: one sentence behind another, or a short one, a comma and another.

    Behind the comma the first word is in small letters, unless it is one that has its capital inside sentences too,
    more often than not (English I, names, nouns of German). Both are of one direction.

    Args:
        share: how many are added, as a share of the pairs, between 0 and 1.
        seed: of what is drawn.

    Returns:
        All pairs, and how many were added.
    """
    count = round(share * len(pairs))
    if len(pairs) < 2 or not count:
        return pairs, 0
    random = np.random.default_rng((seed, 2))
    sides = list(zip(pairs.sources, pairs.targets, strict=True))
    rows_of: dict[tuple[str, str], list[int]] = {}
    for row, direction in enumerate(pairs.directions):
        rows_of.setdefault(direction, []).append(row)
    openings_of = {direction: _openings(sides, rows) for direction, rows in rows_of.items()}
    cases = _cases(pairs)
    sources, targets, directions = list(pairs.sources), list(pairs.targets), list(pairs.directions)
    for second in random.integers(len(pairs), size=count).tolist():
        direction = pairs.directions[second]
        openings = openings_of[direction]
        if openings and random.random() < WITH_COMMA:
            first = openings[int(random.integers(len(openings)))]
            both = [
                _run_on(one, cases[language].as_inside(other))
                for one, other, language in zip(sides[first], sides[second], direction, strict=True)
            ]
        else:
            first = rows_of[direction][int(random.integers(len(rows_of[direction])))]
            both = [_behind(one, other) for one, other in zip(sides[first], sides[second], strict=True)]
        sources.append(both[0])
        targets.append(both[1])
        directions.append(direction)
    return replace(pairs, sources=sources, targets=targets, directions=directions), count


@dataclass(frozen=True)
class _Cases:
    """How often each word of a language, in small letters here, stands so and with a capital inside sentences."""

    small: Counter[str]
    capital: Counter[str]

    def as_inside(self, sentence: str) -> str:
        """The sentence as it is spelled where another stands before it."""
        match = _FIRST_WORD.match(sentence)
        if match is None or not (match[1].istitle() and self._is_small(match[1].lower())):
            return sentence
        at = match.start(1)
        return f"{sentence[:at]}{sentence[at].lower()}{sentence[at + 1 :]}"

    def _is_small(self, word: str) -> bool:
        return self.small[word] > self.capital[word]


def _cases(pairs: Pairs) -> dict[str, _Cases]:
    texts: dict[str, set[str]] = {}
    for source, target, (here, there) in zip(pairs.sources, pairs.targets, pairs.directions, strict=True):
        texts.setdefault(here, set()).add(source)
        texts.setdefault(there, set()).add(target)
    return {language: _counted(sentences) for language, sentences in texts.items()}


def _counted(sentences: Iterable[str]) -> _Cases:
    small: Counter[str] = Counter()
    capital: Counter[str] = Counter()
    for sentence in sentences:
        words = _WORD.findall(sentence)
        small.update(word for word in words if word.islower())
        capital.update(word.lower() for word in words[1:] if word.istitle())
    return _Cases(small, capital)


def _openings(sides: Sequence[tuple[str, str]], rows: Iterable[int]) -> list[int]:
    """The rows whose sides are both short and end as statements do."""
    return [row for row in rows if all(len(side) <= LONGEST_OPENING and _STATEMENT.search(side) for side in sides[row])]


def _run_on(opening: str, sentence: str) -> str:
    body = _STATEMENT.sub("", opening)
    return f"{body}，{sentence}" if opening[-1] in _WIDE_MARKS else f"{body}, {sentence}"


def _behind(first: str, second: str) -> str:
    return f"{first}{'' if _NO_SPACE_BEHIND.search(first) else ' '}{second}"
