"""``minnow evaluate``: measure a model on labelled data, a language model on text, or one that translates on pairs."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from minnow.cli.console import exit_codes, note, out, print_json, print_table
from minnow.cli.display import progress_of
from minnow.cli.inputs import (
    LabelColumn,
    Languages,
    ModelName,
    SearchPrecision,
    SourceLanguage,
    TargetLanguage,
    TextColumn,
)

if TYPE_CHECKING:
    from minnow.evaluation.perplexity import LanguageReport
    from minnow.evaluation.report import Report
    from minnow.evaluation.translation import TranslationReport


def evaluate(
    model: ModelName,
    data: Annotated[str, typer.Argument(metavar="DATA", help="A file, a folder, or a public set.")],
    target_data: Annotated[
        str | None, typer.Argument(metavar="TARGET", help="The file of translations beside a file of sources.")
    ] = None,
    source: SourceLanguage = None,
    target: TargetLanguage = None,
    languages: Languages = None,
    beam: Annotated[
        int | None,
        typer.Option(
            "--beam", metavar="N", help="Translation: how many translations are followed at once; 4 by default."
        ),
    ] = None,
    part: Annotated[str, typer.Option("--part", metavar="NAME", help="Which part of a folder or set.")] = "test",
    text: TextColumn = None,
    label: LabelColumn = None,
    context: Annotated[
        int | None,
        typer.Option(
            "--context",
            metavar="N",
            help="Language models: the positions that are read at once; the model's own, at most 1,024, by default.",
        ),
    ] = None,
    stride: Annotated[
        int | None,
        typer.Option(
            "--stride", metavar="N", help="Language models: how far the context moves; half of it by default."
        ),
    ] = None,
    samples: Annotated[
        int, typer.Option("--samples", metavar="N", help="Language models: write so many texts and measure them.")
    ] = 0,
    training: Annotated[
        str | None,
        typer.Option(
            "--training", metavar="CORPUS", help="With --samples: the training text, to tell what they copy of it."
        ),
    ] = None,
    precision: SearchPrecision = "float32",
    folder: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Write report.json and pictures here.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Scores of a classifier with intervals, per label, calibration, and the surest mistakes; of a language model loss,
    perplexity and bits per byte; of translations BLEU and chrF."""
    with exit_codes():
        from minnow.api import evaluate as measure
        from minnow.evaluation.perplexity import LanguageReport
        from minnow.evaluation.translation import TranslationReport

        with progress_of("tokens") as advance:
            report = measure(
                model,
                data,
                target_data,
                part=part,
                source=source,
                target=target,
                languages=languages or (),
                beam=beam,
                text=text,
                label=label,
                context=context,
                stride=stride,
                samples=samples,
                training=training,
                precision=precision,
                progress=advance,
            )
        if folder is not None:
            for path in report.save(folder):
                note(f"wrote {path}")
        if as_json:
            content = report.to_json()
            print_json({"model": model, **report.scores, **{k: v for k, v in content.items() if k != "scores"}})
            return
        for line in report.notes:
            note(line)
        if isinstance(report, LanguageReport):
            _print_language(report)
        elif isinstance(report, TranslationReport):
            _print_translations(report)
        else:
            _print_labels(report)


def _print_language(report: "LanguageReport") -> None:
    from minnow.evaluation.tables import as_score

    shown = Table("score", "value", box=None)
    for name, value in report.scores.items():
        shown.add_row(name.replace("_", " "), as_score(value))
    out.print(shown)
    read = "with its memory carried on" if report.context is None else f"in a context of {report.context:,}"
    moved = "" if report.stride is None else f" that moves by {report.stride:,}"
    out.print(
        f"{report.tokens:,} tokens, {report.words:,} words, {report.bytes:,} bytes of {report.data['name']}, "
        f"{read}{moved}, in {report.seconds:.1f} s"
    )
    if report.samples is not None:
        _print_samples(report.samples)


def _print_translations(report: "TranslationReport") -> None:
    scores = Table("score", "value", "95 % interval", box=None)
    for name, value in report.scores.items():
        low, high = report.intervals[name]
        scores.add_row(name, f"{value:.2f}", f"{low:.2f} to {high:.2f}")
    print_table(scores)
    if len(report.directions) > 1:
        shown = Table("direction", "rows", *report.scores, box=None)
        for row in report.directions:
            figures = (f"{row['scores'][name]:.2f}" for name in report.scores)
            shown.add_row(row["direction"], f"{row['rows']:,}", *figures)
        print_table(shown)
    for name, signature in report.signatures.items():
        out.print(f"{name:<16}{signature}")
    for row in report.retrieval:
        out.print(
            f"{row['direction']}: the nearest text of the other language is the translation for {row['forward']:.1%} "
            f"of the sources and {row['backward']:.1%} of the targets"
        )
    out.print(
        f"{report.data['rows']:,} rows of {report.data['name']}, {report.sentences_per_second or 0:,.0f} a second"
    )
    for row in report.worst[:3]:
        for name in ("source", "reference", "hypothesis"):
            out.print(f"{name:<12}{row[name]}")


def _print_samples(samples: dict[str, Any]) -> None:
    model, people = samples["model"], samples["people"]
    shown = Table("what was written", "model", "people", box=None)
    shown.add_row("words", f"{model['words']:,}", f"{people['words']:,}")
    for measure in ("repetition", "distinct"):
        for order, value in model[measure].items():
            shown.add_row(f"{measure} of {order}-grams", f"{value:.3f}", f"{people[measure][order]:.3f}")
    if model["copied"] is not None:
        shown.add_row("copied from the training text", f"{model['copied']:.3f}", f"{people['copied']:.3f}")
        shown.add_row("longest copy, words", str(model["longest_copied"]), str(people["longest_copied"]))
    out.print(shown)


def _print_labels(report: "Report") -> None:
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
