"""The hub over HTTP, in one process: headers that clients decide by, addresses as they were sent, ranges, refusals."""

import base64
import hashlib
import re
import subprocess
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import orjson
import pytest
from starlette.testclient import TestClient

from minnow.hub.api.app import application
from minnow.hub.hub import Hub
from minnow.hub.rights import Role
from minnow.hub.upkeep import problems

REPO = "/api/models/ann/speller"


class Caller:
    """Somebody who calls the hub."""

    def __init__(self, client: TestClient, token: str | None):
        self.client = client
        self.headers = {"Authorization": f"Bearer {token}"} if token else {}

    def __call__(self, method: str, path: str, *, json: Any = None, headers: Any = None, **more: Any) -> Any:
        content = {"content": orjson.dumps(json)} if json is not None else {}
        return self.client.request(
            method, path, headers={**self.headers, **(headers or {})}, follow_redirects=False, **content, **more
        )

    def commit(
        self,
        files: dict[str, bytes],
        path: str = REPO,
        revision: str = "main",
        operations: Iterable[Any] = (),
        **header: str,
    ) -> Any:
        lines = [{"key": "header", "value": {"summary": "change", **header}}, *operations]
        for name, content in files.items():
            encoded = base64.b64encode(content).decode()
            lines.append({"key": "file", "value": {"path": name, "content": encoded, "encoding": "base64"}})
        return self("POST", f"{path}/commit/{revision}", content=b"\n".join(map(orjson.dumps, lines)))


def token(hub: Hub, name: str, **more: Any) -> str:
    account = hub.accounts.create_user(name)
    return hub.tokens.create(account.id, "test", **({"writes": True} | more))[0]


@pytest.fixture
def client(hub: Hub) -> Iterator[TestClient]:
    with TestClient(application(hub), base_url="http://hub.test", raise_server_exceptions=False) as made:
        yield made


@pytest.fixture
def ann(client: TestClient, hub: Hub) -> Caller:
    """An owner, with a repository."""
    made = Caller(client, token(hub, "ann"))
    assert made("POST", "/api/repos/create", json={"name": "speller"}).status_code == 200
    return made


@pytest.fixture
def bob(client: TestClient, hub: Hub) -> Caller:
    """Somebody else."""
    return Caller(client, token(hub, "bob"))


@pytest.fixture
def nobody(client: TestClient) -> Caller:
    return Caller(client, None)


def code(answer: Any) -> tuple[int, str | None]:
    return answer.status_code, answer.headers.get("x-error-code")


def test_the_first_page_says_how_to_point_a_client_here(nobody: Caller) -> None:
    answer = nobody("GET", "/")
    assert "export HF_ENDPOINT=http://hub.test" in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert re.fullmatch(r"[0-9a-f]{32}", answer.headers["x-request-id"])


@pytest.mark.parametrize(
    "path",
    ["/api/none", "/api/models/a", "/api/collection", "/x", "/v2/", "/api/xet/v1/xorb-grants/default/x"],
)
def test_what_there_is_not_is_404_whatever_the_method(nobody: Caller, path: str) -> None:
    for method in ("GET", "POST", "PUT"):
        answer = nobody(method, path)
        assert answer.status_code in {404, 405}
        assert answer.headers["x-error-message"]
    assert nobody("GET", path).status_code == 404


def test_what_clients_ask_for_first_is_no_list(nobody: Caller) -> None:
    assert nobody("GET", "/api/agent-harnesses").json() == {"standardEnvVars": [], "harnesses": {}}


def test_creating_what_is_there_tells_where(ann: Caller) -> None:
    again = ann("POST", "/api/repos/create", json={"name": "Speller", "type": None})
    assert (again.status_code, again.json()["url"]) == (409, "http://hub.test/ann/speller")
    of_rows = ann("POST", "/api/repos/create", json={"name": "rows", "type": "dataset", "visibility": "private"})
    assert of_rows.json()["url"] == "http://hub.test/datasets/ann/rows"
    assert ann("GET", "/api/datasets/ann/rows").json()["private"] is True
    old = ann("POST", "/api/repos/create", json={"name": "old", "private": True, "organization": None})
    assert old.status_code == 200
    assert ann("GET", "/api/models/ann/old").json()["private"] is True


def test_errors_say_in_headers_what_is_missing(ann: Caller, nobody: Caller) -> None:
    head = ann("GET", REPO).json()["sha"]
    assert code(nobody("GET", "/api/models/ann/none")) == (404, "RepoNotFound")
    assert code(nobody("GET", f"{REPO}/revision/none")) == (404, "RevisionNotFound")
    missing = nobody("HEAD", "/ann/speller/resolve/main/none.json")
    assert (*code(missing), missing.headers["x-repo-commit"]) == (404, "EntryNotFound", head)
    assert code(nobody("GET", f"{REPO}/tree/main/none")) == (404, "EntryNotFound")
    assert code(nobody("POST", "/api/repos/create", json={"name": "x"}))[0] == 401
    wrong = Caller(nobody.client, "hf_wrong")("GET", REPO)
    assert wrong.status_code == 401


def test_a_message_with_line_ends_and_letters_fits_a_header(ann: Caller) -> None:
    answer = ann("GET", f"{REPO}/revision/%C3%A9%0D%0AX-Injected:%201")
    assert code(answer) == (404, "RevisionNotFound")
    assert "x-injected" not in answer.headers
    assert answer.headers["x-error-message"].isascii()


