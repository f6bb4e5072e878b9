"""The command ``hf``, as a person types it."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import Client


class Shell:
    """``hf`` of one version, in one home."""

    def __init__(self, client: Client):
        self.client = client
        self.home = client.home

    def __call__(self, *words: str, **more: str) -> str:
        """What it prints; any exit code but 0 fails."""
        done = self.client.call([str(self.client.python.parent / "hf"), *words], **more)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text('{"a": 1}')
    (tmp_path / "model" / "weights.arrow").write_bytes(b"w" * 300_000)
    return tmp_path / "model"


def test_the_current_command(client_of: Callable[..., Client], folder: Path) -> None:
    hf = Shell(client_of("current", "hfnow"))
    assert "hfnow" in hf("auth", "whoami")
    hf("repos", "create", "hfnow/model", "--private")
    hf("upload", "hfnow/model", str(folder), ".", "--commit-message", "with hf")
    hf("repos", "tag", "create", "hfnow/model", "v1")
    hf("repos", "branch", "create", "hfnow/model", "dev")
    hf("repos", "delete-files", "hfnow/model", "config.json")
    assert "weights.arrow" in hf("models", "ls", "hfnow/model")
    listed = json.loads(hf("models", "ls", "--author", "hfnow", "--json"))
    assert [one["id"] for one in listed] == ["hfnow/model"]
    hf("download", "hfnow/model", "--revision", "v1", "--local-dir", str(hf.home / "got"))
    assert (hf.home / "got" / "weights.arrow").read_bytes() == b"w" * 300_000
    assert (hf.home / "got" / "config.json").read_text() == '{"a": 1}'
    hf("discussions", "create", "hfnow/model", "--title", "A question")
    hf("repos", "settings", "hfnow/model", "--public")
    assert "hfnow/model" in hf("repos", "ls")
    hf("repos", "delete", "hfnow/model", "--yes")


def test_a_token_is_kept_by_hf_auth_login(client_of: Callable[..., Client]) -> None:
    hf = Shell(client_of("current", "hflogin"))
    hf("auth", "login", "--token", hf.client.token, HF_TOKEN="")
    assert "hflogin" in hf("auth", "whoami", HF_TOKEN="")
    assert hf.client.token in (hf.home / "hf" / "token").read_text()


def test_the_command_of_the_oldest_version(client_of: Callable[..., Client], folder: Path) -> None:
    hf = Shell(client_of("0.36.2", "hfold"))
    assert "hfold" in hf("auth", "whoami")
    hf("repo", "create", "hfold/model")
    hf("upload", "hfold/model", str(folder), ".")
    hf("repo", "tag", "create", "hfold/model", "v1")
    hf("repo-files", "delete", "hfold/model", "config.json")
    hf("download", "hfold/model", "--revision", "v1", "--local-dir", str(hf.home / "got"))
    assert (hf.home / "got" / "weights.arrow").read_bytes() == b"w" * 300_000
