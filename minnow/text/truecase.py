"""The case of a sentence's first word, were it no first word (Lita et al. 2003, "tRuEcasIng"; as in Moses)."""

import re
from collections import Counter
from collections.abc import Iterable

from minnow.text.terms import begins_sentence

_WORD = re.compile(r"(?<!['’])[^\W\d_]+(?:-[^\W\d_]+)*")  # the t of don't is none
_FIRST_WORD = re.compile(rf"[¿¡]*({_WORD.pattern})")


class Truecaser:
    """Counts how often each word of a language stands in small letters, and with a capital where no sentence begins.

    What it does not tell apart: German Sie and sie. Words of scripts without case stay as they are, as do İ of Turkish
    and two capitals of Dutch (IJs).
    """

    def __init__(self, texts: Iterable[str]):
        self._small: Counter[str] = Counter()
        self._capital: Counter[str] = Counter()  # by their small letters
        for text in texts:
            for match in _WORD.finditer(text):
                word = match[0]
                if word.islower():
                    self._small[word] += 1
                elif word.istitle() and not begins_sentence(text, match.start()):
                    self._capital[word.lower()] += 1

    def truecased(self, sentence: str) -> str:
        """The sentence, its first word in small letters if it stands so more often than not. One that begins with a
        quotation mark or a number stays."""
        match = _FIRST_WORD.match(sentence)
        if match is None or not match[1].istitle() or _is_of_name(sentence[match.end() :]):
            return sentence
        word, at = match[1].lower(), match.start(1)
        if self._small[word] <= self._capital[word]:
            return sentence
        return f"{sentence[:at]}{sentence[at].lower()}{sentence[at + 1 :]}"


def _is_of_name(rest: str) -> bool:
    """Whether the word is the O of O'Brien, by what stands behind it."""
    return rest[:1] in ("'", "’") and rest[1:2].isupper()
