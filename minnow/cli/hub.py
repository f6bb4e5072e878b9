"""``minnow hub``: found a hub, serve it, and keep it: figures, checks, garbage, backups, the audit log."""

import os
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from minnow.cli import hub_accounts
from minnow.cli.console import note, out, print_json
from minnow.cli.display import progress_of
from minnow.cli.hub_folder import Data, Json, hub_codes, hub_in, tell, tell_token

app = typer.Typer(no_args_is_help=True, help="A hub of one's own: found, serve and keep it.")
app.add_typer(hub_accounts.users, name="user")
app.add_typer(hub_accounts.organizations, name="org")
app.add_typer(hub_accounts.tokens, name="token")


@app.command("init")
def init(
    data: Data,
    admin: Annotated[str, typer.Option("--admin", metavar="NAME", help="The administrator's user name.")],
    email: Annotated[str, typer.Option("--email", help="His address.")] = "",
    as_json: Json = False,
) -> None:
    """Found a hub: its folder, its secret, its first administrator, whose token is printed this once."""
    with hub_codes():
        from minnow.hub.accounts import account_name
        from minnow.hub.keeping import found, opened
        from minnow.hub.settings import read_settings

        account_name(admin)
        with opened(read_settings(data, os.environ)) as kept:
            user, token = found(kept, admin, email=email)
        if as_json:
            print_json({"user": user, "token": token})
            return
        tell_token("administrator", user, token)
        note(f"next: minnow hub serve --data {data}")


