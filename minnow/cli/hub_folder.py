"""What the verbs of ``minnow hub`` share: the folder they work on, and how a token is told."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from minnow.cli.console import exit_codes, note, out

if TYPE_CHECKING:
    from minnow.hub.keeping import Keeping

DRIVERS = {"psycopg", "psycopg2", "asyncpg"}  # of PostgreSQL, which the URL may name in place of ours

Data = Annotated[Path, typer.Option("--data", metavar="DIR", envvar="MINNOW_HUB", help="The hub's folder.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output and nothing else.")]


@contextmanager
def hub_codes() -> Iterator[None]:
    """Exit codes as of every verb, and a word on what to install where the hub's own packages are not."""
    from minnow.errors import MinnowError

    with exit_codes():
        try:
            yield
        except ModuleNotFoundError as error:
            if error.name is None or error.name.startswith("minnow"):
                raise
            what = error.name if error.name in DRIVERS else "'minnow-lm[hub]'"
            raise MinnowError(f"a hub needs {error.name}; install it with: pip install {what}") from error


@contextmanager
def hub_in(data: Path) -> Iterator["Keeping"]:
    """The hub in a folder, for one command.

    Raises:
        InputError: there is none.
    """
    from minnow.errors import InputError
    from minnow.hub.keeping import opened
    from minnow.hub.settings import is_hub, read_settings

    if not is_hub(data):
        raise InputError(f"there is no hub in {data}; found one with: minnow hub init --data {data} --admin NAME")
    with opened(read_settings(data, os.environ)) as kept:
        yield kept


def tell(label: str, value: object) -> None:
    """One line of a result."""
    out.print(f"{label:<16}{value}")


def tell_token(label: str, user: str, token: str) -> None:
    """A user and a token, which nobody can read again."""
    tell(label, user)
    tell("token", token)
    note("the token is shown this once; keep it")
