"""What is in a revision: folders, pages, single files, and which commit changed each last."""

import hashlib

import pytest

from minnow.errors import HubNotFoundError
from minnow.hub.changes import Put
from minnow.hub.hub import Hub
from minnow.hub.names import MAIN
from minnow.hub.objects import Pointer, blob_of
from minnow.hub.repositories import Repository
from minnow.hub.revisions import Message

CONTENT = b"content"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def head(hub: Hub, repository: Repository) -> str:
    hub.large_files.take(repository.id, repository.owner, SHA256, len(CONTENT), [CONTENT])
    return commit(hub, repository, {"a": "1", "b/c": "2", "b/d/e": "3", "big.bin": Pointer(SHA256, 7).to_bytes()})


def commit(hub: Hub, repository: Repository, files: dict[str, str | bytes]) -> str:
    blobs = {path: blob_of(text.encode() if isinstance(text, str) else text) for path, text in files.items()}
    hub.objects.add(blobs.values())
    changes = [Put(path, blob.id) for path, blob in blobs.items()]
    return hub.revisions.commit(repository.id, MAIN, changes, Message(" ".join(files)), by="ann")


def test_a_folder_shows_its_own_level_or_all_below_it(hub: Hub, head: str) -> None:
    def shown(folder: str, recursive: bool) -> list[str]:
        page = hub.contents.page(head, folder, recursive=recursive, skip=0, most=100)
        assert not page.more
        return [entry.path for entry in page.entries]

    assert shown("", False) == [".gitattributes", "a", "b", "big.bin"]
    assert shown("", True) == [".gitattributes", "a", "b", "b/c", "b/d", "b/d/e", "big.bin"]
    assert shown("b", False) == ["b/c", "b/d"]
    assert shown("b/d/", True) == ["b/d/e"]


def test_pages_together_are_the_whole(hub: Hub, repository: Repository) -> None:
    head = commit(hub, repository, {f"f{i:03}/x": str(i) for i in range(25)})
    found: list[str] = []
    while True:
        page = hub.contents.page(head, recursive=True, skip=len(found), most=7)
        found += [entry.path for entry in page.entries]
        if not page.more:
            break
    assert len(found) == len(set(found)) == 51


@pytest.mark.parametrize("folder", ["none", "a", "b/none", "../x", "b//d", "big.bin"])
def test_a_folder_that_is_none_is_not_found(hub: Hub, head: str, folder: str) -> None:
    with pytest.raises(HubNotFoundError) as raised:
        hub.contents.page(head, folder, recursive=False, skip=0, most=10)
    assert (raised.value.kind, raised.value.revision) == ("entry", head)


def test_a_large_file_has_its_own_size_and_hash(hub: Hub, head: str) -> None:
    entry = hub.contents.file(head, "big.bin")
    assert (entry.size, entry.large, entry.pointer_size) == (7, Pointer(SHA256, 7), len(Pointer(SHA256, 7).to_bytes()))
    small = hub.contents.file(head, "a")
    assert (small.size, small.large) == (1, None)


def test_what_only_looks_like_a_pointer_is_a_file() -> None:
    pointer = Pointer(SHA256, 7).to_bytes()
    for content in (
        pointer + b"x",
        pointer[:-1],
        pointer.replace(b"sha256", b"sha512"),
        pointer.replace(b" 7", b" 07"),
    ):
        assert blob_of(content).pointer is None
    assert blob_of(pointer).pointer == Pointer(SHA256, 7)


def test_paths_that_are_not_there_are_left_out(hub: Hub, head: str) -> None:
    found = hub.contents.some(head, ["a", "b", "b/none", "..", "\0", "a"])
    assert [(entry.path, entry.is_folder) for entry in found] == [("a", False), ("b", True)]
    for path in ("b", "none", "a/"):
        with pytest.raises(HubNotFoundError):
            hub.contents.file(head, path)


def test_each_entry_knows_who_changed_it_last(hub: Hub, repository: Repository, head: str) -> None:
    second = commit(hub, repository, {"b/d/e": "new"})
    third = commit(hub, repository, {"new": "x"})
    page = hub.contents.page(third, recursive=True, skip=0, most=100, with_commits=True)
    last = {entry.path: entry.last_commit.id for entry in page.entries if entry.last_commit}
    assert {path: last[path] for path in ("a", "b/c", "big.bin")} == dict.fromkeys(("a", "b/c", "big.bin"), head)
    assert {path: last[path] for path in ("b", "b/d", "b/d/e")} == dict.fromkeys(("b", "b/d", "b/d/e"), second)
    assert last["new"] == third
    assert last[".gitattributes"] not in {head, second, third}
