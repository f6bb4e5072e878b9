"""What several verbs are given: a model, its arithmetic, how it draws, texts, languages, a folder to write to."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from minnow.text.portions import without_surrogates

ModelName = Annotated[str, typer.Argument(metavar="MODEL", help="A model's folder, or team/name@v2 on a hub.")]
Precision = Annotated[
    str,
    typer.Option(
        "--precision", metavar="NAME", help="The arithmetic: float32, bfloat16, or auto: the faster of the two here."
    ),
]
SearchPrecision = Annotated[
    str,
    typer.Option(
        "--precision",
        metavar="NAME",
        help="The arithmetic: float32, bfloat16, or auto: the faster of the two here; int8 of a transformer that "
        "translates.",
    ),
]
Temperature = Annotated[
    float | None, typer.Option("--temperature", metavar="F", help="Of the draw: below 1 surer, above 1 more varied.")
]
TopK = Annotated[int | None, typer.Option("--top-k", metavar="N", help="Of the draw: among so many likeliest tokens.")]
TopP = Annotated[
    float | None, typer.Option("--top-p", metavar="P", help="Draw from the likeliest that reach this sum.")
]
MinP = Annotated[
    float | None, typer.Option("--min-p", metavar="P", help="Draw from those this share as likely as the best.")
]
RepetitionPenalty = Annotated[
    float | None, typer.Option("--repetition-penalty", metavar="F", help="Over 1: less of what stands there already.")
]
FrequencyPenalty = Annotated[
    float | None,
    typer.Option("--frequency-penalty", metavar="F", help="Off a token's logit for each time it was written."),
]
PresencePenalty = Annotated[
    float | None, typer.Option("--presence-penalty", metavar="F", help="Off a token's logit once it was written.")
]
TextColumn = Annotated[
    str | None, typer.Option("--text", metavar="NAME", help="The column with the text; of pairs, the sources.")
]
LabelColumn = Annotated[
    str | None, typer.Option("--label", metavar="NAME", help="The column with the label; of pairs, the targets.")
]
SourceLanguage = Annotated[
    str | None,
    typer.Option(
        "--source", metavar="LANGUAGE", help="Translation: the language of the sources, where files do not tell."
    ),
]
TargetLanguage = Annotated[
    str | None, typer.Option("--target", metavar="LANGUAGE", help="Translation: that of the targets.")
]
Languages = Annotated[
    str | None,
    typer.Option("--langs", metavar="CODES", help="Translation: en,de,fr for all from each into each other."),
]


def given(texts: list[str]) -> Iterator[str]:
    """The texts themselves, with \ufffd for what is not UTF-8; for - alone the lines of standard input.

    Raises:
        InputError: - stands beside other texts.
        DataError: standard input is no text; it is read as a file is.
    """
    from minnow.errors import InputError

    if texts == ["-"]:
        from minnow.data.streams import STANDARD_INPUT
        from minnow.data.table import iterate_lines

        return iterate_lines(STANDARD_INPUT)
    if "-" in texts:
        raise InputError(
            "- stands for the lines of standard input and goes with no other text; leave it or the others out"
        )
    return map(without_surrogates, texts)


def path_in(folder: Path | None, name: str) -> Path | None:
    """Where a file of this name goes in the folder that ``--out`` gives; None without one.

    Raises:
        InputError: what it gives looks like a file.
    """
    from minnow.errors import InputError

    if folder is None:
        return None
    if folder.suffix in (".txt", ".json", ".jsonl", ".csv", ".tsv") and not folder.is_dir():
        raise InputError(f"--out names the folder for {name}, but got {folder}; try --out {folder.with_suffix('')}")
    return folder / name
