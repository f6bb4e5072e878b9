"""``minnow push`` in what it prints; against a hub it is tested in ``tests/clients``."""

from pathlib import Path

import pytest
from command import minnow

from minnow.remote import Pushed


@pytest.mark.parametrize(("more", "revision"), [((), "0123456789" * 4), (("--tag", "v2"), "v2")])
def test_the_command_that_gets_it_names_a_revision_that_a_hub_finds(
    more: tuple[str, ...], revision: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A commit is whole, for no hub takes a part of one."""
    monkeypatch.setattr("minnow.api.push", lambda *_, **__: Pushed("team/name", "0123456789" * 4, "http://hub/x"))
    assert f"minnow pull team/name@{revision}\n" in minnow("push", tmp_path, "team/name", *more).err