def test_private_things_are_not_there_for_strangers(ann: Caller, bob: Caller, nobody: Caller) -> None:
    ann.commit({"a.txt": b"secret"})
    ann("PUT", f"{REPO}/settings", json={"private": True})
    for stranger in (bob, nobody):
        for method, path in (
            ("GET", REPO),
            ("GET", f"{REPO}/tree/main"),
            ("GET", f"{REPO}/refs"),
            ("GET", f"{REPO}/commits/main"),
            ("GET", f"{REPO}/xet-read-token/main"),
            ("GET", f"{REPO}/discussions"),
            ("HEAD", "/ann/speller/resolve/main/a.txt"),
            ("GET", "/ann/speller/resolve/main/a.txt"),
            ("GET", "/ann/speller/raw/main/a.txt"),
        ):
            assert code(stranger(method, path)) == (404, "RepoNotFound"), path
        for path, body in (
            (f"{REPO}/paths-info/main", {"paths": ["a.txt"]}),
            (f"{REPO}/branch/x", {}),
            (f"{REPO}/discussions", {"title": "x"}),
            (f"{REPO}/preupload/main", {"files": []}),
        ):
            assert code(stranger("POST", path, json=body)) == (404, "RepoNotFound"), path
        assert code(stranger.commit({"x": b"x"})) == (404, "RepoNotFound")
    assert ann("GET", "/ann/speller/resolve/main/a.txt").content == b"secret"


def test_gated_files_are_named_and_not_handed_out(ann: Caller, bob: Caller, nobody: Caller) -> None:
    ann.commit({"a.txt": b"on request"})
    ann("PUT", f"{REPO}/settings", json={"gated": "manual"})
    for stranger in (bob, nobody):
        assert stranger("GET", REPO).json()["gated"] == "manual"
        for method, path in (
            ("GET", "/ann/speller/resolve/main/a.txt"),
            ("GET", "/ann/speller/raw/main/a.txt"),
            ("GET", f"{REPO}/xet-read-token/main"),
            ("GET", f"{REPO}/auth-check"),
        ):
            assert code(stranger(method, path)) == (403, "GatedRepo"), path


def test_git_shows_its_token_only_when_it_is_asked(ann: Caller, bob: Caller, nobody: Caller) -> None:
    """Whoever shows none is asked for one, whether the repository is there or not."""
    body = {"operation": "download", "objects": [{"oid": "0" * 64, "size": 1}]}

    def told(caller: Caller, name: str) -> set[tuple[int, str | None]]:
        refs = caller("GET", f"/ann/{name}.git/info/refs?service=git-upload-pack")
        batch = caller("POST", f"/ann/{name}.git/info/lfs/objects/batch", json=body)
        return {code(refs), code(batch)}

    ann("PUT", f"{REPO}/settings", json={"gated": "manual"})
    assert told(bob, "speller") == {(403, "GatedRepo")}
    ann("PUT", f"{REPO}/settings", json={"gated": "false", "private": True})
    assert told(bob, "speller") == told(bob, "none") == {(404, "RepoNotFound")}
    assert told(nobody, "speller") == told(nobody, "none") == {(401, None)}
    assert told(ann, "speller") == {(200, None)}


def test_a_slash_that_was_encoded_belongs_to_a_name(ann: Caller) -> None:
    ann.commit({"x/y/z.txt": b"deep", "名 前.txt": "é".encode(), "100%25.txt": b"percent"})
    assert ann("POST", f"{REPO}/branch/dev%2Fx", json={}).status_code == 200
    assert ann.commit({"on-dev": b"x"}, revision="dev%2Fx").status_code == 200
    assert [one["path"] for one in ann("GET", f"{REPO}/tree/dev%2Fx/x%2Fy").json()] == ["x/y/z.txt"]
    assert [one["path"] for one in ann("GET", f"{REPO}/tree/dev%2Fx/x/y").json()] == ["x/y/z.txt"]
    assert ann("GET", "/ann/speller/resolve/dev%2Fx/on-dev").content == b"x"
    assert ann("GET", "/ann/speller/resolve/main/%E5%90%8D%20%E5%89%8D.txt").content == "é".encode()
    assert ann("GET", "/ann/speller/resolve/main/100%2525.txt").content == b"percent"
    assert code(ann("GET", "/ann/speller/resolve/main/%FF")) == (404, None)
    assert ann("DELETE", f"{REPO}/branch/dev%2Fx").status_code == 200
    assert code(ann("GET", f"{REPO}/revision/dev%2Fx")) == (404, "RevisionNotFound")


@pytest.mark.parametrize("path", ["..%2F..%2Fetc%2Fpasswd", ".git/config", "a%00b", "%2Fetc/passwd", "a%5C..%5Cb"])
def test_paths_that_climb_are_not_there(ann: Caller, path: str) -> None:
    assert code(ann("GET", f"/ann/speller/resolve/main/{path}")) == (404, "EntryNotFound")


