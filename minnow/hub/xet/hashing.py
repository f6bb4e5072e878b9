"""The hashes of Xet: of a chunk, of the tree over chunks, of a file; and the way they are written as text.

A hash is 32 bytes. Chunks are hashed with BLAKE3 under a key of their own; a tree joins two to nine neighbours at a
time, cutting where a hash says so, until one is left. The keys are part of the public format (Xet specification 1.1).
"""

import re
import struct
from collections.abc import Iterable, Sequence

from blake3 import blake3

from minnow.errors import RefusedUploadError

HASH_BYTES = 32
CHUNK_KEY = bytes.fromhex("6697f5775b9550de3135cbaca597181c9de421109beb2b58b4d0b04b93adf229")
NODE_KEY = bytes.fromhex("017ec5c7a5472996fd946666b48a02e65ddd536f37c76dd2f86352e64a53713f")
RANGE_KEY = bytes.fromhex("7f1857d6ce56ed66127ff913e7a5c3f3a4cd26d5b5db49e64124987f28fb94c3")
FILE_KEY = bytes(HASH_BYTES)

_TEXT = re.compile(r"[0-9a-f]{64}")
_MEAN_BRANCHES = 4
_MOST_BRANCHES = 2 * _MEAN_BRANCHES + 1


def chunk_hash(content: bytes | bytearray | memoryview) -> bytes:
    """The hash of one chunk's content."""
    return blake3(content, key=CHUNK_KEY).digest()


def tree_hash(chunks: Sequence[tuple[bytes, int]]) -> bytes:
    """The root over chunks, each a hash and a length in bytes: this is the hash of a xorb. No chunks give zeros."""
    nodes = list(chunks)
    if not nodes:
        return bytes(HASH_BYTES)
    while len(nodes) > 1:
        nodes = [_joined(nodes[start:end]) for start, end in _groups(nodes)]
    return nodes[0][0]


def file_hash(chunks: Sequence[tuple[bytes, int]]) -> bytes:
    """The hash of a file that is these chunks one after another, each a hash and a length in bytes."""
    return keyed(tree_hash(chunks), FILE_KEY) if chunks else bytes(HASH_BYTES)


def range_hash(chunk_hashes: Iterable[bytes]) -> bytes:
    """What an uploader shows to prove that he knows the chunks of a range, not the name of their xorb alone."""
    return blake3(b"".join(chunk_hashes), key=RANGE_KEY).digest()


def keyed(hashed: bytes, key: bytes) -> bytes:
    """A hash under another key, so that whoever holds content can recognise it and nobody else can."""
    return blake3(hashed, key=key).digest()


def to_text(hashed: bytes) -> str:
    """How a hash is written: four little-endian numbers as hexadecimal, which is not the plain hexadecimal."""
    return "{:016x}{:016x}{:016x}{:016x}".format(*struct.unpack("<4Q", hashed))


def from_text(text: str) -> bytes:
    """The 32 bytes of a written hash.

    Raises:
        RefusedUploadError: not 64 lower-case hexadecimal digits.
    """
    if not _TEXT.fullmatch(text):
        raise RefusedUploadError(f"a hash has 64 lower-case hexadecimal digits, but got {text[:80]!r}")
    return struct.pack("<4Q", *(int(text[start : start + 16], 16) for start in range(0, 64, 16)))


def last_number(hashed: bytes) -> int:
    """The last eight bytes as a number; it decides where trees are cut and which chunks clients ask about."""
    return int.from_bytes(hashed[24:], "little")


def _groups(nodes: Sequence[tuple[bytes, int]]) -> Iterable[tuple[int, int]]:
    start = 0
    while start < len(nodes):
        end = _cut(nodes, start)
        yield start, end
        start = end


def _cut(nodes: Sequence[tuple[bytes, int]], start: int) -> int:
    most = min(start + _MOST_BRANCHES, len(nodes))
    for index in range(start + 2, most):
        if last_number(nodes[index][0]) % _MEAN_BRANCHES == 0:
            return index + 1
    return most


def _joined(nodes: Sequence[tuple[bytes, int]]) -> tuple[bytes, int]:
    lines = "".join(f"{to_text(hashed)} : {length}\n" for hashed, length in nodes)
    return blake3(lines.encode("ascii"), key=NODE_KEY).digest(), sum(length for _, length in nodes)
