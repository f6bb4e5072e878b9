"""Upkeep: what is needed is never collected, what is not goes, and fsck finds whatever is damaged."""

import hashlib
import zlib
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from sqlalchemy import delete, update
from sqlalchemy.orm import Session

from minnow.errors import HubConflictError, HubNotFoundError
from minnow.hub import upkeep
from minnow.hub.blobs import FolderBlobs
from minnow.hub.changes import Put
from minnow.hub.hub import Hub
from minnow.hub.large_files import blob_name, new_upload
from minnow.hub.names import MAIN
from minnow.hub.objects import blob_of
from minnow.hub.repositories import Repository
from minnow.hub.repository_tables import GitObjectRow, LargeFileRow
from minnow.hub.revisions import Message, Revisions
from minnow.hub.upkeep import Collected, _Bounds, _let_go, _unneeded, collect, figures, problems
from minnow.hub.uploads import AddFile, AddLarge, DeleteFile, Operation

LATER = datetime.now(UTC) + timedelta(days=30)
NOTHING = Collected(0, 0, 0, 0, 0)


def commit(hub: Hub, repository: Repository, *operations: Operation, branch: str = "main") -> str:
    return hub.publishing.commit(repository, branch, operations, Message("change"), by="ann").commit


def upload(hub: Hub, repository: Repository, content: bytes) -> AddLarge:
    sha256 = hashlib.sha256(content).hexdigest()
    hub.large_files.take(repository.id, repository.owner, sha256, len(content), [content])
    return AddLarge(f"{sha256[:6]}.dat", sha256, len(content))


def wrong(hub: Hub) -> list[str]:
    return list(problems(hub.settings, hub.database, contents=True))


def collected(hub: Hub, now: datetime = LATER, *, dry_run: bool = False) -> Collected:
    return collect(hub.settings, hub.database, now, dry_run=dry_run)


@pytest.fixture
def used(hub: Hub, repository: Repository) -> Repository:
    """A repository with branches, tags, a pull request, a large file of an earlier commit: all of it needed."""
    large = upload(hub, repository, b"an earlier version" * 100)
    commit(hub, repository, AddFile("a/b", b"1"), large)
    hub.revisions.create_tag(repository.id, "v1", "main", "with a message", by="ann")
    commit(hub, repository, AddFile("a/b", b"2"), DeleteFile(large.path), upload(hub, repository, b"new" * 100))
    hub.revisions.create_branch(repository.id, "dev")
    commit(hub, repository, AddFile("dev", b"dev"), branch="dev")
    hub.publishing.commit(repository, "main", [AddFile("c", b"c")], Message("pr"), by="bob", as_pull_request=True)
    return repository


@pytest.mark.usefixtures("used")
def test_what_is_needed_stays(hub: Hub) -> None:
    assert collected(hub) == NOTHING
    assert wrong(hub) == []


def test_what_nothing_leads_to_goes_after_the_time_of_grace(hub: Hub, used: Repository) -> None:
    loose = upload(hub, used, b"never committed")
    hub.objects.add([blob_of(b"never committed either")])
    commit(hub, used, AddFile("only-on-dev", b"text"), upload(hub, used, b"only on dev"), branch="dev")
    hub.revisions.delete_branch(used.id, "dev")
    hub.revisions.squash(used.id, "main", Message("all in one"), by="ann")
    before = figures(hub.settings, hub.database)
    assert collected(hub, datetime.now(UTC)) == NOTHING
    foretold = collected(hub, dry_run=True)
    assert figures(hub.settings, hub.database) == before
    done = collected(hub)
    assert foretold.git_objects == done.git_objects > 0
    assert foretold.large_files == done.large_files == 2
    assert done.contents >= 1
    after = figures(hub.settings, hub.database)
    assert before["stored_bytes"] - after["stored_bytes"] == done.freed_bytes
    assert hub.large_files.held(used.id, [loose.sha256]) == {}
    assert wrong(hub) == []
    assert collected(hub) == NOTHING


def test_an_old_commit_stays_as_long_as_a_younger_one_that_descends_from_it(hub: Hub, repository: Repository) -> None:
    now = datetime.now(UTC)
    hub.revisions.create_branch(repository.id, "dev")
    for days in (30, 5):
        aged = Revisions(hub.database, hub.objects, hub.quotas, now=partial(now.__sub__, timedelta(days=days)))
        changes = hub.uploads.prepare(repository, "ann", [AddFile(f"made-{days}-days-ago", b"text")])
        aged.commit(repository.id, "refs/heads/dev", changes, Message("change"), by="ann")
    hub.revisions.delete_branch(repository.id, "dev")
    assert collected(hub, now).commits == 0
    assert wrong(hub) == []
    assert collected(hub, now + timedelta(days=17)).commits == 2
    assert wrong(hub) == []


