"""Blob stores: a folder and a bucket keep the same promises; the folder those of a disk besides."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from contracts.blob_store import BlobStorePromises
from obstore.store import MemoryStore

from minnow.errors import InputError, StorageError
from minnow.hub.blobs import CHUNK_BYTES, BucketBlobs, FolderBlobs, SweptBlobStore, open_blobs


class TestFolder(BlobStorePromises):
    @pytest.fixture
    def blobs(self, tmp_path: Path) -> SweptBlobStore:
        return FolderBlobs(tmp_path / "blobs")


class TestBucket(BlobStorePromises):
    @pytest.fixture
    def blobs(self) -> SweptBlobStore:
        return BucketBlobs(MemoryStore())


def test_an_open_file_outlives_its_name(tmp_path: Path) -> None:
    blobs = FolderBlobs(tmp_path)
    blobs.put("one", [b"still here"])
    blob = blobs.open("one")
    blobs.remove("one")
    assert b"".join(blob.read()) == b"still here"


def test_a_long_file_comes_in_pieces(tmp_path: Path) -> None:
    blobs = FolderBlobs(tmp_path)
    blobs.put("one", [bytes(5 * CHUNK_BYTES)])
    assert [len(piece) for piece in blobs.open("one").read(1)] == [CHUNK_BYTES] * 4 + [CHUNK_BYTES - 1]


def test_parts_of_killed_uploads_are_removed_once_they_are_old(tmp_path: Path) -> None:
    blobs = FolderBlobs(tmp_path)
    blobs.put("lfs/one", [b"1"])
    for name, age in (("old", 7200), ("young", 60)):
        part = tmp_path / "lfs" / f".part-{name}"
        part.write_bytes(b"12345")
        os.utime(part, (part.stat().st_mtime - age,) * 2)
    assert blobs.remove_parts(datetime.now(UTC) - timedelta(hours=1)) == 5
    assert sorted(path.name for path in (tmp_path / "lfs").iterdir()) == [".part-young", "one"]


def test_a_full_disk_is_one_clear_error_and_leaves_nothing(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    blobs = FolderBlobs(tmp_path)

    def onto_a_full_disk() -> Iterator[bytes]:
        [part] = tmp_path.glob(".part-*")
        full = os.open("/dev/full", os.O_WRONLY)
        written = next(int(name) for name in os.listdir("/proc/self/fd") if _target(name) == str(part))  # noqa: PTH208
        os.dup2(full, written)
        os.close(full)
        yield b"x"

    with pytest.raises(StorageError, match="no space left"):
        blobs.put("one", onto_a_full_disk())
    assert list(tmp_path.iterdir()) == []


def _target(handle: str) -> str:
    try:
        return str(Path("/proc/self/fd", handle).readlink())
    except OSError:
        return ""


@pytest.mark.parametrize("url", ["ftp://host/folder", "http://host/bucket"])
def test_other_kinds_of_storage_are_refused(url: str) -> None:
    with pytest.raises(InputError, match="folder or under s3://"):
        open_blobs(url)


def test_a_folder_is_opened_by_path_and_by_url(tmp_path: Path) -> None:
    open_blobs(str(tmp_path / "blobs")).put("one", [b"1"])
    assert open_blobs((tmp_path / "blobs").as_uri()).has("one")
