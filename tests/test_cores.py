"""What a process may use is what its machine and its container allow."""

from pathlib import Path

import pytest

from minnow import cores


@pytest.mark.parametrize(("limit", "heeded"), [("4096\n", True), ("max\n", False), (None, False)])
def test_memory_is_bounded_by_the_container(
    limit: str | None, heeded: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if limit is not None:
        (tmp_path / "memory.max").write_text(limit)
    monkeypatch.setattr(cores, "CONTAINER_LIMIT", tmp_path / "memory.max")
    assert (cores.memory_bytes() == 4096) == heeded
