"""``minnow hub``: founding a hub and keeping its accounts, from the machine it runs on."""

import json
import sys
import zlib
from datetime import UTC, datetime
from pathlib import Path

import pytest
from command import minnow

from minnow.hub.audit import Audit
from minnow.hub.database import Database
from minnow.hub.repository_tables import GitObjectRow
from minnow.hub.rights import Caller
from minnow.hub.settings import read_settings
from minnow.hub.tokens import Tokens


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A hub whose administrator is ann."""
    minnow("hub", "init", "--data", tmp_path / "hub", "--admin", "ann")
    return tmp_path / "hub"


def tokens_of(data: Path) -> Tokens:
    return Tokens(Database(f"sqlite:///{data / 'hub.db'}"))


def test_a_hub_is_founded_once_and_tells_the_token_once(tmp_path: Path) -> None:
    told = minnow("hub", "init", "--data", tmp_path / "hub", "--admin", "ann", "--json").json
    assert set(told) == {"user", "token"}
    assert told["user"] == "ann"
    caller = tokens_of(tmp_path / "hub").authenticate(told["token"])
    assert (caller.name, caller.site_admin, caller.writes) == ("ann", True, True)
    again = minnow("hub", "init", "--data", tmp_path / "hub", "--admin", "bob", fails=True)
    assert again.code == 2
    assert "has an administrator already" in again.error
    assert told["token"] not in minnow("hub", "token", "list", "--data", tmp_path / "hub", "--json").out


def test_the_text_form_tells_the_same(tmp_path: Path) -> None:
    told = minnow("hub", "init", "--data", tmp_path / "hub", "--admin", "ann")
    lines = dict(line.split(maxsplit=1) for line in told.out.splitlines())
    assert lines["administrator"] == "ann"
    assert tokens_of(tmp_path / "hub").authenticate(lines["token"]).name == "ann"
    assert "shown this once" in told.err


@pytest.mark.parametrize("name", ["", "-x", "a b", "a/b", "api", "ä"])
def test_a_name_that_cannot_be_founds_nothing(tmp_path: Path, name: str) -> None:
    refused = minnow("hub", "init", "--data", tmp_path / "hub", "--admin", name, fails=True)
    assert refused.code == 2
    assert "an account" in refused.error
    assert not (tmp_path / "hub").exists()


def test_verbs_on_a_folder_without_a_hub_say_how_to_found_one(tmp_path: Path) -> None:
    for verb in (("user", "list"), ("stats",), ("token", "list"), ("audit",), ("backup", "--out", tmp_path / "b")):
        refused = minnow("hub", *verb, "--data", tmp_path / "none", fails=True)
        assert refused.code == 2
        assert "minnow hub init --data" in refused.error
    assert list(tmp_path.iterdir()) == []


def test_users_are_added_changed_and_removed(data: Path) -> None:
    made = minnow("hub", "user", "add", "bob", "--data", data, "--full-name", "Bob 博", "--json").json
    assert tokens_of(data).authenticate(made["token"]).name == "bob"
    assert minnow("hub", "user", "add", "cho", "--no-token", "--data", data, "--json").json == {"user": "cho"}
    changed = minnow("hub", "user", "change", "BOB", "--quota", "5GB", "--disable", "--data", data, "--json").json
    assert (changed["name"], changed["quota_bytes"], changed["disabled"]) == ("bob", 5 * 10**9, True)
    assert changed["full_name"] == "Bob 博"
    listed = minnow("hub", "user", "list", "--data", data)
    assert listed.out.splitlines()[1].split() == ["bob", "Bob", "博", "disabled"]
    minnow("hub", "user", "remove", "cho", "--data", data)
    names = [user["name"] for user in minnow("hub", "user", "list", "--data", data, "--json").json["users"]]
    assert names == ["ann", "bob"]


def test_organisations_have_members_with_roles(data: Path) -> None:
    minnow("hub", "user", "add", "bob", "--data", data)
    made = minnow("hub", "org", "add", "Team", "--admin", "ann", "--full-name", "The team", "--data", data, "--json")
    assert made.json == {"organization": "Team", "admin": "ann"}
    minnow("hub", "org", "role", "team", "bob", "write", "--data", data)
    members = minnow("hub", "org", "members", "team", "--data", data, "--json").json["members"]
    assert members == [{"user": "ann", "role": "admin"}, {"user": "bob", "role": "write"}]
    minnow("hub", "org", "role", "team", "bob", "none", "--data", data)
    assert minnow("hub", "org", "members", "team", "--data", data).out.split() == ["ann", "admin"]
    changed = minnow("hub", "org", "change", "team", "--quota", "1GB", "--data", data, "--json").json
    assert (changed["quota_bytes"], changed["full_name"]) == (10**9, "The team")
    assert (
        minnow("hub", "org", "change", "team", "--quota", "none", "--data", data, "--json").json["quota_bytes"] is None
    )
    minnow("hub", "org", "remove", "team", "--data", data)
    assert minnow("hub", "org", "list", "--data", data, "--json").json == {"organizations": []}


def test_tokens_are_made_listed_and_revoked(data: Path) -> None:
    made = minnow(
        *("hub", "token", "add", "ann", "--data", data, "--name", "builds", "--role", "read", "--expires", "30d"),
        *("--repository", "team/*", "--repository", "datasets/ann/rows", "--json"),
    ).json
    tokens = tokens_of(data)
    caller = tokens.authenticate(made["token"])
    tokens.wait()
    assert (caller.writes, caller.scope) == (False, ("team/*", "datasets/ann/rows"))
    listed = minnow("hub", "token", "list", "ann", "--data", data, "--json").json["tokens"]
    assert [(token["name"], token["role"]) for token in listed] == [("first token", "write"), ("builds", "read")]
    assert listed[1]["last_used_at"]
    assert "last used never" in minnow("hub", "token", "list", "--data", data).out
    minnow("hub", "token", "revoke", made["id"], "--data", data)
    assert "revoked" in minnow("hub", "token", "list", "--data", data).out
    assert tokens_of(data).of()[1].revoked_at is not None


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("user", "add", "ann"), "exists already"),
        (("user", "add", "settings"), "address of the hub"),
        (("user", "change", "ann"), "say what to change"),
        (("user", "change", "ann", "--quota", "much"), "a size must be"),
        (("user", "change", "ann", "--disable"), "a hub needs an administrator"),
        (("user", "change", "ann", "--full-name", "a\nb"), "must be one line"),
        (("user", "remove", "nobody"), "user nobody was not found"),
        (("org", "add", "team", "--admin", "nobody"), "user nobody was not found"),
        (("org", "role", "ann", "ann", "read"), "organisation ann was not found"),
        (("token", "add", "nobody"), "user nobody was not found"),
        (("token", "add", "ann", "--role", "owner"), "must be read or write"),
        (("token", "add", "ann", "--expires", "soon"), "a time must be"),
        (("token", "add", "ann", "--expires", "2020-01-01"), "must end in the future"),
        (("token", "add", "ann", "--repository", "everything"), "is bound to repositories"),
        (("token", "add", "ann", "--name", " "), "a token's name must be"),
        (("token", "revoke", "99"), "token 99 was not found"),
        (("token", "revoke", "99999999999999999999"), "token 99999999999999999999 was not found"),
        (("user", "change", "ann", "--quota", "99999999TB"), "a size may be 9000000TB at most"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(data: Path, words: tuple[str, ...], message: str) -> None:
    refused = minnow("hub", *words, "--data", data, fails=True)
    assert refused.code == 2
    assert message in refused.error


def test_a_password_comes_from_standard_input(data: Path) -> None:
    minnow("hub", "user", "password", "ann", "--stdin", "--data", data, given="correct horse\n")
    short = minnow("hub", "user", "password", "ann", "--stdin", "--data", data, given="short\n", fails=True)
    assert "10 to 256 characters, but got 5" in short.error


def test_what_is_done_is_in_the_audit_log(data: Path) -> None:
    minnow("hub", "user", "add", "bob", "--data", data)
    minnow("hub", "user", "password", "bob", "--stdin", "--data", data, given="correct horse\n")
    lines = minnow("hub", "audit", "--data", data, "--json").json["audit"]
    assert [(line["action"], line["subject"]) for line in lines] == [
        ("hub.found", "ann"),
        ("user.add", "bob"),
        ("user.password", "bob"),
    ]
    assert "correct horse" not in json.dumps(lines)
    assert minnow("hub", "audit", "--data", data, "--last", "1").out.split()[2:5] == [
        "(command",
        "line)",
        "user.password",
    ]
    assert minnow("hub", "audit", "--data", data, "--subject", "ann", "--json").json["audit"] == lines[:1]


def test_what_strangers_typed_shows_on_one_line_and_steers_no_terminal(data: Path) -> None:
    database = Database(read_settings(data, {}).database_url)
    Audit(database).note(Caller(), "sign-in.fail", "x\n2026-01-01 00:00:00  ann\x1b[2J 安\u202e")
    database.close()
    [line] = minnow("hub", "audit", "--data", data, "--last", "1").out.splitlines()
    assert "x\\n2026-01-01 00:00:00  ann\\x1b[2J 安\\u202e" in line


def test_the_folder_may_be_named_in_the_environment(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINNOW_HUB", str(data))
    assert minnow("hub", "user", "list").out.split() == ["ann", "site_admin"]


def test_a_damaged_database_is_one_line(data: Path) -> None:
    (data / "hub.db").write_bytes(b"no database at all" * 1000)
    for path in data.glob("hub.db-*"):
        path.unlink()
    refused = minnow("hub", "user", "list", "--data", data, fails=True)
    assert refused.code == 2
    assert "refuses: (sqlite3.DatabaseError) file is not a database" in refused.error


def test_what_is_missing_on_the_machine_is_told(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINNOW_HUB_DATABASE", "postgresql+psycopg://hub@127.0.0.1:9/hub")
    monkeypatch.setitem(sys.modules, "psycopg", None)
    refused = minnow("hub", "user", "list", "--data", data, fails=True)
    assert refused.code == 1
    assert "a hub needs psycopg; install it with: pip install psycopg" in refused.error


def test_an_empty_hub_has_nothing_wrong_and_nothing_to_free(data: Path) -> None:
    stats = minnow("hub", "stats", "--data", data, "--json").json
    assert (stats["repositories"], stats["stored_bytes"], stats["logical_bytes"]) == (0, 0, 0)
    assert minnow("hub", "fsck", "--data", data, "--json").json == {"ok": True, "problems": []}
    assert minnow("hub", "fsck", "--data", data, "--quick").out == "nothing is wrong\n"
    told = minnow("hub", "gc", "--data", data, "--dry-run", "--json").json
    assert (told["dry_run"], told["freed_bytes"]) == (True, 0)
    assert "freed bytes             0" in minnow("hub", "gc", "--data", data, "--grace", "0h").out
    assert "a time must be such as" in minnow("hub", "gc", "--data", data, "--grace", "soon", fails=True).error


def test_what_is_wrong_is_told_and_ends_with_one(data: Path) -> None:
    database = Database(f"sqlite:///{data / 'hub.db'}")
    with database.writing() as session:
        row = GitObjectRow(id="0" * 40, kind=3, size=1, stored_at=datetime.now(UTC), content=zlib.compress(b"x"))
        session.add(row)
    told = minnow("hub", "fsck", "--data", data, "--json", fails=True)
    assert told.code == 1
    assert told.json == {"ok": False, "problems": [f"the git object {'0' * 40} has another content"]}
    assert "1 problems in" in told.error
