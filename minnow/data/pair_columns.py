"""Which column of a table is which side of a sentence pair: as asked, else by name, else the only two with text."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from minnow.data.columns import SIDES, listed, missing_column, side_of
from minnow.data.table import typed_series
from minnow.errors import DataError, ManyLanguagesError

_NUMBER = re.compile(r"\s*[-+]?[\d.,]+\s*")
# The third column of Tatoeba's files, which names the authors.
_ATTRIBUTION = re.compile(r"CC[- ]BY\b|.*\bAttribution:")


@dataclass(frozen=True)
class Sides:
    """The column of each language, in the order of the languages; ``reason`` is a sentence for a person."""

    columns: Mapping[str, str]
    reason: str


def find_sides(
    frame: pl.DataFrame,
    name: str,
    languages: Sequence[str] = (),
    source: str | None = None,
    target: str | None = None,
) -> Sides:
    """Choose the columns of a table of sentence pairs.

    Args:
        frame: one row for each pair, or for each sentence and its translations.
        name: of the table, for the messages.
        languages: those asked for, in order; of two it is enough that the columns are otherwise clear.
        source: the column of the source, where the caller knows it.
        target: the column of the target, likewise; the two go together.

    Raises:
        DataError: a column or a language is not there, or the columns are not clear; the message lists what is there.
    """
    if source is not None or target is not None:
        return _as_asked(frame, name, languages, source, target)
    texts = [column.name for column in frame.iter_columns() if _holds_sentences(column)]
    spelled = {column.strip().lower(): column for column in frame.columns}
    called = {language: spelled[language.lower()] for language in languages if language.lower() in spelled}
    if called and len(called) == len(languages):
        return Sides(called, _told(called, "by name"))
    if called or len(languages) > 2:
        raise unknown_language(next(one for one in languages if one not in called), name, texts)
    by_role = {role: column for column in reversed(texts) if (role := side_of(column)) in SIDES}
    if len(by_role) == 2:
        return _named((by_role["source"], by_role["target"]), languages, "by name")
    if len(texts) != 2:
        raise _unclear(frame, name, texts)
    if languages and _are_languages(texts):
        raise DataError(
            f"{unknown_language(languages[0], name, texts)}; if the columns hold these languages, name them with "
            "source_column and target_column (--text and --label)"
        )
    return _named((texts[0], texts[1]), languages, "the only columns of text")


def unfolded(frame: pl.DataFrame, name: str) -> pl.DataFrame:
    """The table with ``{"translation": {"en": …, "de": …}}``, Hugging Face's form, as a column a language.

    Raises:
        DataError: a translation is none; the message has its row.
    """
    if "translation" not in frame.columns or frame.schema["translation"] in (pl.String, pl.List(pl.String)):
        return frame
    values: list[Any] = frame["translation"].to_list()
    for row, value in enumerate(values, start=1):
        if value is not None and not isinstance(value, dict):
            raise DataError(
                f'column "translation" of {name} should hold a text for each language, but row {row} holds '
                f"{str(value)[:40]!r}; mend the row or take it out"
            )
    keys = dict.fromkeys(key for value in values for key in value or ())
    texts = [typed_series(key, [(value or {}).get(key) for value in values]) for key in keys]
    return frame.drop("translation", *keys, strict=False).hstack(texts)


def unknown_language(language: str, name: str, known: Sequence[str]) -> DataError:
    """Name the language that is not there, and those that are."""
    return DataError(f"{name} has no language {language!r}; it has: {listed(known) or 'none'}")


def too_many_languages(name: str, known: Sequence[str]) -> ManyLanguagesError:
    """Ask between which of more than two languages to translate."""
    return ManyLanguagesError(
        f"{name} has {len(known)} languages ({listed(known)}); say between which to translate, such as --langs "
        f"{known[0]},{known[1]}"
    )


def _as_asked(
    frame: pl.DataFrame, name: str, languages: Sequence[str], source: str | None, target: str | None
) -> Sides:
    if source is None or target is None:
        raise DataError(
            "source_column and target_column (--text and --label) go together, but only "
            f"{source or target!r} was given; columns: {listed(frame.columns)}"
        )
    for column in (source, target):
        if column not in frame.columns:
            raise missing_column(column, frame.columns)
    if source == target:
        raise DataError(f"column {source!r} of {name} cannot be both sides; columns: {listed(frame.columns)}")
    if len(languages) > 2:
        raise DataError(f"two columns hold two languages, but got {len(languages)}: {', '.join(languages)}")
    return _named((source, target), languages, "as asked")


def _named(columns: tuple[str, str], languages: Sequence[str], why: str) -> Sides:
    """The languages asked for, else those that the columns are called after, else ``source`` and ``target``."""
    known = languages or (columns if _are_languages(columns) else SIDES)
    sides = dict(zip(known, columns, strict=True))
    return Sides(sides, _told(sides, why))


def _told(sides: Mapping[str, str], why: str) -> str:
    return ", ".join(f'{language}: column "{column}"' for language, column in sides.items()) + f" ({why})"


def _are_languages(columns: Sequence[str]) -> bool:
    return all(side_of(column) == column for column in columns) and not set(columns) & set(SIDES)


def _unclear(frame: pl.DataFrame, name: str, texts: Sequence[str]) -> DataError:
    if len(texts) > 2 and _are_languages(texts):
        return too_many_languages(name, texts)
    if len(frame.columns) == 1:
        return DataError(
            f"{name} has one column, {frame.columns[0]!r}, but pairs have two sides; write them in two columns, or in "
            "two files of which line i belongs to line i, and give both"
        )
    return DataError(
        f"{name} should have two columns of text, a source and a target, but has {len(texts)}; name them with "
        f"source_column and target_column (--text and --label); columns: {listed(frame.columns)}"
    )


def _holds_sentences(column: pl.Series) -> bool:
    """Strings that are neither all numbers nor all attributions."""
    if column.dtype != pl.String:
        return False
    filled = [text for text in column.to_list() if text and text.strip()]
    return any(not _NUMBER.fullmatch(text) and not _ATTRIBUTION.match(text) for text in filled)
