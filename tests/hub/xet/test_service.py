"""Nothing that an uploader says is believed: what is entered was computed from what is stored."""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from obstore.store import MemoryStore
from sqlalchemy import select

from hub.xet.chunks import contents, hashes, proof, record, shard, shard_file, term, xorb
from hub.xet.conftest import new_repository
from minnow.errors import HubNotFoundError, QuotaError, RefusedUploadError, StorageError
from minnow.hub.blobs import BucketBlobs, FileBlob, FolderBlobs
from minnow.hub.database import Database
from minnow.hub.limits import Quotas
from minnow.hub.repository_tables import LargeFileRow, RepositoryRow
from minnow.hub.xet.checking import problems
from minnow.hub.xet.compression import Scheme
from minnow.hub.xet.grants import Grant
from minnow.hub.xet.hashing import file_hash, to_text
from minnow.hub.xet.registration import LEAST_CHUNK_BYTES
from minnow.hub.xet.service import BeyondEndError, Xet
from minnow.hub.xet.shard import Term
from minnow.hub.xet.xorb import read_chunks

PARTS = [part * (LEAST_CHUNK_BYTES // len(part) + 1) for part in contents(6, seed=3)]
CONTENT = b"".join(PARTS)
SHA256 = sha256(CONTENT).hexdigest()
FILE = to_text(file_hash(hashes(PARTS)))


def take(xet: Xet, parts: Sequence[bytes], scheme: Scheme = Scheme.LZ4) -> bool:
    hashed, content = xorb(parts, scheme)
    return xet.xorbs.take(to_text(hashed), "ann", [content])


def told(
    parts: Sequence[bytes] = PARTS,
    terms: Sequence[Term] = (term(PARTS),),
    proofs: Sequence[bytes] = (proof(PARTS),),
    named: str | None = SHA256,
) -> bytes:
    return shard([shard_file(parts, terms, proofs, named)])


def whole(xet: Xet, name: str = SHA256) -> bytes:
    content = xet.content(name)
    assert content
    return b"".join(content.read())


def reader(repository: int) -> Grant:
    return Grant(repository, (), False, 2**40)


def admitted(database: Database, repository: int) -> dict[str, int]:
    with database.reading() as session:
        rows = session.scalars(select(LargeFileRow).where(LargeFileRow.repository_id == repository))
        return {row.sha256: row.size for row in rows}


def test_a_file_comes_out_as_it_went_in(xet: Xet, database: Database, repository: int) -> None:
    assert take(xet, PARTS)
    xet.registrar.register(repository, "ann", told())
    assert whole(xet) == CONTENT
    assert admitted(database, repository) == {SHA256: len(CONTENT)}
    assert xet.hashes([SHA256, "0" * 64]) == {SHA256: FILE}


def test_a_xorb_is_stored_once_and_a_second_upload_is_read_to_its_end(xet: Xet, blobs: FolderBlobs) -> None:
    assert take(xet, PARTS)
    pieces = iter([b"any", b"thing"])
    assert not xet.xorbs.take(to_text(xorb(PARTS)[0]), "ann", pieces)
    assert next(pieces, None) is None
    assert len(list(blobs.stored())) == 1


def test_another_packing_of_a_stored_xorb_changes_nothing(xet: Xet, repository: int) -> None:
    take(xet, PARTS)
    assert not take(xet, PARTS, Scheme.GROUPED_LZ4)
    xet.registrar.register(repository, "ann", told())
    assert whole(xet) == CONTENT


def test_of_two_uploads_of_a_xorb_at_once_one_counts(xet: Xet, repository: int) -> None:
    hashed, content = xorb(PARTS)

    def slowly() -> Iterator[bytes]:
        yield content[:5000]
        assert take(xet, PARTS, Scheme.GROUPED_LZ4)
        yield content[5000:]

    assert not xet.xorbs.take(to_text(hashed), "ann", slowly())
    xet.registrar.register(repository, "ann", told())
    assert whole(xet) == CONTENT


def test_a_xorb_whose_content_is_gone_may_come_again(xet: Xet, blobs: FolderBlobs, repository: int) -> None:
    take(xet, PARTS)
    xet.registrar.register(repository, "ann", told())
    for blob in list(blobs.stored()):
        blobs.remove(blob.name)
    assert take(xet, PARTS, Scheme.NONE)
    assert whole(xet) == CONTENT


def test_a_forged_xorb_leaves_nothing(xet: Xet, blobs: FolderBlobs) -> None:
    hashed, content = xorb(PARTS)
    with pytest.raises(RefusedUploadError):
        xet.xorbs.take(to_text(hashed[::-1]), "ann", [content])
    with pytest.raises(RefusedUploadError):
        xet.xorbs.take(to_text(hashed), "ann", [content[:-1]])
    with pytest.raises(RefusedUploadError):
        xet.xorbs.take("../../etc/passwd", "ann", [content])
    assert list(blobs.stored()) == []
    assert not xet.xorbs.has(to_text(hashed))


def test_many_at_once_store_one_xorb_and_each_has_the_file(xet: Xet, database: Database, blobs: FolderBlobs) -> None:
    repositories = [new_repository(database, f"r{number}") for number in range(8)]

    def upload(repository: int) -> None:
        take(xet, PARTS)
        xet.registrar.register(repository, "ann", told())

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(upload, repositories))
    assert all(admitted(database, repository) == {SHA256: len(CONTENT)} for repository in repositories)
    assert list(problems(database, blobs, contents=True)) == []
    assert whole(xet) == CONTENT


def test_a_bucket_does_as_well_as_a_folder(database: Database, repository: int) -> None:
    xet = Xet(database, BucketBlobs(MemoryStore()), b"secret" * 6, Quotas(database))
    take(xet, PARTS)
    xet.registrar.register(repository, "ann", told())
    assert whole(xet) == CONTENT


class FullDisk:
    """A store that has no room left."""

    def put(self, name: str, content: Iterable[bytes]) -> None:
        next(iter(content))
        raise StorageError(f"no space left for {name}")


def test_a_full_disk_is_a_clean_error(database: Database, blobs: FolderBlobs) -> None:
    with pytest.raises(StorageError, match="no space"):
        take(Xet(database, FullDisk(), b"secret" * 6, Quotas(database)), PARTS)  # type: ignore[arg-type]
    assert take(Xet(database, blobs, b"secret" * 6, Quotas(database)), PARTS)


def test_a_missing_sha256_is_computed(xet: Xet, repository: int) -> None:
    take(xet, PARTS)
    xet.registrar.register(repository, "ann", told(named=None))
    assert whole(xet) == CONTENT


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (told(named="0" * 64), "has the SHA-256"),
        (told(parts=PARTS[:-1]), "chunks have the hash"),
        (told(terms=[term(PARTS, 0, 5)]), "proof"),
        (told(terms=[term(PARTS, 0, 5)], proofs=[proof(PARTS[:5])]), "chunks have the hash"),
        (told(proofs=[bytes(32)]), "proof"),
        (told(proofs=[]), "needs terms"),
        (told(terms=[]), "needs terms"),
        (told(terms=[Term(xorb(PARTS)[0], 0, 7, len(CONTENT) + 9000)]), "are not in it"),
        (told(terms=[Term(xorb(PARTS)[0], 0, 6, len(CONTENT) - 1)]), "are not in it"),
        (told(terms=[Term(bytes(32), 0, 6, len(CONTENT))]), "is not on this hub"),
        (told(terms=[term(PARTS, 3, 6), term(PARTS, 0, 3)], proofs=[proof(PARTS[3:]), proof(PARTS[:3])]), "the hash"),
        (b"no shard", "not a shard"),
        (b"", "not a shard"),
    ],
)
def test_what_is_not_so_is_refused_and_nothing_is_entered(
    xet: Xet, database: Database, repository: int, sent: bytes, reason: str
) -> None:
    take(xet, PARTS)
    with pytest.raises(RefusedUploadError, match=reason):
        xet.registrar.register(repository, "ann", sent)
    assert admitted(database, repository) == {}
    assert xet.content(SHA256) is None


