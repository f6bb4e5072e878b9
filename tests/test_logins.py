"""Which hub is meant, and which token goes there."""

from pathlib import Path

import pytest

from minnow.errors import InputError
from minnow.logins import Hub, endpoint_named, hub_of, logins_file, names_a_hub, remember


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """An environment in which nobody logged in yet, to Hugging Face's client neither."""
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    return {"XDG_CONFIG_HOME": str(tmp_path)}


def test_nothing_goes_to_a_hub_that_nobody_named(home: dict[str, str]) -> None:
    assert not names_a_hub(home)
    with pytest.raises(InputError, match="no hub is named; log in with"):
        hub_of(None, None, home)


def test_a_login_is_remembered_for_its_owner_alone(home: dict[str, str]) -> None:
    path = remember(Hub("http://one:8000", "hf_one"), home)
    remember(Hub("http://two:8000", "hf_two"), home)
    assert path == logins_file(home)
    assert path.stat().st_mode & 0o777 == 0o600
    assert names_a_hub(home)
    assert hub_of(None, None, home) == Hub("http://two:8000", "hf_two")
    assert hub_of("http://one:8000/", None, home) == Hub("http://one:8000", "hf_one")
    assert [path.name for path in path.parent.iterdir()] == ["logins.json"]
    path.write_text("{damaged")
    assert not names_a_hub(home)


def test_a_token_goes_to_the_hub_it_belongs_to_and_to_no_other(
    home: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    remember(Hub("http://one:8000", "hf_one"), home)
    monkeypatch.setattr("huggingface_hub.get_token", lambda: "hf_saved")
    there = home | {"HF_ENDPOINT": "http://three:8000/", "HF_TOKEN": "hf_three"}
    assert hub_of(None, None, there) == Hub("http://three:8000", "hf_three")
    assert hub_of("http://one:8000", None, there).token == "hf_one"
    assert hub_of("http://other:8000", None, there).token is None
    assert hub_of("http://other:8000", "hf_said", there).token == "hf_said"
    del there["HF_TOKEN"]
    assert hub_of(None, None, there).token == "hf_saved"
    remember(Hub("http://three:8000", "hf_kept"), home)
    assert hub_of(None, None, there).token == "hf_kept"
    assert hub_of("http://two:8000", None, home | {"HF_TOKEN": "hf_three"}).token is None


@pytest.mark.parametrize("url", ["", "hub", "127.0.0.1:8000", "ftp://hub", "http://", "http://user:word@hub"])
def test_addresses_that_cannot_be_are_refused(url: str) -> None:
    with pytest.raises(InputError, match="a hub's address must be"):
        endpoint_named(url)


def test_a_token_is_not_shown_where_a_hub_is_printed() -> None:
    assert "hf_one" not in repr(Hub("http://one", "hf_one"))
    assert Hub("https://hub.example.org:8443/x", None).folder_name == "hub.example.org_8443_x"
