"""Versions: commits that lose nothing, refs, history, squashing; ids and trees against git's own implementation."""

import hashlib
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from minnow.errors import HubConflictError, HubExistsError, HubNotFoundError, InputError
from minnow.hub.changes import Put, Remove, RemoveFolder
from minnow.hub.discussions import Discussions
from minnow.hub.hub import Hub
from minnow.hub.names import MAIN
from minnow.hub.objects import GitObjects, blob_of
from minnow.hub.repositories import Repository
from minnow.hub.revisions import Message
from minnow.hub.upkeep import collect
from minnow.hub.uploads import AddFile


def put(hub: Hub, path: str, content: str | bytes = "x") -> Put:
    blob = blob_of(content.encode() if isinstance(content, str) else content)
    hub.objects.add([blob])
    return Put(path, blob.id)


def commit(
    hub: Hub, repository: Repository, *changes: Put | Remove | RemoveFolder, ref: str = MAIN, **more: str
) -> str:
    return hub.revisions.commit(repository.id, ref, changes, Message(more.pop("title", "change")), by="ann", **more)


def paths(hub: Hub, commit_id: str) -> list[str]:
    return [entry.path for entry in hub.contents.all(commit_id) if not entry.is_folder]


def test_ids_are_those_that_git_gives(hub: Hub, repository: Repository, tmp_path: Path) -> None:
    files = {"a.txt": "one", "b/c.txt": "two", "b.txt": "three", "b-d/e": "", "名/é": "four"}
    head = commit(hub, repository, Remove(".gitattributes"), *(put(hub, path, text) for path, text in files.items()))
    for path, text in files.items():
        (tmp_path / "work" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "work" / path).write_text(text)
    for words in (("init", "-q"), ("add", "."), ("write-tree",)):
        done = subprocess.run(["git", *words], cwd=tmp_path / "work", capture_output=True, text=True, check=True)
    assert hub.revisions.commit_info(head).tree == done.stdout.strip()
    assert hub.contents.file(head, "a.txt").id == hashlib.sha1(b"blob 3\0one").hexdigest()


def test_a_commit_changes_what_it_says_and_nothing_else(hub: Hub, repository: Repository) -> None:
    first = commit(hub, repository, put(hub, "a/b/c"), put(hub, "a/d"), put(hub, "e"))
    second = commit(hub, repository, put(hub, "a/b/c", "new"), Remove("e"), put(hub, "f"))
    assert paths(hub, first) == [".gitattributes", "a/b/c", "a/d", "e"]
    assert paths(hub, second) == [".gitattributes", "a/b/c", "a/d", "f"]
    assert hub.contents.file(first, "a/d").id == hub.contents.file(second, "a/d").id
    assert hub.contents.read(hub.contents.file(second, "a/b/c")) == b"new"


def test_an_emptied_folder_is_gone(hub: Hub, repository: Repository) -> None:
    commit(hub, repository, put(hub, "a/b/c"), put(hub, "d/e"), put(hub, "d/f"))
    head = commit(hub, repository, Remove("a/b/c"), RemoveFolder("d/"))
    assert [entry.path for entry in hub.contents.all(head)] == [".gitattributes"]


def test_a_folder_that_goes_and_is_put_again_has_only_what_is_put(hub: Hub, repository: Repository) -> None:
    commit(hub, repository, put(hub, "d/old"), put(hub, "d/both"))
    head = commit(hub, repository, RemoveFolder("d"), put(hub, "d/both", "new"))
    assert paths(hub, head) == [".gitattributes", "d/both"]


def test_what_is_not_there_cannot_be_removed(hub: Hub, repository: Repository) -> None:
    head = hub.revisions.resolve(repository.id, "main")
    for change in (Remove("none"), RemoveFolder("none/"), Remove(".gitattributes/x")):
        with pytest.raises((HubNotFoundError, InputError)):
            commit(hub, repository, change)
    with pytest.raises(HubNotFoundError) as raised:
        commit(hub, repository, Remove("none"))
    assert (raised.value.kind, raised.value.revision) == ("entry", head)
    assert hub.revisions.resolve(repository.id, "main") == head


