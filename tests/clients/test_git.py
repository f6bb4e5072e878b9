"""``git`` itself: cloned, fetched, shallow, private; large files as the pointers of git-lfs."""

import hashlib
import os
import shutil
import subprocess
from io import BytesIO
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from huggingface_hub import CommitOperationAdd, HfApi

from .conftest import LiveHub

BIG = bytes(range(256)) * 4000
POINTER = f"version https://git-lfs.github.com/spec/v1\noid sha256:{hashlib.sha256(BIG).hexdigest()}\nsize {len(BIG)}\n"


class Git:
    """``git`` in a home of its own, where no large file is fetched."""

    def __init__(self, home: Path):
        self.home = home

    def run(self, *words: object, cwd: Path | None = None) -> "subprocess.CompletedProcess[str]":
        """Whatever comes of it."""
        told = {
            "HOME": str(self.home),
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_LFS_SKIP_SMUDGE": "1",
            "GIT_CONFIG_NOSYSTEM": "1",
        }
        environment = {"PATH": os.environ["PATH"]} | told
        command = ["git", *map(str, words)]
        return subprocess.run(
            command, capture_output=True, text=True, env=environment, cwd=cwd or self.home, timeout=120, check=False
        )

    def __call__(self, *words: object, cwd: Path | None = None) -> str:
        """What it prints; any exit code but 0 fails."""
        done = self.run(*words, cwd=cwd)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


@pytest.fixture
def git(tmp_path: Path) -> Git:
    return Git(tmp_path)


@pytest.fixture(scope="module")
def api(live_hub: LiveHub) -> HfApi:
    """Of the user gil, who has a repository with two commits, a branch and a tag."""
    made = HfApi(endpoint=live_hub.url, token=live_hub.add_user("gil"))
    made.create_repo("gil/model")
    made.upload_file(path_or_fileobj=b"one", path_in_repo="sub/one.txt", repo_id="gil/model")
    made.create_tag("gil/model", tag="v1", tag_message="the first")
    add = [CommitOperationAdd("two.txt", b"two"), CommitOperationAdd("big.safetensors.arrow", BIG)]
    made.create_commit("gil/model", add, commit_message="two more")
    made.create_branch("gil/model", branch="dev/one", revision="v1")
    return made


def test_a_clone_is_what_the_interface_shows(live_hub: LiveHub, api: HfApi, git: Git) -> None:
    folder = git.home / "model"
    git("clone", f"{live_hub.url}/gil/model")
    assert git("rev-parse", "HEAD", cwd=folder) == api.repo_info("gil/model").sha
    assert (folder / "sub" / "one.txt").read_text() == "one"
    assert (folder / "big.safetensors.arrow").read_text() == POINTER
    assert git("fsck", "--strict", cwd=folder) == ""
    assert git("status", "--porcelain", cwd=folder) == ""
    commits = [one.commit_id for one in api.list_repo_commits("gil/model")]
    assert git("log", "--format=%H", cwd=folder).split() == commits
    assert git("rev-parse", "origin/dev/one", cwd=folder) == commits[1]
    assert git("rev-parse", "v1^{commit}", cwd=folder) == commits[1]
    assert git("tag", "-l", "--format=%(contents:subject)", "v1", cwd=folder) == "the first"
    tree = api.list_repo_tree("gil/model", recursive=True)
    entries = {entry.path: entry.blob_id for entry in tree if hasattr(entry, "blob_id")}
    listed = dict(reversed(line.split()[2:4]) for line in git("ls-tree", "-r", "HEAD", cwd=folder).splitlines())
    assert listed == entries


def test_new_commits_are_fetched(live_hub: LiveHub, api: HfApi, git: Git) -> None:
    api.create_repo("gil/growing")
    git("clone", f"{live_hub.url}/gil/growing.git", "copy")
    api.upload_file(path_or_fileobj=b"new", path_in_repo="new.txt", repo_id="gil/growing")
    git("pull", cwd=git.home / "copy")
    assert (git.home / "copy" / "new.txt").read_text() == "new"
    git("clone", "--depth", 1, f"{live_hub.url}/gil/growing", "shallow")
    assert git("rev-list", "--count", "HEAD", cwd=git.home / "shallow") == "1"


def test_a_private_repository_needs_its_token(live_hub: LiveHub, api: HfApi, git: Git) -> None:
    api.create_repo("gil/rows", repo_type="dataset", private=True)
    api.upload_file(path_or_fileobj=b"a,b", path_in_repo="a.csv", repo_id="gil/rows", repo_type="dataset")
    address = f"{live_hub.url}/datasets/gil/rows"
    assert git.run("clone", address, "none").returncode != 0
    host = urlsplit(live_hub.url).netloc
    wrong = git.run("clone", f"http://gil:hf_wrong@{host}/datasets/gil/rows", "none")
    assert wrong.returncode != 0
    missing = git.run("clone", f"http://gil:{api.token}@{host}/datasets/gil/none", "none")
    assert "remote: repository gil/none was not found" in missing.stderr
    git("clone", f"http://gil:{api.token}@{host}/datasets/gil/rows", "rows")
    assert (git.home / "rows" / "a.csv").read_text() == "a,b"


@pytest.mark.skipif(shutil.which("git-lfs") is None, reason="git-lfs is not installed: apt install git-lfs")
def test_git_lfs_fetches_large_files_also_of_private_repositories(live_hub: LiveHub, api: HfApi, git: Git) -> None:
    api.create_repo("gil/large", private=True)
    api.upload_file(path_or_fileobj=BIG, path_in_repo="chunked.arrow", repo_id="gil/large")
    api.upload_file(path_or_fileobj=BytesIO(BIG[::-1]), path_in_repo="whole.arrow", repo_id="gil/large")
    git("lfs", "install")
    git("clone", f"http://gil:{api.token}@{urlsplit(live_hub.url).netloc}/gil/large", "large")
    folder = git.home / "large"
    git("lfs", "pull", cwd=folder)
    assert (folder / "chunked.arrow").read_bytes() == BIG
    assert (folder / "whole.arrow").read_bytes() == BIG[::-1]
    assert "Git LFS fsck OK" in git("lfs", "fsck", cwd=folder)
    assert git("status", "--porcelain", cwd=folder) == ""


def test_a_push_is_refused_with_a_reason(live_hub: LiveHub, api: HfApi, git: Git) -> None:
    host = urlsplit(live_hub.url).netloc
    git("clone", f"http://gil:{api.token}@{host}/gil/model", "mine")
    folder = git.home / "mine"
    git("-c", "user.name=gil", "-c", "user.email=g@x", "commit", "--allow-empty", "-m", "mine", cwd=folder)
    before = api.repo_info("gil/model").sha
    refused = git.run("push", cwd=folder)
    assert refused.returncode != 0
    assert "501" in refused.stderr
    assert "remote: this hub does not do that: git push; upload with `minnow push`" in refused.stderr
    assert api.repo_info("gil/model").sha == before
