"""``minnow hub user``, ``org`` and ``token``: the accounts of a hub, from the machine it runs on."""

import sys
from dataclasses import asdict
from datetime import UTC, datetime
from getpass import getpass
from typing import Annotated, Any

import typer

from minnow.cli.console import note, out, print_json
from minnow.cli.hub_folder import Data, Json, hub_codes, hub_in, tell, tell_token

users = typer.Typer(no_args_is_help=True, help="Users: add, list, change, password, remove.")
organizations = typer.Typer(no_args_is_help=True, help="Organisations: add, list, change, role, members, remove.")
tokens = typer.Typer(no_args_is_help=True, help="Tokens: add, list, revoke.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="The account's name.")]
FullName = Annotated[str | None, typer.Option("--full-name", metavar="TEXT", help="The name as people write it.")]
Email = Annotated[str | None, typer.Option("--email", metavar="ADDRESS", help="The mail address.")]
Quota = Annotated[
    str | None,
    typer.Option("--quota", metavar="SIZE", help="What its repositories may hold, such as 50GB; none is the hub's."),
]


@users.command("add")
def add_user(
    name: Name,
    data: Data,
    full_name: FullName = None,
    email: Email = None,
    admin: Annotated[bool, typer.Option("--admin", help="An administrator of the whole hub.")] = False,
    token: Annotated[bool, typer.Option("--token/--no-token", help="Make a first token that may write.")] = True,
    as_json: Json = False,
) -> None:
    """Add a user, with a token that is printed this once."""
    with hub_codes(), hub_in(data) as kept:
        user = kept.accounts.create_user(name, full_name=full_name or "", email=email or "", site_admin=admin)
        kept.note("user.add", user.name, admin=admin)
        text = kept.tokens.create(user.id, "first token", writes=True)[0] if token else None
        if as_json:
            print_json({"user": user.name} | ({"token": text} if text else {}))
        elif text:
            tell_token("user", user.name, text)
        else:
            tell("user", user.name)


@users.command("list")
def list_users(data: Data, as_json: Json = False) -> None:
    """The users of the hub."""
    with hub_codes(), hub_in(data) as kept:
        rows = [_shown(account) for account in kept.accounts.all("user")]
        if as_json:
            print_json({"users": rows})
            return
        for row in rows:
            marks = [mark for mark in ("site_admin", "disabled") if row[mark]]
            out.print(f"{row['name']:<24}{row['full_name']}  {row['email']}  {' '.join(marks)}".rstrip())


@users.command("change")
def change_user(
    name: Name,
    data: Data,
    full_name: FullName = None,
    email: Email = None,
    admin: Annotated[
        bool | None, typer.Option("--admin/--no-admin", help="An administrator of the whole hub, or no longer.")
    ] = None,
    disabled: Annotated[
        bool | None, typer.Option("--disable/--enable", help="Shut out, with all tokens, or let in again.")
    ] = None,
    quota: Quota = None,
    as_json: Json = False,
) -> None:
    """Change what is said of a user; what is not named stays."""
    with hub_codes(), hub_in(data) as kept:
        kept.accounts.find(name, "user")
        changes = {"full_name": full_name, "email": email, "site_admin": admin, "disabled": disabled}
        _change(kept, name, "user.change", {key: value for key, value in changes.items() if value is not None}, quota)
        _print_account(kept, name, as_json)


@users.command("password")
def set_password(
    name: Name,
    data: Data,
    from_stdin: Annotated[bool, typer.Option("--stdin", help="Read it from standard input, one line.")] = False,
) -> None:
    """Set the password with which a user signs in from a browser; tokens need none."""
    with hub_codes(), hub_in(data) as kept:
        from minnow.errors import InputError

        user = kept.accounts.find(name, "user")
        password = sys.stdin.readline().rstrip("\r\n") if from_stdin else getpass("password: ")
        if not from_stdin and getpass("again: ") != password:
            raise InputError("the two passwords are not the same; nothing was changed")
        kept.accounts.change(user.name, password=password)
        kept.note("user.password", user.name)
        note(f"{user.name} has a new password")


@users.command("remove")
def remove_user(name: Name, data: Data) -> None:
    """Remove a user who owns no repositories, with his tokens."""
    with hub_codes(), hub_in(data) as kept:
        kept.accounts.find(name, "user")
        _remove(kept, name, "user.remove")


@organizations.command("add")
def add_organization(
    name: Name,
    data: Data,
    admin: Annotated[str, typer.Option("--admin", metavar="USER", help="The user who administers it.")],
    full_name: FullName = None,
    as_json: Json = False,
) -> None:
    """Add an organisation with its first administrator."""
    with hub_codes(), hub_in(data) as kept:
        user = kept.accounts.find(admin, "user")
        made = kept.accounts.create_organization(name, full_name=full_name or "", admin_id=user.id)
        kept.note("org.add", made.name, admin=user.name)
        if as_json:
            print_json({"organization": made.name, "admin": user.name})
            return
        tell("organisation", made.name)
        tell("administrator", user.name)


@organizations.command("list")
def list_organizations(data: Data, as_json: Json = False) -> None:
    """The organisations of the hub."""
    with hub_codes(), hub_in(data) as kept:
        rows = [_shown(account) for account in kept.accounts.all("organization")]
        if as_json:
            print_json({"organizations": rows})
            return
        for row in rows:
            out.print(f"{row['name']:<24}{row['full_name']}".rstrip())


@organizations.command("change")
def change_organization(
    name: Name, data: Data, full_name: FullName = None, quota: Quota = None, as_json: Json = False
) -> None:
    """Change what is said of an organisation; what is not named stays."""
    with hub_codes(), hub_in(data) as kept:
        kept.accounts.find(name, "organization")
        _change(kept, name, "org.change", {} if full_name is None else {"full_name": full_name}, quota)
        _print_account(kept, name, as_json)


@organizations.command("role")
def set_role(
    name: Name,
    user: Annotated[str, typer.Argument(help="The user.")],
    role: Annotated[str, typer.Argument(help="read, write or admin; none takes the user out.")],
    data: Data,
) -> None:
    """Take a user into an organisation, change what he is in it, or take him out."""
    with hub_codes(), hub_in(data) as kept:
        from minnow.hub.accounts import role_named

        if role == "none":
            kept.accounts.remove_member(name, user)
        else:
            kept.accounts.set_role(name, user, role_named(role))
        kept.note("org.role", name, user=user, role=role)
        note(f"{user} is {'no longer' if role == 'none' else role} in {name}")


@organizations.command("members")
def list_members(name: Name, data: Data, as_json: Json = False) -> None:
    """Who belongs to an organisation, and as what."""
    with hub_codes(), hub_in(data) as kept:
        rows = [{"user": one.name, "role": one.role.name.lower()} for one in kept.accounts.members(name)]
        if as_json:
            print_json({"members": rows})
            return
        for row in rows:
            out.print(f"{row['user']:<24}{row['role']}")


@organizations.command("remove")
def remove_organization(name: Name, data: Data) -> None:
    """Remove an organisation that owns no repositories."""
    with hub_codes(), hub_in(data) as kept:
        kept.accounts.find(name, "organization")
        _remove(kept, name, "org.remove")


@tokens.command("add")
def add_token(
    user: Annotated[str, typer.Argument(help="Whose token it is.")],
    data: Data,
    name: Annotated[str, typer.Option("--name", metavar="TEXT", help="What the token is for.")] = "token",
    role: Annotated[str, typer.Option("--role", help="read or write.")] = "write",
    repositories: Annotated[
        list[str] | None,
        typer.Option(
            "--repository",
            metavar="PATTERN",
            help="Bind it to team/name, team/* or datasets/team/name; again for more.",
        ),
    ] = None,
    expires: Annotated[
        str | None, typer.Option("--expires", metavar="TIME", help="12h, 30d, 8w, 1y or a day; without it never.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Make a token for a user; it is printed this once."""
    with hub_codes(), hub_in(data) as kept:
        from minnow.errors import InputError
        from minnow.hub.tokens import expiry_after

        if role not in {"read", "write"}:
            raise InputError(f"a token's role must be read or write, but got {role!r}")
        ends = None if expires is None else expiry_after(expires, datetime.now(UTC))
        owner = kept.accounts.find(user, "user")
        scope = repositories or None
        text, made = kept.tokens.create(owner.id, name, writes=role == "write", scope=scope, expires_at=ends)
        kept.note("token.add", owner.name, token=made.id, name=made.name, role=role, scope=scope)
        if as_json:
            print_json({"user": owner.name, "token": text} | _token(made))
            return
        tell_token("user", owner.name, text)


@tokens.command("list")
def list_tokens(
    data: Data,
    user: Annotated[str | None, typer.Argument(help="Only this user's.")] = None,
    as_json: Json = False,
) -> None:
    """The tokens of a user or of all: role, bounds, end, last use; never the tokens themselves."""
    with hub_codes(), hub_in(data) as kept:
        owner = None if user is None else kept.accounts.find(user, "user").id
        rows = [_token(token) for token in kept.tokens.of(owner)]
        if as_json:
            print_json({"tokens": rows})
            return
        for row in rows:
            out.print(_token_line(row))


@tokens.command("revoke")
def revoke_token(
    number: Annotated[int, typer.Argument(metavar="ID", help="Its number in minnow hub token list.")], data: Data
) -> None:
    """End a token now."""
    with hub_codes(), hub_in(data) as kept:
        token = kept.tokens.revoke(number)
        kept.note("token.revoke", token.user, token=token.id, name=token.name)
        note(f"token {token.id} of {token.user} ({token.name}) opens nothing any more")


def _change(kept: Any, name: str, action: str, changes: dict[str, Any], quota: str | None) -> None:
    from minnow.errors import InputError
    from minnow.hub.settings import read_size

    if quota is not None:
        changes["quota_bytes"] = None if quota == "none" else read_size(quota)
    if not changes:
        raise InputError("say what to change; see --help")
    kept.accounts.change(name, **changes)
    kept.note(action, name, **changes)


def _print_account(kept: Any, name: str, as_json: bool) -> None:
    row = _shown(kept.accounts.find(name))
    if as_json:
        print_json(row)
        return
    for key, value in row.items():
        tell(key.replace("_", " "), "" if value is None else value)


def _remove(kept: Any, name: str, action: str) -> None:
    removed = kept.accounts.remove(name, kept.owned)
    kept.note(action, removed.name)
    note(f"{removed.name} is removed")


def _shown(account: Any) -> dict[str, Any]:
    row = asdict(account)
    del row["id"], row["kind"]
    return row


def _token(token: Any) -> dict[str, Any]:
    row = asdict(token)
    return {"id": row.pop("id"), "user": row.pop("user"), "name": row.pop("name"), "role": token.role} | {
        key: value for key, value in row.items() if key != "writes"
    }


def _token_line(row: dict[str, Any]) -> str:
    def day(moment: datetime | None) -> str:
        return "never" if moment is None else f"{moment:%Y-%m-%d %H:%M}"

    state = f"revoked {day(row['revoked_at'])}" if row["revoked_at"] else f"ends {day(row['expires_at'])}"
    bounds = "all repositories" if row["scope"] is None else " ".join(row["scope"])
    used = f"last used {day(row['last_used_at'])}"
    return f"{row['id']:<6}{row['user']:<20}{row['name']:<20}{row['role']:<7}{state}, {used}, {bounds}"
