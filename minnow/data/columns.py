"""Which column is the text and which the label: by name first, then by content; what was decided is told in words."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

import polars as pl

from minnow.errors import DataError

# In order of preference.
TEXT_NAMES = (
    "text", "review", "sentence", "content", "message", "utterance", "comment", "tweet", "document", "body", "post",
    "question", "query", "sms", "email", "description", "headline", "title", "input", "tokens", "words",
    "文本", "评论", "内容", "正文", "句子", "消息", "短信", "问题", "标题", "微博", "新闻", "評論", "內容", "標題",
)  # fmt: skip
LABEL_NAMES = (
    "label", "labels", "class", "category", "intent", "sentiment", "target", "topic", "tag", "tags", "emotion",
    "polarity", "genre", "cat", "output", "stars", "rating", "y",
    "标签", "标注", "类别", "分类", "意图", "情感", "情绪", "主题", "标记", "標籤", "類別", "分類",
)  # fmt: skip
# Of sentence pairs.
SIDES = ("source", "target")
_SIDE_NAMES = {
    "source": ("source", "src", "source_text", "src_text", "source_sentence", "原文"),
    "target": ("target", "tgt", "trg", "target_text", "tgt_text", "target_sentence", "译文", "譯文"),
}
_LANGUAGE = re.compile("[a-z]{2,3}([-_][a-z]{2,4})?", re.IGNORECASE)
_FACT = r"^([-+]?\d[-\d.,:/+TZ ]*|[^\s@]+@[^\s@]+\.\w+|(https?://|www\.)\S+)$"
_MAX_LABEL_CHARACTERS = 80


@dataclass(frozen=True)
class Roles:
    """The columns chosen; ``reasons`` are sentences such as ``text: column "review" (by name)``."""

    text: str
    label: str | None
    reasons: tuple[str, ...] = ()


def sounds_like_a_role(name: str) -> bool:
    """Whether a column of this name is usually a text, a label or an id."""
    return bool(
        _rank(name, TEXT_NAMES) is not None
        or _rank(name, LABEL_NAMES) is not None
        or re.fullmatch(r"(.*[_ ])?(id|idx|index|编号|序号)", name.strip().lower())
    )


def names_a_role(cell: str) -> bool:
    """Whether a cell of a first line is the name of a role, and not a text that happens to have one in it: a name as it
    is (``text``, ``标签``), or a known word inside a cell without spaces (``review_body``). Chinese sets no
    spaces, so a Chinese name counts alone."""
    bare = cell.strip().lower()
    if bare in (*TEXT_NAMES, *LABEL_NAMES, "id", "idx", "index", "编号", "序号"):
        return True
    return bare.isascii() and " " not in bare and sounds_like_a_role(bare)


def side_of(name: str) -> str | None:
    """The side of a sentence pair that goes by a name: ``source``, ``target`` or a language (``de``, ``zh_CN``)."""
    role = next((role for role, names in _SIDE_NAMES.items() if name.strip().lower() in names), None)
    return role or (name if _LANGUAGE.fullmatch(name) else None)


def languages_of(columns: Sequence[str]) -> tuple[str, ...]:
    """The languages, where a table has a column for each of several and no other: sentence pairs."""
    named = [name for name in columns if side_of(name) == name and not sounds_like_a_role(name)]
    return tuple(named) if len(named) == len(columns) > 1 else ()


def find_roles(
    frame: pl.DataFrame, text: str | None = None, label: str | None = None, need_label: bool = True
) -> Roles:
    """Choose the text column and the label column.

    Args:
        frame: the table, one row for each text.
        text: the text column's name, where the caller knows it.
        label: the label column's name, likewise.
        need_label: without it a table that has no label column is fine.

    Raises:
        DataError: a named column is missing, or none can play the role; the message lists the columns.
    """
    for name in (text, label):
        if name is not None and name not in frame.columns:
            raise missing_column(name, frame.columns)
    if text is not None and text == label:
        raise DataError(f"column {text!r} cannot be both the text and the label; columns: {listed(frame.columns)}")
    chosen_text, text_reason = _choose_text(frame, text, label)
    chosen_label, label_reason = _choose_label(frame, label, chosen_text)
    reasons = [f'text: column "{chosen_text}" ({text_reason})']
    if chosen_label is not None:
        reasons.append(f'label: column "{chosen_label}" ({label_reason})')
        reasons += _other_labels(frame, chosen_text, chosen_label, label_was_asked=label is not None)
    elif need_label:
        hint = "; raw text is for minnow pretrain" if frame.width == 1 else ""
        raise DataError(
            "no column looks like a label (few distinct short values); name one with --label; "
            f"columns: {listed(frame.columns)}{hint}"
        )
    return Roles(chosen_text, chosen_label, tuple(reasons))


def _choose_text(frame: pl.DataFrame, asked: str | None, label: str | None) -> tuple[str, str]:
    if asked is not None:
        return asked, "as asked"
    readable = [name for name in frame.columns if name != label and _holds_text(frame[name])]
    # Not review_rating beside review_body, nor an email column that holds addresses.
    likely = [name for name in readable if not _has_label_word(name) and not _holds_facts(frame[name])]
    named = _best_named(likely, TEXT_NAMES)
    if named is not None:
        return named, "by name"
    candidates = likely or [name for name in readable if _rank(name, LABEL_NAMES) is None] or readable
    if not candidates:
        raise DataError(f"no column holds text; name one with --text; columns: {listed(frame.columns)}")
    best = max(candidates, key=lambda name: _text_score(frame[name]))
    distinct, characters = num_distinct(frame[best]), _mean_characters(frame[best])
    return best, f"by content; {distinct:,} different texts of {characters:.0f} characters on average"


def _choose_label(frame: pl.DataFrame, asked: str | None, text: str) -> tuple[str | None, str]:
    if asked is not None:
        return asked, f"as asked; {_values(frame[asked])}"
    others = [name for name in frame.columns if name != text]
    named = _best_named([name for name in others if frame[name].null_count() < frame.height], LABEL_NAMES)
    if named is not None:
        return named, f"by name; {_values(frame[named])}"
    alike = [name for name in others if _looks_like_label(frame[name])]
    if not alike:
        return None, ""
    best = min(alike, key=lambda name: num_distinct(frame[name]))
    return best, f"by content; {_values(frame[best])}"


def _other_labels(frame: pl.DataFrame, text: str, label: str, label_was_asked: bool) -> list[str]:
    if label_was_asked:
        return []
    others = [name for name in frame.columns if name not in (text, label) and _looks_like_label(frame[name])]
    return [f'column "{name}" could be the label too ({_values(frame[name])}): --label {name}' for name in others[:3]]


def num_distinct(column: pl.Series) -> int:
    """How many different values there are; lists and mixed values are compared as written."""
    if column.dtype == pl.Object or column.dtype.is_nested():
        return len({repr(value) for value in column.to_list()})
    return int(column.drop_nulls().n_unique())


def _values(column: pl.Series) -> str:
    count = num_distinct(column)
    return f"{count:,} value{'' if count == 1 else 's'}"


def _holds_text(column: pl.Series) -> bool:
    if column.dtype in (pl.String, pl.Object, pl.Categorical):
        return True
    return bool(column.dtype == pl.List(pl.String)) and _rank(column.name, ("tokens", "words")) is not None


def _has_label_word(name: str) -> bool:
    return name.strip().lower() not in TEXT_NAMES and _rank(name, LABEL_NAMES) is not None


def _holds_facts(column: pl.Series) -> bool:
    """Whether every cell that is filled is a number, a date, or an address of mail or of the web."""
    if column.dtype != pl.String:
        return False
    filled = column.drop_nulls().str.strip_chars()
    filled = filled.filter(filled != "")
    return len(filled) > 0 and bool(filled.str.contains(_FACT).all())


def _looks_like_label(column: pl.Series) -> bool:
    """Few distinct, short values: at most half as many as rows, at most 1,000; measurements are none."""
    if column.dtype.is_float() or column.dtype.is_temporal() or column.dtype in (pl.Object, pl.List(pl.String)):
        return False
    height = len(column) - column.null_count()
    distinct = num_distinct(column)
    if not 2 <= distinct <= 1000 or distinct > max(2, height // 2 if height > 4 else height - 1):
        return False
    return column.dtype != pl.String or not (column.str.len_chars() > _MAX_LABEL_CHARACTERS).any()


def _text_score(column: pl.Series) -> float:
    return _mean_characters(column) * num_distinct(column) / max(len(column), 1)


def _mean_characters(column: pl.Series) -> float:
    if column.dtype != pl.String:
        return 0.0
    return float(column.str.len_chars().mean() or 0.0)  # type: ignore[arg-type]


def _best_named(columns: Sequence[str], names: Sequence[str]) -> str | None:
    ranked = [(rank, at, column) for at, column in enumerate(columns) if (rank := _rank(column, names)) is not None]
    return min(ranked)[2] if ranked else None


def _rank(column: str, names: Sequence[str]) -> int | None:
    """The place of a name in the order of preference; one with a known word in it (review_body) comes later."""
    bare = column.strip().lower()
    if bare in names:
        return names.index(bare)
    words = re.split(r"[\W_]+", bare) if bare.isascii() else [bare]
    if words[-1] in ("id", "idx", "index", "len", "length", "count", "date", "time", "url", "lang", "language"):
        return None
    for at, name in enumerate(names):
        if len(name) > 1 and (name in words or (not name.isascii() and name in bare)):
            return len(names) + at
    return None


def missing_column(name: str, columns: Sequence[str]) -> DataError:
    """Say that a column is not there, and which is near."""
    close = get_close_matches(name, columns, n=1) or get_close_matches(name.lower(), [c.lower() for c in columns], n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return DataError(f"no column {name!r}; {hint}columns: {listed(columns)}")


def listed(columns: Sequence[str]) -> str:
    """Up to twenty names, and how many more there are."""
    shown = ", ".join(columns[:20])
    return shown if len(columns) <= 20 else f"{shown} and {len(columns) - 20} more"
