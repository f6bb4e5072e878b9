"""Which stored bytes make up a range of a file: pure arithmetic over terms and tables of chunks."""

import struct
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from minnow.hub.xet.hashing import HASH_BYTES
from minnow.hub.xet.shard import Term
from minnow.hub.xet.xorb import Chunk

PACKED_BYTES = HASH_BYTES + 8


class ChunkTable:
    """The chunks of one xorb, packed: where each ends unpacked and as stored, and its hash."""

    def __init__(self, packed: bytes):
        """Read what ``pack`` gave."""
        count = len(packed) // PACKED_BYTES
        self._hashes = packed[: count * HASH_BYTES]
        numbers: tuple[int, ...] = struct.unpack_from(f"<{2 * count}I", packed, count * HASH_BYTES)
        self._ends = (0, *numbers[:count])
        self._stored_ends = (0, *numbers[count:])

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
        return len(self._ends) - 1

    def chunk(self, index: int) -> Chunk:
        """One chunk."""
        hashed = self._hashes[index * HASH_BYTES : (index + 1) * HASH_BYTES]
        return Chunk(hashed, self.length(index, index + 1), self.stored(index, index + 1)[1] - self._stored_ends[index])

    def chunks(self, start: int = 0, end: int | None = None) -> list[Chunk]:
        """A run of chunks."""
        return [self.chunk(index) for index in range(start, len(self) if end is None else end)]

    def length(self, start: int, end: int) -> int:
        """How many bytes a run of chunks unpacks to."""
        return self._ends[end] - self._ends[start]

    def stored(self, start: int, end: int) -> tuple[int, int]:
        """From which byte to before which byte of the xorb a run of chunks stands."""
        return self._stored_ends[start], self._stored_ends[end]

    def covering(self, start: int, end: int, first: int, last: int) -> tuple[int, int]:
        """Of the run of chunks from start to end, those that hold its bytes first to last, the last not among them."""
        base = self._ends[start]
        low = bisect_right(self._ends, base + first, start, end + 1) - 1
        high = bisect_right(self._ends, base + last - 1, low, end + 1)
        return low, min(high, end)


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


def reconstruct(terms: Iterable[Term], tables: Mapping[bytes, ChunkTable], start: int, end: int) -> Reconstruction:
    """Plan the bytes of a file from start to before end, with no chunk that is not needed.

    Args:
        terms: the whole file.
        tables: of every xorb in it.
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


def _fetches(terms: Sequence[Term], tables: Mapping[bytes, ChunkTable]) -> dict[bytes, tuple[Fetch, ...]]:
    runs: dict[bytes, list[tuple[int, int]]] = {}
    for term in sorted(terms, key=lambda term: term.start):
        known = runs.setdefault(term.xorb, [])
        if known and term.start <= known[-1][1]:
            known[-1] = (known[-1][0], max(known[-1][1], term.end))
        else:
            known.append((term.start, term.end))
    return {xorb: tuple(Fetch(run, tables[xorb].stored(*run)) for run in known) for xorb, known in runs.items()}