@app.command("serve")
def serve(
    data: Data,
    host: Annotated[str, typer.Option("--host", help="The address to listen on; 0.0.0.0 is all.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="The port; 0 takes a free one.")] = 8000,
    admin: Annotated[
        str, typer.Option("--admin", metavar="NAME", help="The administrator's name where there is none yet.")
    ] = "admin",
    endpoint: Annotated[
        str | None, typer.Option("--endpoint", metavar="URL", help="How clients reach the hub behind a proxy.")
    ] = None,
    quota: Annotated[
        str | None, typer.Option("--quota", metavar="SIZE", help="What each owner may store, such as 50GB.")
    ] = None,
    rate: Annotated[
        str | None,
        typer.Option("--rate", metavar="N/SECONDS", help="Requests of one caller, such as 1000/300; none is no bound."),
    ] = None,
    remote_code: Annotated[
        bool, typer.Option("--allow-remote-code", help="Take models that name Python code of their own (auto_map).")
    ] = False,
    as_json: Json = False,
) -> None:
    """Serve a hub until it is interrupted; a first start founds it and prints the administrator's token."""
    with hub_codes():
        from minnow.hub.api.app import create_hub
        from minnow.hub.keeping import found, opened, serving_alone
        from minnow.hub.serving import listening, serve_on
        from minnow.hub.settings import read_settings

        settings = read_settings(data, os.environ, endpoint=endpoint, quota=quota, rate=rate, remote_code=remote_code)
        with serving_alone(settings), listening(host, port) as (socket, url):
            with opened(settings) as kept:
                told = None if kept.accounts.any_admin() else found(kept, admin)
            app = create_hub(settings)
            address = settings.endpoint or url
            if as_json:
                first = {"user": told[0], "token": told[1]} if told else {}
                _print_line(first | {"url": address, "data": str(settings.data)})
            elif told:
                tell_token("administrator", *told)
                sys.stdout.flush()  # whoever started the process may be waiting for it
            note(f"serving the hub in {settings.data} at {address}; stop with Ctrl-C")
            note(f"clients find it by: export HF_ENDPOINT={address}")
            serve_on(socket, app)


@app.command("stats")
def stats(data: Data, as_json: Json = False) -> None:
    """What a hub holds: repositories, and what they take with and without shared contents counted once."""
    with hub_codes(), hub_in(data) as kept:
        from minnow.hub.upkeep import figures

        told = figures(kept.settings, kept.database)
        if as_json:
            print_json(told)
            return
        for key, value in told.items():
            out.print(f"{key.replace('_', ' '):<24}{value:,}")


@app.command("fsck")
def fsck(
    data: Data,
    quick: Annotated[
        bool, typer.Option("--quick", help="Only see that large files are there, and do not read them.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Read a hub through and compare everything with its hash; ends with 1 where something is wrong."""
    with hub_codes(), hub_in(data) as kept:
        from minnow.errors import MinnowError
        from minnow.hub.upkeep import problems

        found = []
        for problem in problems(kept.settings, kept.database, contents=not quick):
            found.append(problem)
            if not as_json:
                out.print(problem)
        if as_json:
            print_json({"ok": not found, "problems": found})
        if found:
            raise MinnowError(f"{len(found)} problems in {data}; put back what is missing from a backup")
        if not as_json:
            out.print("nothing is wrong")


@app.command("gc")
def gc(
    data: Data,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Tell what would be freed, and free nothing.")] = False,
    grace: Annotated[
        str, typer.Option("--grace", metavar="TIME", help="What was touched within this time stays.")
    ] = "21d",
    as_json: Json = False,
) -> None:
    """Remove what no revision of any repository needs any more."""
    with hub_codes(), hub_in(data) as kept:
        from minnow.hub.settings import read_span
        from minnow.hub.upkeep import collect

        done = collect(kept.settings, kept.database, datetime.now(UTC), grace=read_span(grace), dry_run=dry_run)
        freed = asdict(done)
        damaged = freed.pop("damaged")
        if not dry_run:
            kept.note("hub.gc", str(kept.settings.data), **freed)
        if as_json:
            print_json({"dry_run": dry_run} | freed | {"damaged": damaged})
            return
        for key, value in freed.items():
            out.print(f"{key.replace('_', ' '):<24}{value:,}")
        for reason in damaged:
            note(f"left as it is: {reason}")
        if dry_run:
            note("nothing was removed; leave --dry-run out to do it")


@app.command("audit")
def audit(
    data: Data,
    last: Annotated[int, typer.Option("--last", min=1, help="So many lines, the newest last.")] = 100,
    actor: Annotated[str | None, typer.Option("--actor", metavar="NAME", help="Only what this account did.")] = None,
    subject: Annotated[
        str | None, typer.Option("--subject", help="Only what was done to this, such as 'model team/name'.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Who did what: accounts, tokens, repositories, access."""
    with hub_codes(), hub_in(data) as kept:
        lines = kept.audit.read(subject=subject, actor=actor, last=last)
        if as_json:
            print_json({"audit": [vars(line) for line in lines]})
            return
        for line in lines:
            said = " ".join(f"{key}={value}" for key, value in line.detail.items())
            told = f"{line.at:%Y-%m-%d %H:%M:%S}  {line.actor}  {line.action}  {line.subject}  {said}  {line.address}"
            out.print(_on_one_line(told.rstrip()))


@app.command("backup")
def backup(
    data: Data,
    folder: Annotated[Path, typer.Option("--out", metavar="DIR", help="A new folder, or that of an earlier backup.")],
    as_json: Json = False,
) -> None:
    """Copy a hub while it serves; the copy can be served in its place."""
    with hub_codes(), hub_in(data) as kept:
        from minnow.hub.backup import back_up

        with progress_of("bytes") as advance:
            done = 0

            def step(size: int) -> None:
                nonlocal done
                done += size
                advance("files", done, 0)

            made = back_up(kept.settings, kept.database, folder, step)
        if as_json:
            print_json(vars(made) | {"folder": str(made.folder)})
            return
        tell("tables", f"{made.database_bytes:,} bytes")
        tell("files copied", f"{made.copied_files:,}  ({made.copied_bytes:,} bytes)")
        tell("files kept", f"{made.kept_files:,}")
        note(f"serve the copy with: minnow hub serve --data {made.folder}")


def _on_one_line(text: str) -> str:
    """A text whose every letter can be seen: strangers choose some of it, and a terminal obeys what cannot."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


def _print_line(value: dict[str, Any]) -> None:
    """One JSON object on a line of its own at once: whoever started the process waits for it."""
    import orjson

    sys.stdout.write(orjson.dumps(value).decode() + "\n")
    sys.stdout.flush()
