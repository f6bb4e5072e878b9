"""``datasets`` and ``transformers``: pushed, loaded, streamed."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from .conftest import SCRIPTS, Client

# Which environment a script runs in: transformers needs torch, which only our own has.
HOMES = {"tables.py": ("current", "tab"), "models.py": ("own", "mol")}
STEPS = [
    (script, step)
    for script in HOMES
    for step in re.findall(r"^def step_(\w+)", (SCRIPTS / script).read_text(encoding="utf-8"), re.MULTILINE)
]


@pytest.fixture(scope="module")
def outcomes(client_of: Callable[..., Client]) -> Callable[[str], Any]:
    """What became of every step of a script, which runs once."""
    told: dict[str, Any] = {}

    def of(script: str) -> Any:
        if script not in told:
            version, user = HOMES[script]
            told[script] = client_of(version, user).run(script, user)
        return told[script]

    return of


@pytest.mark.parametrize(("script", "step"), STEPS)
def test_the_library_does_what_people_do(script: str, step: str, outcomes: Callable[[str], Any]) -> None:
    assert outcomes(script)[step] == "done"
