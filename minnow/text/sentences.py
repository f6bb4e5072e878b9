"""A line as its sentences, and a sentence that is too long as parts, by marks alone."""

import re
from collections.abc import Callable, Sequence

from minnow.text.terms import Span

# A sentence ends behind its last mark and the quotes and brackets that close there; Chinese has no space behind it, and
# goes on behind what was quoted.
_SENTENCE = re.compile(r"(?:(?<=[.!?…।॥؟۔])|(?<=[.!?…।॥؟۔][\"'”’»)\]]))\s+|(?<=[。！？])(?![。！？”’」』）])")
_ABBREVIATED = re.compile(r"(?<!\w)(?:[A-Z]|Mrs?|Ms|Mme|Mlle|Drs?|Prof|Ste?|Sr|Jr|Nr|No|vs)\.$")  # ends no sentence
_CLAUSE = re.compile(r"(?<=[,;:،؛])\s+|(?<=[，；：、])")
_SPACE = re.compile(r"\s+")


def sentences_of(line: str) -> list[str]:
    """The sentences of a line, by their marks."""
    return [line[slice(*span)] for span in _sentences(line, ())]


def parts_of_line(line: str, is_short: Callable[[str], bool], held: Sequence[Span] = ()) -> list[str]:
    """The sentences of a line, and of those that are too long parts; no cut goes through what is ``held`` together."""
    return [
        part
        for begin, end in _sentences(line, held)
        for part in parts_of(line[begin:end], is_short, _moved(held, begin))
    ]


def parts_of(sentence: str, is_short: Callable[[str], bool], held: Sequence[Span] = ()) -> list[str]:
    """A sentence in parts that are short enough: halved where a clause ends near its middle, else at the nearest space,
    else, where it has none, anywhere."""
    if len(sentence) < 2 or is_short(sentence):
        return [sentence]
    length = len(sentence)
    spaces = _cuts(_SPACE, sentence.rstrip(), held)
    clauses = [span for span in _cuts(_CLAUSE, sentence, held) if length <= 4 * span[0] <= 3 * length]
    inner = clauses or [span for span in spaces if span[0]]
    end, begin = min(inner or [(length // 2, length // 2)], key=lambda span: abs(span[0] + span[1] - length))
    return [
        *parts_of(sentence[:end], is_short, held),
        *parts_of(sentence[begin:], is_short, _moved(held, begin)),
    ]


def _sentences(line: str, held: Sequence[Span]) -> list[Span]:
    spans, begin = [], 0
    for end, next_one in _cuts(_SENTENCE, line, held):
        if not _ABBREVIATED.search(line, max(0, end - 8), end):
            spans.append((begin, end))
            begin = next_one
    return [span for span in (*spans, (begin, len(line))) if span[0] < span[1]]


def _cuts(pattern: re.Pattern[str], text: str, held: Sequence[Span]) -> list[Span]:
    """Where the text may be cut, but for the inside of what is held together."""
    found = (match.span() for match in pattern.finditer(text))
    return [(start, end) for start, end in found if not any(left < start and end < right for left, right in held)]


def _moved(spans: Sequence[Span], by: int) -> list[Span]:
    return [(left - by, right - by) for left, right in spans]
