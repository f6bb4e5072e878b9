"""A copy of a hub while it serves."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from minnow.errors import InputError, StorageError
from minnow.hub.accounts import Accounts
from minnow.hub.backup import back_up
from minnow.hub.blobs import open_blobs
from minnow.hub.database import Database
from minnow.hub.large_files import new_upload
from minnow.hub.settings import HubSettings, read_settings
from minnow.hub.upkeep import collect


class Elsewhere(Database):
    """Tables that no file holds."""

    def __init__(self) -> None:
        self.is_sqlite = False


@pytest.fixture
def settings(tmp_path: Path) -> HubSettings:
    return read_settings(tmp_path / "hub", {})


@pytest.fixture
def served(settings: HubSettings) -> Database:
    database = Database(settings.database_url)
    database.migrate()
    Accounts(database).create_user("ann", site_admin=True)
    open_blobs(settings.blobs_url).put("lfs/aa/one", [b"one", b" more"])
    return database


def users(folder: Path) -> list[str]:
    database = Database(read_settings(folder, {}).database_url)
    try:
        return [account.name for account in Accounts(database).all("user")]
    finally:
        database.close()


def test_the_copy_is_the_hub_of_its_moment(settings: HubSettings, served: Database, tmp_path: Path) -> None:
    told: list[int] = []
    made = back_up(settings, served, tmp_path / "copy", told.append)
    Accounts(served).create_user("later")
    assert (made.copied_files, made.copied_bytes, made.kept_files, told) == (1, 8, 0, [8])
    assert users(tmp_path / "copy") == ["ann"]
    copied = read_settings(tmp_path / "copy", {})
    assert copied.secret == settings.secret
    assert b"".join(open_blobs(copied.blobs_url).open("lfs/aa/one").read()) == b"one more"
    assert {path.name for path in (tmp_path / "copy").iterdir()} == {"hub.db", "blobs", "secret"}
    assert (tmp_path / "copy").stat().st_mode & 0o077 == 0


def test_what_others_write_meanwhile_is_whole_or_absent(
    settings: HubSettings, served: Database, tmp_path: Path
) -> None:
    with served.writing() as session:
        session.connection().exec_driver_sql("UPDATE accounts SET full_name = 'half done'")
        made = back_up(settings, served, tmp_path / "copy", lambda _: None)
    assert made.database_bytes > 0
    database = Database(read_settings(tmp_path / "copy", {}).database_url)
    assert Accounts(database).find("ann").full_name == ""
    database.close()


def test_a_second_backup_copies_what_is_new(settings: HubSettings, served: Database, tmp_path: Path) -> None:
    back_up(settings, served, tmp_path / "copy", lambda _: None)
    open_blobs(settings.blobs_url).put("lfs/bb/two", [b"two"])
    Accounts(served).create_user("later")
    made = back_up(settings, served, tmp_path / "copy", lambda _: None)
    assert (made.copied_files, made.copied_bytes, made.kept_files) == (1, 3, 1)
    assert users(tmp_path / "copy") == ["ann", "later"]


def test_a_second_backup_that_breaks_off_leaves_the_first_whole(
    settings: HubSettings, served: Database, tmp_path: Path
) -> None:
    back_up(settings, served, tmp_path / "copy", lambda _: None)
    open_blobs(settings.blobs_url).put("lfs/bb/two", [b"two"])
    Accounts(served).create_user("later")

    def broken_off(_copied: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        back_up(settings, served, tmp_path / "copy", broken_off)
    assert users(tmp_path / "copy") == ["ann"]
    assert not list((tmp_path / "copy").glob(".*"))
    back_up(settings, served, tmp_path / "copy", lambda _: None)
    assert users(tmp_path / "copy") == ["ann", "later"]


@pytest.mark.parametrize("there", ["secret", "hub.db"])
def test_another_hub_is_not_overwritten(settings: HubSettings, served: Database, tmp_path: Path, there: str) -> None:
    other = tmp_path / "other"
    other.mkdir(mode=0o755)
    (other / there).write_bytes(b"of another hub")
    with pytest.raises(InputError, match=rf"holds another hub \({there}\); choose another folder"):
        back_up(settings, served, other, lambda _: None)
    assert [path.name for path in other.iterdir()] == [there]
    assert (other / there).read_bytes() == b"of another hub"
    (tmp_path / "link").symlink_to(settings.data)
    with pytest.raises(InputError, match="outside of the hub's own folder"):
        back_up(settings, served, tmp_path / "link", lambda _: None)


def test_parts_of_an_upload_under_way_are_left_out(settings: HubSettings, served: Database, tmp_path: Path) -> None:
    open_blobs(settings.blobs_url).put(f"parts/{new_upload()}/1", [b"part"])
    assert back_up(settings, served, tmp_path / "copy", lambda _: None).copied_files == 1


def test_nothing_is_collected_while_it_is_copied(settings: HubSettings, served: Database, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    refused: list[str] = []

    def meanwhile(_copied: int) -> None:
        with pytest.raises(StorageError, match="is under way; try again when it has ended") as told:
            collect(settings, served, now)
        refused.append(str(told.value))
        assert collect(settings, served, now, dry_run=True).contents == 0

    back_up(settings, served, tmp_path / "copy", meanwhile)
    assert len(refused) == 1
    assert collect(settings, served, now).contents == 0


def test_places_and_databases_that_cannot_be_copied_are_refused(settings: HubSettings, served: Database) -> None:
    for folder in (settings.data, settings.data / "inside"):
        with pytest.raises(InputError, match="outside of the hub's own folder"):
            back_up(settings, served, folder, lambda _: None)
    with pytest.raises(InputError, match="pg_dump"):
        back_up(settings, Elsewhere(), settings.data.parent / "x", lambda _: None)