def test_one_wrong_file_takes_the_whole_shard_with_it(xet: Xet, database: Database, repository: int) -> None:
    take(xet, PARTS)
    right = shard_file(PARTS, [term(PARTS)], [proof(PARTS)], SHA256)
    wrong = shard_file(PARTS[:2], [term(PARTS, 0, 2)], [proof(PARTS[:2])], SHA256)
    with pytest.raises(RefusedUploadError):
        xet.registrar.register(repository, "ann", shard([right, wrong]))
    assert admitted(database, repository) == {}


def test_a_sha256_is_compared_for_a_known_file_too(xet: Xet, repository: int) -> None:
    take(xet, PARTS)
    xet.registrar.register(repository, "ann", told())
    with pytest.raises(RefusedUploadError, match="SHA-256"):
        xet.registrar.register(repository, "ann", told(named="0" * 64))


def test_a_xorb_that_is_listed_otherwise_than_it_is_is_refused(xet: Xet, repository: int) -> None:
    take(xet, PARTS)
    lying = record(xorb(PARTS)[0], 0, 1, len(PARTS[1]), 0) + record(hashes(PARTS)[1][0], 0, len(PARTS[1]), 0, 0)
    sent = told()
    with pytest.raises(RefusedUploadError, match="other chunks"):
        xet.registrar.register(repository, "ann", sent[:-48] + lying + sent[-48:])
    xet.registrar.register(
        repository, "ann", shard([shard_file(PARTS, [term(PARTS)], [proof(PARTS)], SHA256)], [PARTS])
    )


