"""What every verb prints: one JSON object or readable text on standard output, notes and progress on standard error."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import typer
from rich.console import Console
from rich.table import Table

from minnow.errors import MinnowError
from minnow.files import storage_error

# Without markup: what a person's text has in square brackets is no style.
out = Console(highlight=False, soft_wrap=True, markup=False)
err = Console(stderr=True, highlight=False, soft_wrap=True, markup=False)
WIDEST = 1000


def note(text: str) -> None:
    """One line for the person at the keyboard; never on standard output."""
    err.print(text)


def print_json(value: Any) -> None:
    """The one JSON object that ``--json`` promises."""
    sys.stdout.write(orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_INDENT_2).decode() + "\n")


def print_table(table: Table) -> None:
    """A table in full: nothing in it is cut, however narrow the screen is and where there is none."""
    needed = out.measure(table, options=out.options.update(max_width=WIDEST)).maximum
    Console(width=max(out.width, needed), highlight=False, markup=False).print(table)


@contextmanager
def exit_codes() -> Iterator[None]:
    """Turn the house's errors into one line and an exit code: 2 for the user's input, 1 for the rest."""
    try:
        yield
    except MinnowError as error:
        err.print(f"error: {error}")
        raise typer.Exit(error.exit_code) from error
    except BrokenPipeError:
        sys.stderr.close()
        raise typer.Exit(0) from None
    except KeyboardInterrupt:
        err.print("interrupted")
        raise typer.Exit(130) from None
    except OSError as error:
        shown = storage_error(error, Path(error.filename or "the output"))
        err.print(f"error: {shown}")
        raise typer.Exit(shown.exit_code) from error
