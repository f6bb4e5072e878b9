"""``minnow push``: a folder to a hub."""

from pathlib import Path
from typing import Annotated

import typer

from minnow.cli.console import exit_codes, note, out, print_json
from minnow.cli.hubs import HubAddress, Json, Kind, Token


def push(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="The model's folder, or another.")],
    name: Annotated[str, typer.Argument(metavar="NAME", help="team/name, or team/name@branch.")],
    kind: Kind = "model",
    tag: Annotated[
        str | None, typer.Option("--tag", metavar="NAME", help="A name for the new revision, such as v2.")
    ] = None,
    message: Annotated[str | None, typer.Option("--message", metavar="TEXT", help="What is new in it.")] = None,
    private: Annotated[
        bool | None, typer.Option("--private/--public", help="Whether others may see a new repository.")
    ] = None,
    delete: Annotated[
        bool, typer.Option("--delete", help="Remove what the repository has and the folder has not.")
    ] = False,
    base: Annotated[
        str | None,
        typer.Option("--base", metavar="NAME", help="What it was made from, team/name, where that is not known here."),
    ] = None,
    hub: HubAddress = None,
    token: Token = None,
    as_json: Json = False,
) -> None:
    """Write a folder into a repository on a hub; what is there already is not sent again."""
    with exit_codes():
        from minnow import api

        done = api.push(
            folder,
            name,
            kind=kind,
            message=message,
            private=private,
            tag=tag,
            delete=delete,
            base=base,
            hub=hub,
            token=token,
        )
        if as_json:
            print_json(vars(done) | {"tag": tag})
            return
        out.print(f"{'repository':<14}{done.url}")
        out.print(f"{'revision':<14}{done.commit}{f'  ({tag})' if tag else ''}")
        if done.base:
            out.print(f"{'made from':<14}{done.base}")
        note(f"get it with: minnow pull {done.name}@{tag or done.commit}")
