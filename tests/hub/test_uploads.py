"""Uploads: planned before they are sent, checked when they are committed, and what follows a commit."""

import base64
import hashlib
import struct
from contextlib import AbstractContextManager

import orjson
import pytest
from sqlalchemy.orm import Session

from minnow.errors import ForbiddenError, HubConflictError, HubNotFoundError, InputError, QuotaError, RefusedUploadError
from minnow.hub.hub import Hub
from minnow.hub.limits import Quotas
from minnow.hub.repositories import Repository
from minnow.hub.revisions import Message
from minnow.hub.trust.check import STRICT
from minnow.hub.uploads import AddFile, AddLarge, Announced, DeleteFile, DeleteFolder, Operation, Uploads

CARD = b"---\nlicense: mit\npipeline_tag: text-classification\nbase_model: team/base\n---\n# A model\n"
PICKLE = b"\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00\x8c\x02os\x8c\x06system\x93."


def safetensors(numbers: int) -> bytes:
    header = orjson.dumps({"x": {"dtype": "F32", "shape": [numbers], "data_offsets": [0, 4 * numbers]}})
    return struct.pack("<Q", len(header)) + header + bytes(4 * numbers)


def upload(hub: Hub, repository: Repository, content: bytes) -> str:
    sha256 = hashlib.sha256(content).hexdigest()
    hub.large_files.take(repository.id, repository.owner, sha256, len(content), [content])
    return sha256


def commit(hub: Hub, repository: Repository, *operations: Operation, branch: str = "main", **more: str) -> str:
    return hub.publishing.commit(repository, branch, operations, Message("change"), by="ann", **more).commit


@pytest.mark.parametrize(
    ("path", "size", "sample", "large"),
    [
        ("config.json", 100, b"{}", False),
        ("model.safetensors", 10, b"", True),
        ("Model.GGUF", 10, b"GGUF", True),
        ("vocab.txt", 9_000_000, b"text", False),
        ("vocab.txt", 11_000_000, b"text", True),
        ("thing", 10, b"a\0b", True),
        ("empty.parquet", 0, b"", False),
    ],
)
def test_files_go_by_name_size_and_nature(
    hub: Hub, repository: Repository, path: str, size: int, sample: bytes, large: bool
) -> None:
    [planned] = hub.uploads.plan(repository, "ann", "main", [Announced(path, size, sample)])
    assert (planned.large, planned.ignored, planned.known) == (large, False, None)


def test_the_plan_says_what_is_there_already(hub: Hub, repository: Repository) -> None:
    sha256 = upload(hub, repository, b"large")
    commit(hub, repository, AddFile("small", b"small"), AddLarge("large", sha256, 5))
    files = [Announced(path, 5, b"") for path in ("small", "large", "new")]
    known = {planned.path: planned.known for planned in hub.uploads.plan(repository, "ann", "main", files)}
    assert known == {"small": hashlib.sha1(b"blob 5\0small").hexdigest(), "large": sha256, "new": None}


def test_ignored_files_are_marked(hub: Hub, repository: Repository) -> None:
    commit(hub, repository, AddFile(".gitignore", b"*.log\n# *.txt\n!keep.log\n"))
    files = [Announced(path, 1, b"") for path in ("a.log", "keep.log", "a.txt", "deep/b.log")]
    assert [planned.ignored for planned in hub.uploads.plan(repository, "ann", "main", files)] == [
        True,
        False,
        False,
        True,
    ]
    assert [p.ignored for p in hub.uploads.plan(repository, "ann", "main", files, "*.txt")] == [
        False,
        False,
        True,
        False,
    ]


def test_what_would_be_refused_is_refused_before_it_is_sent(hub: Hub, repository: Repository) -> None:
    for path, sample in (("model.pkl", b""), ("data.bin", PICKLE), ("x.safetensors", b"\xff" * 512)):
        with pytest.raises(RefusedUploadError):
            hub.uploads.plan(repository, "ann", "main", [Announced(path, 1000, sample)])
    with pytest.raises(InputError):
        hub.uploads.plan(repository, "ann", "main", [Announced("../up", 1, b"")])
    with pytest.raises(HubNotFoundError):
        hub.uploads.plan(repository, "ann", "none", [Announced("a", 1, b"")])


def test_a_refused_file_takes_its_commit_with_it(hub: Hub, repository: Repository) -> None:
    head = hub.revisions.resolve(repository.id, "main")
    broken = upload(hub, repository, b"\x10\0\0\0\0\0\0\0no header here")
    pickle = upload(hub, repository, PICKLE)
    for bad in (
        AddFile("weights.json", PICKLE),
        AddLarge("weights.dat", pickle, len(PICKLE)),
        AddLarge("model.safetensors", broken, None),
        AddFile("config.json", b'{"auto_map": {"AutoModel": "x.Y"}}'),
        AddFile(".git/hooks/pre-commit", b"#!/bin/sh"),
    ):
        with pytest.raises((RefusedUploadError, InputError)):
            commit(hub, repository, AddFile("good.txt", b"good"), bad)
    assert hub.revisions.resolve(repository.id, "main") == head


