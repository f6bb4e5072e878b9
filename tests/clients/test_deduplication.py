"""Clients, on machines that have nothing in their caches, send only what the hub does not have."""

import hashlib
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from clients.conftest import Client, LiveHub

SIZE = 8_000_000
WEIGHTS = "weights.bin"


def content(seed: int) -> bytes:
    return random.Random(seed).randbytes(SIZE)


def changed(base: bytes) -> bytes:
    """Another beginning, as a header would be, and something put in between: nothing stands where it stood."""
    return b"another header" * 100 + base[: SIZE // 2] + b"and something between" + base[SIZE // 2 :]


class Machines:
    """New machines with folders to upload, and what the hub stores."""

    def __init__(self, hub: LiveHub, client_of: Callable[..., Client], folder: Path):
        self.hub, self.client_of, self.folder = hub, client_of, folder
        self.tokens: dict[str, str] = {}
        self.version = "own"

    def machine(self, user: str) -> Client:
        """A machine that never saw the hub, of a user."""
        client = self.client_of(self.version, user, self.tokens.get(user))
        self.tokens[user] = client.token
        return client

    def push(self, user: str, repository: str, weights: bytes, card: str = "license: mit", seen: str = "public") -> int:
        """Upload from a new machine; how many bytes more the hub has on its disk."""
        folder = self.folder / f"{user}-{len(list(self.folder.iterdir()))}"
        folder.mkdir()
        (folder / WEIGHTS).write_bytes(weights)
        (folder / "README.md").write_text(f"---\n{card}\n---\n")
        before = self.stored()
        self.machine(user).run("push.py", folder, repository, seen)
        return self.stored() - before

    def stored(self) -> int:
        return sum(path.stat().st_size for path in (self.hub.data / "blobs").rglob("*") if path.is_file())


@pytest.fixture
def machines(live_hub: LiveHub, client_of: Callable[..., Client], tmp_path: Path) -> Machines:
    return Machines(live_hub, client_of, tmp_path)


def test_what_the_repository_had_before_is_not_sent_again(machines: Machines) -> None:
    base = content(1)
    assert machines.push("dora", "dora/base", base) > 0.99 * SIZE
    assert machines.push("dora", "dora/base", changed(base)) < 0.04 * SIZE
    fetched = machines.machine("dora").run("fetch.py", "dora/base", machines.folder / "fetched")
    assert fetched[WEIGHTS] == hashlib.sha256(changed(base)).hexdigest()


@pytest.mark.parametrize("version", ["0.36.2", "1.19.0"])
def test_clients_that_ask_which_way_to_go_send_no_more(machines: Machines, version: str) -> None:
    machines.version, user = version, f"ida{version[0]}"
    base = content(int(version[0]) + 4)
    assert machines.push(user, f"{user}/base", base) > 0.99 * SIZE
    assert machines.push(user, f"{user}/base", changed(base)) < 0.04 * SIZE
    fetched = machines.machine(user).run("fetch.py", f"{user}/base", machines.folder / "fetched")
    assert fetched[WEIGHTS] == hashlib.sha256(changed(base)).hexdigest()


def test_what_the_base_on_the_card_has_is_not_sent_again(machines: Machines) -> None:
    base = content(2)
    machines.push("emil", "emil/base", base)
    assert machines.push("fred", "fred/tuned", changed(base), card="base_model: emil/base") < 0.04 * SIZE


def test_nothing_is_told_of_what_the_uploader_may_not_read(machines: Machines) -> None:
    base = content(3)
    machines.push("gina", "gina/secret", base, seen="private")
    assert machines.push("hans", "hans/guess", changed(base), card="base_model: gina/secret") > 0.99 * SIZE
