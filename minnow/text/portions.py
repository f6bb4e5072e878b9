"""Texts in bounded portions: the library keeps some 300 bytes a character while it works."""

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

SEGMENT_LENGTH = 65_536  # characters of a text that the library works on at once, or up to the next place to cut
PORTION_LENGTH = 1_000_000  # characters handed to the library at once

# No kind of this house joins what stands before white space with the white space, so a text may be cut there and
# nothing changes.
# \x1c to \x1f are white space to Python alone.
_SPACE = r"[^\S\x1c-\x1f]"
_SOLID = r"[\S\x1c-\x1f]"
CHUNK = re.compile(rf"{_SPACE}*{_SOLID}+|{_SPACE}+")
_SEGMENT = re.compile(
    rf"[\s\S]{{1,{SEGMENT_LENGTH}}}\Z|[\s\S]{{0,{SEGMENT_LENGTH - 1}}}{_SOLID}(?={_SPACE})|[\s\S]{{1,{SEGMENT_LENGTH}}}"
)
SOLIDS = re.compile(rf"{_SOLID}+")
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def without_surrogates(text: str) -> str:
    """Half a UTF-16 pair is no character and the library takes none; one for one, so that offsets stay."""
    return text if text.isascii() else _LONE_SURROGATE.sub("\ufffd", text)


def segments(text: str) -> list[str]:
    """The text in stretches of at most ``SEGMENT_LENGTH`` characters, cut before white space where there is any."""
    text = without_surrogates(text)
    return [text] if len(text) <= SEGMENT_LENGTH else _SEGMENT.findall(text)


def segments_at(text: str, places: re.Pattern[str]) -> list[str]:
    """The text in stretches of ``SEGMENT_LENGTH`` characters and what comes up to the next of these places."""
    text = without_surrogates(text)
    cuts = [0]
    while found := places.search(text, cuts[-1] + SEGMENT_LENGTH):
        cuts.append(found.start())
    return [text[start:end] for start, end in pairwise([*cuts, len(text)])]


def portions(texts: Sequence[str], places: re.Pattern[str] | None = None) -> Iterator[list[tuple[int, int, str]]]:
    """Segments as (row, where in the row's text, segment), in lists of some ``PORTION_LENGTH`` characters.

    ``places``: where a text may be cut, and nowhere else; None for this house's kinds.
    """
    portion: list[tuple[int, int, str]] = []
    length = 0
    for row, text in enumerate(texts):
        start = 0
        for segment in segments(text) if places is None else segments_at(text, places):
            portion.append((row, start, segment))
            start += len(segment)
            length += len(segment)
            if length >= PORTION_LENGTH:
                yield portion
                portion, length = [], 0
    if portion:
        yield portion
