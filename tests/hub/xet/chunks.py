"""Chunks, xorbs and shards as tests need them."""

import random
import struct
from collections.abc import Iterable, Sequence

from minnow.hub.xet.compression import Scheme
from minnow.hub.xet.hashing import chunk_hash, file_hash, from_text, range_hash, tree_hash
from minnow.hub.xet.shard import TAG, Term
from minnow.hub.xet.xorb import write_chunk


def contents(count: int, seed: int = 0, longest: int = 3000) -> list[bytes]:
    """Some chunks' contents, all different."""
    source = random.Random(seed)
    return [source.randbytes(source.randint(1, longest)) + bytes([index % 256]) for index in range(count)]


def hashes(parts: Iterable[bytes]) -> list[tuple[bytes, int]]:
    return [(chunk_hash(part), len(part)) for part in parts]


def xorb(parts: Sequence[bytes], scheme: Scheme = Scheme.LZ4) -> tuple[bytes, bytes]:
    """The hash and the bytes of a xorb with these contents."""
    return tree_hash(hashes(parts)), b"".join(write_chunk(part, scheme) for part in parts)


def term(parts: Sequence[bytes], start: int = 0, end: int | None = None) -> Term:
    """All of a xorb or a run of its chunks, as a term."""
    end = len(parts) if end is None else end
    return Term(tree_hash(hashes(parts)), start, end, sum(len(part) for part in parts[start:end]))


def record(hashed: bytes, *numbers: int) -> bytes:
    return struct.pack("<32s4I", hashed, *numbers)


END = record(b"\xff" * 32, 0, 0, 0, 0)


def shard_file(parts: Sequence[bytes], terms: Sequence[Term], proofs: Sequence[bytes], sha256: str | None) -> bytes:
    """A file's records, as an uploader sends them; parts are the chunks of the file."""
    flags = (1 << 31 if proofs else 0) | (1 << 30 if sha256 else 0)
    lines = [record(file_hash(hashes(parts)), flags, len(terms), 0, 0)]
    lines += [record(part.xorb, 0, part.length, part.start, part.end) for part in terms]
    lines += [record(proof, 0, 0, 0, 0) for proof in proofs]
    lines += [record(from_text(sha256), 0, 0, 0, 0)] if sha256 else []
    return b"".join(lines)


def shard(files: Iterable[bytes], xorbs: Iterable[Sequence[bytes]] = ()) -> bytes:
    """A shard as an uploader sends it, without a footer."""
    body = struct.pack("<32sQQ", TAG, 2, 0) + b"".join(files) + END
    for parts in xorbs:
        body += record(tree_hash(hashes(parts)), 0, len(parts), sum(map(len, parts)), 0)
        start = 0
        for part in parts:
            body += record(chunk_hash(part), start, len(part), 0, 0)
            start += len(part)
    return body + END


def proof(parts: Sequence[bytes]) -> bytes:
    return range_hash(chunk_hash(part) for part in parts)
