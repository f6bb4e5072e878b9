"""``minnow compare``: is one of two models better on the same rows, and could it be chance?"""

from typing import Annotated

import typer
from rich.table import Table

from minnow.cli.console import exit_codes, note, out, print_json, print_table
from minnow.cli.display import progress_of
from minnow.cli.inputs import (
    LabelColumn,
    Languages,
    SearchPrecision,
    SourceLanguage,
    TargetLanguage,
    TextColumn,
)


def compare(
    first: Annotated[str, typer.Argument(metavar="A", help="A model's folder, or team/name@v2 on a hub.")],
    second: Annotated[str, typer.Argument(metavar="B", help="Another.")],
    data: Annotated[
        str,
        typer.Option("--data", metavar="DATA", help="Labelled data: a file, a folder, or a public set; or sources."),
    ],
    target_data: Annotated[
        str | None,
        typer.Option("--target-data", metavar="FILE", help="The file of translations beside a file of sources."),
    ] = None,
    part: Annotated[str, typer.Option("--part", metavar="NAME", help="Which part of a folder or set.")] = "test",
    source: SourceLanguage = None,
    target: TargetLanguage = None,
    languages: Languages = None,
    text: TextColumn = None,
    label: LabelColumn = None,
    beam: Annotated[
        int | None,
        typer.Option(
            "--beam", metavar="N", help="Translation: how many translations are followed at once; 4 by default."
        ),
    ] = None,
    precision: SearchPrecision = "float32",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Differences with intervals, a paired randomisation test and McNemar's exact test."""
    with exit_codes():
        from minnow.api import compare as compare_models

        with progress_of("texts") as advance:
            found = compare_models(
                first,
                second,
                data,
                target_data,
                part=part,
                source=source,
                target=target,
                languages=languages or (),
                text=text,
                label=label,
                beam=beam,
                precision=precision,
                progress=advance,
            )
        if as_json:
            print_json(found.to_json())
            return
        for line in found.notes:
            note(line)
        bootstrap: dict[str, float] = getattr(found, "bootstrap_p_values", {})
        digits = 2 if bootstrap else 4  # translations are scored from 0 to 100
        columns = ("score", found.name_a, found.name_b, "difference", "95 % interval", "p")
        table = Table(*columns, *(["p (bootstrap)"] if bootstrap else []), box=None)
        for name, row in found.differences.items():
            scores = (f"{score:.{digits}f}" for score in (row.a, row.b))
            moved, low, high = (f"{value:+.{digits}f}" for value in (row.difference, row.low, row.high))
            chances = (row.p_value, *([bootstrap[name]] if bootstrap else []))
            table.add_row(name, *scores, moved, f"{low} to {high}", *(f"{chance:.4f}" for chance in chances))
        print_table(table)
        out.print(found.verdict)
