"""Where tokens stand in a text, from where the library says they do."""

import unicodedata
from typing import Literal


def with_marks(text: str, offsets: list[tuple[int, int]], normalization: str) -> list[tuple[int, int]]:
    """Stretch each place over the marks that normalising drew into its last character.

    The library places ``é`` written as ``e`` and an accent on the ``e`` alone.
    """
    form: Literal["NFC", "NFKC"] = "NFC" if normalization == "nfc" else "NFKC"
    placed = list(offsets)
    limit = len(text)
    for index in range(len(offsets) - 1, -1, -1):
        start, end = offsets[index]
        if index + 1 < len(offsets) and offsets[index + 1] == (start, end):
            placed[index] = placed[index + 1]
            continue
        while end < limit and text[end] > "\x7f" and _absorbed(text[max(start, end - 8) : end], text[end], form):
            end += 1
        placed[index] = (start, end)
        limit = min(limit, start)
    return placed


def _absorbed(before: str, mark: str, form: Literal["NFC", "NFKC"]) -> bool:
    return len(unicodedata.normalize(form, before + mark)) <= len(unicodedata.normalize(form, before))


def without_space(text: str, start: int, end: int) -> tuple[int, int]:
    """A place without the white space that it begins with, unless there is nothing else."""
    first = start
    while first < end and text[first].isspace():
        first += 1
    return (first, end) if first < end else (start, end)
