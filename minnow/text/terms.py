"""What a translation must hold: the translations of given terms, and what stays as it stands, such as numbers."""

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol

from minnow.errors import InputError, UnknownNameError
from minnow.text.language import HAN, KANA

# Scripts that set no spaces between words: Chinese, Japanese, Thai, Lao, Tibetan, Burmese, Khmer.
UNSPACED = f"{KANA}{HAN}\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff"
# Vowel signs and the like, which belong to the word that they stand in but are no letters to the library.
_MARKED = (  # blocks of characters that have such
    *((0x300, 0x1E00), (0x20D0, 0x2100), (0x2CEF, 0x2CF2), (0x2D7F, 0x2D80)),
    *((0x2DE0, 0x2E00), (0x302A, 0x3030), (0xA66F, 0xAC00)),
)
_MARKS = "".join(c for block in _MARKED for c in map(chr, range(*block)) if unicodedata.category(c)[0] == "M")
_LETTER = rf"(?:[^\W{UNSPACED}]|[{re.sub(f'[{UNSPACED}]', '', _MARKS)}])"
_ONE_LETTER = re.compile(_LETTER)
_UNIT = re.compile(rf"[{UNSPACED}]|{_LETTER}+|[^\w\s]")
_NUMBER = re.compile(rf"(?<!{_LETTER})\d+(?:(?:-\d+){{2,}}|(?:[.,:/]\d+)*)(?!{_LETTER})")  # with two dashes a date
_CODE = re.compile(
    r"(?:https?://|www\.)[^\s<>\"'，。、；：（）「」《》]*[^\s<>\"'，。、；：（）「」《》.,;:!?)\]]"  # addresses
    rf"|(?<!{_LETTER}){_LETTER}[\w.+-]{{0,63}}@[\w-]+(?:\.[\w-]+)+"  # e-mail
    rf"|(?<!{_LETTER})[@#]{_LETTER}+"  # names and tags
    rf"|(?<!{_LETTER})(?=[\w-]{{0,63}}\d)(?=[\w-]{{0,63}}[A-Z]){_LETTER}+(?:-{_LETTER}+)*"  # A320, COVID-19
)
_WORD = re.compile(rf"{_LETTER}+(?:-{_LETTER}+)*")  # I'm and d'Anna are two
_WITHIN_NAMES = (" ", "'", "’")
_SENTENCE_MARKS, _QUOTES = ".!?…:", " \"'“”„‚«»‹›‘’([¿¡-–—"
_SHORT_TITLE = re.compile(r"(?<!\w)[A-Z]\w{0,2}\.$")  # Mr. and the like, behind which no sentence begins
PATTERNS = {"codes": _CODE, "numbers": _NUMBER}
KEPT = (*PATTERNS, "names")
Translations = tuple[str, ...]  # of which one must be written
Span = tuple[int, int]


class Requirement(Protocol):
    """What a source asks of its target."""

    def places(self, source: str) -> Mapping[Translations, Sequence[Span]]: ...


