"""``minnow``: the verbs, each in a file of its own."""

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


app.command("train")(train.train)
app.command("pretrain")(pretrain.pretrain)
app.command("evaluate")(evaluate.evaluate)
app.command("predict")(predict.predict)
app.command("generate")(generate.generate)
app.command("chat")(chat.chat)
app.command("translate")(translate.translate)
app.command("neighbours")(neighbours.neighbours)
app.command("augment")(augment.augment)
app.command("compare")(compare.compare)
app.command("import")(import_folder.import_folder)
app.command("show")(show.show)
app.command("init")(init.init)
app.command("push")(push.push)
app.command("pull")(pull.pull)
app.command("search")(search.search)
app.command("login")(login.login)
app.add_typer(data.app, name="data")
app.add_typer(hub.app, name="hub")


def main() -> None:
    """The entry point of the command ``minnow``."""
    bars_for_people()
    app()
