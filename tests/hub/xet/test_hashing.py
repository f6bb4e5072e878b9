"""Hashes agree with the real client's, and what is written as text reads back."""

from pathlib import Path

import hf_xet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minnow.errors import RefusedUploadError
from minnow.hub.xet.hashing import chunk_hash, file_hash, from_text, keyed, range_hash, to_text, tree_hash


def node(number: int) -> tuple[bytes, int]:
    return chunk_hash(number.to_bytes(8, "little")), number + 1


@pytest.mark.parametrize("content", [b"a", b"Minnow" * 999, bytes(8000)])
def test_a_file_of_one_chunk_has_the_hash_that_the_client_gives_it(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    assert to_text(file_hash([(chunk_hash(content), len(content))])) == hf_xet.hash_files([str(path)])[0].hash


def test_no_chunks_have_the_hash_of_zeros() -> None:
    assert tree_hash([]) == file_hash([]) == bytes(32)


def test_one_chunk_is_its_own_tree() -> None:
    assert tree_hash([node(5)]) == node(5)[0]


def test_a_tree_depends_on_order_and_on_lengths() -> None:
    nodes = [node(number) for number in range(40)]
    longer = [(nodes[0][0], nodes[0][1] + 1), *nodes[1:]]
    assert len({tree_hash(nodes), tree_hash(nodes[::-1]), tree_hash(longer), tree_hash(nodes[:-1])}) == 4


@given(st.binary(min_size=32, max_size=32))
def test_text_reads_back(hashed: bytes) -> None:
    assert from_text(to_text(hashed)) == hashed


def test_text_is_four_little_endian_numbers() -> None:
    assert to_text(bytes(range(32))) == "07060504030201000f0e0d0c0b0a090817161514131211101f1e1d1c1b1a1918"


@pytest.mark.parametrize("text", ["", "0" * 63, "0" * 65, "G" + "0" * 63, "A" * 64, "0" * 63 + "\n", "0x" + "0" * 62])
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(RefusedUploadError, match="64 lower-case"):
        from_text(text)


def test_a_key_changes_a_hash_and_ranges_depend_on_order() -> None:
    first, second = node(1)[0], node(2)[0]
    assert keyed(first, bytes(32)) != keyed(first, bytes(31) + b"k") != first
    assert range_hash([first, second]) != range_hash([second, first])
