"""Labelled texts, ready for training: the right columns, labels as names, no empty rows, and every decision noted."""

import json
import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from minnow.data.columns import Roles, find_roles, languages_of
from minnow.data.sources import Source, read_source
from minnow.errors import DataError

MAX_MISSING_SHARE = 0.5


@dataclass(frozen=True)
class Examples:
    """N texts and their labels, one tuple of names a text; a text without a label has an empty tuple.

    ``notes`` are sentences that a person should be told: how the file was read, which columns were chosen, what was
    dropped, under which licence. ``sha256`` is of the file (or of all the files of a folder).
    """

    texts: list[str]
    labels: list[tuple[str, ...]]
    roles: Roles
    name: str
    sha256: str
    licence: str | None = None
    language: str | None = None
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def multi_label(self) -> bool:
        """Whether some text has several labels."""
        return any(len(names) > 1 for names in self.labels)

    @property
    def label_names(self) -> list[str]:
        """All names that occur, sorted."""
        return sorted({name for names in self.labels for name in names})


def load_examples(
    source: str | Path,
    part: str = "train",
    text: str | None = None,
    label: str | None = None,
    *,
    need_label: bool = True,
    encoding: str | None = None,
    keep_empty: bool = False,
    learnt: Roles | None = None,
    multi_label: bool | None = None,
) -> Examples:
    """Read labelled texts from a file, a folder or the catalog.

    Args:
        source: a file (read whole), a folder (of class folders or of part files) or the name of a public set.
        part: train, valid, test …; a public set without parts is split 80 to 20 by hash of the text (``all``: whole).
        text: the text column, where it should not be guessed.
        label: the label column, likewise.
        need_label: without it, texts without any label are fine and one label alone is no error.
        encoding: of the file, where it is not UTF-8.
        keep_empty: for a test part whose every row must be answered: texts that are empty stay, and one label will do.
        learnt: the columns of the training data, which are taken where they are here too and none is asked for.
        multi_label: whether texts may have several labels, so that an empty list says that none applies; None: that is
            so where some text here has several.

    Raises:
        DataError: the data cannot be used as asked; one line says what to do.
    """
    read = read_source(source, part, encoding, every_line=keep_empty)
    return examples_from(
        read, text, label, need_label=need_label, keep_empty=keep_empty, learnt=learnt, multi_label=multi_label
    )


def examples_from(
    read: Source,
    text: str | None = None,
    label: str | None = None,
    *,
    need_label: bool = True,
    keep_empty: bool = False,
    learnt: Roles | None = None,
    multi_label: bool | None = None,
) -> Examples:
    """Choose the columns of a table, turn its labels into names and leave out the rows that are no use."""
    roles = source_roles(read, text, label, need_label, learnt)
    notes = [*read.notes, *roles.reasons]
    texts = column_texts(read.frame[roles.text], read.name)
    found: Sequence[tuple[str, ...] | None] = [None] * len(texts)
    if roles.label is not None:
        found = _labels(read.frame[roles.label], read.name, multi_label)
    gone = _without_text(texts, roles, read.name, keep_empty, notes)
    if roles.label is not None and need_label:
        gone |= _without_label(found, gone, roles, read.name, notes)
    kept = [row for row in range(len(texts)) if row not in gone]
    given = read.label_names if roles.label == read.label else {}
    labels = [tuple(given.get(name, name) for name in found[row] or ()) for row in kept]
    if need_label:
        at_least = int(not multi_label) if keep_empty else 2
        _check_labels(labels, roles, read.name, notes, at_least)
    return Examples(
        [texts[row] for row in kept],
        labels,
        roles,
        read.name,
        read.sha256,
        read.licence,
        read.language,
        tuple(notes),
    )


