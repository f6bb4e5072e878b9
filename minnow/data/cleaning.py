"""Cleaning of a table: texts repaired, useless and repeated rows dropped, and every drop accounted for."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from minnow.data.columns import Roles
from minnow.data.duplicates import exact_duplicates, near_duplicates
from minnow.data.examples import named_labels
from minnow.listeners import Progress
from minnow.text.clean import CleaningRules, drop_reason, repair


@dataclass(frozen=True)
class Cleaned:
    """What is left, what went and why.

    ``frame`` has the columns of the input; ``dropped`` has row (counted from 1 in the input), reason and text;
    ``counts`` has rows, kept, dropped, repaired, conflicting_labels, and one entry for each reason that occurred.
    """

    frame: pl.DataFrame
    dropped: pl.DataFrame
    counts: dict[str, int]


def clean(frame: pl.DataFrame, roles: Roles, rules: CleaningRules, progress: Progress | None = None) -> Cleaned:
    """Repair the text column and drop the rows that are no use.

    Reasons: ``empty``, ``too_short``, ``too_long``, ``language``, ``duplicate`` (same text after normalising),
    ``conflicting_label`` (same text, another label than the first one's) and ``near_duplicate``. Labels stay, and are
    compared as training reads them. Of such rows the first with a label is kept.

    Args:
        frame: one row for each text.
        roles: which column is the text, which the label.
        rules: what to do.
        progress: called with the step's name, the rows done and the rows in all.
    """
    before = [_as_text(value) for value in frame[roles.text].to_list()]
    after: list[str] = []
    reasons: list[str | None] = []
    for row, text in enumerate(before):
        if progress is not None and row % 256 == 0:
            progress("repair", row, len(before))
        after.append(repair(text, rules))
        reasons.append(drop_reason(after[-1], rules))
    labels = named_labels(frame[roles.label]) if roles.label is not None else [None] * len(before)
    _mark_duplicates(after, labels, reasons, rules, progress)
    kept = np.array([reason is None for reason in reasons], dtype=bool)
    cleaned = frame.with_columns(pl.Series(roles.text, after, dtype=pl.String)).filter(pl.Series(kept))
    gone = np.flatnonzero(~kept)
    dropped = pl.DataFrame(
        {"row": gone + 1, "reason": [reasons[row] for row in gone], "text": [before[row] for row in gone]},
        schema={"row": pl.Int64, "reason": pl.String, "text": pl.String},
    )
    num_repaired = sum(first != second for first, second in zip(before, after, strict=True))
    return Cleaned(cleaned, dropped, _counts(reasons, num_repaired))


def _as_text(value: Any) -> str:
    if value is None:
        return ""
    return " ".join(str(word) for word in value if word is not None) if isinstance(value, list) else str(value)


def _mark_duplicates(
    texts: Sequence[str],
    labels: Sequence[tuple[str, ...] | None],
    reasons: list[str | None],
    rules: CleaningRules,
    progress: Progress | None,
) -> None:
    """Fill in the reasons of rows that repeat another among those still kept: the first that has a label stays, and
    where none has one the first of all."""
    rows = [row for row, reason in enumerate(reasons) if reason is None]
    rows.sort(key=lambda row: labels[row] is None)
    if rules.exact_duplicates:
        for at, first in enumerate(exact_duplicates([texts[row] for row in rows])):
            if first >= 0:
                same_label = labels[rows[at]] in (None, labels[rows[first]])
                reasons[rows[at]] = "duplicate" if same_label else "conflicting_label"
    if rules.near_duplicates is None:
        return
    rows = [row for row in rows if reasons[row] is None]
    step = None if progress is None else (lambda done, total: progress("near duplicates", done, total))
    nearly = near_duplicates([texts[row] for row in rows], rules.near_duplicates, step)
    for at, first in enumerate(nearly):
        if first >= 0:
            reasons[rows[at]] = "near_duplicate"


def _counts(reasons: Sequence[str | None], num_repaired: int) -> dict[str, int]:
    by_reason = Counter(reason for reason in reasons if reason is not None)
    num_dropped = sum(by_reason.values())
    return {
        "rows": len(reasons),
        "kept": len(reasons) - num_dropped,
        "dropped": num_dropped,
        "repaired": num_repaired,
        "conflicting_labels": by_reason["conflicting_label"],
        **dict(sorted(by_reason.items())),
    }
