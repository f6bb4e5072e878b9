"""What people do with ``huggingface_hub``, in any version from 0.36 on; run with the name of a user."""

import hashlib
import io
import json
import os
import sys
import tempfile
from functools import partial
from pathlib import Path

import steps

USER = sys.argv[1] if len(sys.argv) > 1 else "ann"
OTHER_TOKEN = os.environ.get("OTHER_TOKEN", "")
REPO = f"{USER}/first"
WORK = Path(tempfile.mkdtemp())
BIG = bytes(range(256)) * 12_000
CARD = "---\nlicense: mit\nlibrary_name: minnow\npipeline_tag: text-classification\ntags: [words]\n---\n# A model\n"

if __name__ == "__main__":
    from huggingface_hub import (
        CommitOperationAdd,
        CommitOperationCopy,
        CommitOperationDelete,
        HfApi,
        HfFileSystem,
        ModelCard,
        __version__,
        metadata_update,
    )
    from huggingface_hub.errors import (
        BadRequestError,
        EntryNotFoundError,
        GatedRepoError,
        HfHubHTTPError,
        HTTPError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    VERSION = tuple(int(part) for part in __version__.split(".")[:2])
    api = HfApi()
    other = HfApi(token=OTHER_TOKEN)
    nobody = HfApi(token=False)


def refused(kind, call, status=None):
    """The error of a call that must fail."""
    raised = None
    try:
        call()
    except kind as error:
        raised = error
    assert raised is not None, f"{kind} was not raised"
    assert status is None or raised.response.status_code == status, (raised.response.status_code, str(raised))
    return raised


def step_whoami():
    me = api.whoami()
    assert (me["name"], me["type"]) == (USER, "user"), me
    assert me["auth"]["accessToken"]["role"] == "write"
    refused(HTTPError, lambda: HfApi(token="hf_wrong").whoami(), 401)


def step_create():
    url = api.create_repo(REPO)
    assert url.repo_id == REPO, url
    assert url.endpoint == os.environ["HF_ENDPOINT"]
    assert api.create_repo(REPO, exist_ok=True).repo_id == REPO
    refused(HfHubHTTPError, lambda: api.create_repo(REPO), 409)
    refused(HfHubHTTPError, lambda: api.create_repo(f"{USER}x/first"), 403)
    refused(HfHubHTTPError, lambda: nobody.create_repo(f"{USER}/anonymous"), 401)
    assert api.repo_exists(REPO)
    assert not api.repo_exists(f"{USER}/none")


def step_upload_a_folder_twice():
    folder = WORK / "model"
    (folder / "sub" / "deep").mkdir(parents=True)
    (folder / "README.md").write_text(CARD)
    (folder / "config.json").write_text('{"hidden_size": 8}')
    (folder / "empty.txt").write_bytes(b"")
    (folder / "sub" / "deep" / "名 前.txt").write_text("text", encoding="utf-8")
    (folder / "model.arrow").write_bytes(BIG)
    first = api.upload_folder(repo_id=REPO, folder_path=folder, commit_message="first")
    (folder / "config.json").write_text('{"hidden_size": 16}')
    second = api.upload_folder(repo_id=REPO, folder_path=folder, commit_message="second")
    assert first.oid != second.oid
    same = api.upload_folder(repo_id=REPO, folder_path=folder, commit_message="nothing new")
    assert same.oid == second.oid, "nothing changed, so there is no commit"
    assert api.repo_info(REPO).sha == second.oid
    assert api.repo_info(REPO, revision=first.oid).sha == first.oid


def step_upload_bytes():
    api.upload_file(path_or_fileobj=io.BytesIO(b"in memory" * 400_000), path_in_repo="memory.arrow", repo_id=REPO)
    api.upload_file(path_or_fileobj=b"small", path_in_repo="small.txt", repo_id=REPO)
    api.create_commit(
        REPO,
        [CommitOperationAdd("a/b/c.txt", b"c"), CommitOperationAdd("a/d.txt", io.BytesIO(b"d"))],
        commit_message="two files",
    )


def step_list_files():
    files = set(api.list_repo_files(REPO))
    wanted = {
        "README.md",
        "config.json",
        "empty.txt",
        "model.arrow",
        "memory.arrow",
        "small.txt",
        "a/b/c.txt",
        "a/d.txt",
    }
    assert wanted | {"sub/deep/名 前.txt", ".gitattributes"} == files, files
    entries = {entry.path: entry for entry in api.list_repo_tree(REPO, recursive=True, expand=True)}
    model = entries["model.arrow"]
    assert model.size == len(BIG)
    assert model.lfs["sha256"] == hashlib.sha256(BIG).hexdigest()
    small = entries["small.txt"]
    assert small.blob_id == hashlib.sha1(b"blob 5\0small").hexdigest()
    assert small.lfs is None
    assert small.last_commit["title"] == "Upload small.txt with huggingface_hub"
    assert {entry.path for entry in api.list_repo_tree(REPO, "sub")} == {"sub/deep"}
    refused(EntryNotFoundError, lambda: list(api.list_repo_tree(REPO, "none")))
    found = api.get_paths_info(REPO, ["config.json", "sub", "none"])
    assert {entry.path for entry in found} == {"config.json", "sub"}
    info = api.model_info(REPO, files_metadata=True)
    assert {file.rfilename for file in info.siblings} == files
    assert next(file for file in info.siblings if file.rfilename == "model.arrow").lfs["size"] == len(BIG)
    assert (info.library_name, info.pipeline_tag) == ("minnow", "text-classification")
    assert {"license:mit", "words"} <= set(info.tags), info.tags


def step_download():
    folder = Path(api.snapshot_download(REPO))
    assert (folder / "model.arrow").read_bytes() == BIG
    assert (folder / "memory.arrow").read_bytes() == b"in memory" * 400_000
    assert (folder / "empty.txt").read_bytes() == b""
    assert (folder / "sub/deep/名 前.txt").read_text(encoding="utf-8") == "text"
    again = Path(api.hf_hub_download(REPO, "config.json", cache_dir=WORK / "cache"))
    assert again.read_text() == '{"hidden_size": 16}'
    assert api.file_exists(REPO, "config.json")
    assert not api.file_exists(REPO, "none.json")
    error = refused(EntryNotFoundError, lambda: api.hf_hub_download(REPO, "none.json"))
    assert "none.json" in str(error)
    refused(RevisionNotFoundError, lambda: api.hf_hub_download(REPO, "config.json", revision="none"))
    refused(RepositoryNotFoundError, lambda: api.hf_hub_download(f"{USER}/none", "config.json"))


def step_branches_and_tags():
    head = api.repo_info(REPO).sha
    api.create_branch(REPO, branch="dev/one")
    api.create_branch(REPO, branch="dev/one", exist_ok=True)
    refused(HfHubHTTPError, lambda: api.create_branch(REPO, branch="dev/one"), 409)
    api.create_tag(REPO, tag="v1", tag_message="the first")
    refused(HfHubHTTPError, lambda: api.create_tag(REPO, tag="v1"), 409)
    api.upload_file(path_or_fileobj=b"dev", path_in_repo="dev.txt", repo_id=REPO, revision="dev/one")
    assert "dev.txt" in api.list_repo_files(REPO, revision="dev/one")
    assert "dev.txt" not in api.list_repo_files(REPO)
    assert "dev.txt" not in api.list_repo_files(REPO, revision="v1")
    refs = api.list_repo_refs(REPO)
    assert {ref.name for ref in refs.branches} == {"main", "dev/one"}
    assert {(ref.name, ref.target_commit) for ref in refs.tags} == {("v1", head)}
    api.delete_branch(REPO, branch="dev/one")
    api.create_tag(REPO, tag="gone")
    api.delete_tag(REPO, tag="gone")
    refused(RevisionNotFoundError, lambda: api.list_repo_files(REPO, revision="dev/one"))
    refused(RevisionNotFoundError, lambda: api.create_tag(REPO, tag="x", revision="none"))
    commits = api.list_repo_commits(REPO)
    assert commits[0].commit_id == head
    assert [commit.title for commit in commits[-3:-1]] == ["second", "first"]


def step_copy_and_delete():
    operations = [
        CommitOperationCopy("model.arrow", "copied.arrow"),
        CommitOperationCopy("config.json", "copied.json"),
        CommitOperationDelete("memory.arrow"),
        CommitOperationDelete("a/"),
    ]
    api.create_commit(REPO, operations, commit_message="copied and deleted")
    files = set(api.list_repo_files(REPO))
    assert {"copied.arrow", "copied.json"} <= files
    assert not {"memory.arrow", "a/b/c.txt", "a/d.txt"} & files
    entries = {entry.path: entry for entry in api.get_paths_info(REPO, ["copied.arrow", "copied.json"])}
    assert entries["copied.arrow"].lfs["sha256"] == hashlib.sha256(BIG).hexdigest()
    api.delete_file("copied.json", REPO)
    refused(EntryNotFoundError, lambda: api.delete_file("copied.json", REPO))
    api.delete_folder("sub", REPO)
    assert not any(name.startswith("sub/") for name in api.list_repo_files(REPO))


def step_conflict():
    old = api.list_repo_commits(REPO)[1].commit_id

    def commit(parent):
        add = [CommitOperationAdd("conflict.txt", b"x")]
        return api.create_commit(REPO, add, commit_message="conflict", parent_commit=parent)

    refused(HfHubHTTPError, lambda: commit(old), 412)
    assert not api.file_exists(REPO, "conflict.txt")
    assert commit(api.repo_info(REPO).sha).oid == api.repo_info(REPO).sha


def step_pull_requests():
    pr = api.upload_file(
        path_or_fileobj=b"proposed",
        path_in_repo="proposed.txt",
        repo_id=REPO,
        create_pr=True,
        commit_message="A change",
    )
    assert pr.pr_num == 1, pr
    assert pr.pr_revision == "refs/pr/1"
    assert "proposed.txt" not in api.list_repo_files(REPO)
    assert "proposed.txt" in api.list_repo_files(REPO, revision="refs/pr/1")
    folder = WORK / "proposal"
    folder.mkdir()
    (folder / "second.txt").write_text("second")
    folder_pr = api.upload_folder(repo_id=REPO, folder_path=folder, create_pr=True)
    assert folder_pr.pr_num == 2
    found = {one.num: one for one in api.get_repo_discussions(REPO)}
    assert found[1].is_pull_request
    assert found[1].title == "A change"
    api.comment_discussion(REPO, 1, comment="looks good")
    api.merge_pull_request(REPO, 1)
    assert "proposed.txt" in api.list_repo_files(REPO)
    details = api.get_discussion_details(REPO, 1)
    assert details.status == "merged", details
    assert "+++ b/proposed.txt" in details.diff, details.diff
    assert any(getattr(event, "content", None) == "looks good" for event in details.events)
    talk = api.create_discussion(REPO, title="A question", description="Why?")
    api.rename_discussion(REPO, talk.num, new_title="Another question")
    api.change_discussion_status(REPO, talk.num, new_status="closed")
    assert api.get_discussion_details(REPO, talk.num).title == "Another question"


def step_squash():
    before = set(api.list_repo_files(REPO))
    api.super_squash_history(REPO, commit_message="all in one")
    commits = api.list_repo_commits(REPO)
    assert [commit.title for commit in commits] == ["all in one"]
    assert set(api.list_repo_files(REPO)) == before


def step_private():
    private = f"{USER}/hidden"
    api.create_repo(private, private=True)
    api.upload_file(path_or_fileobj=b"secret", path_in_repo="secret.txt", repo_id=private)
    assert api.repo_info(private).private
    for stranger in (other, nobody):
        for call in (
            partial(stranger.repo_info, private),
            partial(stranger.list_repo_files, private),
            partial(stranger.hf_hub_download, private, "secret.txt", cache_dir=WORK / "stranger"),
            partial(stranger.snapshot_download, private, cache_dir=WORK / "stranger"),
        ):
            refused(RepositoryNotFoundError, call)
        assert private not in [one.id for one in stranger.list_models(author=USER)]
    assert private in [one.id for one in api.list_models(author=USER)]
    refused(RepositoryNotFoundError, lambda: other.delete_repo(private))
    refused(HfHubHTTPError, lambda: other.upload_file(path_or_fileobj=b"x", path_in_repo="x", repo_id=REPO), 403)
    api.update_repo_settings(private, private=False)
    assert other.list_repo_files(private)


def step_gated():
    gated = f"{USER}/hidden"
    api.update_repo_settings(gated, gated="manual")
    assert api.repo_info(gated).gated == "manual"
    for stranger in (other, nobody):
        fetch = partial(stranger.hf_hub_download, gated, "secret.txt", cache_dir=WORK / "stranger")
        error = refused(GatedRepoError, fetch)
        assert "restricted" in str(error)
        assert stranger.repo_info(gated).gated == "manual"
    name = other.whoami()["name"]
    api.grant_access(gated, name)
    refused(BadRequestError, lambda: api.grant_access(gated, name))
    assert Path(other.hf_hub_download(gated, "secret.txt", cache_dir=WORK / "granted")).read_bytes() == b"secret"
    assert [one.username for one in api.list_accepted_access_requests(gated)] == [name]
    api.reject_access_request(gated, name, rejection_reason="changed my mind")
    refused(GatedRepoError, lambda: other.hf_hub_download(gated, "secret.txt", cache_dir=WORK / "rejected"))
    assert [one.username for one in api.list_rejected_access_requests(gated)] == [name]
    api.cancel_access_request(gated, name)
    assert [one.username for one in api.list_pending_access_requests(gated)] == [name]
    api.accept_access_request(gated, name)
    assert Path(other.hf_hub_download(gated, "secret.txt", cache_dir=WORK / "accepted")).exists()
    refused(HfHubHTTPError, lambda: list(other.list_pending_access_requests(gated)), 403)
    api.update_repo_settings(gated, gated=False)


def step_move():
    api.create_repo(f"{USER}/before")
    api.upload_file(path_or_fileobj=b"x", path_in_repo="x.txt", repo_id=f"{USER}/before")
    api.move_repo(from_id=f"{USER}/before", to_id=f"{USER}/after")
    assert "x.txt" in api.list_repo_files(f"{USER}/after")
    assert Path(api.hf_hub_download(f"{USER}/before", "x.txt", cache_dir=WORK / "moved")).read_bytes() == b"x"
    refused(HfHubHTTPError, lambda: api.move_repo(from_id=f"{USER}/after", to_id=REPO), 409)
    api.delete_repo(f"{USER}/after")
    refused(RepositoryNotFoundError, lambda: api.delete_repo(f"{USER}/after"))
    api.delete_repo(f"{USER}/after", missing_ok=True)


def step_other_kinds():
    for kind, more in (("dataset", {}), ("space", {"space_sdk": "static"})):
        name = f"{USER}/of-{kind}"
        api.create_repo(name, repo_type=kind, **more)
        api.upload_file(path_or_fileobj=b"a,b\n1,2\n", path_in_repo="data/rows.csv", repo_id=name, repo_type=kind)
        assert "data/rows.csv" in api.list_repo_files(name, repo_type=kind)
        path = api.hf_hub_download(name, "data/rows.csv", repo_type=kind)
        assert Path(path).read_bytes() == b"a,b\n1,2\n"
        refused(RepositoryNotFoundError, partial(api.model_info, name))
    assert api.space_info(f"{USER}/of-space").sdk == "static"
    assert f"{USER}/of-dataset" in [one.id for one in api.list_datasets(author=USER)]
    assert f"{USER}/of-space" in [one.id for one in api.list_spaces(author=USER)]


def step_lists():
    names = [one.id for one in api.list_models(author=USER, filter="text-classification")]
    assert names == [REPO], names
    assert [one.id for one in api.list_models(author=USER, search="FIRS")] == [REPO]
    assert [one.id for one in api.list_models(author=USER, pipeline_tag="text-classification")] == [REPO]
    assert not list(api.list_models(author=USER, filter=["words", "license:apache-2.0"]))
    for i in range(5):
        api.create_repo(f"{USER}/many-{i}")
    by_date = [one.id for one in api.list_models(author=USER, search="many", sort="created_at")]
    assert by_date == [f"{USER}/many-{i}" for i in (4, 3, 2, 1, 0)], by_date
    assert len(list(api.list_models(author=USER, limit=3))) == 3
    full = next(iter(api.list_models(author=USER, search="first", full=True, cardData=True)))
    assert full.card_data["license"] == "mit"
    assert "config.json" in [file.rfilename for file in full.siblings]


def step_file_system():
    fs = HfFileSystem()
    assert f"{REPO}/config.json" in fs.ls(REPO, detail=False)
    assert fs.read_text(f"{REPO}/config.json") == '{"hidden_size": 16}'
    with fs.open(f"{REPO}/model.arrow", "rb") as stream:
        stream.seek(1_000_000)
        assert stream.read(1000) == BIG[1_000_000:1_001_000]
    with fs.open(f"{REPO}/written.txt", "w") as stream:
        stream.write("by the file system")
    assert fs.read_text(f"{REPO}@main/written.txt") == "by the file system"
    assert fs.exists(f"{REPO}/written.txt")
    assert not fs.exists(f"{REPO}/none.txt")
    assert fs.glob(f"{REPO}/*.json") == [f"{REPO}/config.json"]
    fs.rm(f"{REPO}/written.txt")
    assert not fs.exists(f"{REPO}/written.txt", refresh=True)


def step_local_folders():
    folder = Path(api.snapshot_download(REPO, local_dir=WORK / "here", allow_patterns=["*.json", "sub/*"]))
    files = {
        str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() and ".cache" not in path.parts
    }
    assert files == {"config.json"}, files
    before = api.repo_info(REPO).sha
    api.upload_file(path_or_fileobj=b"later", path_in_repo="later.txt", repo_id=REPO)
    old = api.hf_hub_download(REPO, "config.json", revision=before, cache_dir=WORK / "old")
    assert before in old
    assert api.hf_hub_download(REPO, "config.json", revision=before[:8], cache_dir=WORK / "old") == old
    new = WORK / "replacing"
    new.mkdir()
    (new / "later.txt").write_text("later still")
    (new / "left.log").write_text("log")
    api.upload_folder(repo_id=REPO, folder_path=new, path_in_repo="in/here", ignore_patterns="*.log")
    assert [entry.path for entry in api.list_repo_tree(REPO, "in/here")] == ["in/here/later.txt"]
    api.upload_folder(repo_id=REPO, folder_path=new, path_in_repo="in/here", delete_patterns="*.txt")
    assert {entry.path for entry in api.list_repo_tree(REPO, "in/here")} == {"in/here/later.txt", "in/here/left.log"}
    if hasattr(api, "upload_large_folder"):
        (new / "rows.arrow").write_bytes(BIG[::-1])
        api.upload_large_folder(repo_id=REPO, repo_type="model", folder_path=new, print_report=False)
        assert "rows.arrow" in api.list_repo_files(REPO)


def step_cards():
    assert ModelCard.load(REPO).data.license == "mit"
    if VERSION >= (2, 2):  # older ones check cards at an address of their own
        metadata_update(REPO, {"tags": ["words", "more"]}, overwrite=True)
        assert "more" in api.model_info(REPO).tags
        ModelCard.load(REPO).push_to_hub(REPO)
    results = [
        {"task": {"type": "t"}, "dataset": {"name": "d", "type": "d"}, "metrics": [{"type": "f1", "value": 0.9}]}
    ]
    index = {"model-index": [{"name": "m", "results": results}], "license": "mit", "base_model": "ann/base"}
    card = "---\n" + json.dumps(index) + "\n---\n# 模型\n"
    api.upload_file(path_or_fileobj=card.encode(), path_in_repo="README.md", repo_id=REPO)
    info = api.model_info(REPO)
    assert info.card_data.eval_results[0].metric_value == 0.9
    assert "base_model:ann/base" in info.tags
    expanded = api.model_info(REPO, expand=["sha", "cardData", "downloads", "likes", "tags", "createdAt"])
    assert expanded.sha == info.sha


def step_talk():
    talk = api.create_discussion(REPO, title="A word", description="first")
    comment = api.comment_discussion(REPO, talk.num, comment="second")
    edited = api.edit_discussion_comment(REPO, talk.num, comment.id, new_content="third")
    assert edited.last_edited_at >= comment.created_at
    told = [getattr(event, "content", None) for event in api.get_discussion_details(REPO, talk.num).events]
    assert told[:2] == ["first", "third"], told
    api.hide_discussion_comment(REPO, talk.num, comment.id)
    pull_request = api.create_pull_request(REPO, title="Empty")
    assert (pull_request.is_pull_request, pull_request.status) == (True, "draft")
    found = [
        one.num for one in api.get_repo_discussions(REPO, discussion_type="pull_request", discussion_status="open")
    ]
    assert pull_request.num in found
    refs = api.list_repo_refs(REPO, include_pull_requests=True)
    assert f"refs/pr/{pull_request.num}" in [ref.ref for ref in refs.pull_requests]
    assert api.list_repo_commits(REPO, formatted=True)[0].formatted_title


def step_large_files_one_by_one():
    add = CommitOperationAdd("early.arrow", os.urandom(300_000))
    api.preupload_lfs_files(REPO, [add])
    assert "early.arrow" not in api.list_repo_files(REPO)
    api.create_commit(REPO, [add], commit_message="early")
    assert "early.arrow" in api.list_repo_files(REPO)
    if hasattr(api, "verify_repo_checksums"):
        api.snapshot_download(REPO, cache_dir=WORK / "checked")
        checked = api.verify_repo_checksums(REPO, cache_dir=WORK / "checked")
        assert not checked.mismatches
        assert checked.checked_count > 3


def step_file_system_moves():
    fs = HfFileSystem()
    (WORK / "up.txt").write_text("up")
    fs.put(str(WORK / "up.txt"), f"{REPO}/moved/up.txt")
    fs.cp(f"{REPO}/moved/up.txt", f"{REPO}/moved/copy.txt")
    fs.mv(f"{REPO}/moved/copy.txt", f"{REPO}/moved/gone.txt")
    fs.get(f"{REPO}/moved/gone.txt", str(WORK / "down.txt"))
    assert (WORK / "down.txt").read_text() == "up"
    assert {name.rpartition("/")[2] for name in fs.find(f"{REPO}/moved")} == {"up.txt", "gone.txt"}
    assert fs.isdir(f"{REPO}/moved")
    assert fs.info(f"{REPO}/moved/up.txt")["size"] == 2
    fs.rm(f"{REPO}/moved", recursive=True)
    assert "moved/up.txt" not in api.list_repo_files(REPO)


def step_names_without_an_owner():
    for call in (api.model_info, api.list_repo_files, partial(api.hf_hub_download, filename="config.json")):
        refused(RepositoryNotFoundError, partial(call, repo_id="gpt2"))
    assert not api.repo_exists("gpt2")
    assert api.get_user_overview(USER).num_models > 0


def step_likes():
    assert not list(api.list_repo_likers(REPO))
    assert api.list_liked_repos(USER).total == 0


def step_names_that_need_quoting():
    name = "d ir/ü ñ #?&=%25+.txt"
    api.upload_file(path_or_fileobj=b"quoted", path_in_repo=name, repo_id=REPO)
    assert Path(api.hf_hub_download(REPO, name)).read_bytes() == b"quoted"
    assert [entry.path for entry in api.list_repo_tree(REPO, "d ir")] == [name]
    api.create_branch(REPO, branch="feature/ü")
    assert name in api.list_repo_files(REPO, revision="feature/ü")


def step_refused_uploads():
    for name, content in (
        ("model.pkl", b"\x80\x04N."),
        ("pytorch_model.bin", b"\x80\x02}q\x00."),
        ("broken.safetensors", b"\xff" * 64),
        ("../up.txt", b"x"),
        (".git/config", b"x"),
    ):
        refused(
            (HfHubHTTPError, ValueError),
            lambda name=name, content=content: api.upload_file(
                path_or_fileobj=content, path_in_repo=name, repo_id=REPO
            ),
        )
    files = api.list_repo_files(REPO)
    assert not {"model.pkl", "pytorch_model.bin", "broken.safetensors", ".git/config"} & set(files)


if __name__ == "__main__":
    steps.run(sys.modules["__main__"])