def test_a_file_never_replaces_a_folder_silently(hub: Hub, repository: Repository) -> None:
    commit(hub, repository, put(hub, "a/b"), put(hub, "file"))
    with pytest.raises(InputError, match="a is a folder"):
        commit(hub, repository, put(hub, "a"))
    with pytest.raises(InputError, match="file is a file"):
        commit(hub, repository, put(hub, "file/x"))
    with pytest.raises(InputError, match="is a folder"):
        commit(hub, repository, put(hub, "new"), put(hub, "new/x"))
    assert paths(hub, commit(hub, repository, RemoveFolder("a"), put(hub, "a"))) == [".gitattributes", "a", "file"]


@pytest.mark.parametrize(
    ("one", "other"),
    [("README.md", "readme.md"), ("é", "e\u0301"), ("a/X", "a/x"), ("Dir/a", "dir/b"), ("straße", "STRASSE")],
)
def test_twins_are_refused_together_and_one_after_the_other(
    hub: Hub, repository: Repository, one: str, other: str
) -> None:
    with pytest.raises(InputError, match="rename one of them"):
        commit(hub, repository, put(hub, one), put(hub, other))
    commit(hub, repository, put(hub, one))
    with pytest.raises(InputError, match="rename one of them"):
        commit(hub, repository, put(hub, other))
    commit(hub, repository, put(hub, one, "changed"))


def test_a_commit_that_changes_nothing_is_none(hub: Hub, repository: Repository) -> None:
    head = commit(hub, repository, put(hub, "a"))
    assert commit(hub, repository, put(hub, "a")) == head
    assert len(hub.revisions.history(repository.id, "main")) == 2


def test_parent_commits_refuse_whoever_comes_second(hub: Hub, repository: Repository) -> None:
    start = hub.revisions.resolve(repository.id, "main")
    first = commit(hub, repository, put(hub, "a"), parent=start[:12])
    with pytest.raises(HubConflictError, match="somebody committed since"):
        commit(hub, repository, put(hub, "b"), parent=start)
    assert hub.revisions.resolve(repository.id, "main") == first


def test_sixteen_at_once_all_find_their_work_in_the_history(hub: Hub, repository: Repository) -> None:
    start = threading.Barrier(16)

    def work(i: int) -> list[str]:
        start.wait()
        return [commit(hub, repository, put(hub, f"of-{i}/{n}", f"{i} {n}"), title=f"{i} {n}") for n in range(4)]

    with ThreadPoolExecutor(16) as pool:
        made = [one for some in pool.map(work, range(16)) for one in some]
    history = [info.id for info in hub.revisions.history(repository.id, "main")]
    assert len(set(made)) == 64
    assert set(made) <= set(history)
    assert len(history) == 65
    assert len(paths(hub, history[0])) == 65


def test_of_sixteen_with_the_same_parent_one_is_accepted(hub: Hub, repository: Repository) -> None:
    parent = hub.revisions.resolve(repository.id, "main")
    start = threading.Barrier(16)

    def work(i: int) -> str | None:
        change = put(hub, f"of-{i}")
        start.wait()
        try:
            return commit(hub, repository, change, parent=parent)
        except HubConflictError:
            return None

    with ThreadPoolExecutor(16) as pool:
        accepted = [one for one in pool.map(work, range(16)) if one]
    assert [info.id for info in hub.revisions.history(repository.id, "main")] == [*accepted, parent]


def test_revisions_are_branches_tags_full_refs_and_commits(hub: Hub, repository: Repository) -> None:
    head = commit(hub, repository, put(hub, "a"))
    hub.revisions.create_branch(repository.id, "dev/x")
    hub.revisions.create_tag(repository.id, "v1", "main", "the first", by="ann")
    later = commit(hub, repository, put(hub, "b"))
    for name in ("dev/x", "refs/heads/dev/x", "v1", "refs/tags/v1", head, head[:10]):
        assert hub.revisions.resolve(repository.id, name) == head
    assert hub.revisions.resolve(repository.id, "main") == later
    for name in ("none", "refs/heads/none", "0" * 40, head[:6], "", "..", "refs/heads/"):
        with pytest.raises(HubNotFoundError):
            hub.revisions.resolve(repository.id, name)


def test_a_commit_is_found_in_its_own_repository_only(hub: Hub, repository: Repository) -> None:
    head = commit(hub, repository, put(hub, "secret"))
    other = hub.repositories.create("model", "bob", "other", private=False, by="bob")
    with pytest.raises(HubNotFoundError):
        hub.revisions.resolve(other.id, head)
    with pytest.raises(HubNotFoundError):
        hub.revisions.create_branch(other.id, "stolen", head)


