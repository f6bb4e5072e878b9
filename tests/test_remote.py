"""What goes wrong between a folder and a hub is told as what it is."""

import errno
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from minnow import remote
from minnow.errors import HubError, NoHubError, StorageError
from minnow.logins import Hub

HUB = Hub("http://hub:8000")


class Refusing:
    """A client whose download ends with an error of the system."""

    def __init__(self, number: int, message: str, file: str | None):
        self.error = OSError(number, message, file)

    def repo_info(self, *_: Any, **__: Any) -> Any:
        return SimpleNamespace(sha="0" * 40)

    def snapshot_download(self, *_: Any, **__: Any) -> str:
        raise self.error


def pulled(client: Refusing, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "_api", lambda *_: client)
    remote.pull(HUB, remote.name_of("team/name"), cache)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS])
@pytest.mark.parametrize("file", [None, "part"])
def test_a_disk_that_takes_no_more_is_not_blamed_on_the_hub(
    number: int, file: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(StorageError, match=rf"pulled in {file or tmp_path}.* \(refused\); .* MINNOW_CACHE") as found:
        pulled(Refusing(number, "refused", file), tmp_path, monkeypatch)
    assert found.value.exit_code == (1 if number in (errno.ENOSPC, errno.EDQUOT) else 2)


def test_a_broken_line_is_the_hubs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NoHubError, match="talking with http://hub:8000 failed") as found:
        pulled(Refusing(errno.ECONNRESET, "reset", None), tmp_path, monkeypatch)
    assert isinstance(found.value, HubError)
    assert found.value.exit_code == 1  # nobody's mistake at the keyboard


def test_a_copy_goes_into_the_empty_folder_that_one_is_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pulled" / "run").mkdir(parents=True)
    (tmp_path / "pulled" / "run" / "a").write_text("a")
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "here")
    remote.copy_out(tmp_path / "pulled", Path())
    assert Path("run/a").read_text() == "a"
    remote.copy_out(tmp_path / "pulled", Path("../there"))
    assert (tmp_path / "there" / "run" / "a").read_text() == "a"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["here", "pulled", "there"]
    with pytest.raises(StorageError, match="is not empty; choose another --out"):
        remote.copy_out(tmp_path / "pulled", Path())
