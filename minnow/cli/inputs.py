"""Texts as a person gives them on the command line."""

import sys
from collections.abc import Iterator
from typing import Annotated

import typer

from minnow.text.portions import without_surrogates

Precision = Annotated[
    str,
    typer.Option(
        "--precision",
        help="float32, bfloat16, or auto: the faster of the two here; int8 of a transformer that translates.",
    ),
]
Temperature = Annotated[
    float | None, typer.Option("--temperature", help="Of the draw: below 1 surer, above 1 more varied.")
]
TopK = Annotated[int | None, typer.Option("--top-k", help="Of the draw: among so many likeliest tokens.")]


def given(texts: list[str]) -> Iterator[str]:
    """The texts themselves; for - alone the lines of standard input. What is not UTF-8 there becomes \ufffd."""
    if texts == ["-"]:
        for line in sys.stdin.buffer:
            yield line.decode("utf-8", "replace").rstrip("\r\n")
    else:
        yield from map(without_surrogates, texts)


def languages_of(source: str | None, target: str | None, listed: str | None) -> tuple[str, ...]:
    """The languages that --source and --target, or --langs, name.

    Raises:
        InputError: one of the two without the other, or both ways at once.
    """
    from minnow.errors import InputError

    if listed is not None:
        if source is not None or target is not None:
            raise InputError("--langs names all languages, --source and --target one direction; give one of the two")
        return tuple(part.strip() for part in listed.split(",") if part.strip())
    if (source is None) != (target is None):
        raise InputError("--source and --target name a direction together, such as --source en --target de")
    return () if source is None or target is None else (source, target)
