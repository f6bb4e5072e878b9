"""Pairs said again with a made-up name, so that a model learns to write names it has never read as they stand.

Of 140,000 everyday pairs one in fifteen names Tom, and next to none anyone else: what is learnt is the word "Tom".
After the placeholders of Luong et al. (2015), "Addressing the Rare Word Problem in Neural Machine Translation", and the
copies of Currey et al. (2017); but what is put in is text, so that nothing is special when the model is asked.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from minnow.data.name_places import WORD, is_name, name_places
from minnow.data.pairs import Pairs

LONGEST = 10  # letters of a made-up name
AT_BEGINNING = 0.1  # of the added pairs those whose name begins a sentence: else a rare word there is taken for one
FEW_NAMES = 100  # with fewer than these, letters follow each other as in all words with a capital
TRIES = 20  # for a name that is none of those known
_VOWELS = frozenset("aeiouyàáâãäåæèéêëìíîïòóôõöøœùúûüýÿ")
_START, _END = "^", "$"


def add_other_names(pairs: Pairs, share: float, seed: int) -> tuple[Pairs, int]:
    """The pairs, and behind them such with another name in the place of one that both sides spell alike, or that one
    spells and the other, in a script without spaces, always renders in the same way (``renderings.py``).

    A name is a word with a capital that stands once; at the beginning of a side, where every word has a capital, it is
    none if it stands in small letters more than now and then. Those put in are drawn letter by letter, each after the
    two before it, from the names that are there (if they are few, from all words with a capital); one that begins with
    a vowel gives way to one that does, as articles and prepositions may hang on it.

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
    letters = _Letters(_models([place.name for place in (*first, *within)], (*pairs.sources, *pairs.targets)))
    sources, targets, directions = list(pairs.sources), list(pairs.targets), list(pairs.directions)
    for _ in range(count):
        places = first if not within or (first and random.random() < AT_BEGINNING) else within
        row, name, source, target = places[int(random.integers(len(places)))]
        new = letters.name(random, _begins_with_vowel(name))
        if new is not None:
            sources.append(_put(pairs.sources[row], source, new))
            targets.append(_put(pairs.targets[row], target, new))
            directions.append(pairs.directions[row])
    return replace(pairs, sources=sources, targets=targets, directions=directions), len(sources) - len(pairs)


class _Letters:
    """What follows two letters in names."""

    def __init__(self, names: Iterable[str]):
        self._known = set(names)
        self._after: dict[str, list[str]] = {}
        for name in sorted(self._known):
            spelled = f"{_START}{_START}{name}{_END}"
            for place in range(2, len(spelled)):
                self._after.setdefault(spelled[place - 2 : place], []).append(spelled[place])

    def name(self, random: np.random.Generator, vowel: bool) -> str | None:
        """One that is not known, with such a beginning; None where some tries bring none."""
        fitting = [letter for letter in self._after[_START + _START] if _begins_with_vowel(letter) == vowel]
        for _ in range(TRIES):
            name = self._grown(fitting[int(random.integers(len(fitting)))], random)
            if len(name) > 2 and name not in self._known:
                return name
        return None

    def _grown(self, name: str, random: np.random.Generator) -> str:
        while len(name) < LONGEST:
            choices = self._after[f"{_START}{name}"[-2:]]
            letter = choices[int(random.integers(len(choices)))]
            if letter == _END:
                break
            name += letter
        return name


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


def _begins_with_vowel(word: str) -> bool:
    return word[0].lower() in _VOWELS
