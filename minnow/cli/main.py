"""``minnow``: the verbs, each in a file of its own."""

from typing import Annotated

import typer

from minnow.cli import compare, data, evaluate, init, predict, show, train

app = typer.Typer(
    name="minnow",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Small language models from your own text, on your own machine.",
)


def _version(wanted: bool) -> None:
    if wanted:
        import minnow

        typer.echo(minnow.__version__)
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None: ...


app.command("train")(train.train)
app.command("evaluate")(evaluate.evaluate)
app.command("predict")(predict.predict)
app.command("compare")(compare.compare)
app.command("show")(show.show)
app.command("init")(init.init)
app.add_typer(data.app, name="data")


def main() -> None:
    """The entry point of the command ``minnow``."""
    app()
