"""Phrases that a text must hold, as tokens: how each may be spelt, and where a word begins and ends.

V vocabulary
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from minnow.decoding.constraints import token_bytes
from minnow.errors import InputError
from minnow.text.terms import Translations, is_letter
from minnow.text.tokenizer import Tokenizer

MOST_TOKENS = 512  # of all phrases of a text
CONTINUES = "##"


@dataclass(frozen=True)
class Spelling:
    """One way to write a phrase.

    Attributes:
        starts_word: it may not stand behind a token that leaves a word open.
        ends_word: no token may stand behind it that goes on with its word.
    """

    token_ids: tuple[int, ...]
    starts_word: bool = False
    ends_word: bool = False


Phrase = tuple[Spelling, ...]  # written as soon as one of them is


@dataclass(frozen=True)
class Borders:
    """Of each token, whether it goes on with a word before it, and whether it leaves one open [V]."""

    goes_on: NDArray[np.bool_]
    leaves_open: NDArray[np.bool_]


def size(phrase: Phrase) -> int:
    """Tokens that the phrase takes at most."""
    return max(len(spelling.token_ids) for spelling in phrase)


class Speller:
    """Phrases in the tokens of one tokenizer.

    Args:
        tokenizer: of what is written.
        banned_ids: tokens that are never written.
    """

    def __init__(self, tokenizer: Tokenizer, banned_ids: Collection[int]):
        self._tokenizer = tokenizer
        self._unusable = {*banned_ids, tokenizer.eos_id}
        self._known: dict[Translations, Phrase] = {}

    @cached_property
    def borders(self) -> Borders:
        """Where spaces are tokens of their own or part of them, letters tell; else every token is a word, or goes on
        with one where it says so."""
        tokenizer = self._tokenizer
        if not tokenizer.keeps_spaces:
            marked = [token.startswith(CONTINUES) and token != CONTINUES for token in tokenizer.vocabulary]
            goes_on = np.array(marked if tokenizer.kind == "wordpiece" else [False] * len(marked))
            return Borders(goes_on, np.zeros_like(goes_on))
        tokens = token_bytes(tokenizer)
        return Borders(_each(tokens, lambda text: text[0]), _each(tokens, lambda text: text[-1]))

    def phrases(self, required: Sequence[Translations]) -> tuple[Phrase, ...]:
        """What must be written: of each entry one of its translations.

        Raises:
            InputError: the vocabulary has no tokens for any of them, or they are too long.
        """
        unknown = [one for one in dict.fromkeys(required) if one not in self._known]
        for translations in unknown:
            self._known[translations] = self._spelt(translations)
        phrases = tuple(self._known[translations] for translations in required)
        if sum(map(size, phrases)) > MOST_TOKENS:
            raise InputError(
                f"a text can be held to phrases of {MOST_TOKENS} tokens together, but {required[0][0][:40]!r} and the "
                f"{len(required) - 1} others have {sum(map(size, phrases)):,}; cut the source into shorter lines"
            )
        return phrases

    def _spelt(self, translations: Translations) -> Phrase:
        found = [spelling for text in translations for spelling in self._spellings(text)]
        usable = [one for one in found if one.token_ids and self._unusable.isdisjoint(one.token_ids)]
        if not usable:
            raise InputError(
                f"the model cannot write {' or '.join(map(repr, translations))}, for its vocabulary "
                f"({self._tokenizer.kind}) has no tokens for it; leave it out, or train with tokenizer.kind=bpe"
            )
        return tuple(dict.fromkeys(usable))

    def _spellings(self, text: str) -> list[Spelling]:
        """Alone as at the beginning of a text; and behind a space, where spaces are part of tokens.

        In a text without spaces a tokenizer would often cut otherwise, with what stands beside the phrase in one token.
        """
        begins, ends = is_letter(text[0]), is_letter(text[-1])
        if not self._tokenizer.keeps_spaces:
            return [Spelling(tuple(self._tokenizer.encode_ids([text])[0]), False, True)]
        alone, behind = self._tokenizer.encode_ids([text, f" {text}"])
        return [Spelling(tuple(alone), begins, ends), Spelling(tuple(behind), False, ends)]


def _each(tokens: Sequence[bytes], character: Callable[[str], str]) -> NDArray[np.bool_]:
    """Whether that character of each token is of a word; part of a character is taken for one."""
    found = np.zeros(len(tokens), np.bool_)
    for number, token in enumerate(tokens):
        shown = token.decode("utf-8", "replace")
        found[number] = bool(shown) and (character(shown) == "\ufffd" or is_letter(character(shown)))
    return found
