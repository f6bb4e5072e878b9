"""Files past the cache: whole whatever their pieces, and read into the cache behind the writer's back."""

import mmap
import os
import sys
from pathlib import Path

import pytest

from minnow.hub.blobs import CHUNK_BYTES, FolderBlobs
from minnow.hub.direct import Warming, write_past_cache, write_through_cache


class Watched(Warming):
    """Remembers what it was asked to read."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[Path] = []

    def read_soon(self, path: Path) -> None:
        """Remember it, and read it."""
        self.asked.append(path)
        super().read_soon(path)


def piece(length: int) -> memoryview:
    """Memory that begins with a page."""
    memory = memoryview(mmap.mmap(-1, max(length, 1)))[:length]
    memory[:] = bytes(i % 251 for i in range(1000)) * (length // 1000) + b"x" * (length % 1000)
    return memory


def test_what_went_past_the_cache_is_read_soon_and_small_files_are_not(tmp_path: Path) -> None:
    blobs = FolderBlobs(tmp_path)
    blobs.warming = watched = Watched()
    pieces = [piece(CHUNK_BYTES), piece(CHUNK_BYTES), piece(1234)]
    blobs.put("small", [b"small"])
    blobs.put("large", pieces)
    watched.wait()
    assert b"".join(blobs.open("large").read()) == b"".join(pieces)
    if sys.platform.startswith("linux"):
        assert watched.asked == [tmp_path / "large"]


def test_a_handle_goes_either_way(tmp_path: Path) -> None:
    handle = os.open(tmp_path / "one", os.O_CREAT | os.O_WRONLY)
    assert not write_through_cache(handle)
    if not write_past_cache(handle):
        pytest.skip("this file system writes through the cache only")
    os.write(handle, piece(4096))
    with pytest.raises(OSError, match="Invalid argument"):
        os.write(handle, b"odd")
    assert write_through_cache(handle)
    os.write(handle, b"odd")
    os.close(handle)
    assert (tmp_path / "one").read_bytes() == bytes(piece(4096)) + b"odd"


def test_files_that_go_meanwhile_are_passed_over(tmp_path: Path) -> None:
    warming = Warming()
    for number in range(100):
        (tmp_path / f"{number}").write_bytes(b"x" * number)
        warming.read_soon(tmp_path / f"{number}")
        warming.read_soon(tmp_path / f"not-{number}")
    warming.wait()
    warming.wait()
