"""Which stored bytes make up a range of a file: pure arithmetic over terms and tables of chunks."""

import struct
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

from minnow.hub.xet.hashing import HASH_BYTES
from minnow.hub.xet.shard import Term
from minnow.hub.xet.xorb import Chunk

PACKED_BYTES = HASH_BYTES + 8


class ChunkTable:
    """The chunks of one xorb, packed: where each ends unpacked and as stored, and its hash.

    It is read where it lies: as Python's numbers it would take nearly three times the memory.
    """

    def __init__(self, packed: bytes):
        """Read what ``pack`` gave."""
        count = len(packed) // PACKED_BYTES
        self._packed = packed
        numbers = memoryview(packed)[count * HASH_BYTES :].cast("I")
        self._ends, self._stored_ends = numbers[:count], numbers[count:]

    @staticmethod
    def pack(chunks: Sequence[Chunk]) -> bytes:
        """Hashes, then ends, then stored ends: 40 bytes a chunk."""
        ends, stored_ends, end, stored_end = [], [], 0, 0
        for chunk in chunks:
            end, stored_end = end + chunk.length, stored_end + chunk.stored_length
            ends.append(end)
            stored_ends.append(stored_end)
        numbers = struct.pack(f"<{2 * len(chunks)}I", *ends, *stored_ends)
        return b"".join(chunk.hash for chunk in chunks) + numbers

    def __len__(self) -> int:
        return len(self._ends)

    def chunk(self, index: int) -> Chunk:
        """One chunk."""
        hashed = self._packed[index * HASH_BYTES : (index + 1) * HASH_BYTES]
        start, end = self.stored(index, index + 1)
        return Chunk(hashed, self.length(index, index + 1), end - start)

    def chunks(self, start: int = 0, end: int | None = None) -> list[Chunk]:
        """A run of chunks."""
        end = len(self) if end is None else end
        ends = [_before(self._ends, start), *self._ends[start:end]]
        stored_ends = [_before(self._stored_ends, start), *self._stored_ends[start:end]]
        hashes = (self._packed[at : at + HASH_BYTES] for at in range(start * HASH_BYTES, end * HASH_BYTES, HASH_BYTES))
        return list(map(Chunk, hashes, _lengths(ends), _lengths(stored_ends)))

    def length(self, start: int, end: int) -> int:
        """How many bytes a run of chunks unpacks to."""
        return _before(self._ends, end) - _before(self._ends, start)

    def stored(self, start: int, end: int) -> tuple[int, int]:
        """From which byte to before which byte of the xorb a run of chunks stands."""
        return _before(self._stored_ends, start), _before(self._stored_ends, end)

    def covering(self, start: int, end: int, first: int, last: int) -> tuple[int, int]:
        """Of the run of chunks from start to end, those that hold its bytes first to last, the last not among them."""
        base = _before(self._ends, start)
        low = bisect_right(self._ends, base + first, start, end)
        high = bisect_right(self._ends, base + last - 1, low, end) + 1
        return low, min(high, end)


def _before(ends: "memoryview[int]", index: int) -> int:
    """Where the chunk of this number begins, which is where the one before it ends."""
    return ends[index - 1] if index else 0


def _lengths(ends: Sequence[int]) -> Iterable[int]:
    return (end - start for start, end in pairwise(ends))


class Tables(Protocol):
    """The tables of xorbs by their hashes."""

    def __getitem__(self, xorb: bytes, /) -> ChunkTable:
        """The table of a xorb."""


@dataclass(frozen=True)
class Fetch:
    """One request for stored bytes.

    Attributes:
        chunks: from which chunk to before which chunk.
        stored: from which byte to before which byte of the xorb.
    """

    chunks: tuple[int, int]
    stored: tuple[int, int]


@dataclass(frozen=True)
class Reconstruction:
    """How to make a range of a file.

    Attributes:
        offset: how many bytes of the first term come before the range.
        terms: whose contents follow one another.
        fetches: for each xorb what to ask for; every term lies within one of them.
    """

    offset: int
    terms: tuple[Term, ...]
    fetches: Mapping[bytes, tuple[Fetch, ...]]


def reconstruct(terms: Iterable[Term], tables: Tables, start: int, end: int) -> Reconstruction:
    """Plan the bytes of a file from start to before end, with no chunk that is not needed.

    Args:
        terms: the whole file.
        tables: of every xorb in it; those of a term are asked for one after the other.
        start, end: within the file, the end larger than the start.
    """
    wanted: list[Term] = []
    offset, position = 0, 0
    for term in terms:
        first, last = max(start - position, 0), min(end - position, term.length)
        if first < last:
            table = tables[term.xorb]
            low, high = table.covering(term.start, term.end, first, last)
            if not wanted:
                offset = first - table.length(term.start, low)
            wanted.append(Term(term.xorb, low, high, table.length(low, high)))
        position += term.length
    return Reconstruction(offset, tuple(wanted), _fetches(wanted, tables))


def _fetches(terms: Sequence[Term], tables: Tables) -> dict[bytes, tuple[Fetch, ...]]:
    runs: dict[bytes, list[tuple[int, int]]] = {}
    for term in sorted(terms, key=lambda term: term.start):
        known = runs.setdefault(term.xorb, [])
        if known and term.start <= known[-1][1]:
            known[-1] = (known[-1][0], max(known[-1][1], term.end))
        else:
            known.append((term.start, term.end))
    return {xorb: tuple(Fetch(run, tables[xorb].stored(*run)) for run in known) for xorb, known in runs.items()}
