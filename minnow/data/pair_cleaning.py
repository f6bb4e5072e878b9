"""Filters for sentence pairs: what is no translation, or of no use for learning one, goes with its reason counted."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial

import numpy as np
import polars as pl
from numpy.typing import NDArray

from minnow.data.pairs import Direction, Pairs
from minnow.errors import DataError, InputError
from minnow.listeners import Progress
from minnow.text.clean import SURE_LANGUAGE, normalise
from minnow.text.language import detect, known_languages, primary

Mask = NDArray[np.bool_]
Judge = Callable[[Pairs], Mask]
REASONS = {
    "empty": "with an empty side",
    "copy": "with the same text on both sides",
    "too_long": "with too long a side",
    "length_ratio": "with sides of too different lengths",
    "language": "with a side in another language",
    "duplicate": "that stand there before",
}
# As many characters are added to both sides before their lengths are compared: of short ones, ratios say little.
LENGTH_SLACK = 10
# A copy of fewer letters may well be right: a name, a number, "Taxi!".
MIN_LETTERS_OF_COPY = 12


@dataclass(frozen=True)
class PairCleaningSettings:
    """Which pairs go. The defaults are mild: of a clean set they leave out almost nothing.

    Attributes:
        empty: leave out pairs with an empty side.
        copies: leave out pairs whose sides are the same, in 12 letters or more.
        max_characters: of a side; longer ones go with their pair; 0 for off.
        max_length_ratio: how many times longer or shorter than usual a target may be for its source, in characters.
            Usual is the median ratio of the direction, so Chinese, with a third of the characters of English, is no
            special case; 0 for off.
        language_confidence: how sure the detector must be that a side is in another language than its own; sides of
            fewer than 12 letters, and languages that it does not know, are not judged; 0 for off.
        duplicates: leave out pairs that stand there before in the same direction, word for word after normalising.
    """

    empty: bool = True
    copies: bool = True
    max_characters: int = 2_000
    max_length_ratio: float = 3.0
    language_confidence: float = SURE_LANGUAGE
    duplicates: bool = True

    def __post_init__(self) -> None:
        if self.max_characters < 0:
            raise InputError(f"max_characters must be 1 or more, but got {self.max_characters}; try 2000, or 0 for off")
        if self.max_length_ratio and not self.max_length_ratio > 1:
            raise InputError(f"max_length_ratio must be above 1, but got {self.max_length_ratio}; try 3, or 0 for off")
        if not 0 <= self.language_confidence <= 1:
            raise InputError(
                f"language_confidence must lie between 0 and 1, but got {self.language_confidence}; try 0.8, 0 for off"
            )


@dataclass(frozen=True)
class Judged:
    """What the filters say of N pairs.

    ``reasons`` has for each the name, as in ``REASONS``, of the filter that it goes by, and None for one that stays.
    ``counts`` has ``rows``, ``kept``, ``dropped`` and one entry for each filter that was on, by its name.
    """

    reasons: list[str | None]
    counts: dict[str, int]

    @property
    def kept(self) -> Mask:
        """Which of the pairs stay [N]."""
        return _marked(reason is None for reason in self.reasons)

    def dropped(self, pairs: Pairs) -> pl.DataFrame:
        """Those of the pairs judged that go: row (counted from 1), reason, languages, source and target."""
        gone = [row for row, reason in enumerate(self.reasons) if reason is not None]
        columns = {
            "row": [row + 1 for row in gone],
            "reason": [self.reasons[row] for row in gone],
            "languages": [list(pairs.directions[row]) for row in gone],
            "source": [pairs.sources[row] for row in gone],
            "target": [pairs.targets[row] for row in gone],
        }
        texts = dict.fromkeys(("reason", "source", "target"), pl.String)
        return pl.DataFrame(columns, schema_overrides={"row": pl.Int64, "languages": pl.List(pl.String), **texts})


def judge_pairs(pairs: Pairs, settings: PairCleaningSettings, progress: Progress | None = None) -> Judged:
    """Say which pairs go and why, filter by filter; each sees what those before it have left.

    Args:
        pairs: of one or several directions; each direction is judged by itself.
        settings: which filters, how strict.
        progress: called with the filter's name, the pairs done and the pairs in all.
    """
    reasons: list[str | None] = [None] * len(pairs)
    found: dict[str, int] = {}
    left, rows = pairs, np.arange(len(pairs))
    for name, judge in _filters(settings, progress):
        bad = judge(left)
        found[name] = int(bad.sum())
        if found[name]:
            for row in rows[bad]:
                reasons[row] = name
            left, rows = left.chosen(np.flatnonzero(~bad)), rows[~bad]
    return Judged(reasons, {"rows": len(pairs), "kept": len(left), "dropped": len(pairs) - len(left), **found})


def clean_pairs(
    pairs: Pairs, settings: PairCleaningSettings, progress: Progress | None = None
) -> tuple[Pairs, dict[str, int]]:
    """Leave out what the settings say, as ``judge_pairs`` does.

    Returns:
        The pairs that are left, with a note of what went, and the counts.
    """
    judged = judge_pairs(pairs, settings, progress)
    counts = judged.counts
    left = pairs.chosen(np.flatnonzero(judged.kept)) if counts["dropped"] else pairs
    told = ", ".join(f"{counts[name]:,} {reason}" for name, reason in REASONS.items() if counts.get(name))
    if told:
        left = replace(left, notes=(*left.notes, f"{counts['dropped']:,} of {len(pairs):,} pairs left out: {told}"))
    return left, counts


def nothing_left(name: str, counts: Mapping[str, int], ways: Mapping[str, str]) -> DataError:
    """Say that all pairs of this name went, why most of them did, and the way to keep those, by its reason."""
    most = max(REASONS, key=lambda reason: counts.get(reason, 0))
    hint = "see whether the languages are the right way round" if most == "language" else "mend them"
    way = f", or keep them with {ways[most]}" if most in ways else ""
    return DataError(f"all {counts['rows']:,} pairs of {name} were left out, most of them {REASONS[most]}; {hint}{way}")


def unjudged(languages: Sequence[str]) -> list[str]:
    """Those of the languages of which no side is judged by its language, for the detector does not know them."""
    return [language for language in languages if language not in _codes(languages)]


def _filters(settings: PairCleaningSettings, progress: Progress | None) -> Iterator[tuple[str, Judge]]:
    """Those that are on, the cheap ones first."""
    if settings.empty:
        yield "empty", _empty
    if settings.copies:
        yield "copy", _copies
    if settings.max_characters:
        yield "too_long", partial(_too_long, settings.max_characters)
    if settings.max_length_ratio:
        yield "length_ratio", partial(_unlike_in_length, settings.max_length_ratio)
    if settings.duplicates:
        yield "duplicate", _duplicates
    if settings.language_confidence:
        yield "language", partial(_in_another_language, settings.language_confidence, progress)


def _empty(pairs: Pairs) -> Mask:
    return _marked(not source.strip() or not target.strip() for source, target in _sides(pairs))


def _copies(pairs: Pairs) -> Mask:
    return _marked(
        normalise(source) == normalise(target) and sum(map(str.isalpha, source)) >= MIN_LETTERS_OF_COPY
        for source, target in _sides(pairs)
    )


def _too_long(limit: int, pairs: Pairs) -> Mask:
    return _marked(max(len(source), len(target)) > limit for source, target in _sides(pairs))


def _unlike_in_length(limit: float, pairs: Pairs) -> Mask:
    """Lengths are compared in a unit between those of the two languages, so that both directions are judged alike."""
    lengths = np.array([(len(source.strip()), len(target.strip())) for source, target in _sides(pairs)]).reshape(-1, 2)
    filled = lengths.all(axis=1)
    bad = np.zeros(len(pairs), dtype=bool)
    for direction in set(pairs.directions):
        rows = np.flatnonzero(filled & _marked(found == direction for found in pairs.directions))
        if len(rows):
            source, target = lengths[rows].T
            unit = np.exp(np.median(np.log(target / source)) / 2)
            ratios = (target / unit + LENGTH_SLACK) / (source * unit + LENGTH_SLACK)
            bad[rows] = np.abs(np.log(ratios)) > np.log(limit)
    return bad


def _duplicates(pairs: Pairs) -> Mask:
    seen: set[tuple[Direction, str, str]] = set()
    bad = np.zeros(len(pairs), dtype=bool)
    for row, (source, target) in enumerate(_sides(pairs)):
        pair = (pairs.directions[row], normalise(source), normalise(target))
        bad[row] = pair in seen
        seen.add(pair)
    return bad


def _in_another_language(confidence: float, progress: Progress | None, pairs: Pairs) -> Mask:
    code_of = _codes(pairs.languages)

    @cache  # many sentences have several translations
    def is_other(text: str, language: str) -> bool:
        found, code = detect(text), code_of[language]
        # A Japanese text without a letter of its own cannot be told from Chinese.
        fits = found.code in (code, "und") or (code, found.code) == ("ja", "zh")
        return not fits and found.confidence >= confidence

    bad = np.zeros(len(pairs), dtype=bool)
    for row, sides in enumerate(_sides(pairs)):
        if progress is not None and row % 256 == 0:
            progress("language", row, len(pairs))
        named = zip(sides, pairs.directions[row], strict=True)
        bad[row] = any(language in code_of and is_other(text, language) for text, language in named)
    return bad


def _codes(languages: Iterable[str]) -> dict[str, str]:
    """The detector's code of each language that it knows."""
    codes = {language: primary(language) for language in languages}
    return {language: code for language, code in codes.items() if len(code) == 2 and code in known_languages()}


def _sides(pairs: Pairs) -> Iterator[tuple[str, str]]:
    return zip(pairs.sources, pairs.targets, strict=True)


def _marked(found: Iterable[bool]) -> Mask:
    return np.fromiter(found, dtype=bool)