def test_files_of_needlessly_many_chunks_are_refused(xet: Xet, repository: int) -> None:
    parts = contents(40, longest=9)
    take(xet, parts)
    with pytest.raises(RefusedUploadError, match="have at least"):
        xet.registrar.register(repository, "ann", told(parts, [term(parts)], [proof(parts)], None))


def test_the_second_to_upload_a_file_has_it_too(xet: Xet, database: Database, repository: int) -> None:
    take(xet, PARTS)
    xet.registrar.register(repository, "ann", told())
    other = new_repository(database, "other")
    with pytest.raises(HubNotFoundError):
        xet.reconstruction(reader(other), FILE)
    xet.registrar.register(other, "ann", told())
    assert admitted(database, other) == {SHA256: len(CONTENT)}
    assert xet.reconstruction(reader(other), FILE).terms


def test_progress_is_told(xet: Xet, repository: int) -> None:
    take(xet, PARTS)
    seen: list[tuple[int, int]] = []
    xet.registrar.register(repository, "ann", told(), lambda done, total: seen.append((done, total)))
    assert seen
    assert all(0 <= done <= total for done, total in seen)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_range_is_read_and_planned(xet: Xet, repository: int, data: st.DataObject) -> None:
    for parts in (PARTS[:4], PARTS[4:]):
        take(xet, parts)
    parts = [*PARTS[4:], *PARTS[1:4], *PARTS]
    terms = [term(PARTS[4:]), term(PARTS[:4], 1, 4), term(PARTS[:4]), term(PARTS[4:])]
    proofs = [proof(PARTS[4:]), proof(PARTS[1:4]), proof(PARTS[:4]), proof(PARTS[4:])]
    content = b"".join(parts)
    name = sha256(content).hexdigest()
    xet.registrar.register(repository, "ann", told(parts, terms, proofs, name))
    start = data.draw(st.integers(0, len(content) - 1))
    stop = data.draw(st.integers(start, len(content) + 10))
    stored = xet.content(name)
    assert stored
    assert b"".join(stored.read(start, stop)) == content[start:stop]
    if start < stop:
        plan = xet.reconstruction(reader(repository), to_text(file_hash(hashes(parts))), start, stop)
        made = b""
        for needed in plan.terms:
            fetch = next(
                f for f in plan.fetches[needed.xorb] if f.chunks[0] <= needed.start and needed.end <= f.chunks[1]
            )
            chunks = list(read_chunks(xet.xorbs.open(to_text(needed.xorb)).read(*fetch.stored)))
            made += b"".join(chunks[needed.start - fetch.chunks[0] : needed.end - fetch.chunks[0]])
        assert made[plan.offset :].startswith(content[start:stop])


