"""A hub that is really served, and real clients of several versions, each in an environment of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from command import minnow, start

ROOT = Path(__file__).parents[2]
SCRIPTS = Path(__file__).parent / "scripts"
ENVIRONMENTS = ROOT / ".venv-clients"
VERSIONS = ("0.36.2", "1.19.0", "current")
SECONDS = 300


class LiveHub:
    """A hub in a process of its own, and the folder it keeps."""

    def __init__(self, data: Path, *options: object):
        self.data = data
        said = ("hub", "serve", "--data", data, "--port", 0, "--admin", "root", "--json", *options)
        self.process = start(*said, env=os.environ | {"PYTHONUNBUFFERED": "1"})
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError(f"the hub did not start: {self.process.communicate()[1]}")
        told = json.loads(line)
        self.url: str = told["url"]
        self.token: str = told.get("token", "")

    def add_user(self, name: str) -> str:
        """A new user's token."""
        return str(minnow("hub", "user", "add", name, "--data", self.data, "--json").json["token"])

    def stop(self) -> str:
        """End it as a service manager does; what it said on standard error."""
        self.process.terminate()
        return self.process.communicate(timeout=60)[1]


class Client:
    """A Python with a client library, talking with a hub as one user from a home of its own."""

    def __init__(self, python: Path, hub: LiveHub, token: str, home: Path):
        self.python, self.hub, self.token, self.home = python, hub, token, home

    def environment(self, **more: str) -> dict[str, str]:
        """What the client is told, and nothing besides."""
        kept = {key: os.environ[key] for key in ("PATH", "LANG", "TMPDIR") if key in os.environ}
        told = {"HF_ENDPOINT": self.hub.url, "HF_TOKEN": self.token, "HF_HOME": str(self.home / "hf")}
        quiet = {"HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "PYTHONDONTWRITEBYTECODE": "1"}
        return kept | {"HOME": str(self.home)} | told | quiet | more

    def run(self, script: str, *arguments: object, **more: str) -> Any:
        """What a script of this folder prints as JSON."""
        command = [str(self.python), str(SCRIPTS / script), *map(str, arguments)]
        done = self.call(command, **more)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    def call(self, command: list[str], **more: str) -> "subprocess.CompletedProcess[str]":
        """Any program, in the client's home."""
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            env=self.environment(**more),
            cwd=self.home,
            timeout=SECONDS,
            check=False,
        )


@pytest.fixture(scope="session")
def live_hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveHub]:
    """One hub for all clients; each test works under names of its own."""
    hub = LiveHub(tmp_path_factory.mktemp("live") / "hub")
    yield hub
    said = hub.stop()
    assert "Traceback" not in said, said


@pytest.fixture(scope="session")
def client_of(live_hub: LiveHub, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Client]:
    """A client of a version: ``client_of("1.19.0", "ann")`` is a new user of this name, with an empty cache."""

    def made(version: str, user: str, token: str | None = None) -> Client:
        python = Path(sys.executable) if version == "own" else ENVIRONMENTS / version / "bin" / "python"
        if not python.exists():
            pytest.skip(f"there is no environment for huggingface_hub {version}; make them with: make clients")
        return Client(python, live_hub, token or live_hub.add_user(user), tmp_path_factory.mktemp(user))

    return made
