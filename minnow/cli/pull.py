"""``minnow pull``: a folder from a hub."""

from pathlib import Path
from typing import Annotated

import typer

from minnow.cli.console import exit_codes, note, out, print_json
from minnow.cli.hubs import HubAddress, Json, Kind, Token


def pull(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="team/name, or team/name@revision: a branch, a tag or a commit.")
    ],
    folder: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Copy it there; without it, into Minnow's cache.")
    ] = None,
    kind: Kind = "model",
    offline: Annotated[bool, typer.Option("--offline", help="Ask no hub; take what was pulled before.")] = False,
    hub: HubAddress = None,
    token: Token = None,
    as_json: Json = False,
) -> None:
    """Fetch a repository from a hub and compare every file with its hash; pulled once, it needs no hub."""
    with exit_codes():
        from minnow import api

        pulled = api.pull(name, out=folder, kind=kind, offline=offline, hub=hub, token=token)
        files = [path for path in sorted(pulled.rglob("*")) if path.is_file()]
        size = sum(path.stat().st_size for path in files)
        if as_json:
            print_json({"name": name, "folder": str(pulled), "files": len(files), "size_bytes": size})
            return
        out.print(f"{'folder':<14}{pulled}")
        out.print(f"{'files':<14}{len(files):,}  ({size:,} bytes)")
        if kind == "model":
            note(f'use it with: minnow predict {pulled if folder else name} "a text"')
