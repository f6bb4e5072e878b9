"""Two pairs said in one, so that a model of single sentences learns to translate a text of more than one.

After Nguyen et al. (2021), "Data Augmentation by Concatenation for Low-Resource Translation: A Mystery and a Solution",
who set one sentence behind another. Half of those here run on behind a comma instead ("Hello, how are you?"): there a
word that begins a sentence stands in small letters, which pairs of single sentences hardly ever show.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from minnow.data.pairs import Direction, Pairs
from minnow.text.language import CHINESE, JAPANESE, primary, sentence_space
from minnow.text.terms import UNSPACED
from minnow.text.truecase import Truecaser

WITH_COMMA = 0.5  # of the pairs that are drawn, as far as there are openings
LONGEST_OPENING = 12  # letters and marks of a sentence that may stand before a comma: "Hi.", "Excuse me."
LETTERS_OF_SIGN = 3  # that a character of a script without spaces counts for
# One sentence without a mark inside that ends as a statement does; quotations and abbreviations are none.
_STATEMENT = re.compile(r"[^.!?…。！？¡¿\"“”«»„]*\w(?P<mark>\s?[.!。！])")
_SIGN = re.compile(f"[{UNSPACED}]")
_COMMAS = {"ar": "، ", "fa": "، ", "ur": "، "}


class Joiner:
    """Draws pairs that are made of two: one sentence behind another, or a short one, a comma and another.

    Behind the comma the first word has the case that it would have inside a sentence. Both are of one direction, and
    two different ones.

    Args:
        pairs: no side may be empty.
    """

    def __init__(self, pairs: Pairs):
        self._pairs = pairs
        self._sides = list(zip(pairs.sources, pairs.targets, strict=True))
        self._rows_of: dict[Direction, list[int]] = {}
        for row, direction in enumerate(pairs.directions):
            self._rows_of.setdefault(direction, []).append(row)
        self._openings_of = {direction: self._openings(rows) for direction, rows in self._rows_of.items()}
        self._truecasers = _truecasers(pairs)

    def drawn(self, count: int, random: np.random.Generator) -> Pairs:
        """So many; fewer where a direction has a single pair."""
        seconds = random.integers(len(self._pairs), size=count).tolist()
        found = [(both, self._pairs.directions[row]) for row in seconds if (both := self._joined(row, random))]
        sources, targets = [both[0] for both, _ in found], [both[1] for both, _ in found]
        return replace(self._pairs, sources=sources, targets=targets, directions=[direction for _, direction in found])

    def _joined(self, second: int, random: np.random.Generator) -> list[str]:
        """Both sides of that pair behind another; none where there is no other."""
        direction = self._pairs.directions[second]
        opening = _drawn(self._openings_of[direction], second, random) if random.random() < WITH_COMMA else None
        first = _drawn(self._rows_of[direction], second, random) if opening is None else opening
        if first is None:
            return []
        return [
            f"{one}{sentence_space(language, one)}{other}"
            if opening is None
            else _run_on(one, self._truecasers[language].truecased(other), language)
            for one, other, language in zip(self._sides[first], self._sides[second], direction, strict=True)
        ]

    def _openings(self, rows: Iterable[int]) -> list[int]:
        """The rows whose sides are both short and end as statements do."""
        return [row for row in rows if all(_is_short(side) and _STATEMENT.fullmatch(side) for side in self._sides[row])]


def _drawn(rows: Sequence[int], other_than: int, random: np.random.Generator) -> int | None:
    """One of the rows, but not that one."""
    if not rows or (len(rows) == 1 and rows[0] == other_than):
        return None
    while (row := rows[int(random.integers(len(rows)))]) == other_than:
        pass
    return row


def _truecasers(pairs: Pairs) -> dict[str, Truecaser]:
    """One a language; a text that stands in several pairs counts once."""
    texts: dict[str, set[str]] = {}
    for source, target, (here, there) in zip(pairs.sources, pairs.targets, pairs.directions, strict=True):
        texts.setdefault(here, set()).add(source)
        texts.setdefault(there, set()).add(target)
    return {language: Truecaser(said) for language, said in texts.items()}


def _is_short(text: str) -> bool:
    return len(text) + (LETTERS_OF_SIGN - 1) * len(_SIGN.findall(text)) <= LONGEST_OPENING


def _run_on(opening: str, sentence: str, language: str) -> str:
    match = _STATEMENT.fullmatch(opening)
    assert match is not None
    return f"{opening[: match.start('mark')]}{_comma(language, match['mark'])}{sentence}"


def _comma(language: str, mark: str) -> str:
    """What stands in the place of a mark, with the space behind it."""
    code = primary(language)
    if code in JAPANESE:
        return "、"
    return "，" if code in CHINESE or mark in "。！" else _COMMAS.get(code, ", ")
