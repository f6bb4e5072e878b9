"""Where names stand in pairs: words with a capital that both sides spell alike, or that one spells and one renders."""

import re
from collections import Counter
from collections.abc import Container, Iterator
from itertools import pairwise
from typing import NamedTuple

from minnow.data.pairs import Pairs
from minnow.data.renderings import renderings
from minnow.text.terms import UNSPACED, begins_sentence

MOST_IN_SMALL = 0.02  # as often as with a capital, or a word that begins a sentence is no name
WORD = re.compile(rf"[^\W\d_{UNSPACED}]+")  # of a script that spells words with spaces between
_UNSPACED = re.compile(f"[{UNSPACED}]")
_BEFORE_WORDS = re.compile(r"^[\W\d_]*")
_FIRST_WORD = re.compile(rf"[\W\d_]*({WORD.pattern})")  # none where another script's character stands before


class Place(NamedTuple):
    """A name in a pair: as it is spelled in letters, and how each side writes it."""

    row: int
    name: str
    source: str
    target: str


def name_places(pairs: Pairs) -> tuple[list[Place], list[Place]]:
    """Every name: first those at the beginning of a side, then the others."""
    words = Counter(word for side in (pairs.sources, pairs.targets) for text in side for word in WORD.findall(text))
    small = {word for word in words if words[word.lower()] > MOST_IN_SMALL * words[word]}
    first: list[Place] = []
    within: list[Place] = []
    for place in (*_alike(pairs), *_rendered(pairs, small)):
        sides = (pairs.sources[place.row], place.source), (pairs.targets[place.row], place.target)
        if not any(_begins(text, spelled) for text, spelled in sides):
            within.append(place)
        elif place.name not in small:
            first.append(place)
    return first, within


def _alike(pairs: Pairs) -> Iterator[Place]:
    """Names that both sides spell alike."""
    for row, (source, target) in enumerate(zip(pairs.sources, pairs.targets, strict=True)):
        there = set(_names(target))
        yield from (Place(row, name, name, name) for name in _names(source) if name in there)


def _rendered(pairs: Pairs, small: Container[str]) -> Iterator[Place]:
    """Names that one side spells in letters and the other, which has none for them, renders."""
    for turned, texts, others in ((False, pairs.sources, pairs.targets), (True, pairs.targets, pairs.sources)):
        names = [
            [name for name in _single(text, small) if name not in other] if _UNSPACED.search(other) else []
            for text, other in zip(texts, others, strict=True)
        ]
        by_name = renderings(names, others)
        for row, some in enumerate(names):
            for name in some:
                found = [one for one in by_name.get(name, ()) if others[row].count(one) == 1]
                if len(found) == 1:
                    yield Place(row, name, *((found[0], name) if turned else (name, found[0])))


def is_name(word: str) -> bool:
    """Whether it is spelled as one: a capital, and two small letters or more."""
    return word.istitle() and len(word) > 2


def _begins(text: str, spelled: str) -> bool:
    """Whether it is the first word, or the first characters where words have no borders."""
    if not WORD.fullmatch(spelled):
        return _BEFORE_WORDS.sub("", text).startswith(spelled)
    match = _FIRST_WORD.match(text)
    return match is not None and match[1] == spelled


def _names(text: str) -> list[str]:
    """Words with a capital and small letters behind it that stand once."""
    words = WORD.findall(text)
    return [word for word in words if is_name(word) and words.count(word) == 1]


def _single(text: str, small: Container[str]) -> list[str]:
    """Names that are one word and no part of a longer one, as York and Mt. Fuji are."""

    def is_capital(word: re.Match[str]) -> bool:
        return word[0].istitle() and not (word[0] in small and begins_sentence(text, word.start()))

    longer: set[str] = set()
    for word, after in pairwise(WORD.finditer(text)):
        if text[word.end() : after.start()] in (" ", ". ") and is_capital(word) and is_capital(after):
            longer |= {word[0], after[0]}
    return [name for name in _names(text) if name not in small and name not in longer]
