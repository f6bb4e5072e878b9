"""A file is there whole or not at all, whatever the disk says and whenever it says it."""

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

import pytest

from minnow.errors import InputError, StorageError
from minnow.files import storage_error, write_bytes, write_text, written_whole


class FullDisk:
    """Takes a number of bytes and then has no space left, as a stream over a full disk."""

    def __init__(self, stream: BinaryIO, space: int):
        self.stream = stream
        self.space = space

    def write(self, content: bytes) -> None:
        self.space -= len(content)
        if self.space < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.stream.write(content)


@pytest.fixture(params=[None, b"older"], ids=["new", "over-an-older"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Where a file may stand already; a test that fails to write must leave everything as it was."""
    path = tmp_path / "file.bin"
    if request.param is not None:
        path.write_bytes(request.param)
    return path


def stands(path: Path) -> dict[str, bytes]:
    return {entry.name: entry.read_bytes() for entry in path.parent.iterdir()}


def test_what_is_written_is_there(path: Path) -> None:
    with written_whole(path) as stream:
        stream.write(b"one ")
        stream.write(b"two")
        assert not path.exists() or path.read_bytes() == b"older"
    assert stands(path) == {path.name: b"one two"}


def test_text_is_utf_8_and_lines_end_as_they_were(path: Path) -> None:
    write_text(path, "zwölf\r\n十二\n")
    assert path.read_bytes() == "zwölf\r\n十二\n".encode()


def test_folders_on_the_way_are_made(tmp_path: Path) -> None:
    write_bytes(tmp_path / "a" / "b" / "c", b"")
    assert (tmp_path / "a" / "b" / "c").read_bytes() == b""


def test_others_may_read_a_file_as_far_as_the_umask_says(path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_bytes(path, b"x")
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


@pytest.mark.parametrize("error", [ValueError("mine"), KeyboardInterrupt(), SystemExit(3)])
def test_any_end_but_a_good_one_leaves_what_was(path: Path, error: BaseException) -> None:
    before = stands(path)

    def write() -> None:
        with written_whole(path) as stream:
            stream.write(b"half")
            raise error

    with pytest.raises(type(error)) as caught:
        write()
    assert caught.value is error
    assert stands(path) == before


def test_a_disk_that_fills_up_leaves_what_was(path: Path) -> None:
    before = stands(path)

    def write() -> None:
        with written_whole(path) as stream:
            full = FullDisk(stream, space=6)
            full.write(b"half")
            full.write(b"more")

    with pytest.raises(StorageError, match=r"no space left.*another --out"):
        write()
    assert stands(path) == before


def test_a_disk_that_finds_out_late_leaves_what_was(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    before = stands(path)
    with pytest.raises(StorageError, match="no space left"):
        write_bytes(path, b"all of it")
    assert stands(path) == before


def test_a_name_that_is_taken_by_a_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(StorageError, match="taken"):
        write_bytes(tmp_path / "taken", b"x")
    assert [entry.name for entry in tmp_path.iterdir()] == ["taken"]


def test_a_file_on_the_way_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(StorageError, match="cannot write"):
        write_bytes(tmp_path / "file" / "inner", b"x")


@pytest.mark.parametrize(
    ("number", "told", "code"),
    [
        (errno.ENOSPC, "no space left on the disk while writing place; free some or choose another --out", 1),
        (errno.EDQUOT, "no space left on the disk while writing place; free some or choose another --out", 1),
        (errno.EACCES, "place may not be written (Permission denied); choose another --out", 2),
        (errno.EROFS, "place may not be written (Read-only file system); choose another --out", 2),
        (errno.EIO, "cannot write place: Input/output error", 2),
    ],
)
def test_what_the_disk_refused_is_told_in_one_line(number: int, told: str, code: int) -> None:
    error = storage_error(OSError(number, os.strerror(number)), Path("place"))
    assert str(error) == told
    assert isinstance(error, InputError)
    assert error.exit_code == code  # a full disk is nobody's mistake at the keyboard