def test_knowing_a_hash_is_not_having_the_file(hub: Hub, repository: Repository) -> None:
    sha256 = upload(hub, repository, b"secret")
    other = hub.repositories.create("model", "bob", "other", private=False, by="bob")
    for size in (6, None):
        with pytest.raises(InputError, match=r"was not uploaded to bob/other"):
            commit(hub, other, AddLarge("stolen", sha256, size))
    with pytest.raises(InputError, match="of this size"):
        commit(hub, repository, AddLarge("a", sha256, 7))
    with pytest.raises(InputError, match="64 digits"):
        commit(hub, repository, AddLarge("a", "../x", 7))


def test_many_large_files_of_a_commit_are_kept_together(
    hub: Hub, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = [AddLarge(f"large-{number}", upload(hub, repository, bytes([number])), 1) for number in range(20)]
    writing = hub.database.writing
    begun: list[int] = []

    def counted() -> AbstractContextManager[Session]:
        begun.append(1)
        return writing()

    monkeypatch.setattr(hub.database, "writing", counted)
    hub.uploads.prepare(repository, "ann", large[:1])
    alone = len(begun)
    changes = hub.uploads.prepare(repository, "ann", [*large, AddFile("small", b"small"), DeleteFile("gone"), *large])
    assert len(begun) - alone <= alone + 2
    names = [one.path for one in large]
    assert [change.path for change in changes] == [*names, "small", "gone", *names]


def test_a_large_file_is_copied_within_its_repository(hub: Hub, repository: Repository) -> None:
    sha256 = upload(hub, repository, b"large")
    commit(hub, repository, AddLarge("one", sha256, 5))
    head = commit(hub, repository, AddLarge("two", sha256, None), DeleteFile("one"))
    entry = hub.contents.file(head, "two")
    assert entry.large
    assert (entry.large.sha256, entry.size) == (sha256, 5)


def test_a_folder_does_not_go_as_a_file_nor_a_file_as_a_folder(hub: Hub, repository: Repository) -> None:
    head = commit(hub, repository, AddFile("d/a", b"a"), AddFile("e", b"e"))
    with pytest.raises(InputError, match=r"d is a folder and was to be deleted as a file; .* name it d/"):
        commit(hub, repository, DeleteFile("d"))
    with pytest.raises(InputError, match="e is a file and was to be deleted as a folder"):
        commit(hub, repository, DeleteFolder("e"))
    assert hub.revisions.resolve(repository.id, "main") == head


def test_a_folder_is_deleted_by_its_name_with_a_slash(hub: Hub, repository: Repository) -> None:
    commit(hub, repository, AddFile("d/a", b"a"), AddFile("e", b"e"))
    head = commit(hub, repository, DeleteFolder("d/"))
    assert [entry.path for entry in hub.contents.all(head)] == [".gitattributes", "e"]


def test_what_does_not_fit_is_not_committed(hub: Hub, repository: Repository) -> None:
    rooms = (hub.objects, hub.revisions, hub.contents, hub.large_files)
    uploads = Uploads(*rooms, STRICT, Quotas(hub.database, 1000), hub.xet.bases)
    with pytest.raises(QuotaError):
        uploads.plan(repository, "ann", "main", [Announced("a", 600, b""), Announced("b", 600, b"")])
    with pytest.raises(QuotaError):
        uploads.prepare(repository, "ann", [AddFile("a", bytes(1001))])


def test_what_was_sent_counts_before_it_is_committed(hub: Hub, repository: Repository) -> None:
    upload(hub, repository, b"sent by git-lfs")
    assert hub.quotas.of("ann").used_bytes == len(b"sent by git-lfs")


def test_a_card_announced_tells_of_its_base(hub: Hub, repository: Repository) -> None:
    hub.uploads.plan(repository, "ann", "main", [Announced("README.md", len(CARD), CARD)])
    assert hub.xet.bases.of(repository.id) == ("team/base",)


def test_lists_hear_of_a_new_card_and_of_weights(hub: Hub, repository: Repository) -> None:
    content = safetensors(10)
    sha256 = upload(hub, repository, content)
    commit(
        hub,
        repository,
        AddFile("README.md", CARD),
        AddFile("config.json", b'{"model_type": "bert"}'),
        AddLarge("model.safetensors", sha256, len(content)),
        AddLarge("more/model.safetensors", sha256, len(content)),
    )
    told = hub.listing.details(hub.repositories.by_id(repository.id))
    assert told.repository.pipeline_tag == "text-classification"
    assert told.repository.safetensors == {"parameters": {"F32": 10}, "total": 10}, "a copy is no part of it"
    assert told.repository.used_bytes == len(content)
    assert {"license:mit", "bert", "safetensors", "base_model:team/base"} <= set(told.tags)
    commit(hub, repository, AddFile("README.md", b"no front matter"), DeleteFile("model.safetensors"))
    told = hub.listing.details(hub.repositories.by_id(repository.id))
    assert told.repository.pipeline_tag is None
    assert told.repository.card is None
    assert told.repository.safetensors == {"parameters": {"F32": 10}, "total": 10}
    assert "license:mit" not in told.tags


def test_other_branches_change_no_list(hub: Hub, repository: Repository) -> None:
    hub.revisions.create_branch(repository.id, "dev")
    commit(hub, repository, AddFile("README.md", CARD), branch="dev")
    assert hub.listing.details(hub.repositories.by_id(repository.id)).tags == ()


def test_a_card_that_cannot_be_read_is_kept_and_says_nothing(hub: Hub, repository: Repository) -> None:
    head = commit(hub, repository, AddFile("README.md", b"---\na: &x 1\nb: *x\n---\n"))
    assert hub.contents.file(head, "README.md").size == 22
    assert hub.repositories.by_id(repository.id).card is None


def propose(hub: Hub, repository: Repository, *operations: Operation) -> int:
    made = hub.publishing.commit(
        repository, "main", operations, Message("a proposal", "why"), by="bob", as_pull_request=True
    )
    assert made.pull_request is not None
    return made.pull_request


def test_a_pull_request_is_merged_beside_what_came_meanwhile(hub: Hub, repository: Repository) -> None:
    commit(hub, repository, AddFile("a", b"a"), AddFile("gone", b"x"))
    number = propose(hub, repository, AddFile("b", b"b"), DeleteFile("gone"), AddFile("README.md", CARD))
    later = commit(hub, repository, AddFile("c", b"c"))
    assert not hub.discussions.get(repository.id, number).conflicts
    merged = hub.publishing.merge(repository.id, number, "thanks", by="ann")
    files = {entry.path for entry in hub.contents.all(merged)}
    assert files == {".gitattributes", "a", "b", "c", "README.md"}
    told = hub.discussions.get(repository.id, number)
    assert (told.status, told.merge_commit) == ("merged", merged)
    assert [event.kind for event in told.events] == ["comment", "commit", "status-change"]
    history = [info.id for info in hub.revisions.history(repository.id, "main")]
    assert {merged, later} < set(history)
    assert "license:mit" in hub.listing.details(repository).tags
    with pytest.raises(InputError, match="no open pull request"):
        hub.publishing.merge(repository.id, number, "", by="ann")
    with pytest.raises(InputError, match="is merged"):
        commit(hub, repository, AddFile("late", b"x"), branch=f"refs/pr/{number}")


def test_a_proposal_that_is_refused_opens_nothing(hub: Hub, repository: Repository) -> None:
    with pytest.raises(HubNotFoundError):
        propose(hub, repository, DeleteFile("nothing"))
    assert hub.discussions.page(repository.id, 0) == ([], 0)
    assert [ref.name for ref in hub.revisions.refs(repository.id)] == ["refs/heads/main"]
    assert propose(hub, repository, AddFile("a", b"a")) == 1


def test_both_sides_on_one_file_is_a_conflict_that_is_named(hub: Hub, repository: Repository) -> None:
    commit(hub, repository, AddFile("a", b"a"))
    number = propose(hub, repository, AddFile("a", b"theirs"))
    head = commit(hub, repository, AddFile("a", b"ours"))
    assert hub.discussions.get(repository.id, number).conflicts == ("a",)
    with pytest.raises(HubConflictError, match="both sides changed a"):
        hub.publishing.merge(repository.id, number, "", by="ann")
    assert hub.revisions.resolve(repository.id, "main") == head
    assert hub.discussions.get(repository.id, number).status == "open"


def test_the_same_change_on_both_sides_is_no_conflict(hub: Hub, repository: Repository) -> None:
    number = propose(hub, repository, AddFile("a", b"same"))
    commit(hub, repository, AddFile("a", b"same"))
    hub.publishing.merge(repository.id, number, "", by="ann")


def test_signatures_of_tickets_are_compared_as_they_stand(hub: Hub) -> None:
    from minnow.hub.signing import Stamp

    stamp = Stamp(b"k" * 32, "lfs")
    until, signature = stamp.made("a", 1)
    stamp.check(until, signature, "a", 1)
    other = Stamp(b"k" * 32, "other")
    for call in (
        lambda: stamp.check(until + 1, signature, "a", 1),
        lambda: stamp.check(until, signature, "a", 2),
        lambda: other.check(until, signature, "a", 1),
        lambda: stamp.check(until, base64.b64encode(b"x" * 48).decode(), "a", 1),
    ):
        with pytest.raises(ForbiddenError):
            call()
    assert hub