def test_branches_and_tags_come_and_go(hub: Hub, repository: Repository) -> None:
    hub.revisions.create_branch(repository.id, "dev")
    with pytest.raises(HubExistsError):
        hub.revisions.create_branch(repository.id, "dev")
    with pytest.raises(HubNotFoundError):
        hub.revisions.create_tag(repository.id, "v1", "none", by="ann")
    commit(hub, repository, put(hub, "only-here"), ref="refs/heads/dev")
    assert [(ref.name, ref.tag) for ref in hub.revisions.refs(repository.id)] == [
        ("refs/heads/dev", None),
        (MAIN, None),
    ]
    hub.revisions.delete_branch(repository.id, "dev")
    with pytest.raises(HubNotFoundError):
        hub.revisions.delete_branch(repository.id, "dev")
    with pytest.raises(InputError):
        hub.revisions.delete_branch(repository.id, "main")


def test_squashed_history_is_out_of_reach(hub: Hub, repository: Repository) -> None:
    old = [commit(hub, repository, put(hub, "a", str(i))) for i in range(3)]
    hub.revisions.create_tag(repository.id, "kept", old[1], by="ann")
    head = hub.revisions.squash(repository.id, "main", Message("all"), by="ann")
    assert [info.title for info in hub.revisions.history(repository.id, "main")] == ["all"]
    assert hub.contents.read(hub.contents.file(head, "a")) == b"2"
    assert hub.revisions.resolve(repository.id, old[1]) == old[1]
    with pytest.raises(HubNotFoundError):
        hub.revisions.resolve(repository.id, old[2])


def test_a_history_comes_page_by_page_the_newest_first(hub: Hub, repository: Repository) -> None:
    made = [commit(hub, repository, put(hub, "a", str(i)), title=str(i)) for i in range(7)]
    assert [info.id for info in hub.revisions.history(repository.id, "main", skip=2, most=3)] == made[4:1:-1]


def test_messages_are_one_title_and_a_text() -> None:
    assert Message("  one\n two ", " text ").to_text() == "one two\n\ntext\n"
    assert Message("").to_text() == "Update files\n"
    with pytest.raises(InputError):
        Message("x" * 30_000).to_text()


def test_no_ref_lies_within_another_one(hub: Hub, repository: Repository) -> None:
    hub.revisions.create_branch(repository.id, "a/b")
    for name in ("a", "a/b/c"):
        with pytest.raises(InputError, match=f"git cannot keep refs/heads/{name} beside refs/heads/a/b; choose"):
            hub.revisions.create_branch(repository.id, name)
    for name in ("a/c", "a/bc", "ab"):
        hub.revisions.create_branch(repository.id, name)
    hub.revisions.create_tag(repository.id, "a", "main", by="ann")
    with pytest.raises(InputError, match="git cannot keep refs/heads/main/x beside refs/heads/main"):
        hub.revisions.create_branch(repository.id, "main/x")


def test_a_pull_request_that_was_merged_meanwhile_takes_no_commit(hub: Hub, repository: Repository) -> None:
    files = [AddFile("a", b"a")]
    number = hub.publishing.commit(repository, "main", files, Message("x"), by="bob", as_pull_request=True).pull_request
    late = put(hub, "late")
    assert number
    hub.publishing.merge(repository.id, number, "", by="ann")
    with pytest.raises(InputError, match="pull request 1 is merged; open another one"):
        commit(hub, repository, late, ref="refs/pr/1")


def test_what_was_merged_and_squashed_away_has_no_difference(hub: Hub, repository: Repository) -> None:
    files = [AddFile("a", b"a")]
    number = hub.publishing.commit(repository, "main", files, Message("x"), by="bob", as_pull_request=True).pull_request
    assert number
    hub.publishing.merge(repository.id, number, "", by="ann")
    assert "+++ b/a" in hub.discussions.diff(repository.id, number)
    hub.publishing.squash(repository.id, "main", Message("one"), by="ann")
    collect(hub.settings, hub.database, datetime.now(UTC) + timedelta(days=30))
    assert Discussions(hub.database, GitObjects(hub.database), hub.quotas).diff(repository.id, number) == ""
