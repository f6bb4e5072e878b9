"""``minnow augment``: more pairs to learn from, out of text in the language that is to be translated into."""

from pathlib import Path
from typing import Annotated, Any

import typer

from minnow.cli.console import exit_codes, note, out, print_json
from minnow.cli.display import progress_of
from minnow.cli.inputs import Temperature, TopK


def augment(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="A text, one sentence a line, in the language to translate into.")
    ],
    model: Annotated[
        str,
        typer.Option(
            "--back-translate", metavar="MODEL", help="A model of the other direction, which writes the sources."
        ),
    ],
    path: Annotated[
        Path, typer.Option("--out", metavar="FILE", help="The table of pairs, .tsv or .jsonl; .gz packs it.")
    ],
    source: Annotated[
        str | None,
        typer.Option(
            "--source", metavar="LANGUAGE", help="The language of the sources, which the model writes, such as en."
        ),
    ] = None,
    target: Annotated[
        str | None, typer.Option("--target", metavar="LANGUAGE", help="The language of the file.")
    ] = None,
    to: Annotated[
        str | None,
        typer.Option("--to", metavar="LANGUAGE", help="What the model is to write, where it writes several languages."),
    ] = None,
    real: Annotated[
        str | None,
        typer.Option("--with", metavar="PAIRS", help="Pairs that come first: a table, a prefix or a public set."),
    ] = None,
    tag: Annotated[
        str, typer.Option("--tag", metavar="TEXT", help="Stands before every source that the model wrote.")
    ] = "",
    beam: Annotated[
        int | None, typer.Option("--beam", metavar="N", help="How many sources are followed at once; 4 by default.")
    ] = None,
    sample: Annotated[bool, typer.Option("--sample", help="Draw the sources instead.")] = False,
    temperature: Temperature = None,
    top_k: TopK = None,
    seed: Annotated[int | None, typer.Option("--seed", metavar="N", help="Of the draw.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Back-translate a text: a table of pairs whose sources a model wrote, for minnow train --task translation."""
    with exit_codes():
        from minnow import api

        settings: dict[str, Any] = {"beam": beam, "temperature": temperature, "top_k": top_k, "seed": seed}
        with progress_of("sentences") as advance:
            made = api.augment(
                file,
                back_translate=model,
                out=path,
                source=source,
                target=target,
                to=to,
                real=real,
                tag=tag,
                progress=advance,
                note=note,
                sample=sample,
                **settings,
            )
        if as_json:
            print_json(made.to_json())
            return
        if made.left_out:
            note(f"left out {made.left_out:,} lines: empty, or without a whole translation")
        out.print(f"{'real pairs':<28}{made.real:,}")
        speed = made.synthetic / max(made.seconds, 1e-9)
        out.print(f"{'synthetic pairs':<28}{made.synthetic:,}  ({speed:,.0f} a second)")
        out.print(f"{'written':<28}{made.path}, columns {made.source} and {made.target}")
        note("some of these pairs are held out to choose by, made-up sources among them; real ones are better")
        learn = f"minnow train {made.path} --task translation --langs {made.source},{made.target}"
        note(f"next: {learn} --set pairs.validation=REAL")
