"""What every blob store promises."""

import mmap
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from minnow.errors import HubNotFoundError
from minnow.hub.blobs import CHUNK_BYTES, SweptBlobStore


class BlobStorePromises:
    """Subclasses say what ``blobs`` is: a fixture that gives an empty store."""

    def test_what_was_put_is_read_back(self, blobs: SweptBlobStore) -> None:
        content = bytes(range(256)) * (CHUNK_BYTES // 100)
        blobs.put("lfs/ab/one", (content[i : i + 70_001] for i in range(0, len(content), 70_001)))
        blob = blobs.open("lfs/ab/one")
        assert blob.size == len(content)
        assert b"".join(blob.read()) == content

    def test_a_piece_may_be_gone_once_the_next_is_asked_for(self, blobs: SweptBlobStore) -> None:
        memory = memoryview(mmap.mmap(-1, CHUNK_BYTES))
        lengths = (CHUNK_BYTES, CHUNK_BYTES, 100, CHUNK_BYTES, CHUNK_BYTES - 4096, CHUNK_BYTES, 5)

        def pieces() -> Iterator[memoryview]:
            for number, length in enumerate(lengths):
                memory[:] = bytes([number]) * CHUNK_BYTES
                yield memory[:length]

        blobs.put("one", pieces())
        wanted = b"".join(bytes([number]) * length for number, length in enumerate(lengths))
        assert b"".join(blobs.open("one").read()) == wanted

    def test_a_range_is_exactly_that_range(self, blobs: SweptBlobStore) -> None:
        content = bytes(i % 251 for i in range(3 * CHUNK_BYTES + 17))
        blobs.put("one", [content])
        blob = blobs.open("one")
        for start, stop in ((0, 1), (5, 5), (CHUNK_BYTES - 1, CHUNK_BYTES + 1), (3, None), (len(content) - 1, None)):
            assert b"".join(blob.read(start, stop)) == content[start:stop]

    def test_an_empty_content_is_a_content(self, blobs: SweptBlobStore) -> None:
        blobs.put("none", [])
        assert blobs.has("none")
        assert list(blobs.open("none").read()) == []

    def test_a_broken_off_put_stores_nothing(self, blobs: SweptBlobStore) -> None:
        def broken() -> Iterator[bytes]:
            yield bytes(9 * CHUNK_BYTES)
            raise ConnectionResetError

        with pytest.raises(ConnectionResetError):
            blobs.put("one", broken())
        assert not blobs.has("one")
        assert list(blobs.stored()) == []

    def test_a_broken_off_put_leaves_what_was_there(self, blobs: SweptBlobStore) -> None:
        def broken() -> Iterator[bytes]:
            yield b"oth"
            raise ConnectionResetError

        blobs.put("one", [b"one"])
        with pytest.raises(ConnectionResetError):
            blobs.put("one", broken())
        assert b"".join(blobs.open("one").read()) == b"one"

    def test_what_is_missing_is_not_found(self, blobs: SweptBlobStore) -> None:
        assert not blobs.has("lfs/missing")
        with pytest.raises(HubNotFoundError):
            blobs.open("lfs/missing")

    @pytest.mark.parametrize("name", ["../one", "/one", "a//b", "a/../b", ".part-1", "A", "", "a\0b", "a/"])
    def test_no_name_leaves_the_store(self, blobs: SweptBlobStore, name: str) -> None:
        with pytest.raises(HubNotFoundError):
            blobs.put(name, [b"x"])
        with pytest.raises(HubNotFoundError):
            blobs.open(name)

    def test_stored_lists_a_folder_of_names_with_sizes(self, blobs: SweptBlobStore) -> None:
        before = datetime.now(UTC) - timedelta(seconds=2)
        for name in ("lfs/aa/1", "lfs/bb/2", "xorbs/aa/3"):
            blobs.put(name, [name.encode()])
        found = {blob.name: blob for blob in blobs.stored("lfs")}
        assert {name: blob.size for name, blob in found.items()} == {"lfs/aa/1": 8, "lfs/bb/2": 8}
        assert all(before <= blob.modified <= datetime.now(UTC) + timedelta(seconds=2) for blob in found.values())
        assert len(list(blobs.stored())) == 3

    def test_removed_is_gone_and_may_be_removed_again(self, blobs: SweptBlobStore) -> None:
        blobs.put("one", [b"1"])
        blobs.remove("one")
        blobs.remove("one")
        assert not blobs.has("one")
