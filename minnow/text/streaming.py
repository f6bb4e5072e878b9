"""Tokens to text as they come: each token gives the characters that are whole with it."""

import codecs
import unicodedata
from collections.abc import Callable, Sequence
from typing import Protocol

_CLOSING = frozenset(",.;:!?%)]}”’-/_") | {"..."}
_OPENING = frozenset("([{“‘#$€£@-/_")
CONTINUES = "##"  # what WordPiece puts before a piece inside a word
MAX_HELD = 16  # tokens: no character has so many bytes, so what is held so long will not become one

Shown = Callable[[int], str]


class TextStream(Protocol):
    """A decoder with a memory of what came before; one for each text."""

    def push(self, token_id: int) -> str:
        """The text that is certain with this token, often none.

        Raises:
            InputError: the id is outside the vocabulary.
        """
        ...

    def flush(self) -> str:
        """What was held back, at the end of the text."""
        ...


class PieceStream:
    """Each token has its text, whatever stands around it."""

    def __init__(self, shown: Shown):
        self._shown = shown

    def push(self, token_id: int) -> str:
        return self._shown(token_id)

    def flush(self) -> str:
        return ""


class SpacedStream(PieceStream):
    """One space between two tokens."""

    _first = True

    def push(self, token_id: int) -> str:
        word = self._shown(token_id)
        if not word:
            return ""
        space = "" if self._first else " "
        self._first = False
        return space + word


class ByteStream:
    """Tokens are bytes written as letters (Radford et al. 2019); a character may reach over several of them."""

    def __init__(self, shown: Shown):
        self._shown = shown
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def push(self, token_id: int) -> str:
        return self._decoder.decode(bytes(BYTE_OF_LETTER[letter] for letter in self._shown(token_id)))

    def flush(self) -> str:
        return self._decoder.decode(b"", final=True)


class WordStream:
    """Words and pieces of words (``##``), spaced as print would set them."""

    def __init__(self, shown: Shown):
        self._shown = shown
        self._joiner = Joiner()
        self._held = ""  # a word that decides on its space only when it is whole

    def push(self, token_id: int) -> str:
        piece = self._shown(token_id)
        if not piece:
            return ""
        if self._joiner.in_word and piece.startswith(CONTINUES) and piece != CONTINUES:
            more = piece.removeprefix(CONTINUES)
            if not self._held:
                self._joiner.extend(more)
                return more
            self._held += more
            return "" if _may_close(self._held) else self._release()
        before = self._release()
        self._held = piece
        self._joiner.in_word = True
        return before if _may_close(piece) else before + self._release()

    def flush(self) -> str:
        return self._release()

    def _release(self) -> str:
        word, self._held = self._held, ""
        return self._joiner.add(word) if word else ""


class Joiner:
    """Words to text with a space where print has one, word after word."""

    def __init__(self) -> None:
        self.in_word = False
        self._last = ""  # the last character so far
        self._open_quote = False

    def add(self, word: str) -> str:
        """The word with the space before it, if there is one."""
        last = self._last
        closes = word in _CLOSING or (word == '"' and self._open_quote)
        glued = not last or closes or last in _OPENING or _is_cjk(last) or _is_cjk(word[0])
        after_quote = last == '"' and self._open_quote
        self._open_quote = self._open_quote != (word == '"')
        self._last = word[-1]
        return word if glued or after_quote else f" {word}"

    def extend(self, more: str) -> None:
        """The last word goes on; nothing stands between."""
        self._last = more[-1]


class WindowStream:
    """For any decoder: the text of the last few tokens with and without the new one, and the difference.

    A text that ends in U+FFFD may be a character that is not whole yet, so it waits for more. Bytes that never become
    a character may read otherwise here than decoded all at once: what has been handed out stays.
    """

    def __init__(self, decode: Callable[[Sequence[int]], str]):
        self._decode = decode
        self._token_ids: list[int] = []
        self._num_given = 0  # of these tokens that were handed out; they are kept as the context of what follows

    def push(self, token_id: int) -> str:
        self._token_ids.append(token_id)
        before, text = self._texts()
        held = len(self._token_ids) - self._num_given
        if len(text) <= len(before) or (text.endswith("\ufffd") and held < MAX_HELD):
            return ""
        self._token_ids = self._token_ids[self._num_given :]
        self._num_given = len(self._token_ids)
        return text[len(before) :]

    def flush(self) -> str:
        before, text = self._texts()
        self._num_given = len(self._token_ids)
        return text[len(before) :]

    def _texts(self) -> tuple[str, str]:
        return self._decode(self._token_ids[: self._num_given]), self._decode(self._token_ids)


def _may_close(beginning: str) -> bool:
    """Whether a word that begins so might still become one of those that stand without a space before them."""
    return beginning == '"' or any(word.startswith(beginning) for word in _CLOSING)


def _is_cjk(character: str) -> bool:
    name = unicodedata.name(character, "")
    return name.startswith(("CJK ", "HIRAGANA", "KATAKANA", "IDEOGRAPHIC"))


def _byte_letters() -> dict[str, int]:
    """The letter that stands for each byte: itself where it can be printed, else one from 256 on."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + n): byte for n, byte in enumerate(others)}


BYTE_OF_LETTER = _byte_letters()
