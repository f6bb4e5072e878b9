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

WITH_COMMA = 0.5  # of the added pairs, as far as there are openings
LONGEST_OPENING = 12  # letters and marks of a sentence that may stand before a comma: "Hi.", "Excuse me."
LETTERS_OF_SIGN = 3  # that a character of a script without spaces counts for
# One sentence without a mark inside that ends as a statement does; quotations and abbreviations are none.
_STATEMENT = re.compile(r"[^.!?…。！？¡¿\"“”«»„]*\w(?P<mark>\s?[.!。！])")
_SIGN = re.compile(f"[{UNSPACED}]")
_COMMAS = {"ar": "، ", "fa": "، ", "ur": "، "}


def add_joined(pairs: Pairs, share: float, seed: int) -> tuple[Pairs, int]:
    """The pairs, and behind them such of two: one sentence behind another, or a short one, a comma and another.

    Behind the comma the first word has the case that it would have inside a sentence. Both are of one direction, and
    two different ones; no side may be empty.

    Args:
        share: how many are added, as a share of the pairs, between 0 and 1.
        seed: of what is drawn.

    Returns:
        All pairs, and how many were added: fewer than asked for where a direction has a single pair.
    """
    count = round(share * len(pairs))
    if not count:
        return pairs, 0
    random = np.random.default_rng((seed, 2))
    sides = list(zip(pairs.sources, pairs.targets, strict=True))
    rows_of: dict[Direction, list[int]] = {}
    for row, direction in enumerate(pairs.directions):
        rows_of.setdefault(direction, []).append(row)
    openings_of = {direction: _openings(sides, rows) for direction, rows in rows_of.items()}
    truecasers = _truecasers(pairs)
    sources, targets, directions = list(pairs.sources), list(pairs.targets), list(pairs.directions)
    for second in random.integers(len(pairs), size=count).tolist():
        direction = pairs.directions[second]
        first = _drawn(openings_of[direction], second, random) if random.random() < WITH_COMMA else None
        if first is not None:
            both = [
                _run_on(one, truecasers[language].truecased(other), language)
                for one, other, language in zip(sides[first], sides[second], direction, strict=True)
            ]
        else:
            first = _drawn(rows_of[direction], second, random)
            if first is None:
                continue
            both = [
                f"{one}{sentence_space(language, one)}{other}"
                for one, other, language in zip(sides[first], sides[second], direction, strict=True)
            ]
        sources.append(both[0])
        targets.append(both[1])
        directions.append(direction)
    return replace(pairs, sources=sources, targets=targets, directions=directions), len(sources) - len(pairs)


def _drawn(rows: Sequence[int], other_than: int, random: np.random.Generator) -> int | None:
    """One of the rows, but not that one."""
    if not rows or list(rows) == [other_than]:
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


def _openings(sides: Sequence[tuple[str, str]], rows: Iterable[int]) -> list[int]:
    """The rows whose sides are both short and end as statements do."""
    return [row for row in rows if all(_is_short(side) and _STATEMENT.fullmatch(side) for side in sides[row])]


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
