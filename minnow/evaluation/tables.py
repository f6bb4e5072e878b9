"""Scores as people read them, and the tables of a report in Markdown, for a model card or a terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

from minnow.evaluation.report import Report
from minnow.evaluation.translation import TranslationReport

READABLE = 1e9


def as_score(value: float) -> str:
    """A score as people read it; text without spaces has a perplexity a word that would fill the page with digits."""
    return f"{value:,.4f}" if abs(value) < READABLE else f"{value:.4e}"


def language_table(scores: Mapping[str, float]) -> str:
    """Each score of a language model by its name."""
    return _markdown(("score", "value"), [(name.replace("_", " "), as_score(value)) for name, value in scores.items()])


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


def directions_table(report: TranslationReport) -> str:
    """The scores of each direction with their 95 % intervals; several have a last line for all of them together."""
    whole = {"direction": "all", "rows": report.data["rows"], "scores": report.scores, "intervals": report.intervals}
    measured = [*report.directions, whole] if len(report.directions) > 1 else report.directions
    rows = [
        (
            m["direction"],
            f"{m['rows']:,}",
            *(_between(m["scores"][name], m["intervals"][name]) for name in report.scores),
        )
        for m in measured
    ]
    return _markdown(("direction", "texts", *(f"`{name}`" for name in report.scores)), rows)


def translations_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """``worst`` or ``examples`` of a TranslationReport."""
    keys = ("direction", "chrf", "source", "reference", "hypothesis")
    lines = [[f"{row[key]:.1f}" if key == "chrf" else row[key] for key in keys] for row in rows]
    return _markdown(("direction", "`chrf`", "source", "reference", "translation"), lines)


def _markdown(heads: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(_cell(str(value)) for value in line) + " |" for line in lines) + "\n"


def _between(value: float, interval: Sequence[float]) -> str:
    low, high = interval
    return f"{value:.2f} ({low:.2f} to {high:.2f})"


def _cell(text: str) -> str:
    """One line that cannot end the cell, nor be read as HTML."""
    return " ".join(text.split()).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")