def source_roles(
    read: Source,
    text: str | None = None,
    label: str | None = None,
    need_label: bool = True,
    learnt: Roles | None = None,
) -> Roles:
    """The roles of a source's columns: as asked, else as in training, else as the source knows them, else by name and
    content.

    Raises:
        DataError: no column can play a role, or they hold sentence pairs and none was asked for.
    """
    languages = read.languages or (languages_of(read.frame.columns) if label is None else ())
    if languages and text is None:
        raise DataError(
            f"{read.name} holds sentence pairs ({', '.join(languages)}) for translation (--task translation), not "
            f"texts with labels; to read one language as the text, name it with --text {languages[0]}"
        )
    before = learnt or Roles("", None)
    known_text, text_by = _known_column(text, before.text, read.text, read.frame.columns, label)
    known_label, label_by = _known_column(label, before.label, read.label, read.frame.columns, known_text)
    roles = find_roles(read.frame, known_text, known_label, need_label)
    by = {"text": text_by, "label": label_by}
    reasons = [reason.replace("as asked", by.get(reason.split(":")[0], "as asked")) for reason in roles.reasons]
    return Roles(roles.text, roles.label, tuple(reasons))


def _known_column(
    asked: str | None, learnt: str | None, own: str | None, columns: Sequence[str], taken: str | None
) -> tuple[str | None, str]:
    """A column that is not to be guessed, and who says so: the person, the training data or the set. ``taken`` is the
    column of the other role."""
    if asked is not None:
        return asked, "as asked"
    if learnt in columns and learnt != taken:
        return learnt, "as in training"
    return (own if own != taken else None), "as the set has it"


def column_texts(column: pl.Series, name: str, option: str = "--text") -> list[str]:
    """The texts of a column, empty where a cell is; words in a list are joined by spaces.

    Raises:
        DataError: some cells hold no text; the message has their rows, and the option that chooses another column.
    """
    values = column.to_list()
    if column.dtype == pl.List(pl.String):
        return ["" if value is None else " ".join(word for word in value if word is not None) for value in values]
    if column.dtype in (pl.String, pl.Categorical) or column.dtype == pl.Enum:
        return ["" if value is None else value for value in values]
    wrong = [row for row, value in enumerate(values, start=1) if value is not None and not isinstance(value, str)]
    if not wrong:
        return ["" if value is None else value for value in values]
    raise DataError(
        f'column "{column.name}" of {name} should hold text, but {_rows(wrong)} '
        f"{'holds' if len(wrong) == 1 else 'hold'} {_kind(values[wrong[0] - 1])}; choose another column with {option}"
    )


def _labels(column: pl.Series, name: str, multi_label: bool | None) -> list[tuple[str, ...] | None]:
    """Labels as names: 1, 1.0 and "1" all become ``1``; lists give several names; None where the label is missing.

    Where texts may have several labels, an empty list says that none applies; elsewhere it is a missing label.
    """
    values = _unfolded(column)
    if column.dtype == pl.Object and not all(value is None or _is_plain_list(value) for value in values):
        _refuse_mixed(column.name, values, name)
    single = [part for value in values for part in (value if isinstance(value, list) else [value])]
    measured = [part for part in single if isinstance(part, float) and not math.isnan(part) and part % 1]
    if measured:
        raise DataError(
            f'column "{column.name}" of {name} holds measurements such as {measured[0]:g}, but labels are names; '
            "choose another column with --label"
        )
    return _named(values, multi_label)


def named_labels(column: pl.Series) -> list[tuple[str, ...] | None]:
    """The same of whatever a column holds, measurements and mixed types as well, for who does not learn from them."""
    return _named(_unfolded(column), None)


def _named(values: list[Any], multi_label: bool | None) -> list[tuple[str, ...] | None]:
    labels = [_names(value) for value in values]
    several = any(names and len(names) > 1 for names in labels) if multi_label is None else multi_label
    return labels if several else [names or None for names in labels]


def _is_plain_list(value: Any) -> bool:
    return isinstance(value, list) and all(part is None or isinstance(part, str | int | float) for part in value)


def _unfolded(column: pl.Series) -> list[Any]:
    """Strings that are all whole numbers with .0, or all JSON lists, are read as what they were before writing."""
    values = column.to_list()
    if column.dtype != pl.String:
        return values
    filled = [value.strip() for value in values if value is not None and value.strip()]
    if filled and all(re.fullmatch(r"-?\d+\.0+", value) for value in filled):
        return [value and value.strip().split(".")[0] for value in values]
    if filled and all(value.startswith("[") and value.endswith("]") for value in filled):
        try:
            read = [json.loads(value) if value and value.strip() else None for value in values]
        except (ValueError, RecursionError):
            return values
        if all(part is None or _is_plain_list(part) for part in read):
            return read
    return values


