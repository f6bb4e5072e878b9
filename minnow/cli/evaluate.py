"""``minnow evaluate``: measure a model on labelled data."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from minnow.cli.console import exit_codes, note, out, print_json


def evaluate(
    model: Annotated[str, typer.Argument(help="A model folder.")],
    data: Annotated[str, typer.Argument(help="A file, a folder, or a public set.")],
    part: Annotated[str, typer.Option("--part", help="Which part of a folder or set.")] = "test",
    text: Annotated[str | None, typer.Option("--text", help="The column with the text.")] = None,
    label: Annotated[str | None, typer.Option("--label", help="The column with the label.")] = None,
    folder: Annotated[Path | None, typer.Option("--out", help="Write report.json and pictures here.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Scores with intervals, per label, calibration, and the surest mistakes."""
    with exit_codes():
        from minnow.api import evaluate as measure

        report = measure(model, data, part=part, text=text, label=label)
        if folder is not None:
            for path in report.save(folder):
                note(f"wrote {path}")
        if as_json:
            content = report.to_json()
            print_json({"model": model, **report.scores, **{k: v for k, v in content.items() if k != "scores"}})
            return
        for line in report.notes:
            note(line)
        scores = Table("score", "value", "95 % interval", box=None)
        for name, value in report.scores.items():
            low, high = report.intervals.get(name, (None, None))
            scores.add_row(name, f"{value:.4f}", "" if low is None else f"{low:.4f} to {high:.4f}")
        out.print(scores)
        labels = Table("label", "precision", "recall", "F1", "texts", box=None)
        for row in report.per_label:
            figures = [f"{row[key]:.3f}" for key in ("precision", "recall", "f1")]
            labels.add_row(row["label"], *figures, str(row["support"]))
        out.print(labels)
        worst = Table("true label", "predicted", "confidence", "text", box=None)
        for row in report.worst[:8]:
            shown = " ".join(row["text"].split())
            worst.add_row(row["reference"], row["prediction"], f"{row['confidence']:.2f}", shown[:90])
        if report.worst:
            out.print(worst)