def test_two_collections_free_what_a_deleted_repository_held(hub: Hub, used: Repository) -> None:
    other = hub.repositories.create("model", "bob", "other", private=False, by="bob")
    shared = upload(hub, used, b"shared")
    commit(hub, used, shared)
    commit(hub, other, upload(hub, other, b"shared"))
    hub.repositories.delete(used.id)
    collected(hub)
    assert [blob.name for blob in hub.blobs.stored("lfs")] == [blob_name(shared.sha256)]
    assert wrong(hub) == []


def test_what_was_handed_in_again_is_young_again(hub: Hub, repository: Repository) -> None:
    blob = blob_of(b"old and wanted again")
    hub.objects.add([blob])
    large = upload(hub, repository, b"large and wanted again")
    with hub.database.writing() as session:
        session.execute(update(GitObjectRow).values(stored_at=datetime.now(UTC) - timedelta(days=60)))
        session.execute(update(LargeFileRow).values(admitted_at=datetime.now(UTC) - timedelta(days=60)))
    hub.objects.add([blob])
    hub.large_files.keep(repository.id, [large.sha256])
    assert collected(hub, datetime.now(UTC)) == NOTHING
    commit(hub, repository, AddFile("again", b"old and wanted again"), large)
    assert wrong(hub) == []


def test_a_commit_of_what_was_collected_meanwhile_is_refused(hub: Hub, repository: Repository) -> None:
    blob = blob_of(b"collected")
    hub.objects.add([blob])
    assert collected(hub).git_objects == 1
    with pytest.raises(HubConflictError, match="upload them again"):
        hub.revisions.commit(repository.id, MAIN, [Put("a", blob.id)], Message("x"), by="ann")


def test_a_commit_of_a_large_file_that_was_collected_meanwhile_is_refused(hub: Hub, repository: Repository) -> None:
    large = upload(hub, repository, b"collected")
    [change] = hub.uploads.prepare(repository, "ann", [large])
    with hub.database.writing() as session:
        session.execute(delete(LargeFileRow))
    with pytest.raises(HubConflictError, match="upload them again"):
        hub.revisions.commit(repository.id, MAIN, [change], Message("x"), by="ann")
    assert wrong(hub) == []


def test_figures_count_what_is_shared_once(hub: Hub, repository: Repository) -> None:
    before = figures(hub.settings, hub.database)
    other = hub.repositories.create("dataset", "bob", "other", private=False, by="bob")
    for one in (repository, other):
        commit(hub, one, upload(hub, one, b"x" * 10_000))
    told = figures(hub.settings, hub.database)
    assert (told["repositories"], told["models"], told["datasets"], told["spaces"]) == (2, 1, 1, 0)
    assert told["logical_bytes"] - before["logical_bytes"] >= 20_000
    assert 10_000 <= told["stored_bytes"] - before["stored_bytes"] < 13_000


def test_fsck_finds_a_damaged_git_object(hub: Hub, used: Repository) -> None:
    entry = hub.contents.file(hub.revisions.resolve(used.id, "main"), "a/b")
    with hub.database.writing() as session:
        row = update(GitObjectRow).where(GitObjectRow.id == entry.id)
        session.execute(row.values(content=zlib.compress(b"9")))
    assert wrong(hub) == [f"the git object {entry.id} has another content"]
    with hub.database.writing() as session:
        session.execute(row.values(content=b"no zlib"))
    assert "cannot be unpacked" in wrong(hub)[0]


def test_fsck_finds_missing_objects_and_files(hub: Hub, used: Repository) -> None:
    head = hub.revisions.resolve(used.id, "main")
    entry = hub.contents.file(head, "a/b")
    [large] = [entry.large for entry in hub.contents.all(head) if entry.large]
    hub.blobs.remove(blob_name(large.sha256))
    with hub.database.writing() as session:
        session.execute(delete(GitObjectRow).where(GitObjectRow.id == entry.id))
    assert wrong(hub) == [
        f"model ann/speller: the git object {entry.id} is missing",
        f"model ann/speller: the large file {large.sha256} is missing",
    ]
    with pytest.raises(HubNotFoundError):
        hub.large_files.open(large.sha256)


@pytest.mark.usefixtures("used")
def test_fsck_finds_a_large_file_with_another_content(hub: Hub) -> None:
    stored = next(iter(hub.blobs.stored("lfs")))
    hub.blobs.put(stored.name, [b"y" * stored.size])
    assert wrong(hub) == [f"the stored file {stored.name} has another content"]
    assert list(problems(hub.settings, hub.database, contents=False)) == []