def test_a_range_behind_the_end_is_told_the_size(xet: Xet, repository: int) -> None:
    take(xet, PARTS)
    xet.registrar.register(repository, "ann", told())
    with pytest.raises(BeyondEndError) as error:
        xet.reconstruction(reader(repository), FILE, len(CONTENT), None)
    assert error.value.size == len(CONTENT)


def test_unknown_things_are_not_found(xet: Xet, repository: int) -> None:
    with pytest.raises(HubNotFoundError):
        xet.reconstruction(reader(repository), "0" * 64)
    with pytest.raises(HubNotFoundError):
        xet.xorbs.open("0" * 64)
    assert xet.content("0" * 64) is None


def test_what_was_told_counts_for_the_repository_at_once(xet: Xet, database: Database, repository: int) -> None:
    take(xet, PARTS)
    xet.registrar.register(repository, "ann", told())
    with database.reading() as session:
        assert session.scalar(select(RepositoryRow.used_bytes).where(RepositoryRow.id == repository)) == len(CONTENT)


def test_chunks_count_for_their_sender_until_a_file_is_made_of_them(
    database: Database, blobs: FolderBlobs, repository: int
) -> None:
    quotas = Quotas(database, 2 * len(CONTENT))
    xet = Xet(database, blobs, b"secret" * 6, quotas)
    hashed, content = xorb(PARTS)
    assert xet.xorbs.take(to_text(hashed), "Bob", [content])
    assert quotas.of("bob").used_bytes == len(content)
    xet.registrar.register(repository, "Bob", told())
    assert quotas.of("bob").used_bytes == len(CONTENT)
    xet.registrar.register(repository, "ann", told())
    assert (quotas.of("bob").used_bytes, quotas.of("ann").used_bytes) == (0, len(CONTENT))


def test_chunks_and_files_that_do_not_fit_leave_nothing(
    database: Database, blobs: FolderBlobs, repository: int
) -> None:
    hashed, content = xorb(PARTS)
    xet = Xet(database, blobs, b"secret" * 6, Quotas(database, len(content) - 1))
    with pytest.raises(QuotaError, match="bob may store"):
        xet.xorbs.take(to_text(hashed), "bob", [content])
    assert list(blobs.stored()) == []
    take(Xet(database, blobs, b"secret" * 6, Quotas(database)), PARTS)
    with pytest.raises(QuotaError, match="bob may store"):
        xet.registrar.register(repository, "bob", told())
    assert admitted(database, repository) == {}


def test_a_xorb_counts_for_its_sender_until_files_use_half_of_it(
    database: Database, blobs: FolderBlobs, repository: int
) -> None:
    quotas = Quotas(database, 10 * len(CONTENT))
    xet = Xet(database, blobs, b"secret" * 6, quotas)
    stored = len(xorb(PARTS)[1])
    take(xet, PARTS)
    for count, left in ((1, stored), (2, stored), (4, 0)):
        parts = PARTS[:count]
        xet.registrar.register(repository, "ann", told(parts, [term(PARTS, 0, count)], [proof(parts)], None))
        files = sum(len(part) for shown in (1, 2, 4) if shown <= count for part in PARTS[:shown])
        assert quotas.of("ann").used_bytes == files + left


class ReadBlobs(FolderBlobs):
    """A folder that counts how often something is read of it."""

    opened = 0

    def open(self, name: str) -> FileBlob:
        self.opened += 1
        return super().open(name)


def test_what_cannot_fit_is_not_read_again(database: Database, tmp_path: Path, repository: int) -> None:
    blobs = ReadBlobs(tmp_path / "read")
    xet = Xet(database, blobs, b"secret" * 6, Quotas(database, 3 * len(CONTENT)))
    take(xet, PARTS)
    parts, terms = PARTS * 4, [term(PARTS)] * 4
    with pytest.raises(QuotaError, match="do not fit"):
        xet.registrar.register(repository, "ann", told(parts, terms, [proof(PARTS)] * 4, None))
    assert blobs.opened == 0
    xet.registrar.register(repository, "ann", told(PARTS * 3, terms[:3], [proof(PARTS)] * 3, None))
    xet.registrar.register(repository, "ann", told(PARTS * 3, terms[:3], [proof(PARTS)] * 3, None))
    assert blobs.opened > 0
