"""Large files: nothing is stored that is not what its hash says, and nobody has a file by knowing its hash."""

import hashlib
from collections.abc import Iterator

import pytest

from minnow.errors import ForbiddenError, HubNotFoundError, QuotaError, RefusedUploadError, StorageError
from minnow.hub.blobs import CHUNK_BYTES
from minnow.hub.hub import Hub
from minnow.hub.large_files import blob_name
from minnow.hub.lfs import Lfs
from minnow.hub.limits import Quotas
from minnow.hub.repositories import Repository
from minnow.hub.signing import SECONDS, Stamp
from minnow.hub.uploads import Announced

CONTENT = bytes(range(256)) * 9000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


def pieces(content: bytes, length: int = CHUNK_BYTES) -> Iterator[bytes]:
    return (content[start : start + length] for start in range(0, len(content), length))


@pytest.fixture
def other(hub: Hub) -> Repository:
    return hub.repositories.create("model", "bob", "other", private=False, by="bob")


def test_what_was_taken_is_held_and_read(hub: Hub, repository: Repository) -> None:
    hub.large_files.take(repository.id, repository.owner, SHA256, len(CONTENT), pieces(CONTENT))
    assert hub.large_files.held(repository.id, [SHA256, "0" * 64]) == {SHA256: len(CONTENT)}
    blob = hub.large_files.open(SHA256)
    assert b"".join(blob.read()) == CONTENT
    assert b"".join(blob.read(300, 70_000)) == CONTENT[300:70_000]


@pytest.mark.parametrize(
    ("sent", "size"),
    [
        (CONTENT[:-1] + b"\0", len(CONTENT)),
        (CONTENT[:-1], len(CONTENT)),
        (CONTENT + b"\0", len(CONTENT)),
        (CONTENT, len(CONTENT) - 1),
        (b"", len(CONTENT)),
        (b"", 0),
    ],
)
def test_another_content_is_refused_and_nothing_is_kept(
    hub: Hub, repository: Repository, sent: bytes, size: int
) -> None:
    with pytest.raises(RefusedUploadError):
        hub.large_files.take(repository.id, repository.owner, SHA256, size, pieces(sent))
    assert hub.large_files.held(repository.id, [SHA256]) == {}
    assert list(hub.blobs.stored()) == []


def test_an_upload_that_is_too_long_is_not_read_to_its_end(hub: Hub, repository: Repository) -> None:
    def endless() -> Iterator[bytes]:
        for count in range(1000):
            assert count < 10, "it was read on and on"
            yield bytes(CHUNK_BYTES)

    with pytest.raises(RefusedUploadError, match="more bytes"):
        hub.large_files.take(repository.id, repository.owner, SHA256, 3 * CHUNK_BYTES, endless())


def test_a_broken_off_upload_leaves_nothing(hub: Hub, repository: Repository) -> None:
    def broken() -> Iterator[bytes]:
        yield CONTENT[:1000]
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        hub.large_files.take(repository.id, repository.owner, SHA256, len(CONTENT), broken())
    assert list(hub.blobs.stored()) == []


def test_a_second_repository_must_have_the_content_too(hub: Hub, repository: Repository, other: Repository) -> None:
    hub.large_files.take(repository.id, repository.owner, SHA256, len(CONTENT), pieces(CONTENT))
    with pytest.raises(RefusedUploadError):
        hub.large_files.take(other.id, other.owner, SHA256, len(CONTENT), pieces(bytes(len(CONTENT))))
    assert hub.large_files.held(other.id, [SHA256]) == {}
    hub.large_files.take(other.id, other.owner, SHA256, len(CONTENT), pieces(CONTENT))
    assert hub.large_files.held(other.id, [SHA256]) == {SHA256: len(CONTENT)}
    assert [blob.name for blob in hub.blobs.stored()] == [blob_name(SHA256)]


def test_files_are_shared_from_where_they_are(hub: Hub, repository: Repository, other: Repository) -> None:
    with pytest.raises(HubNotFoundError):
        hub.large_files.share(repository.id, other.id, "bob", [SHA256])
    hub.large_files.take(repository.id, repository.owner, SHA256, len(CONTENT), pieces(CONTENT))
    hub.large_files.share(repository.id, other.id, "bob", [SHA256, SHA256])
    assert [file.sha256 for file in hub.large_files.of(other.id)] == [SHA256]


def desk(hub: Hub, quotas: Quotas | None = None, now: float = 1000.0) -> Lfs:
    stamp = Stamp(b"k" * 32, "lfs", lambda: now)
    return Lfs(hub.large_files, quotas or hub.quotas, stamp, in_parts_from=1000, part_bytes=1 << 20)


def test_a_ticket_allows_what_it_says_for_a_while(hub: Hub, repository: Repository) -> None:
    [ticket] = desk(hub).uploads(repository, repository.owner, {SHA256: 10}, in_parts=False).tickets.values()
    read = desk(hub).ticket(ticket, "upload")
    assert (read.repository_id, read.sha256, read.size, read.upload) == (repository.id, SHA256, 10, "")
    for wrong in (
        ticket.replace(".10.", ".11."),
        ticket[:-1] + "x",
        ticket + "0",
        "",
        "upload.1",
        ticket.replace("upload", "download"),
    ):
        with pytest.raises(ForbiddenError):
            desk(hub).ticket(wrong, "upload")
    with pytest.raises(ForbiddenError):
        desk(hub).ticket(ticket, "download")
    with pytest.raises(ForbiddenError, match="expired"):
        desk(hub, now=1000.0 + SECONDS).ticket(ticket, "upload")


