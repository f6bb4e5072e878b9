"""``minnow neighbours``: the texts of a file that are nearest in meaning to a query, in whatever language."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from minnow.cli.console import exit_codes, print_json
from minnow.cli.display import progress_of
from minnow.cli.inputs import ModelName, Precision, given


def neighbours(
    model: ModelName,
    queries: Annotated[list[str], typer.Argument(metavar="QUERY", help="Texts; - reads lines from standard input.")],
    file: Annotated[Path, typer.Option("--file", metavar="FILE", help="The texts to look among, one a line.")],
    count: Annotated[int, typer.Option("--count", metavar="N", min=1, help="How many of the nearest.")] = 5,
    centred: Annotated[
        bool, typer.Option("--centred", help="Take away what the queries, and what the texts, have in common.")
    ] = False,
    precision: Precision = "float32",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Find the texts nearest to a query, each with its cosine, across the languages that the model reads."""
    with exit_codes():
        from minnow.api import load
        from minnow.data.table import read_lines

        loaded = load(model, precision=precision)
        texts = read_lines(file)
        asked = list(given(queries))
        with progress_of("lines") as advance:
            found = loaded.neighbours(asked, texts, count, centred=centred, progress=advance)
        if as_json:
            rows = [
                {"query": query, "neighbours": [one.to_dict() for one in near]}
                for query, near in zip(asked, found, strict=True)
            ]
            print_json({"model": model, "queries": rows})
            return
        shown = ["".join(f"{one.cosine:.4f}\t{one.text}\n" for one in near) for near in found]
        sys.stdout.buffer.write("\n".join(shown).encode())
