"""``minnow import``: a model of another program as a folder of ours."""

from pathlib import Path
from typing import Annotated

import typer

from minnow.cli.console import exit_codes, note, out, print_json


def import_folder(
    source: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="A folder of Hugging Face or PEFT, or a llama2.c file.")
    ],
    folder: Annotated[Path, typer.Option("--out", metavar="DIR", help="The model's folder.")],
    tokenizer: Annotated[
        Path | None,
        typer.Option("--tokenizer", metavar="PATH", help="A tokenizer's file or folder, where FOLDER has none."),
    ] = None,
    base: Annotated[
        str | None,
        typer.Option(
            "--base", metavar="MODEL", help="The model that an adapter belongs to, where its file does not tell."
        ),
    ] = None,
    merge: Annotated[bool, typer.Option("--merge", help="Make a whole model of an adapter and its base.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the model that stands in --out.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Take over a model from Hugging Face's files or from llama2.c, or an adapter of PEFT."""
    with exit_codes():
        from minnow.api import import_folder as take_over
        from minnow.bundle.bundle import size_on_disk

        model = take_over(source, folder, tokenizer=tokenizer, base=base, merge=merge, overwrite=overwrite, note=note)
        bundle = model.bundle
        assert bundle.tokenizer is not None  # reading a foreign folder without one is an error
        about = {
            "model": str(folder),
            "task": model.task.name,
            "model_type": bundle.model.config.model_type,
            "parameters": bundle.model.num_parameters(),
            "vocabulary": bundle.tokenizer.vocab_size,
            "context": bundle.model.context_size,
            "size_bytes": size_on_disk(folder),
        }
        if bundle.base is not None:
            about["base"] = str(bundle.base)
        if as_json:
            print_json(about)
            return
        for key, value in about.items():
            shown = f"{value:,}" if isinstance(value, int) else value
            out.print(f"{key.replace('_', ' '):<14}{shown}")
        if model.task.name == "text_generation":
            note(f'next: minnow generate {folder} "Once upon a time"')
