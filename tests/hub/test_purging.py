"""Large files taken out: gone from every commit, and nothing else changed."""

import hashlib
from typing import Any

import pytest

from minnow.errors import HubNotFoundError, InputError
from minnow.hub.hub import Hub
from minnow.hub.repositories import Repository
from minnow.hub.revisions import Message
from minnow.hub.upkeep import problems
from minnow.hub.uploads import AddFile, AddLarge, DeleteFile, Operation


def commit(hub: Hub, repository: Repository, *operations: Operation, branch: str = "main") -> str:
    return hub.publishing.commit(repository, branch, operations, Message("change", "why"), by="ann").commit


def large(hub: Hub, repository: Repository, path: str, content: bytes) -> AddLarge:
    sha256 = hashlib.sha256(content).hexdigest()
    hub.large_files.take(repository.id, repository.owner, sha256, len(content), [content])
    return AddLarge(path, sha256, len(content))


def paths(hub: Hub, revision: str) -> list[str]:
    return [entry.path for entry in hub.contents.all(revision)]


def test_a_file_is_gone_from_every_ref_and_the_rest_is_as_it_was(hub: Hub, repository: Repository) -> None:
    first = commit(hub, repository, AddFile("a", b"a"))
    secret = large(hub, repository, "deep/er/secret.bin2", b"secret")
    kept = large(hub, repository, "kept.bin2", b"kept")
    commit(hub, repository, secret, kept)
    hub.revisions.create_tag(repository.id, "v1", "main", "with a message", by="ann")
    hub.revisions.create_branch(repository.id, "dev", first)
    number = hub.publishing.commit(
        repository, "main", [AddFile("pr", b"pr")], Message("pr"), by="bob", as_pull_request=True
    ).pull_request
    assert number
    hub.publishing.merge(repository.id, number, "", by="ann")
    commit(hub, repository, DeleteFile(secret.path))
    before = hub.revisions.history(repository.id, "main")
    hub.publishing.purge(repository.id, [secret.sha256])
    after = hub.revisions.history(repository.id, "main")
    told = [(info.message, info.author, info.made_at) for info in before]
    assert [(info.message, info.author, info.made_at) for info in after] == told
    assert [info.id for info in after][-2:] == [info.id for info in before][-2:]
    assert not {info.id for info in after[:-2]} & {info.id for info in before}
    for info in after:
        assert not any(path.startswith("deep") for path in paths(hub, info.id))
    assert paths(hub, after[0].id) == [".gitattributes", "a", "kept.bin2", "pr"]
    assert hub.revisions.resolve(repository.id, "dev") == first
    refs = {ref.name: ref for ref in hub.revisions.refs(repository.id)}
    assert refs["refs/tags/v1"].tag
    assert refs["refs/tags/v1"].commit in {info.id for info in after}
    assert hub.discussions.get(repository.id, number).merge_commit in {info.id for info in after}
    assert hub.large_files.held(repository.id, [secret.sha256, kept.sha256]) == {kept.sha256: 4}
    assert hub.repositories.by_id(repository.id).used_bytes == 4
    for info in before[:-2]:
        with pytest.raises(HubNotFoundError):
            hub.revisions.resolve(repository.id, info.id)
    assert list(problems(hub.settings, hub.database, contents=True)) == []


def test_a_commit_of_nothing_else_stays_as_an_empty_one(hub: Hub, repository: Repository) -> None:
    secret = large(hub, repository, "secret.bin2", b"secret")
    commit(hub, repository, secret, DeleteFile(".gitattributes"))
    hub.publishing.purge(repository.id, [secret.sha256])
    head = hub.revisions.resolve(repository.id, "main")
    assert paths(hub, head) == []
    assert len(hub.revisions.history(repository.id, "main")) == 2
    assert list(problems(hub.settings, hub.database, contents=True)) == []


def test_a_file_of_a_branch_that_was_deleted_is_gone_too(hub: Hub, repository: Repository) -> None:
    hub.revisions.create_branch(repository.id, "dev")
    secret = large(hub, repository, "secret.bin2", b"secret")
    old = commit(hub, repository, secret, branch="dev")
    hub.revisions.delete_branch(repository.id, "dev")
    hub.publishing.purge(repository.id, [secret.sha256])
    with pytest.raises(HubNotFoundError):
        hub.revisions.create_branch(repository.id, "again", old)
    assert list(problems(hub.settings, hub.database, contents=True)) == []


def test_a_copy_has_the_files_that_main_had_and_no_others(hub: Hub, repository: Repository) -> None:
    squashed, before, now, sent, aside = (large(hub, repository, f"{i}.bin2", f"{i}".encode()) for i in range(5))
    commit(hub, repository, squashed)
    commit(hub, repository, DeleteFile(squashed.path))
    hub.publishing.squash(repository.id, "main", Message("anew"), by="ann")
    commit(hub, repository, before)
    commit(hub, repository, now, DeleteFile(before.path))
    hub.revisions.create_branch(repository.id, "aside")
    commit(hub, repository, aside, branch="aside")
    assert sent.sha256 in {file.sha256 for file in hub.large_files.of(repository.id)}
    copy = hub.publishing.copy(repository, "bob", "copy", private=False)
    assert {file.sha256 for file in hub.large_files.of(copy.id)} == {before.sha256, now.sha256}
    assert copy.used_bytes == 2
    assert list(problems(hub.settings, hub.database, contents=True)) == []


def test_what_is_in_no_commit_changes_no_commit(hub: Hub, repository: Repository) -> None:
    head = commit(hub, repository, AddFile("a", b"a"))
    loose = large(hub, repository, "loose", b"loose")
    hub.publishing.purge(repository.id, [loose.sha256, "0" * 64])
    assert hub.revisions.resolve(repository.id, "main") == head
    assert hub.large_files.of(repository.id) == []
    with pytest.raises(InputError):
        hub.publishing.purge(repository.id, ["../x"])


def test_a_copy_is_of_what_main_leads_to_at_its_moment(
    hub: Hub, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = large(hub, repository, "secret.bin2", b"taken out")
    commit(hub, repository, secret)
    copying = hub.repositories.copy

    def late(*words: Any, **more: Any) -> Repository:
        hub.publishing.purge(repository.id, [secret.sha256])
        return copying(*words, **more)

    monkeypatch.setattr(hub.repositories, "copy", late)
    copy = hub.publishing.copy(repository, "bob", "copy", private=False)
    assert hub.revisions.resolve(copy.id, "main") == hub.revisions.resolve(repository.id, "main")
    assert list(problems(hub.settings, hub.database, contents=True)) == []