def test_a_file_comes_whole_in_ranges_or_not_at_all(ann: Caller) -> None:
    content = bytes(range(256)) * 100
    ann.commit({"small.txt": content[:1000].replace(b"\0", b" ")})
    sha256 = hashlib.sha256(content).hexdigest()
    send_large(ann, sha256, content)
    for path, body, etag in (
        ("small.txt", content[:1000].replace(b"\0", b" "), None),
        ("large.dat", content, f'"{sha256}"'),
    ):
        url = f"/ann/speller/resolve/main/{path}"
        whole = ann("GET", url)
        assert (whole.status_code, whole.content) == (200, body)
        head = ann("HEAD", url, headers={"Accept-Encoding": "identity"})
        assert (head.headers["content-length"], head.content) == (str(len(body)), b"")
        assert head.headers["etag"] == whole.headers["etag"] == (etag or head.headers["etag"])
        assert head.headers["x-repo-commit"] == ann("GET", REPO).json()["sha"]
        for asked, start, stop in (("0-0", 0, 1), ("10-19", 10, 20), ("990-", 990, None), ("-5", -5, None)):
            part = ann("GET", url, headers={"Range": f"bytes={asked}"})
            assert (part.status_code, part.content) == (206, body[start:stop]), asked
        part = ann("GET", url, headers={"Range": "bytes=10-19"})
        assert part.headers["content-range"] == f"bytes 10-19/{len(body)}"
        beyond = ann("GET", url, headers={"Range": f"bytes={len(body)}-"})
        assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{len(body)}")
        for overlooked in ("bytes=5-2", "bytes=0-1,4-5", "lines=1-2", "bytes=-", "bytes=x-y"):
            assert ann("GET", url, headers={"Range": overlooked}).status_code == 200
        other = ann("GET", url, headers={"Range": "bytes=0-1", "If-Range": '"other"'})
        assert (other.status_code, other.content) == (200, body)
        assert ann("GET", url, headers={"If-None-Match": whole.headers["etag"]}).status_code == 304


def send_large(caller: Caller, sha256: str, content: bytes, path: str = "large.dat") -> None:
    """A large file by git-lfs, and a commit that names it."""
    body = {"operation": "upload", "transfers": ["basic"], "objects": [{"oid": sha256, "size": len(content)}]}
    batch = caller("POST", "/ann/speller.git/info/lfs/objects/batch", json=body)
    assert batch.headers["content-type"] == "application/vnd.git-lfs+json"
    actions = batch.json()["objects"][0]["actions"]
    # Clients send neither their token nor what the answer tells them to send along.
    sent = caller.client.put(actions["upload"]["href"], content=content)
    assert sent.status_code == 200, sent.text
    verified = caller("POST", actions["verify"]["href"], json={"oid": sha256, "size": len(content)})
    assert verified.status_code == 200
    lines = [
        {"key": "header", "value": {"summary": "large"}},
        {"key": "lfsFile", "value": {"path": path, "algo": "sha256", "oid": sha256, "size": len(content)}},
    ]
    done = caller("POST", f"{REPO}/commit/main", content=b"\n".join(map(orjson.dumps, lines)))
    assert done.status_code == 200, done.text


def test_a_large_file_is_told_with_all_its_names(ann: Caller) -> None:
    content = b"large" * 1000
    sha256 = hashlib.sha256(content).hexdigest()
    send_large(ann, sha256, content)
    head = ann("HEAD", "/ann/speller/resolve/main/large.dat").headers
    assert (head["x-linked-etag"], head["x-linked-size"]) == (f'"{sha256}"', "5000")
    [entry] = ann("POST", f"{REPO}/paths-info/main", json={"paths": ["large.dat"]}).json()
    assert entry["lfs"] == {"oid": sha256, "size": 5000, "pointerSize": 129}
    assert "xetHash" not in entry
    siblings = ann("GET", f"{REPO}?blobs=True").json()["siblings"]
    assert siblings[1]["lfs"] == {"sha256": sha256, "size": 5000, "pointerSize": 129}
    assert ann("GET", "/ann/speller/raw/main/large.dat").text.startswith("version https://git-lfs")
    body = {"operation": "download", "objects": [{"oid": sha256, "size": 5000}, {"oid": "0" * 64, "size": 1}]}
    there, missing = ann("POST", "/ann/speller.git/info/lfs/objects/batch", json=body).json()["objects"]
    assert missing["error"]["code"] == 404
    assert ann.client.get(there["actions"]["download"]["href"]).content == content
    again = {"operation": "upload", "objects": [{"oid": sha256, "size": 5000}]}
    assert "actions" not in ann("POST", "/ann/speller.git/info/lfs/objects/batch", json=again).json()["objects"][0]


def test_a_forged_upload_is_refused(ann: Caller, hub: Hub) -> None:
    body = {"operation": "upload", "objects": [{"oid": "ab" * 32, "size": 5}]}
    href = ann("POST", "/ann/speller.git/info/lfs/objects/batch", json=body).json()["objects"][0]["actions"]["upload"][
        "href"
    ]
    for content in (b"wrong", b"short"[:4], b"too long"):
        assert ann.client.put(href, content=content).status_code == 400
    assert ann.client.put(href.replace(".5.", ".9."), content=b"x" * 9).status_code == 403
    assert ann.client.get(href).status_code == 403
    assert list(hub.blobs.stored()) == []


