"""A xorb is taken only if every length and hash in it is right, in bounded memory, however it comes in pieces."""

import struct
import tracemalloc
from collections.abc import Iterator
from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from lz4 import frame

from hub.xet.chunks import contents, hashes, xorb
from minnow.errors import RefusedUploadError
from minnow.hub.xet.compression import Scheme, pack, unpack
from minnow.hub.xet.hashing import chunk_hash, tree_hash
from minnow.hub.xet.xorb import MOST_CHUNKS, CheckedXorb, Header, read_chunks, write_chunk


def in_pieces(content: bytes, size: int) -> Iterator[bytes]:
    for start in range(0, len(content), size):
        yield content[start : start + size]


def taken(content: bytes, claimed: bytes, size: int = 1000) -> CheckedXorb:
    checked = CheckedXorb(in_pieces(content, size), claimed)
    assert b"".join(checked) == content
    return checked


@given(st.binary(min_size=1, max_size=5000), st.sampled_from(Scheme))
@example(b"abcde" * 3, Scheme.GROUPED_LZ4)
def test_content_unpacks_as_it_was(content: bytes, scheme: Scheme) -> None:
    assert unpack(pack(content, scheme), scheme, len(content)) == content


@given(st.lists(st.binary(min_size=1, max_size=300), min_size=1, max_size=30), st.integers(1, 400))
def test_a_xorb_reads_back_in_any_pieces(parts: list[bytes], size: int) -> None:
    hashed, content = xorb(parts)
    checked = taken(content, hashed, size)
    assert [chunk.hash for chunk in checked.chunks] == [chunk_hash(part) for part in parts]
    assert sum(chunk.stored_length for chunk in checked.chunks) == len(content)
    assert list(read_chunks(in_pieces(content, size))) == parts


def test_the_footer_of_older_clients_is_left_out() -> None:
    hashed, content = xorb(contents(5))
    for size in (1, 7, 1000, 10**6):
        checked = CheckedXorb(in_pieces(content + b"XETBLOB\x01" + bytes(500), size), hashed)
        assert b"".join(checked) == content


def test_an_endless_footer_is_refused() -> None:
    hashed, content = xorb(contents(2))
    endless = in_pieces(content + b"XETBLOB\x01" + bytes(2_000_000), 10**5)
    with pytest.raises(RefusedUploadError, match="footer"):
        list(CheckedXorb(endless, hashed))
    assert sum(1 for _ in endless) > 5


def test_a_forged_hash_is_refused() -> None:
    hashed, content = xorb(contents(5))
    with pytest.raises(RefusedUploadError, match="has the hash"):
        list(CheckedXorb([content], hashed[::-1]))


def test_a_xorb_of_nothing_is_refused() -> None:
    with pytest.raises(RefusedUploadError):
        list(CheckedXorb([], tree_hash([])))


@given(st.data())
def test_a_changed_byte_never_passes_as_other_content(data: st.DataObject) -> None:
    parts = contents(4, longest=200)
    hashed, content = xorb(parts, data.draw(st.sampled_from(Scheme)))
    place = data.draw(st.integers(0, len(content) - 1))
    changed = bytearray(content)
    changed[place] ^= data.draw(st.integers(1, 255))
    checked = CheckedXorb([bytes(changed)], hashed)
    try:
        stored = b"".join(checked)
    except RefusedUploadError:
        return
    assert list(read_chunks([stored])) == parts


@given(st.binary(max_size=400), st.binary(min_size=32, max_size=32))
def test_anything_else_is_refused_and_nothing_breaks(content: bytes, claimed: bytes) -> None:
    with pytest.raises(RefusedUploadError):
        list(CheckedXorb([content], claimed))


@given(st.binary(max_size=300), st.sampled_from([1, 2]), st.integers(1, 131072))
def test_any_frame_is_unpacked_to_its_length_or_refused(tail: bytes, scheme: int, length: int) -> None:
    for packed in (tail, b"\x04\x22\x4d\x18" + tail):
        with suppress(RefusedUploadError):
            assert len(unpack(packed, scheme, length)) == length


def test_a_bomb_is_not_unpacked() -> None:
    bomb = frame.compress(bytes(64 * 1024 * 1024))
    tracemalloc.start()
    with pytest.raises(RefusedUploadError, match="announces"):
        unpack(bomb, Scheme.LZ4, 1000)
    assert tracemalloc.get_traced_memory()[1] < 2_000_000
    tracemalloc.stop()
    chunk = Header(Scheme.LZ4, 200_000, 131_072).written() + bomb[:200_000]
    with pytest.raises(RefusedUploadError):
        list(CheckedXorb([chunk], bytes(32)))


def test_a_size_written_in_a_frame_is_not_believed() -> None:
    packed = bytearray(frame.compress(b"x" * 1000, store_size=True))
    packed[6:14] = struct.pack("<Q", 2**60)
    with pytest.raises(RefusedUploadError):
        unpack(bytes(packed), Scheme.LZ4, 1000)


@pytest.mark.parametrize("more", [b"x", frame.compress(b"more"), frame.compress(b"")])
def test_nothing_may_follow_a_frame(more: bytes) -> None:
    with pytest.raises(RefusedUploadError):
        unpack(frame.compress(b"content") + more, Scheme.LZ4, 7)


def test_a_frame_with_a_dictionary_is_refused() -> None:
    packed = bytearray(pack(b"content" * 20, Scheme.LZ4))
    packed[4] |= 1
    with pytest.raises(RefusedUploadError, match="dictionary"):
        unpack(bytes(packed), Scheme.LZ4, 140)


@pytest.mark.parametrize(
    "header",
    [
        b"\x01" + Header(0, 5, 5).written()[1:],
        Header(3, 5, 5).written(),
        Header(99, 5, 5).written(),
        Header(0, 0, 0).written(),
        Header(0, 5, 0).written(),
        Header(1, 0, 5).written(),
        Header(0, 5, 6).written(),
        Header(0, 6, 5).written(),
        Header(1, 5, 131_073).written(),
        Header(1, 262_145, 5).written(),
    ],
)
def test_impossible_headers_are_refused(header: bytes) -> None:
    with pytest.raises(RefusedUploadError):
        list(CheckedXorb([header + b"12345678"], bytes(32)))


def test_a_xorb_that_ends_within_a_chunk_is_refused() -> None:
    parts = contents(3)
    hashed, content = xorb(parts)
    with pytest.raises(RefusedUploadError, match="middle"):
        list(CheckedXorb([content + b"\x00"], hashed))
    with pytest.raises(RefusedUploadError, match="middle"):
        list(read_chunks([content[:-1]]))


def test_too_many_chunks_are_refused() -> None:
    content = write_chunk(b"x", Scheme.NONE) * (MOST_CHUNKS + 1)
    with pytest.raises(RefusedUploadError, match="at most 8192 chunks"):
        list(CheckedXorb([content], tree_hash(hashes([b"x"] * (MOST_CHUNKS + 1)))))


def test_too_many_bytes_are_refused_before_they_are_all_there() -> None:
    chunk = write_chunk(bytes(131_072), Scheme.LZ4)
    endless = (chunk for _ in range(10_000))
    with pytest.raises(RefusedUploadError, match="at most 67108864 bytes"):
        list(CheckedXorb(endless, bytes(32)))
    assert sum(1 for _ in endless) == 10_000 - 513