class Terms:
    """The requirements of a glossary, and of what is kept."""

    def __init__(
        self,
        glossary: Mapping[str, str | Sequence[str]] | None = None,
        keep: Sequence[str] = (),
        is_known: Callable[[str], bool] = lambda _: False,
    ):
        """Take both up.

        Args:
            glossary: the translation of each term, or several of which one must be written. A term with a capital is
                found as it stands, others in any case.
            keep: ``numbers`` such as 3, 1,000 and 10:30; ``codes`` such as A320, addresses, @names and #tags;
                ``names``: words with a capital that the model does not know.
            is_known: whether the model has learnt a word as a whole.

        Raises:
            InputError: an empty term or translation.
            UnknownNameError: something else to keep.
        """
        kinds = [keep] if isinstance(keep, str) else list(keep)
        for kind in kinds:
            if kind not in KEPT:
                raise UnknownNameError("kind of word to keep", kind, KEPT)
        self._kept = [pattern for kind, pattern in PATTERNS.items() if kind in kinds]
        self._is_name = (lambda word: word[0].isupper() and not is_known(word)) if "names" in kinds else None
        self._exact: dict[str, Translations] = {}
        self._lower: dict[str, Translations] = {}
        self._folded: dict[str, Translations] = {}  # straße is found for strasse where that is no term of its own
        self._longest = 0  # in units
        for term, given in (glossary or {}).items():
            spelled = normal(term)
            translations = tuple(normal(one) for one in ([given] if isinstance(given, str) else given))
            if not _UNIT.search(spelled) or not translations or not all(translations):
                raise InputError(f"a term and its translations must hold some text, but got {term!r}: {given!r}")
            self._longest = max(self._longest, sum(1 for _ in _UNIT.finditer(spelled)))
            forms = ((self._lower, spelled), (self._folded, spelled.casefold()))
            for known, key in forms if spelled == spelled.lower() else ((self._exact, spelled),):
                known[key] = tuple(dict.fromkeys((*known.get(key, ()), *translations)))

    def __bool__(self) -> bool:
        return bool(self._kept or self._is_name or self._longest)

    def places(self, source: str) -> dict[Translations, list[Span]]:
        """What the target of this source must hold, each once: the translations of its terms, the longest that fit, and
        what is kept of the rest; with where in ``normal(source)`` stands what asks for it: first character and the one
        behind the last."""
        text = normal(source)
        found: dict[Translations, list[Span]] = {}
        taken = bytearray(len(text))
        for start, end, translations in self._terms(text):
            found.setdefault(translations, []).append((start, end))
            taken[start:end] = b"\1" * (end - start)
        for spans in (
            *(map(re.Match.span, pattern.finditer(text)) for pattern in self._kept),
            self._names(text, taken),
        ):
            for start, end in spans:
                if not any(taken[start:end]):
                    found.setdefault((text[start:end],), []).append((start, end))
                    taken[start:end] = b"\1" * (end - start)
        return found

    def _names(self, text: str, taken: bytearray) -> Iterator[Span]:
        """Where names stand in what is left; those with a space or an apostrophe between are one. What begins a
        sentence has a capital in any case, so that it is one only where another follows."""
        if self._is_name is None:
            return
        spans: list[Span] = []
        for match in _WORD.finditer(text):
            if any(taken[match.start() : match.end()]) or not self._is_name(match[0]):
                continue
            if spans and text[spans[-1][1] : match.start()] in _WITHIN_NAMES:
                spans[-1] = (spans[-1][0], match.end())
            else:
                spans.append(match.span())
        yield from (span for span in spans if " " in text[slice(*span)] or not begins_sentence(text, span[0]))

    def _terms(self, text: str) -> Iterator[tuple[int, int, Translations]]:
        """The terms from left to right, of those that begin at a place the longest, with their places."""
        units = [match.span() for match in _UNIT.finditer(text)] if self._longest else []
        first = 0
        while first < len(units):
            start = units[first][0]
            for last in range(min(first + self._longest, len(units)) - 1, first - 1, -1):
                spelled = text[start : units[last][1]]
                translations = (
                    self._exact.get(spelled) or self._lower.get(spelled.lower()) or self._folded.get(spelled.casefold())
                )
                if translations:
                    yield start, units[last][1], translations
                    first = last
                    break
            first += 1


def begins_sentence(text: str, place: int) -> bool:
    """Whether a word at this place is the first of a sentence, in quotation marks perhaps."""
    before = text[max(0, place - 16) : place].rstrip(_QUOTES)
    return not before or (before[-1] in _SENTENCE_MARKS and not _SHORT_TITLE.search(before))


def stands_in(text: str, phrase: str) -> bool:
    """Whether the phrase stands in the text as whole words; with a capital where it begins a sentence."""
    if any(_whole(text, phrase, place) for place in _places(text, phrase)):
        return True
    capital = phrase[:1].upper() + phrase[1:]
    return capital != phrase and any(
        begins_sentence(text, place) and _whole(text, capital, place) for place in _places(text, capital)
    )


def _places(text: str, phrase: str) -> Iterator[int]:
    start = text.find(phrase)
    while phrase and start >= 0:
        yield start
        start = text.find(phrase, start + 1)


def _whole(text: str, phrase: str, start: int) -> bool:
    """Whether no word goes on before or behind the phrase, which stands there."""
    end = start + len(phrase)
    before, behind = text[max(0, start - 1) : start], text[end : end + 1]
    return not (is_letter(phrase[0]) and is_letter(before)) and not (is_letter(phrase[-1]) and is_letter(behind))


def is_letter(character: str) -> bool:
    """Whether it is a character of a word that spaces or marks end."""
    return _ONE_LETTER.fullmatch(character) is not None


def normal(text: str) -> str:
    """The text in which terms are looked for: composed characters, single spaces."""
    return unicodedata.normalize("NFC", " ".join(text.split()))
