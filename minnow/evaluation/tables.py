"""The tables of a report in Markdown, for a model card or a terminal."""

from collections.abc import Sequence
from typing import Any

from minnow.evaluation.report import Report


def scores_table(report: Report) -> str:
    """Each score with its 95 % interval."""
    rows = []
    for name, value in report.scores.items():
        low, high = report.intervals.get(name, (None, None))
        rows.append((f"`{name}`", f"{value:.4f}", "" if low is None else f"{low:.4f} to {high:.4f}"))
    return _markdown(("score", "value", "95 % interval"), rows)


def labels_table(report: Report) -> str:
    """Precision, recall and F1 of each label, and how many texts have it."""
    rows = [
        (row["label"], *(f"{row[key]:.3f}" for key in ("precision", "recall", "f1")), str(row["support"]))
        for row in report.per_label
    ]
    return _markdown(("label", "precision", "recall", "F1", "texts"), rows)


def worst_table(report: Report, num_rows: int = 12) -> str:
    """The first mistakes of ``report.worst``; an empty string where there are none."""
    rows = [
        (row["reference"], row["prediction"], f"{row['confidence']:.2f}", row["text"])
        for row in report.worst[:num_rows]
    ]
    return _markdown(("true label", "predicted", "confidence", "text"), rows) if rows else ""


def _markdown(heads: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(_cell(str(value)) for value in line) + " |" for line in lines) + "\n"


def _cell(text: str) -> str:
    """One line that cannot end the cell, nor be read as HTML."""
    return " ".join(text.split()).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")
