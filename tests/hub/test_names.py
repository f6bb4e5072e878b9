"""Names from outside: what is taken, and that nothing climbs, hides or is mistaken for something else."""

import pytest
from dulwich.refs import Ref, check_ref_format
from hypothesis import given
from hypothesis import strategies as st

from minnow.errors import HubNotFoundError, InputError
from minnow.hub.names import (
    branch_ref,
    file_path,
    kind_of,
    path_asked_for,
    repository_name,
    sha256_of,
    tag_ref,
    twin_key,
)


@pytest.mark.parametrize(
    "path", ["a", "a/b.txt", "名 前/é.txt", ".gitignore", ".github/x", "a..b", "x" * 255, "git/x", "...a"]
)
def test_ordinary_paths_are_taken_as_they_are(path: str) -> None:
    assert file_path(path) == path


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/etc/passwd",
        "C:/windows",
        "a//b",
        "a/",
        ".",
        "..",
        "../up",
        "a/../../up",
        "a/./b",
        "a\\b",
        "a\0b",
        "a\nb",
        "\x7f",
        ".git",
        "a/.git/config",
        ".GIT/hooks",
        ".git./x",
        ".git /x",
        ".g\u200cit/config",
        "git~1/x",
        ".git::$INDEX_ALLOCATION/x",
        "a\ud800",
        "x" * 256,
        "/".join(["deep"] * 65),
        "é" * 600,
    ],
)
def test_paths_that_climb_hide_or_break_file_systems_are_refused(path: str) -> None:
    with pytest.raises(InputError, match="may not be used"):
        file_path(path)
    with pytest.raises(HubNotFoundError):
        path_asked_for(path, "0" * 40)


@given(st.text(max_size=40))
def test_a_path_that_is_taken_stays_below_where_it_is_put(path: str) -> None:
    try:
        file_path(path)
    except InputError:
        return
    parts = path.split("/")
    assert all(parts)
    assert not {".", "..", ".git"} & {part.lower() for part in parts}
    assert "\0" not in path
    assert not path.startswith("/")


@pytest.mark.parametrize("name", ["a", "Bert-base_2.5", "_x", "1", "x" * 96])
def test_names_of_repositories(name: str) -> None:
    assert repository_name(name) == name


@pytest.mark.parametrize(
    "name", ["", "-a", "a-", ".a", "a.", "a--b", "a..b", "a.git", "A.GIT", "a/b", "é", "a b", "x" * 97, "a\n"]
)
def test_names_that_no_client_takes_are_refused(name: str) -> None:
    with pytest.raises(InputError):
        repository_name(name)


def test_branches_and_tags_have_full_names() -> None:
    assert branch_ref("dev/x") == branch_ref("refs/heads/dev/x") == "refs/heads/dev/x"
    assert branch_ref("refs/pr/12") == "refs/pr/12"
    assert tag_ref("v1") == "refs/tags/v1"


@pytest.mark.parametrize(
    "name",
    ["", "-x", "a..b", "a b", "a~1", "x.lock", "a//b", "/a", "a/", "@{", "HEAD", "0" * 40, "refs/x", "a\0", "x" * 201],
)
def test_refs_that_git_would_not_take_or_mistake_are_refused(name: str) -> None:
    with pytest.raises(InputError):
        branch_ref(name)
    with pytest.raises(InputError):
        tag_ref(name)


@given(st.text(max_size=30))
def test_a_branch_that_is_taken_is_one_that_git_takes(name: str) -> None:
    try:
        ref = branch_ref(name)
    except InputError:
        return
    assert check_ref_format(Ref(ref.encode()))


def test_twins_are_names_that_some_file_systems_take_for_one() -> None:
    assert twin_key("README.md") == twin_key("readme.MD")
    assert twin_key("\u00e9") == twin_key("e\u0301") == twin_key("E\u0301")
    assert twin_key("straße") == twin_key("STRASSE")
    assert twin_key("a") != twin_key("b")


def test_kinds_and_hashes_are_exactly_those() -> None:
    assert kind_of("dataset") == "dataset"
    for wrong in ("models", "Model", ""):
        with pytest.raises(InputError):
            kind_of(wrong)
    assert sha256_of("ab" * 32) == "ab" * 32
    for wrong in ("AB" * 32, "ab" * 31, "ab" * 32 + "\n"):
        with pytest.raises(InputError):
            sha256_of(wrong)
