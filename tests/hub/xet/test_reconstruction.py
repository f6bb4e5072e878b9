"""Any range of a file is made of no more chunks than it needs, from requests that cover every term."""

import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from hub.xet.chunks import contents, hashes, xorb
from minnow.hub.xet.hashing import chunk_hash, tree_hash
from minnow.hub.xet.reconstruction import ChunkTable, reconstruct
from minnow.hub.xet.shard import Term
from minnow.hub.xet.xorb import Chunk, read_chunks


def table(parts: list[bytes], stored: bytes) -> ChunkTable:
    chunks, position = [], 0
    for part in parts:
        length = 8 + int.from_bytes(stored[position + 1 : position + 4], "little")
        chunks.append(Chunk(chunk_hash(part), len(part), length))
        position += length
    return ChunkTable(ChunkTable.pack(chunks))


def test_a_table_reads_back() -> None:
    parts = contents(9)
    read = table(parts, xorb(parts)[1])
    assert len(read) == 9
    assert [(chunk.hash, chunk.length) for chunk in read.chunks()] == hashes(parts)
    assert read.stored(0, 9) == (0, len(xorb(parts)[1]))
    assert [chunk.hash for chunk in read.chunks(2, 4)] == [chunk_hash(part) for part in parts[2:4]]


@given(st.data())
def test_every_range_comes_out_of_what_is_fetched(data: st.DataObject) -> None:
    xorbs = {}
    for seed in (1, 2):
        parts = contents(7, seed, longest=40)
        xorbs[tree_hash(hashes(parts))] = (parts, xorb(parts)[1])
    tables = {hashed: table(*made) for hashed, made in xorbs.items()}
    terms, content = [], b""
    for _ in range(data.draw(st.integers(1, 6))):
        hashed = data.draw(st.sampled_from(sorted(xorbs)))
        start = data.draw(st.integers(0, 6))
        end = data.draw(st.integers(start + 1, 7))
        run = b"".join(xorbs[hashed][0][start:end])
        terms.append(Term(hashed, start, end, len(run)))
        content += run
    first = data.draw(st.integers(0, len(content) - 1))
    last = data.draw(st.integers(first + 1, len(content)))

    plan = reconstruct(terms, tables, first, last)

    made, needed = b"", set()
    for term in plan.terms:
        fetch = next(f for f in plan.fetches[term.xorb] if f.chunks[0] <= term.start and term.end <= f.chunks[1])
        chunks = list(read_chunks([xorbs[term.xorb][1][slice(*fetch.stored)]]))
        assert len(chunks) == fetch.chunks[1] - fetch.chunks[0]
        run = b"".join(chunks[term.start - fetch.chunks[0] : term.end - fetch.chunks[0]])
        assert len(run) == term.length
        made += run
        needed |= {(term.xorb, index) for index in range(term.start, term.end)}
    assert made[plan.offset :].startswith(content[first:last])
    assert plan.offset < tables[plan.terms[0].xorb].length(plan.terms[0].start, plan.terms[0].start + 1)
    assert len(made) - plan.offset - (last - first) < tables[plan.terms[-1].xorb].length(
        plan.terms[-1].end - 1, plan.terms[-1].end
    )
    fetched = {
        (hashed, index) for hashed, fetches in plan.fetches.items() for f in fetches for index in range(*f.chunks)
    }
    assert fetched == needed


def test_a_table_is_read_where_it_lies() -> None:
    packed = ChunkTable.pack([Chunk(bytes(32), 8000 + number % 7, 7000) for number in range(8000)])
    tracemalloc.start()
    made = ChunkTable(packed)
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert held < 10_000
    assert (len(made), made.chunk(7999), made.length(0, 2)) == (8000, Chunk(bytes(32), 8005, 7000), 16_001)
