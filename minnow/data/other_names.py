"""Pairs said again with a made-up name, so that a model learns to write names it has never read as they stand.

Of 140,000 everyday pairs one in fifteen names Tom, and next to none anyone else: what is learnt is the word "Tom".
After the placeholders of Luong et al. (2015), "Addressing the Rare Word Problem in Neural Machine Translation", and the
copies of Currey et al. (2017); but what is put in is text, so that nothing is special when the model is asked.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from minnow.data.chinese_names import ChineseNames, traditional_share
from minnow.data.made_up_names import Letters, begins_with_vowel
from minnow.data.name_places import WORD, Place, is_name, name_places
from minnow.data.pairs import Pairs
from minnow.text.language import MANDARIN, primary, subtags

AT_BEGINNING = 0.1  # of the added pairs those whose name begins a sentence: else a rare word there is taken for one
FEW_NAMES = 100  # with fewer than these, letters follow each other as in all words with a capital
ENGLISH = frozenset({"en", "eng"})
IN_CHARACTERS = 0.5  # of the names in a Chinese source those that are Chinese themselves
_SPELLED_OTHERWISE = frozenset({"vi", "vie", "lv", "lav", "lvs"})  # Vietnamese and Latvian, which take no pinyin
_NOT_LATIN = re.compile(r"[^\W\d_A-Za-z\u00c0-\u024f]")  # letters


def add_other_names(pairs: Pairs, share: float, seed: int) -> tuple[Pairs, int]:
    """The pairs, and behind them such with another name in the place of one that both sides spell alike, or that one
    spells and the other, in a script without spaces, always renders in the same way (``renderings.py``).

    A name is a word with a capital that stands once; at the beginning of a side, where every word has a capital, it is
    none if it stands in small letters more than now and then. Those put in are drawn letter by letter, each after the
    two before it, from the names that are there (if they are few, from all words with a capital); one that begins with
    a vowel gives way to one that does, as articles and prepositions may hang on it. Where a source in Mandarin has a
    target in Latin letters, every second is a Chinese name, in characters and in pinyin (``chinese_names.py``).

    Args:
        share: how many are added, as a share of the pairs, between 0 and 1; each from a name drawn anew, one in ten
            from those at the beginning of a side, as far as there are others.
        seed: of what is drawn.

    Returns:
        All pairs, and how many were added: none where no pair has a name, and fewer than asked for where some tries
        bring none but names that are there.
    """
    count = round(share * len(pairs))
    first, within = name_places(pairs) if count else ([], [])
    if not (first or within):
        return pairs, 0
    random = np.random.default_rng((seed, 1))
    names = _MadeUp((*first, *within), pairs)
    sources, targets, directions = list(pairs.sources), list(pairs.targets), list(pairs.directions)
    for _ in range(count):
        places = first if not within or (first and random.random() < AT_BEGINNING) else within
        place = places[int(random.integers(len(places)))]
        if (new := names.instead(place, random)) is not None:
            sources.append(_put(pairs.sources[place.row], place.source, new.source))
            targets.append(_put(pairs.targets[place.row], place.target, new.target))
            directions.append(pairs.directions[place.row])
    return replace(pairs, sources=sources, targets=targets, directions=directions), len(sources) - len(pairs)


class _MadeUp:
    """Names in the place of those of the pairs."""

    def __init__(self, places: Sequence[Place], pairs: Pairs):
        self._pairs = pairs
        self._letters = Letters(_models([place.name for place in places], (*pairs.sources, *pairs.targets)))
        both = zip(pairs.sources, pairs.directions, strict=True)
        self._chinese = ChineseNames(text for text, (language, _) in both if _is_mandarin(language))

    def instead(self, place: Place, random: np.random.Generator) -> Place | None:
        """Another, as each side writes it; None where none is found that is not known."""
        if self._in_pinyin(place) and random.random() < IN_CHARACTERS:
            made = self._chinese.name(
                random, self._vowel(place), traditional_share(self._pairs.directions[place.row][0])
            )
            return made and Place(place.row, made.spelled, *made)
        name = self._letters.name(random, begins_with_vowel(place.name))
        return Place(place.row, name, name, name) if name else None

    def _in_pinyin(self, place: Place) -> bool:
        """Whether a name in characters can stand here, and is spelled in pinyin on the other side."""
        language, into = self._pairs.directions[place.row]
        return (
            _is_mandarin(language)
            and primary(into) not in _SPELLED_OTHERWISE
            and not _NOT_LATIN.search(self._pairs.targets[place.row])
            # A part of a name in letters, as Tom of Tom Hanks, is no place for characters.
            and (place.source != place.target or len(WORD.findall(self._pairs.sources[place.row])) == 1)
        )

    def _vowel(self, place: Place) -> bool | None:
        """Whether its pinyin, in which ``y`` is none, has to begin with a vowel; None where nothing hangs on that, as
        in English without an article."""
        english = primary(self._pairs.directions[place.row][1]) in ENGLISH
        if english and not re.search(rf"\b[Aa]n? {re.escape(place.target)}\b", self._pairs.targets[place.row]):
            return None
        return begins_with_vowel(place.name) and place.name[0] not in "Yy"


def _is_mandarin(language: str) -> bool:
    return primary(language) in MANDARIN and "yue" not in subtags(language)


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
