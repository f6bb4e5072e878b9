"""Pairs said again with a made-up name, so that a model learns to write names it has never read as they stand.

Of 140,000 everyday pairs one in fifteen names Tom, and next to none anyone else: what is learnt is the word "Tom".
After the placeholders of Luong et al. (2015), "Addressing the Rare Word Problem in Neural Machine Translation", and the
copies of Currey et al. (2017); but what is put in is text, so that nothing is special when the model is asked.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from minnow.data.chinese_names import ChineseNames
from minnow.data.made_up_names import Letters, begins_with_vowel
from minnow.data.name_places import WORD, Place, is_name, name_places
from minnow.data.pairs import Direction, Pairs
from minnow.text.language import primary

AT_BEGINNING = 0.1  # of the added pairs those whose name begins a sentence: else a rare word there is taken for one
FEW_NAMES = 100  # with fewer than these, letters follow each other as in all words with a capital
IN_CHARACTERS = 0.5  # of the names in a Chinese source those that are Chinese themselves
MANDARIN = frozenset({"zh", "cmn"})
_LATIN = re.compile("[A-Za-z\u00c0-\u024f]+")


def add_other_names(pairs: Pairs, share: float, seed: int) -> tuple[Pairs, int]:
    """The pairs, and behind them such with another name in the place of one that both sides spell alike, or that one
    spells and the other, in a script without spaces, always renders in the same way (``renderings.py``).

    A name is a word with a capital that stands once; at the beginning of a side, where every word has a capital, it is
    none if it stands in small letters more than now and then. Those put in are drawn letter by letter, each after the
    two before it, from the names that are there (if they are few, from all words with a capital); one that begins with
    a vowel gives way to one that does, as articles and prepositions may hang on it. Where a Chinese source is said in
    Latin letters, every second is a Chinese name, in characters and in pinyin (``chinese_names.py``).

    Args:
        share: how many are added, as a share of the pairs, between 0 and 1; each from a name drawn anew, one in ten
            from those at the beginning of a side, as far as there are others.
        seed: of what is drawn.

    Returns:
        All pairs, and how many were added: none where no pair has a name, and fewer than asked for where there are so
        few names that no other can be made of them.
    """
    count = round(share * len(pairs))
    first, within = name_places(pairs) if count else ([], [])
    if not (first or within):
        return pairs, 0
    random = np.random.default_rng((seed, 1))
    names = _MadeUp((*first, *within), (*pairs.sources, *pairs.targets))
    sources, targets, directions = list(pairs.sources), list(pairs.targets), list(pairs.directions)
    for _ in range(count):
        places = first if not within or (first and random.random() < AT_BEGINNING) else within
        place = places[int(random.integers(len(places)))]
        direction = pairs.directions[place.row]
        new = names.instead(place, direction, pairs.targets[place.row], random)
        if new is not None:
            sources.append(_put(pairs.sources[place.row], place.source, new.source))
            targets.append(_put(pairs.targets[place.row], place.target, new.target))
            directions.append(direction)
    return replace(pairs, sources=sources, targets=targets, directions=directions), len(sources) - len(pairs)


class _MadeUp:
    """Names in the place of those of the pairs."""

    def __init__(self, places: Sequence[Place], texts: Iterable[str]):
        self._letters = Letters(_models([place.name for place in places], texts))
        self._chinese = ChineseNames()
        self._written = frozenset(place.source for place in places)

    def instead(self, place: Place, direction: Direction, target: str, random: np.random.Generator) -> Place | None:
        """Another, as each side writes it; None where none is found that is not known."""
        vowel = begins_with_vowel(place.name)
        if _in_pinyin(place, direction) and random.random() < IN_CHARACTERS:
            made = self._chinese.name(random, None if _stands_free(place, direction, target) else vowel)
            return None if made.written in self._written else Place(place.row, made.spelled, *made)
        name = self._letters.name(random, vowel)
        return None if name is None else Place(place.row, name, name, name)


def _in_pinyin(place: Place, direction: Direction) -> bool:
    """Whether a name in characters, where this one stands, would be spelled in pinyin."""
    return primary(direction[0]) in MANDARIN and _LATIN.fullmatch(place.target) is not None


def _stands_free(place: Place, direction: Direction, target: str) -> bool:
    """Whether the words before it are the same before a vowel; of English alone that is told: "a London fog"."""
    return primary(direction[1]) == "en" and re.search(rf"\b[Aa]n? {re.escape(place.target)}\b", target) is None


def _models(names: Sequence[str], texts: Iterable[str]) -> list[str]:
    """What made-up names are to look like: the names; where these are few, as they are beside a language with letters
    of its own, other words with a capital inside a sentence besides."""
    if len(set(names)) >= FEW_NAMES:
        return list(names)
    return [*names, *(word for text in texts for word in WORD.findall(text)[1:] if is_name(word))]


def _put(text: str, old: str, new: str) -> str:
    if not WORD.fullmatch(old):
        return text.replace(old, new)
    return WORD.sub(lambda match: new if match[0] == old else match[0], text)
