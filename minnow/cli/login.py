"""``minnow login``: remember a hub and a token for it."""

import sys
from typing import Annotated

import typer

from minnow.cli.console import exit_codes, note, out, print_json
from minnow.cli.hubs import HubAddress, Json


def login(
    hub: HubAddress = None,
    token: Annotated[
        str | None,
        typer.Option("--token", metavar="TOKEN", help="Without it, it is asked for, or read from standard input."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Try a token on a hub and remember both; later commands then need neither."""
    with exit_codes():
        import os
        from getpass import getpass

        from minnow import remote
        from minnow.errors import InputError
        from minnow.logins import Hub, hub_of, remember

        endpoint = hub_of(hub, "none yet", os.environ).endpoint
        given = token or (getpass("token: ") if sys.stdin.isatty() else sys.stdin.readline())
        if not given.strip():
            raise InputError("a token is needed; get one from whoever keeps the hub: minnow hub token add USER")
        where = Hub(endpoint, given.strip())
        user = remote.who(where)
        path = remember(where, os.environ)
        if as_json:
            print_json({"user": user, "hub": endpoint, "file": str(path)})
            return
        out.print(f"{'user':<14}{user}")
        out.print(f"{'hub':<14}{endpoint}")
        note(f"remembered in {path}")
