"""``minnow search``: what a hub has."""

from typing import Annotated

import typer

from minnow.cli.console import exit_codes, note, out, print_json
from minnow.cli.hubs import HubAddress, Json, Kind, Token


def search(
    text: Annotated[
        str | None, typer.Argument(metavar="TEXT", help="What the name holds; without it, everything.")
    ] = None,
    kind: Kind = "model",
    owner: Annotated[
        str | None, typer.Option("--owner", metavar="NAME", help="Only those of this user or organisation.")
    ] = None,
    tags: Annotated[
        list[str] | None,
        typer.Option(
            "--tag", metavar="TAG", help="Only those with this tag, such as text-classification; may be given again."
        ),
    ] = None,
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, max=1000, help="At most so many.")] = 20,
    hub: HubAddress = None,
    token: Token = None,
    as_json: Json = False,
) -> None:
    """Find repositories on a hub, the latest first."""
    with exit_codes():
        import os

        from minnow.api import search as search_hub
        from minnow.logins import hub_of

        found = search_hub(text, kind=kind, owner=owner, tags=tags or (), limit=limit, hub=hub, token=token)
        if as_json:
            print_json({"repositories": [vars(one) for one in found]})
            return
        if not found:
            note(f"nothing found on {hub_of(hub, token, os.environ).endpoint}")
            return
        width = max(len(one.name) for one in found)
        for one in found:
            shown = [tag for tag in one.tags if ":" not in tag or tag.startswith(("license:", "base_model:"))]
            mark = "private" if one.private else ""
            told = (f"{one.name:<{width}}", one.updated[:10], f"{one.downloads:,} downloads", *shown[:8], mark)
            out.print("  ".join(told).rstrip())
