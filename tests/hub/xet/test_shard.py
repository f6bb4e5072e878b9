"""Shards are read whole or refused, and what is written reads back."""

import struct
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.xet.chunks import END, contents, hashes, proof, record, shard, shard_file, term
from minnow.errors import RefusedUploadError
from minnow.hub.xet.hashing import chunk_hash, file_hash, keyed, tree_hash
from minnow.hub.xet.shard import FOOTER_BYTES, TAG, read_shard, write_shard
from minnow.hub.xet.xorb import Chunk

SHA256 = "0123456789abcdef" * 4


def test_a_shard_reads_as_it_was_sent() -> None:
    parts = contents(6)
    sent = shard(
        [shard_file(parts, [term(parts, 0, 4), term(parts, 4, 6)], [proof(parts[:4]), proof(parts[4:])], SHA256)],
        [parts],
    )
    read = read_shard(sent)
    assert [file.hash for file in read.files] == [file_hash(hashes(parts))]
    assert read.files[0].terms == (term(parts, 0, 4), term(parts, 4, 6))
    assert read.files[0].proofs == (proof(parts[:4]), proof(parts[4:]))
    assert read.files[0].sha256 == SHA256
    assert read.xorbs[0].hash == tree_hash(hashes(parts))
    assert read.xorbs[0].chunks == tuple(hashes(parts))


def test_proofs_and_sha256_may_be_missing() -> None:
    parts = contents(2)
    read = read_shard(shard([shard_file(parts, [term(parts)], [], None)]))
    assert read.files[0].proofs == ()
    assert read.files[0].sha256 is None
    assert read.xorbs == ()


def test_a_written_shard_reads_back_with_its_hashes_under_the_key() -> None:
    parts, key = contents(5), bytes(range(32))
    chunks = [Chunk(chunk_hash(part), len(part), len(part) + 8) for part in parts]
    written = write_shard([(tree_hash(hashes(parts)), chunks)], key, created=5, expires=9)
    read = read_shard(written)
    assert read.files == ()
    assert read.xorbs[0].chunks == tuple((keyed(hashed, key), length) for hashed, length in hashes(parts))
    footer = written[-FOOTER_BYTES:]
    assert footer[72:104] == key
    assert struct.unpack_from("<2Q", footer, 104) == (5, 9)
    assert struct.unpack("<Q", footer[-8:])[0] == len(written) - FOOTER_BYTES


@given(st.data())
def test_a_shard_that_is_cut_off_is_refused(data: st.DataObject) -> None:
    parts = contents(3)
    sent = shard([shard_file(parts, [term(parts)], [proof(parts)], SHA256)], [parts])
    with pytest.raises(RefusedUploadError):
        read_shard(sent[: data.draw(st.integers(0, len(sent) - 1))])


@given(st.data())
def test_changed_bytes_are_read_or_refused_and_nothing_breaks(data: st.DataObject) -> None:
    parts = contents(3)
    changed = bytearray(shard([shard_file(parts, [term(parts)], [proof(parts)], SHA256)], [parts]))
    for _ in range(data.draw(st.integers(1, 5))):
        changed[data.draw(st.integers(48, len(changed) - 1))] = data.draw(st.integers(0, 255))
    with suppress(RefusedUploadError):
        read_shard(bytes(changed))


@given(st.binary(max_size=500))
def test_anything_else_is_refused(content: bytes) -> None:
    for sent in (content, struct.pack("<32sQQ", TAG, 2, 0) + content):
        with pytest.raises(RefusedUploadError):
            read_shard(sent)


def test_counts_beyond_the_shard_cost_nothing() -> None:
    start = struct.pack("<32sQQ", TAG, 2, 0)
    for header in (record(bytes(32), 3 << 30, 2**32 - 1, 0, 0), END + record(bytes(32), 0, 8192, 0, 0)):
        with pytest.raises(RefusedUploadError, match="cut off"):
            read_shard(start + header + END)


def test_another_version_is_refused() -> None:
    with pytest.raises(RefusedUploadError, match="version 3"):
        read_shard(struct.pack("<32sQQ", TAG, 3, 0) + END + END)


@pytest.mark.parametrize(("start", "end", "length"), [(0, 0, 5), (5, 4, 5), (0, 8193, 5), (0, 1, 0), (0, 1, 2**27)])
def test_impossible_terms_are_refused(start: int, end: int, length: int) -> None:
    sent = record(bytes(32), 0, 1, 0, 0) + record(bytes(32), 0, length, start, end)
    with pytest.raises(RefusedUploadError, match="cannot be"):
        read_shard(shard([sent]))


def test_a_shard_has_a_bounded_number_of_files(monkeypatch: pytest.MonkeyPatch) -> None:
    one = shard_file([b"a"], [term([b"a"])], [proof([b"a"])], None)
    monkeypatch.setattr("minnow.hub.xet.shard.MOST_FILES", 2)
    assert len(read_shard(shard([one, one])).files) == 2
    with pytest.raises(RefusedUploadError, match="at most 2 files; send several"):
        read_shard(shard([one, one, one]))
