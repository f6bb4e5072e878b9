"""Unmodified ``huggingface_hub`` in three versions: what people do with it works against the hub."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from .conftest import SCRIPTS, VERSIONS, Client, LiveHub

STEPS = re.findall(r"^def step_(\w+)", (SCRIPTS / "repositories.py").read_text(encoding="utf-8"), re.MULTILINE)


@pytest.fixture(scope="module")
def outcomes(live_hub: LiveHub, client_of: Callable[..., Client]) -> Callable[[str], Any]:
    """What became of every step with a version; each version runs once."""
    told: dict[str, Any] = {}

    def of(version: str) -> Any:
        if version not in told:
            user = f"user-{version.replace('.', '-')}"
            other = live_hub.add_user(f"other-{version.replace('.', '-')}")
            told[version] = client_of(version, user).run("repositories.py", user, OTHER_TOKEN=other)
        return told[version]

    return of


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("version", VERSIONS)
def test_the_client_does_what_people_do(version: str, step: str, outcomes: Callable[[str], Any]) -> None:
    assert outcomes(version)[step] == "done"