def test_uploads_are_never_shown_as_pages(ann: Caller) -> None:
    script = b"<script>alert(1)</script>"
    ann.commit({"page.html": script, "image.svg": script, "README.md": script})
    for path in ("page.html", "image.svg", "README.md"):
        headers = ann("GET", f"/ann/speller/resolve/main/{path}").headers
        assert headers["content-type"].partition(";")[0] in {"application/octet-stream", "text/plain"}
        assert "sandbox" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"


def test_a_commit_is_read_line_by_line(ann: Caller) -> None:
    header = b'{"key":"header","value":{"summary":"x"}}'
    for body in (
        b"",
        b"{",
        b"[]",
        b'{"key":"file","value":{"path":"a","content":"eA=="}}',
        header + b'\n{"key":"file","value":{"path":"a","content":"%"}}',
        header + b'\n{"key":"file","value":{"path":1}}',
        header + b'\n{"key":"file","value":{"path":"a","content":3}}',
        header + b'\n{"key":"symlink","value":{"path":"a"}}',
        header + b'\n{"key":"lfsFile","value":{"path":"a","oid":"x","size":1}}',
        header + b'\n{"key":"lfsFile","value":{"path":"a","oid":"' + b"0" * 64 + b'","size":true}}',
        b'{"key":"header","value":{"parentCommit":"../x"}}',
        b'{"key":"header","value":{"parentCommit":7}}',
    ):
        answer = ann("POST", f"{REPO}/commit/main", content=body)
        assert answer.status_code == 400, body
    assert len(ann("GET", f"{REPO}/commits/main").json()) == 1
    text = header + b'\n\n{"key":"file","value":{"path":"a.txt","content":"\xc3\xa9","encoding":"utf-8"}}\n'
    assert ann("POST", f"{REPO}/commit/main", content=text).status_code == 200
    assert ann("GET", "/ann/speller/resolve/main/a.txt").text == "é"


def test_a_commit_answers_with_its_id_and_address(ann: Caller) -> None:
    told = ann.commit({"a": b"a"}, description="more").json()
    assert told["commitUrl"] == f"http://hub.test/ann/speller/commit/{told['commitOid']}"
    [last, first] = ann("GET", f"{REPO}/commits/main").json()
    assert (last["id"], last["title"], last["message"]) == (told["commitOid"], "change", "more")
    assert last["authors"] == [{"user": "ann"}]
    conflict = ann.commit({"b": b"b"}, parentCommit=first["id"])
    assert conflict.status_code == 412
    assert ann.commit({"b": b"b"}, parentCommit=last["id"][:7]).status_code == 200


def test_sixteen_clients_push_at_once(ann: Caller) -> None:
    def push(i: int) -> str:
        answer = ann.commit({f"of-{i}.txt": str(i).encode()})
        assert answer.status_code == 200, answer.text
        return str(answer.json()["commitOid"])

    with ThreadPoolExecutor(16) as pool:
        made = set(pool.map(push, range(16)))
    history = {one["id"] for one in ann("GET", f"{REPO}/commits/main?limit=100").json()}
    assert len(made) == 16
    assert made < history
    assert len(ann("GET", f"{REPO}/tree/main").json()) == 17