def test_no_ticket_is_written_for_what_is_there_already(hub: Hub, repository: Repository, other: Repository) -> None:
    hub.large_files.take(repository.id, repository.owner, SHA256, len(CONTENT), pieces(CONTENT))
    sizes = {SHA256: len(CONTENT), "0" * 64: 5}
    assert list(desk(hub).uploads(repository, repository.owner, sizes, in_parts=False).tickets) == ["0" * 64]
    assert list(desk(hub).uploads(other, other.owner, sizes, in_parts=False).tickets) == [SHA256, "0" * 64]
    assert list(desk(hub).downloads(repository.id, sizes)) == [SHA256]
    assert desk(hub).downloads(other.id, sizes) == {}


def test_what_does_not_fit_gets_no_ticket(hub: Hub, repository: Repository) -> None:
    with pytest.raises(QuotaError):
        desk(hub, Quotas(hub.database, 100)).uploads(repository, repository.owner, {SHA256: 101}, in_parts=False)


def test_a_full_disk_is_told_before_anything_is_sent(
    hub: Hub, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = 100 << 20
    monkeypatch.setattr(hub.blobs, "free_bytes", lambda: left)
    file = [Announced("a.arrow", 1 << 30, b"")]  # which may be chunks that the hub has
    assert hub.uploads.plan(repository, "ann", "main", file)
    assert desk(hub).uploads(repository, "ann", {SHA256: left}, in_parts=False).tickets
    with pytest.raises(StorageError, match=r"full: 104,857,600 bytes are left, and 104,857,601 are needed; free some"):
        desk(hub).uploads(repository, "ann", {SHA256: left + 1}, in_parts=False)
    left = 1 << 20
    with pytest.raises(StorageError, match="the hub's disk is full: 1,048,576 bytes are left"):
        hub.uploads.plan(repository, "ann", "main", file)
    assert hub.uploads.plan(repository, "ann", "main", [Announced("a.txt", 10, b"")]), "the tables say so themselves"
    monkeypatch.setattr(hub.blobs, "free_bytes", lambda: None)
    assert hub.uploads.plan(repository, "ann", "main", file)


def test_parts_make_the_file_in_whatever_order_they_come(hub: Hub, repository: Repository) -> None:
    lfs = desk(hub)
    plan = lfs.uploads(repository, repository.owner, {SHA256: len(CONTENT)}, in_parts=True)
    assert plan.part_bytes == 1 << 20
    ticket = lfs.ticket(plan.tickets[SHA256], "upload")
    parts = list(pieces(CONTENT, 1 << 20))
    for number in (3, 1):
        lfs.take_part(ticket, number, [parts[number - 1]])
    with pytest.raises(RefusedUploadError, match="1 parts of the upload are missing"):
        lfs.join_parts(ticket, 3)
    lfs.take_part(ticket, 2, [parts[1]])
    for number in (0, 4):
        with pytest.raises(RefusedUploadError):
            lfs.take_part(ticket, number, [b""])
    lfs.join_parts(ticket, 3)
    assert b"".join(hub.large_files.open(SHA256).read()) == CONTENT
    assert [blob.name for blob in hub.blobs.stored()] == [blob_name(SHA256)]
    lfs.join_parts(ticket, 3)
    lfs.verify(repository.id, SHA256, len(CONTENT))
    with pytest.raises(RefusedUploadError):
        lfs.verify(repository.id, SHA256, 1)


def test_many_files_are_shared_a_few_at_a_time(
    hub: Hub, repository: Repository, other: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    sha256s = []
    for number in range(25):
        sha256s.append(hashlib.sha256(bytes([number])).hexdigest())
        hub.large_files.take(repository.id, "ann", sha256s[-1], 1, [bytes([number])])
    admitting, at_once = hub.large_files._admit, []

    def counted(repository_id: int, account: str, sizes: dict[str, int]) -> None:
        at_once.append(len(sizes))
        admitting(repository_id, account, sizes)

    monkeypatch.setattr(hub.large_files, "_admit", counted)
    hub.large_files.share(repository.id, other.id, "bob", sha256s)
    assert at_once == [20, 5]
    assert len(hub.large_files.held(other.id, sha256s)) == 25


def test_parts_count_beside_those_of_other_uploads(hub: Hub, repository: Repository) -> None:
    lfs = desk(hub, Quotas(hub.database, 3 << 20))
    contents = [bytes([number]) * (2 << 20) for number in range(2)]
    tickets = []
    for content in contents:
        sha256 = hashlib.sha256(content).hexdigest()
        plan = lfs.uploads(repository, repository.owner, {sha256: len(content)}, in_parts=True)
        tickets.append(lfs.ticket(plan.tickets[sha256], "upload"))
    for number in (1, 2, 2):
        lfs.take_part(tickets[0], number, [contents[0][: 1 << 20]])
    with pytest.raises(QuotaError, match="do not fit"):
        lfs.take_part(tickets[1], 1, [contents[1][: 1 << 20]])
    lfs.join_parts(tickets[0], 2)
    hub.publishing.purge(repository.id, [tickets[0].sha256])
    lfs.take_part(tickets[1], 1, [contents[1][: 1 << 20]])
    hub.repositories.delete(repository.id)
    with pytest.raises(HubNotFoundError):
        lfs.take_part(tickets[1], 2, [contents[1][: 1 << 20]])
