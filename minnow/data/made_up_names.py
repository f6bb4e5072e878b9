"""Names that nobody bears, grown letter by letter from those that people do."""

from collections.abc import Iterable

import numpy as np

LONGEST = 10  # letters
TRIES = 20  # for a name that is none of those known
_VOWELS = frozenset("aeiouyàáâãäåæèéêëìíîïòóôõöøœùúûüýÿ")
_START, _END = "^", "$"


class Letters:
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
        fitting = [letter for letter in self._after[_START + _START] if begins_with_vowel(letter) == vowel]
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


def begins_with_vowel(word: str) -> bool:
    return word[0].lower() in _VOWELS