def test_pages_of_a_folder_stay_with_their_commit(ann: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minnow.hub.api.revisions.PAGE", 3)
    ann.commit({f"f{i}": b"x" for i in range(5)})
    first = ann("GET", f"{REPO}/tree/main?recursive=True")
    ann.commit({"a-first": b"x"})
    url = re.fullmatch(r'<(.*)>; rel="next"', first.headers["link"])
    assert url
    second = ann("GET", url[1])
    found = [entry["path"] for entry in (*first.json(), *second.json())]
    assert found == [".gitattributes", *(f"f{i}" for i in range(5))]
    assert "link" not in second.headers


def test_paths_are_asked_for_by_form_or_json(ann: Caller) -> None:
    ann.commit({"a+b c": b"x", "d/e": b"y"})
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    asked = b"paths=a%2Bb+c&paths=d&paths=none&expand=False"
    told = ann("POST", f"{REPO}/paths-info/main", content=asked, headers=form).json()
    assert [(one["path"], one["type"]) for one in told] == [("a+b c", "file"), ("d", "directory")]
    assert ann("POST", f"{REPO}/paths-info/main", json={"paths": "d/e"}).json()[0]["path"] == "d/e"
    assert ann("POST", f"{REPO}/paths-info/main", json={"paths": [1]}).status_code == 400
    expanded = ann("POST", f"{REPO}/paths-info/main", json={"paths": ["d/e"], "expand": True}).json()
    assert expanded[0]["lastCommit"]["title"] == "change"


def test_somebody_elses_pull_request_goes_through_its_own_ref(ann: Caller, bob: Caller, nobody: Caller) -> None:
    assert bob.commit({"x": b"x"}).status_code == 403
    lines = [
        {"key": "header", "value": {"summary": "idea"}},
        {"key": "file", "value": {"path": "x", "content": "eA=="}},
    ]
    body = b"\n".join(map(orjson.dumps, lines))
    told = bob("POST", f"{REPO}/commit/None?create_pr=1", content=body).json()
    assert told["pullRequestUrl"] == "http://hub.test/ann/speller/discussions/1"
    assert bob.commit({"y": b"y"}, revision="refs%2Fpr%2F1").status_code == 200
    assert nobody.commit({"z": b"z"}, revision="refs%2Fpr%2F1").status_code == 401
    assert bob("POST", f"{REPO}/discussions/1/merge", json={}).status_code == 403
    assert ann("POST", f"{REPO}/discussions/1/merge").status_code == 200
    assert {one["path"] for one in ann("GET", f"{REPO}/tree/main").json()} == {".gitattributes", "x", "y"}
    assert bob.commit({"late": b"x"}, revision="refs%2Fpr%2F1").status_code == 400
    prs = ann("GET", f"{REPO}/refs?include_prs=1").json()["pullRequests"]
    assert [one["ref"] for one in prs] == ["refs/pr/1"]
    assert "pullRequests" not in ann("GET", f"{REPO}/refs").json()


def test_whoever_may_propose_may_send_large_files_for_it(ann: Caller, bob: Caller, nobody: Caller) -> None:
    content = b"large" * 100
    sha256 = hashlib.sha256(content).hexdigest()
    body = {"operation": "upload", "transfers": ["basic"], "objects": [{"oid": sha256, "size": len(content)}]}
    batch = "/ann/speller.git/info/lfs/objects/batch"
    assert nobody("POST", batch, json=body).status_code == 401
    sent = bob("POST", batch, json=body).json()["objects"][0]["actions"]["upload"]["href"]
    assert bob.client.put(sent, content=content).status_code == 200
    lines = [
        {"key": "header", "value": {"summary": "larger"}},
        {"key": "lfsFile", "value": {"path": "large.dat", "algo": "sha256", "oid": sha256, "size": len(content)}},
    ]
    proposed = b"\n".join(map(orjson.dumps, lines))
    assert bob("POST", f"{REPO}/commit/main", content=proposed).status_code == 403
    assert bob("POST", f"{REPO}/commit/main?create_pr=1", content=proposed).status_code == 200
    assert ann("GET", "/ann/speller/resolve/refs%2Fpr%2F1/large.dat").content == content


def test_comments_are_changed_by_who_wrote_them(ann: Caller, bob: Caller) -> None:
    bob("POST", f"{REPO}/discussions", json={"title": "A question", "description": "Why?"})
    [comment] = ann("GET", f"{REPO}/discussions/1").json()["events"]
    one = f"{REPO}/discussions/1/comment/{comment['id']}"
    assert ann("POST", f"{one}/edit", json={"content": "forged"}).status_code == 403
    edited = bob("POST", f"{one}/edit", json={"content": "How?"}).json()["updatedComment"]
    assert (edited["data"]["latest"]["raw"], edited["data"]["edited"]) == ("How?", True)
    assert ann("POST", f"{one}/hide").json()["updatedComment"]["data"]["hidden"] is True
    assert bob("POST", f"{one}/edit", json={"content": "again"}).status_code == 400
    assert ann("GET", f"{REPO}/discussions/1").json()["events"][0]["data"]["latest"]["raw"] == ""
    assert ann("POST", f"{REPO}/discussions/2/comment", json={"comment": "x"}).status_code == 404
    assert bob("POST", f"{REPO}/discussions/1/status", json={"status": "merged"}).status_code == 400
    assert bob("POST", f"{REPO}/discussions/1/status", json={"status": "closed"}).status_code == 200
    closed = ann("GET", f"{REPO}/discussions?status=closed&author=BOB").json()
    assert (closed["count"], closed["discussions"][0]["status"]) == (1, "closed")


def test_a_card_is_checked_on_request(nobody: Caller) -> None:
    good = nobody("POST", "/api/validate-yaml", json={"content": "---\nlicense: mit\n---\n", "repoType": "model"})
    assert (good.status_code, good.json()) == (200, {"errors": [], "warnings": []})
    bad = nobody("POST", "/api/validate-yaml", json={"content": "---\na: [\n---\n", "repoType": "model"})
    assert bad.status_code == 400
    assert "no YAML" in bad.json()["errors"][0]["message"]


def test_lists_lead_on_by_a_header(ann: Caller, hub: Hub) -> None:
    for i in range(3):
        hub.repositories.create("model", "ann", f"m{i}", private=False, by="ann")
    found, url = [], "/api/models?author=ann&limit=2&sort=createdAt"
    while url:
        page = ann("GET", url)
        found += [one["id"] for one in page.json()]
        link = re.fullmatch(r'<(.*)>; rel="next"', page.headers.get("link", ""))
        url = link[1] if link else ""
    assert found == ["ann/m2", "ann/m1", "ann/m0", "ann/speller"]
    assert ann("GET", "/api/models?sort=none").status_code == 400
    assert ann("GET", "/api/models?limit=x").status_code == 400
    only = ann("GET", "/api/models?expand=downloads&expand=likes&limit=1").json()[0]
    assert only.keys() == {"_id", "id", "modelId", "downloads", "likes"}


def test_moves_need_rights_on_both_sides(ann: Caller, bob: Caller, hub: Hub) -> None:
    hub.accounts.create_organization("team")
    to_team = {"fromRepo": "ann/speller", "toRepo": "team/speller", "type": "model"}
    assert ann("POST", "/api/repos/move", json=to_team).status_code == 403
    hub.accounts.set_role("team", "ann", Role.WRITE)
    assert bob("POST", "/api/repos/move", json=to_team).status_code == 403
    assert ann("POST", "/api/repos/move", json=to_team).status_code == 200
    assert ann("GET", REPO).json()["id"] == "team/speller"


def test_a_copy_has_the_history_and_its_own_life(ann: Caller, bob: Caller, hub: Hub) -> None:
    content = b"large" * 1000
    send_large(ann, hashlib.sha256(content).hexdigest(), content)
    ann("PUT", f"{REPO}/settings", json={"gated": "auto"})
    copy = {"repository": "bob/copy"}
    assert code(bob("POST", f"{REPO}/duplicate", json=copy)) == (403, "GatedRepo")
    ann("PUT", f"{REPO}/settings", json={"gated": "false"})
    assert bob("POST", f"{REPO}/duplicate", json={"repository": "ann/copy"}).status_code == 403
    assert bob("POST", f"{REPO}/duplicate", json=copy).json()["url"] == "http://hub.test/bob/copy"
    again = bob("POST", f"{REPO}/duplicate", json=copy)
    assert (again.status_code, again.json()["url"]) == (409, "http://hub.test/bob/copy")
    ann("DELETE", "/api/repos/delete", json={"name": "speller"})
    assert bob("GET", "/bob/copy/resolve/main/large.dat").content == content
    assert [one["title"] for one in bob("GET", "/api/models/bob/copy/commits/main").json()] == [
        "large",
        "initial commit",
    ]
    assert bob("GET", "/api/models/bob/copy").json()["usedStorage"] == len(content)
    assert list(problems(hub.settings, hub.database, contents=True)) == []


def test_likes_are_counted_once_and_shown_to_those_who_may_see_what_is_liked(
    ann: Caller, bob: Caller, nobody: Caller
) -> None:
    for _ in range(2):
        assert bob("POST", f"{REPO}/like").status_code == 200
    assert nobody("POST", f"{REPO}/like").status_code == 401
    assert ann("GET", REPO).json()["likes"] == 1
    assert [one["user"] for one in ann("GET", f"{REPO}/likers").json()] == ["bob"]
    assert nobody("GET", "/api/users/BOB/likes").json()[0]["repo"] == {"name": "ann/speller", "type": "model"}
    ann("PUT", f"{REPO}/settings", json={"private": True})
    assert nobody("GET", "/api/users/bob/likes").json() == []
    ann("PUT", f"{REPO}/settings", json={"private": False})
    for _ in range(2):
        assert bob("DELETE", f"{REPO}/like").status_code == 200
    assert ann("GET", REPO).json()["likes"] == 0


def test_git_itself_clones(ann: Caller, hub: Hub) -> None:
    from minnow.hub.git_http import GitHttp

    ann.commit({"a": b"a"})
    told = ann("GET", "/ann/speller.git/info/refs?service=git-upload-pack")
    assert told.headers["content-type"] == "application/x-git-upload-pack-advertisement"
    head = ann("GET", REPO).json()["sha"].encode()
    assert head + b" HEAD" in told.content
    assert head + b" refs/heads/main" in told.content
    assert ann("GET", "/ann/speller.git/info/refs?service=git-receive-pack").status_code == 501
    other = hub.repositories.create("model", "bob", "other", private=False, by="bob")
    want = b"0032want " + head + b"\n" + b"0000" + b"0009done\n"
    stolen = ann("POST", "/bob/other.git/git-upload-pack", content=want)
    assert stolen.status_code == 400
    for content in (b"", b"zzzz", b"0000", b"fff0x"):
        assert ann("POST", "/ann/speller.git/git-upload-pack", content=content).status_code in {200, 400}
    assert GitHttp(hub.database, hub.objects).advertise(other.id).read()


def test_going_on_with_a_pull_request_reads_no_more_of_it_than_who_opened_it(
    ann: Caller, bob: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    def whole(*_: object) -> None:
        raise AssertionError("the whole discussion was read")

    assert bob.commit({"b": b"b"}, revision="main?create_pr=1").status_code == 200
    monkeypatch.setattr("minnow.hub.discussions.Discussions.get", whole)
    assert bob.commit({"c": b"c"}, revision="refs%2Fpr%2F1").status_code == 200
    assert bob("POST", f"{REPO}/discussions/1/title", json={"title": "Another"}).status_code == 200
    assert ann("GET", f"{REPO}/tree/refs%2Fpr%2F1").status_code == 200


def test_git_is_told_nothing_of_what_another_repository_holds(ann: Caller, bob: Caller) -> None:
    bob("POST", "/api/repos/create", json={"name": "secret", "private": True})
    ann.commit({"a": b"a", "shown.txt": b"b"})
    bob.commit({"patterns": b"/shown.txt\n"}, path="/api/models/bob/secret")
    [blob] = [one for one in bob("GET", "/api/models/bob/secret/tree/main").json() if one["path"] == "patterns"]
    theirs = bob("GET", "/api/models/bob/secret").json()["sha"]
    head = ann("GET", REPO).json()["sha"]
    told = ann("GET", "/ann/speller.git/info/refs?service=git-upload-pack")
    assert b"filter" not in told.content

    def line(text: str) -> str:
        return f"{len(text) + 5:04x}{text}\n"

    def asked(caps: str, *lines: str) -> Any:
        want = line(f"want {head} side-band-64k thin-pack ofs-delta{caps}")
        return ann("POST", "/ann/speller.git/git-upload-pack", content="".join((want, *lines)).encode())

    for spec in (f"sparse:oid={blob['oid']}", "blob:none", f"sparse:oid={theirs}"):
        assert asked(f" filter={spec}", "0000", line("done")).status_code == 400
        assert "leave --filter out" in asked("", line(f"filter {spec}"), "0000", line("done")).text
    own = asked(" multi_ack_detailed", "0000", line(f"have {head}"), line("done"))
    assert f"ACK {head}".encode() in own.content
    other = asked(" multi_ack_detailed", "0000", line(f"have {theirs}"), line("done"))
    assert other.status_code == 200
    assert f"ACK {theirs}".encode() not in other.content


def test_what_nobody_foresaw_is_told_without_its_inside(
    client: TestClient, ann: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("a secret of the inside")

    monkeypatch.setattr("minnow.hub.listing.Listing.find", broken)
    answer = ann("GET", "/api/models")
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert answer.headers["x-request-id"]
    assert client


def test_signing_in_by_a_password_like_git_does(ann: Caller, nobody: Caller, hub: Hub) -> None:
    ann("PUT", f"{REPO}/settings", json={"visibility": "private"})
    secret = ann.headers["Authorization"].removeprefix("Bearer ")
    basic = base64.b64encode(f"ann:{secret}".encode()).decode()
    refs = "/ann/speller.git/info/refs?service=git-upload-pack"
    assert nobody("GET", refs, headers={"Authorization": f"Basic {basic}"}).status_code == 200
    assert subprocess.run(["git", "--version"], check=True, capture_output=True).stdout
    assert hub


@pytest.mark.parametrize(
    "path",
    [
        "/api/models/gpt2",
        "/api/models/gpt2/revision/main",
        "/api/models/gpt2/tree/main",
        "/gpt2/resolve/main/config.json",
    ],
)
def test_a_repository_without_an_owner_is_one_that_is_not_there(nobody: Caller, path: str) -> None:
    answer = nobody("GET", path)
    assert code(answer) == (404, "RepoNotFound")
    assert "gpt2 (here each is named owner/name)" in answer.json()["error"]
    assert code(nobody("GET", "/api/gpt2")) == (404, None)


def test_an_app_says_from_the_start_what_it_runs_on(ann: Caller, nobody: Caller) -> None:
    made = ann("POST", "/api/repos/create", json={"name": "app", "type": "space", "sdk": "gradio"})
    assert made.status_code == 200
    assert nobody("GET", "/api/spaces/ann/app").json()["sdk"] == "gradio"
    card = b"---\nsdk: docker\nmodels: [ann/speller]\n---\n"
    assert ann.commit({"README.md": card}, "/api/spaces/ann/app").status_code == 200
    shown = nobody("GET", "/api/spaces/ann/app").json()
    assert (shown["sdk"], shown["models"]) == ("docker", ["ann/speller"])
    for query, found in (("models=ann/speller", 1), ("models=ann/other", 0), ("linked=true", 1), ("filter=docker", 1)):
        assert len(nobody("GET", f"/api/spaces?{query}").json()) == found, query
    wrong = ann("POST", "/api/repos/create", json={"name": "other", "type": "space", "sdk": "../x"})
    assert (wrong.status_code, "sdk" in wrong.json()["error"]) == (400, True)


def test_lists_take_several_words_and_say_what_they_cannot_do(ann: Caller, nobody: Caller) -> None:
    ann("POST", "/api/repos/create", json={"name": "counter"})
    assert [one["id"] for one in nobody("GET", "/api/models?search=spell&search=ann").json()] == ["ann/speller"]
    assert nobody("GET", "/api/models?search=spell&search=count").json() == []
    refused = nobody("GET", "/api/models?inference=warm")
    assert (refused.status_code, "running models" in refused.json()["error"]) == (501, True)


def test_an_owner_is_shown_with_what_is_public(ann: Caller, nobody: Caller) -> None:
    ann("POST", "/api/repos/create", json={"name": "hidden", "private": True})
    ann("POST", "/api/repos/create", json={"name": "rows", "type": "dataset"})
    shown = nobody("GET", "/api/users/ann/overview").json()
    assert [shown[f"num{kind}"] for kind in ("Models", "Datasets", "Spaces", "Likes")] == [1, 1, 0, 0]


def test_a_pull_request_without_commits_is_a_draft_until_it_is_opened(ann: Caller) -> None:
    opened = ann("POST", f"{REPO}/discussions", json={"title": "later", "pullRequest": True}).json()["num"]
    of_it = f"{REPO}/discussions/{opened}"
    assert ann("GET", of_it).json()["status"] == "draft"
    assert [one["num"] for one in ann("GET", f"{REPO}/discussions?status=open").json()["discussions"]] == [opened]
    assert ann("POST", f"{of_it}/status", json={"status": "open"}).json()["newStatus"]["data"] == {"status": "open"}
    assert ann("GET", of_it).json()["status"] == "open"


def test_an_edited_comment_says_when_in_the_form_of_all_moments(ann: Caller) -> None:
    number = ann("POST", f"{REPO}/discussions", json={"title": "a", "description": "b"}).json()["num"]
    comment = ann("GET", f"{REPO}/discussions/{number}").json()["events"][0]["id"]
    edited = ann("POST", f"{REPO}/discussions/{number}/comment/{comment}/edit", json={"content": "c"})
    at = edited.json()["updatedComment"]["data"]["latest"]["updatedAt"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", at)


def test_the_headers_of_a_model_in_parts_come_at_once(ann: Caller, nobody: Caller) -> None:
    header = b'{"w":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}'
    shard = len(header).to_bytes(8, "little") + header + b"ab"
    sha256 = hashlib.sha256(shard).hexdigest()
    send_large(ann, sha256, shard, path="in/model-00001-of-00001.safetensors")
    index = {"metadata": {"total_size": 2}, "weight_map": {"w": "model-00001-of-00001.safetensors"}}
    ann.commit({"in/model.safetensors.index.json": orjson.dumps(index), "in/none.json": b'{"weight_map": 3}'})
    route = f"{REPO}/safetensors-metadata/in"
    assert nobody("GET", f"{route}/model.safetensors.index.json").json() == {
        "index": {"metadata": {"total_size": 2}},
        "headers": {"model-00001-of-00001.safetensors": orjson.loads(header)},
    }
    assert code(nobody("GET", f"{route}/none.json")) == (400, None)
    assert code(nobody("GET", f"{route}/other.json")) == (404, "EntryNotFound")
    ann.commit({"in/none.json": b'{"weight_map": {"w": "../../x"}}'})
    assert code(nobody("GET", f"{route}/none.json")) == (404, "EntryNotFound")


def test_parameters_are_those_of_the_model_and_not_of_its_copies(ann: Caller) -> None:
    for path, dtype in (
        ("old/other.safetensors", b"I8"),
        ("model.safetensors", b"U8"),
        ("checkpoint.safetensors", b"I8"),
    ):
        header = b'{"w":{"dtype":"' + dtype + b'","shape":[2],"data_offsets":[0,2]}}'
        content = len(header).to_bytes(8, "little") + header + path[:2].encode()
        send_large(ann, hashlib.sha256(content).hexdigest(), content, path=path)
    assert ann("GET", REPO).json()["safetensors"] == {"parameters": {"U8": 2}, "total": 2}


def test_a_pointer_that_is_sent_as_a_text_opens_no_file_of_others(ann: Caller, bob: Caller, hub: Hub) -> None:
    secret = b"weights that only ann has" * 100
    sha256 = hashlib.sha256(secret).hexdigest()
    send_large(ann, sha256, secret)
    ann("PUT", f"{REPO}/settings", json={"private": True})
    bob("POST", "/api/repos/create", json={"name": "thief"})
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {len(secret)}\n".encode()
    stolen = bob.commit({"weights.dat": pointer}, "/api/models/bob/thief")
    assert (stolen.status_code, "was not uploaded to bob/thief" in stolen.json()["error"]) == (400, True)
    assert bob("GET", "/bob/thief/resolve/main/weights.dat").status_code == 404
    again = ann.commit({"copy.dat": pointer})
    assert again.status_code == 200, "who has the file may name it so"
    assert ann("GET", "/ann/speller/resolve/main/copy.dat").content == secret
    assert list(problems(hub.settings, hub.database, contents=True)) == []


def test_a_pull_request_shows_what_it_changes_also_after_it_was_merged(ann: Caller) -> None:
    ann.commit({"a.txt": b"one\ntwo\n", "gone.txt": b"gone\n"})
    number = ann("POST", f"{REPO}/discussions", json={"title": "change", "pullRequest": True}).json()["num"]
    removal = {"key": "deletedFile", "value": {"path": "gone.txt"}}
    changed = {"path": "a.txt", "content": base64.b64encode(b"one\nthree").decode(), "encoding": "base64"}
    added = {"path": "b.dat", "content": base64.b64encode(b"\0\1").decode(), "encoding": "base64"}
    lines = [{"key": "header", "value": {"summary": "x"}}, removal]
    lines += [{"key": "file", "value": changed}, {"key": "file", "value": added}]
    body = b"\n".join(map(orjson.dumps, lines))
    assert ann("POST", f"{REPO}/commit/refs%2Fpr%2F{number}", content=body).status_code == 200
    ann.commit({"c.txt": b"meanwhile\n"})
    told = (
        "diff --git a/a.txt b/a.txt\n--- a/a.txt\n+++ b/a.txt\n@@ -1,2 +1,2 @@\n one\n-two\n+three\n"
        "\\ No newline at end of file\n"
        "diff --git a/b.dat b/b.dat\nnew file mode 100644\nBinary files /dev/null and b/b.dat differ\n"
        "diff --git a/gone.txt b/gone.txt\ndeleted file mode 100644\n--- a/gone.txt\n+++ /dev/null\n"
        "@@ -1 +0,0 @@\n-gone\n"
    )
    assert ann("GET", f"{REPO}/discussions/{number}?diff=1").json()["diff"] == told
    assert ann("GET", f"{REPO}/discussions/{number}").json()["diff"] == ""
    assert ann("POST", f"{REPO}/discussions/{number}/merge", json={}).status_code == 200
    assert ann("GET", f"{REPO}/discussions/{number}?diff=1").json()["diff"] == told
