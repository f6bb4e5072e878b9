"""``minnow compare``: is one of two models better on the same rows, and could it be chance?"""

from typing import Annotated

import typer
from rich.table import Table

from minnow.cli.console import exit_codes, out, print_json
from minnow.cli.inputs import languages_of


def compare(
    first: Annotated[str, typer.Argument(help="A model folder.")],
    second: Annotated[str, typer.Argument(help="Another.")],
    data: Annotated[str, typer.Option("--data", help="Labelled data: a file, a folder, or a public set; or sources.")],
    target_data: Annotated[
        str | None, typer.Option("--target-data", help="The file of translations beside a file of sources.")
    ] = None,
    languages: Annotated[str | None, typer.Option("--langs", help="Translation: such as en,de.")] = None,
    text: Annotated[str | None, typer.Option("--text", help="The column with the text.")] = None,
    label: Annotated[str | None, typer.Option("--label", help="The column with the label.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Differences with intervals, a paired randomisation test and McNemar's exact test."""
    with exit_codes():
        from minnow.api import compare as compare_models

        asked = languages_of(None, None, languages)
        found = compare_models(first, second, data, target_data, languages=asked, text=text, label=label)
        if as_json:
            print_json(found.to_json())
            return
        table = Table("score", found.name_a, found.name_b, "difference", "95 % interval", "p", box=None)
        for name, row in found.differences.items():
            figures = (f"{row.a:.4f}", f"{row.b:.4f}", f"{row.difference:+.4f}", f"{row.low:+.4f} to {row.high:+.4f}")
            table.add_row(name, *figures, f"{row.p_value:.4f}")
        out.print(table)
        out.print(found.verdict, markup=False)