def test_an_upload_under_way_survives_a_collection_without_any_grace(hub: Hub, repository: Repository) -> None:
    kept = upload(hub, repository, b"sent and not committed yet")
    gone = upload(hub, repository, b"committed and deleted again")
    commit(hub, repository, gone)
    hub.publishing.squash(repository.id, "main", Message("one"), by="ann")
    commit(hub, repository, DeleteFile(gone.path))
    hub.publishing.squash(repository.id, "main", Message("two"), by="ann")
    [change] = hub.uploads.prepare(repository, "ann", [AddFile("a", b"handed in and not committed yet")])
    done = collect(hub.settings, hub.database, datetime.now(UTC), grace=timedelta(0))
    assert (done.large_files, done.git_objects) == (1, 0)
    assert set(hub.large_files.held(repository.id, [kept.sha256, gone.sha256])) == {kept.sha256}
    hub.revisions.commit(repository.id, MAIN, [change], Message("x"), by="ann")
    commit(hub, repository, kept)
    assert wrong(hub) == []
    later = datetime.now(UTC) + timedelta(hours=7)
    upload(hub, repository, b"never committed")
    assert collect(hub.settings, hub.database, later, grace=timedelta(0)).large_files == 1


def test_what_is_wanted_again_while_it_is_collected_stays(hub: Hub, repository: Repository) -> None:
    hub.revisions.create_branch(repository.id, "dev")
    lost = commit(hub, repository, AddFile("a", b"only on dev"), branch="dev")
    hub.revisions.delete_branch(repository.id, "dev")
    loose = upload(hub, repository, b"sent and not yet committed")
    hub.objects.add([blob_of(b"sent and not yet committed either")])
    now = datetime.now(UTC)
    bounds = _Bounds(now, now)
    found = _unneeded(hub.database, hub.objects, bounds)
    assert (found.commits, found.large_files) == ({repository.id: {lost}}, {repository.id: {loose.sha256}})
    hub.objects.add([blob_of(b"sent and not yet committed either")])
    head = commit(hub, repository, loose)
    hub.revisions.create_branch(repository.id, "again", lost)
    gone = _let_go(hub.database, hub.objects, found, bounds)
    assert gone.objects == gone.large_files == gone.commits == {}
    hub.revisions.delete_branch(repository.id, "again")
    gone = _let_go(hub.database, hub.objects, found, bounds)
    assert (gone.commits, gone.large_files) == ({repository.id: {lost}}, {})
    assert blob_of(b"sent and not yet committed either").id not in gone.objects
    assert hub.large_files.held(repository.id, [loose.sha256])
    assert hub.contents.file(head, loose.path).size == 26
    assert wrong(hub) == []


def test_parts_of_an_upload_wait_for_some_hours_and_no_longer(hub: Hub) -> None:
    hub.large_files.take_part(new_upload(), 1, [b"part"])
    now = datetime.now(UTC)
    assert collected(hub, now + timedelta(hours=5)) == NOTHING
    later = now + timedelta(hours=7)
    assert collected(hub, later, dry_run=True) == collected(hub, later) == Collected(0, 0, 0, 1, 4)
    assert collected(hub, later) == NOTHING


def test_a_damaged_repository_keeps_no_other_one_from_being_collected(hub: Hub, repository: Repository) -> None:
    other = hub.repositories.create("model", "bob", "other", private=False, by="bob")
    hub.revisions.create_branch(repository.id, "dev")
    commit(hub, repository, AddFile("a", b"only on dev"), branch="dev")
    hub.revisions.delete_branch(repository.id, "dev")
    head = commit(hub, other, AddFile("b", b"b"))
    with hub.database.writing() as session:
        session.execute(delete(GitObjectRow).where(GitObjectRow.id == head))
    done = collected(hub)
    assert (done.commits, done.git_objects, len(done.damaged)) == (1, 0, 1)
    assert "model bob/other: the git object" in done.damaged[0]


def test_others_are_let_in_while_a_slow_store_removes(
    hub: Hub, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        upload(hub, repository, bytes([number]))
    hub.repositories.delete(repository.id)
    monkeypatch.setattr(upkeep, "HELD_SECONDS", 0)
    remove = FolderBlobs.remove
    removed_in: list[int] = []
    turns: list[int] = []

    def removing(blobs: FolderBlobs, name: str) -> None:
        removed_in.append(len(turns))
        remove(blobs, name)

    collecting = hub.database.collecting

    def taken() -> AbstractContextManager[Session]:
        turns.append(1)
        return collecting()

    monkeypatch.setattr(FolderBlobs, "remove", removing)
    monkeypatch.setattr(hub.database, "collecting", taken)
    assert collected(hub).contents == 3
    assert len(set(removed_in)) == 3
