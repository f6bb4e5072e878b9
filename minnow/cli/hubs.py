"""What push, pull, search and login share: options, and bars that only people see."""

import os
import sys
from typing import Annotated

import typer

HubAddress = Annotated[
    str | None,
    typer.Option(
        "--hub", metavar="URL", help="The hub; without it that of HF_ENDPOINT, else that of the last minnow login."
    ),
]
Token = Annotated[
    str | None,
    typer.Option("--token", metavar="TOKEN", help="Without it that of HF_TOKEN, else that of minnow login."),
]
Kind = Annotated[str, typer.Option("--kind", metavar="KIND", help="model, dataset or space.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output and nothing else.")]


def bars_for_people() -> None:
    """Let the client library draw its bars on a terminal only; it asks when it is imported."""
    if not sys.stderr.isatty():
        os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
