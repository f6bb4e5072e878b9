"""``minnow``: the verbs, each in a file of its own."""

import io
import sys
from typing import Annotated

import typer

from minnow.cli import (
    augment,
    chat,
    compare,
    data,
    evaluate,
    generate,
    hub,
    import_folder,
    init,
    login,
    neighbours,
    predict,
    pretrain,
    pull,
    push,
    search,
    show,
    train,
    translate,
)
from minnow.cli.hubs import bars_for_people

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


# The short help is what stands beside the verb in ``minnow --help``: a line that is not cut.
app.command("train", short_help="Train a classifier, a translator or an assistant.")(train.train)
app.command("pretrain", short_help="Train a language model on raw text.")(pretrain.pretrain)
app.command("evaluate", short_help="Measure a model on data.")(evaluate.evaluate)
app.command("predict", short_help="Answer texts with labels, or fill their gaps.")(predict.predict)
app.command("generate", short_help="Write on from a prompt.")(generate.generate)
app.command("chat", short_help="Talk with a language model.")(chat.chat)
app.command("translate", short_help="Translate texts.")(translate.translate)
app.command("neighbours", short_help="Find the texts nearest in meaning to a query.")(neighbours.neighbours)
app.command("augment", short_help="Make pairs to learn from by back-translation.")(augment.augment)
app.command("compare", short_help="Compare two models on the same rows.")(compare.compare)
app.command("import", short_help="Take over a model of another program.")(import_folder.import_folder)
app.command("show", short_help="Tell what a model is and where it comes from.")(show.show)
app.command("init", short_help="Write a recipe with every key explained.")(init.init)
app.command("push", short_help="Write a model, or another folder, to a hub.")(push.push)
app.command("pull", short_help="Fetch a model, or another repository, from a hub.")(pull.pull)
app.command("search", short_help="Find repositories on a hub.")(search.search)
app.command("login", short_help="Try a token on a hub and remember both.")(login.login)
app.add_typer(data.app, name="data", short_help="List, get, show and clean data.")
app.add_typer(hub.app, name="hub", short_help="Serve and keep a hub of one's own.")


def main() -> None:
    """The entry point of the command ``minnow``."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="replace")  # as files are, whatever is said of the terminal
    bars_for_people()
    app()
