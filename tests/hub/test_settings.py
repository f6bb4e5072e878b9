"""What a hub is told from outside."""

from pathlib import Path

import pytest

from minnow.errors import InputError, StorageError
from minnow.hub.settings import is_hub, read_settings, read_size


def test_the_secret_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    assert not is_hub(tmp_path / "a")
    first = read_settings(tmp_path / "a", {})
    assert is_hub(tmp_path / "a")
    assert len(first.secret) == 32
    assert read_settings(tmp_path / "a", {}).secret == first.secret
    assert read_settings(tmp_path / "b", {}).secret != first.secret
    assert (tmp_path / "a" / "secret").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o700
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["secret"]
    assert repr(first.secret) not in repr(first)


def test_a_damaged_secret_is_told_of(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"short")
    with pytest.raises(StorageError, match="is damaged; restore it from a backup"):
        read_settings(tmp_path, {})


def test_everything_lies_in_the_folder_unless_it_is_said_otherwise(tmp_path: Path) -> None:
    plain = read_settings(tmp_path, {})
    assert plain.database_url == f"sqlite:///{tmp_path}/hub.db"
    assert plain.blobs_url == f"{tmp_path}/blobs"
    assert (plain.endpoint, plain.quota_bytes, plain.rate_requests) == ("", None, 0)
    environment = {
        "MINNOW_HUB_DATABASE": "postgresql+psycopg://hub@db/hub",
        "MINNOW_HUB_BLOBS": "s3://bucket/hub",
        "MINNOW_HUB_ENDPOINT": "https://hub.example.org/",
        "MINNOW_HUB_QUOTA": "5GB",
        "MINNOW_HUB_RATE": "1000/60",
    }
    said = read_settings(tmp_path, environment)
    assert (said.database_url, said.blobs_url) == ("postgresql+psycopg://hub@db/hub", "s3://bucket/hub")
    assert (said.endpoint, said.quota_bytes) == ("https://hub.example.org", 5 * 10**9)
    assert (said.rate_requests, said.rate_seconds) == (1000, 60)
    over = read_settings(tmp_path, environment, endpoint="http://other:1", quota="1MB", rate="5/1")
    assert (over.endpoint, over.quota_bytes, over.rate_requests) == ("http://other:1", 10**6, 5)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"endpoint": "hub.example.org"}, "the endpoint must be an address"),
        ({"endpoint": "ftp://hub"}, "the endpoint must be an address"),
        ({"quota": "much"}, "a size must be such as"),
        ({"quota": "99999999TB"}, "a size may be 9000000TB at most, but got '99999999TB'"),
        ({"quota": "9" * 400}, "a size may be 9000000TB at most"),
        ({"rate": "10"}, "a rate must be requests/seconds"),
        ({"rate": "10/0"}, "a rate must be requests/seconds"),
    ],
)
def test_settings_that_cannot_be_are_refused(tmp_path: Path, said: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_settings(tmp_path, {}, **said)  # type: ignore[arg-type]


def test_sizes_as_people_write_them() -> None:
    assert [read_size(text) for text in ("1000", "2kB", "1.5 GB", "3TiB", "7m")] == [
        1000,
        2000,
        15 * 10**8,
        3 * 10**12,
        7 * 10**6,
    ]