def _names(value: Any) -> tuple[str, ...] | None:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, list):
        return tuple(dict.fromkeys(name for part in value for name in _names(part) or ()))
    if isinstance(value, bool):
        return ("true" if value else "false",)
    if isinstance(value, float):
        return (str(value) if value % 1 else str(int(value)),)
    name = str(value).strip()
    return (name,) if name else None


def _refuse_mixed(column: str, values: list[Any], name: str) -> None:
    """Name the rows of the rarer type and the way out."""
    kinds = [None if value is None else _kind(value) for value in values]
    counts = Counter(kind for kind in kinds if kind is not None)
    usual = counts.most_common(1)[0][0]
    if len(counts) == 1:
        raise DataError(f'column "{column}" of {name} holds {usual}, but labels are names; choose another with --label')
    odd = [row for row, kind in enumerate(kinds, start=1) if kind not in (None, usual)]
    odd_kinds = " or ".join(sorted({str(kinds[row - 1]) for row in odd}))
    raise DataError(
        f'labels of mixed types in column "{column}" of {name}: mostly {usual}, but {_rows(odd)} '
        f"{'holds' if len(odd) == 1 else 'hold'} {odd_kinds}; write all labels in one way, best as strings"
    )


def _kind(value: Any) -> str:
    kinds = {bool: "true or false", int: "a number", float: "a number", str: "a string", list: "a list"}
    return kinds.get(type(value), type(value).__name__)


def _rows(rows: Sequence[int]) -> str:
    shown = ", ".join(f"{row:,}" for row in rows[:5])
    if len(rows) > 5:
        return f"rows {shown} and {len(rows) - 5:,} more"
    return f"row{'' if len(rows) == 1 else 's'} {shown}"


def _without_text(texts: list[str], roles: Roles, name: str, keep_empty: bool, notes: list[str]) -> set[int]:
    """The rows to leave out because they have no text; they are counted in the notes either way."""
    empty = {row for row, text in enumerate(texts) if not text or text.isspace()}
    if len(empty) == len(texts):
        raise DataError(f'all texts in column "{roles.text}" of {name} are empty; choose another column with --text')
    if empty:
        counted = f"{len(empty):,} row{'' if len(empty) == 1 else 's'} without text"
        notes.append(f"{counted} {'kept' if keep_empty else 'left out'}")
    return set() if keep_empty else empty


def _without_label(
    labels: Sequence[tuple[str, ...] | None], gone: set[int], roles: Roles, name: str, notes: list[str]
) -> set[int]:
    """The rows to leave out because they have no label; more than half of them is a mistake somewhere."""
    missing = {row for row, names in enumerate(labels) if names is None and row not in gone}
    share = len(missing) / (len(labels) - len(gone))
    if share > MAX_MISSING_SHARE:
        raise DataError(
            f'{share:.0%} of the rows of {name} have no label in column "{roles.label}"; '
            "choose another column with --label, or leave those rows out of the file"
        )
    if missing:
        notes.append(f"{len(missing):,} row{'' if len(missing) == 1 else 's'} without a label left out")
    none_applies = sum(names == () for row, names in enumerate(labels) if row not in gone)
    if none_applies:
        notes.append(f"{none_applies:,} row{'' if none_applies == 1 else 's'} to which no label applies, kept")
    return missing


def _check_labels(labels: list[tuple[str, ...]], roles: Roles, name: str, notes: list[str], at_least: int) -> None:
    counts = Counter(label for names in labels for label in names)
    if len(counts) < at_least:
        only = next(iter(counts), "")
        raise DataError(
            f'all {len(labels):,} rows of {name} have one label, {only!r}, in column "{roles.label}", '
            "but a classifier needs two or more; choose another column with --label or add rows of another class"
        )
    if len(counts) > len(labels) / 2 and len(labels) > 20:
        notes.append(f"{len(counts):,} different labels in {len(labels):,} rows: is {roles.label!r} the label column?")
    folded: dict[str, str] = {}
    for label in sorted(counts):
        other = folded.setdefault(label.casefold(), label)
        if other != label:
            notes.append(f"labels {other!r} and {label!r} differ only in case; they count as two")
    few = sorted(label for label, count in counts.items() if count == 1)
    if few:
        more = f" and {len(few) - 5} more" if len(few) > 5 else ""
        notes.append(f"labels with one row only: {', '.join(few[:5])}{more}")
