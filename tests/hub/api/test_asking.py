"""Over HTTP, whoever asks gets what he has a right to, by whatever way he asks for it."""

import base64
import hashlib
from typing import Any

import pytest
from starlette.testclient import TestClient

from hub.api.test_app import REPO, Caller, ann, bob, client, code, nobody
from hub.xet.chunks import xorb
from hub.xet.test_service import CONTENT, FILE, PARTS, SHA256, told
from minnow.hub.accounts import RESERVED
from minnow.hub.api.app import application
from minnow.hub.api.asking import KINDS
from minnow.hub.hub import Hub
from minnow.hub.xet.hashing import to_text

__all__ = ["ann", "bob", "client", "nobody"]

LARGE = {"key": "lfsFile", "value": {"path": "m.dat", "algo": "sha256", "oid": SHA256, "size": len(CONTENT)}}


def xet_token(answer: Any) -> dict[str, str]:
    return {"Authorization": f"Bearer {answer.json()['accessToken']}"}


def upload_chunks(caller: Caller, path: str = REPO) -> None:
    """Upload the file of ``test_service`` and commit it."""
    leave = xet_token(caller("GET", f"{path}/xet-write-token/main"))
    taken = caller.client.post(
        f"/api/xet/v1/xorbs/default/{to_text(xorb(PARTS)[0])}", content=xorb(PARTS)[1], headers=leave
    )
    assert taken.status_code == 200
    assert caller.client.post("/api/xet/v1/shards", content=told(), headers=leave).json() == {"result": 1}
    assert caller.commit({}, path, operations=[LARGE]).status_code == 200


def test_who_proposes_to_a_gated_repository_gets_nothing_of_it_by_chunks(
    client: TestClient, ann: Caller, bob: Caller
) -> None:
    upload_chunks(ann)
    ann("PUT", f"{REPO}/settings", json={"gated": "manual"})
    leave = xet_token(bob("GET", f"{REPO}/xet-write-token/main?create_pr=1"))
    plan = f"/api/xet/v1/reconstructions/{FILE}"
    asked = f"/api/xet/v1/chunks/default/{'0' * 64}"
    assert code(client.get(plan, headers=leave)) == (403, "GatedRepo")
    assert client.get(asked, headers=leave).status_code == 404
    assert client.post("/api/xet/v1/shards", content=told(), headers=leave).json() == {"result": 1}
    ann("POST", f"{REPO}/user-access-request/grant", json={"user": "bob"})
    leave = xet_token(bob("GET", f"{REPO}/xet-write-token/main?create_pr=1"))
    assert client.get(plan, headers=leave).status_code == 200
    assert client.get(asked, headers=leave).status_code == 200


def test_what_a_pull_request_changes_is_told_to_those_who_may_have_the_files(
    ann: Caller, bob: Caller, nobody: Caller
) -> None:
    ann.commit({"config.json": b"a plan"})
    ann("PUT", f"{REPO}/settings", json={"gated": "manual"})
    removed = {"key": "deletedFile", "value": {"path": "config.json"}}
    assert bob.commit({}, revision="main?create_pr=1", operations=[removed]).status_code == 200
    asked = f"{REPO}/discussions/1?diff=1"
    for stranger in (bob, nobody):
        shown = stranger("GET", asked)
        assert (shown.status_code, shown.json()["diff"]) == (200, "")
    assert "-a plan" in ann("GET", asked).json()["diff"]


def test_leave_for_a_repository_that_was_deleted_opens_no_other(
    client: TestClient, ann: Caller, bob: Caller, hub: Hub
) -> None:
    bob("POST", "/api/repos/create", json={"name": "bait"})
    leave = xet_token(bob("GET", "/api/models/bob/bait/xet-write-token/main"))
    wanted = {"operation": "upload", "objects": [{"oid": hashlib.sha256(b"bait").hexdigest(), "size": 4}]}
    batch = bob("POST", "/bob/bait.git/info/lfs/objects/batch", json=wanted)
    href = batch.json()["objects"][0]["actions"]["upload"]["href"]
    assert bob("DELETE", "/api/repos/delete", json={"name": "bait"}).status_code == 200
    assert ann("POST", "/api/repos/create", json={"name": "secret", "private": True}).status_code == 200
    upload_chunks(ann, "/api/models/ann/secret")
    assert client.get(f"/api/xet/v1/reconstructions/{FILE}", headers=leave).status_code == 404
    assert client.get(f"/api/xet/v1/chunks/default/{'0' * 64}", headers=leave).status_code == 404
    assert client.put(href, content=b"bait").status_code == 404
    assert list(hub.blobs.stored("lfs")) == []
    assert [file["oid"] for file in ann("GET", "/api/models/ann/secret/lfs-files").json()] == [SHA256]


def test_a_hidden_repository_and_one_that_is_not_there_are_told_in_the_same_words(ann: Caller, bob: Caller) -> None:
    ann("POST", "/api/repos/create", json={"name": "Secret-Plan", "private": True})
    ann("POST", "/api/repos/create", json={"name": "old"})
    ann("POST", "/api/repos/move", json={"fromRepo": "ann/old", "toRepo": "ann/project-x"})
    ann("PUT", "/api/models/ann/project-x/settings", json={"private": True})
    sources = [{"sha256": "0" * 64}]
    for name in ("SECRET-plan", "old", "NO-such"):
        told = f"repository ann/{name} was not found"
        for answer in (
            bob("GET", f"/api/models/ann/{name}"),
            bob("PUT", f"/api/models/ann/{name}/settings", json={}),
            bob("POST", f"/api/models/ann/{name}/discussions", json={"title": "x"}),
            bob("GET", f"/ann/{name}/resolve/main/x"),
            bob("DELETE", "/api/repos/delete", json={"name": name, "organization": "ann"}),
            bob("POST", "/api/repos/move", json={"fromRepo": f"ann/{name}", "toRepo": "bob/x"}),
            bob("POST", f"{REPO}/lfs-files/duplicate", json={"target": {"name": f"ann/{name}"}, "files": sources}),
        ):
            assert (answer.json()["error"], *code(answer)) == (told, 404, "RepoNotFound")


def test_a_token_for_reading_changes_nothing_and_one_that_is_bound_nothing_elsewhere(
    ann: Caller, bob: Caller, hub: Hub
) -> None:
    user = hub.accounts.find("bob").id
    reads = Caller(bob.client, hub.tokens.create(user, "reads", writes=False)[0])
    bound = Caller(bob.client, hub.tokens.create(user, "bound", writes=True, scope=["bob/*"])[0])
    ann("PUT", f"{REPO}/settings", json={"gated": "auto"})
    asked = f"{REPO}/user-access-request"
    bob("POST", asked, json={})
    bob("POST", f"{REPO}/like")
    for caller, reason in ((reads, "its role is read"), (bound, "take another token")):
        for method, path in (
            ("POST", asked),
            ("POST", f"{asked}/cancel"),
            ("POST", f"{REPO}/like"),
            ("DELETE", f"{REPO}/like"),
        ):
            answer = caller(method, path, json={})
            assert answer.status_code == 403
            assert reason in answer.json()["error"]
    file = "/ann/speller/resolve/main/.gitattributes"
    assert bob("GET", file).status_code == reads("GET", file).status_code == 200
    assert code(bound("GET", file)) == (403, "GatedRepo")
    assert [user["user"] for user in bob("GET", f"{REPO}/likers").json()] == ["bob"]


def test_a_name_that_a_repository_left_deletes_nothing(ann: Caller) -> None:
    ann("POST", "/api/repos/move", json={"fromRepo": "ann/speller", "toRepo": "ann/writer"})
    assert ann("GET", REPO).json()["id"] == "ann/writer"
    assert code(ann("DELETE", "/api/repos/delete", json={"name": "speller"})) == (404, "RepoNotFound")
    assert ann("DELETE", "/api/repos/delete", json={"name": "writer"}).status_code == 200


@pytest.mark.parametrize(
    ("told", "allowed"),
    [
        ({}, True),
        ({"Origin": "http://hub.test"}, True),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "http://hub.test"}, True),
        ({"Sec-Fetch-Site": "none"}, True),
        ({"Origin": "http://evil.test"}, False),
        ({"Origin": "http://hub.test.evil.test"}, False),
        ({"Origin": "null"}, False),
        ({"Sec-Fetch-Site": "cross-site"}, False),
        ({"Sec-Fetch-Site": "same-site", "Origin": "http://other.test"}, False),
    ],
)
def test_a_page_of_another_site_changes_nothing_with_what_a_browser_kept(
    ann: Caller, told: dict[str, str], allowed: bool
) -> None:
    token = ann.headers["Authorization"].removeprefix("Bearer ")
    basic = {"Authorization": f"Basic {base64.b64encode(f'ann:{token}'.encode()).decode()}"}
    form = {"Content-Type": "text/plain", **told}
    kept, shown = ann.client, {"Authorization": f"Bearer {token}"}
    made = kept.post("/api/repos/create", content=b'{"name": "forged", "x": "="}', headers=form | basic)
    assert made.status_code == (200 if allowed else 403)
    assert kept.get("/api/whoami-v2", headers=form | basic).status_code == 200
    assert kept.post("/api/repos/create", content=b'{"name": "meant"}', headers=form | shown).status_code == 200


def test_behind_a_proxy_a_page_is_of_the_hub_that_clients_know(hub: Hub, ann: Caller) -> None:
    token = ann.headers["Authorization"].removeprefix("Bearer ")
    basic = {"Authorization": f"Basic {base64.b64encode(f'ann:{token}'.encode()).decode()}"}
    behind = TestClient(application(hub), base_url="http://127.0.0.1:8000")
    for origin, status in (("http://hub.test", 200), ("http://hub.testing", 403)):
        asked = basic | {"Origin": origin}
        assert behind.post("/api/repos/create", content=b'{"name": "one"}', headers=asked).status_code == status


def test_an_address_of_a_file_gives_it_while_the_repository_has_it(ann: Caller, hub: Hub) -> None:
    sha256 = hashlib.sha256(b"large").hexdigest()
    hub.large_files.take(hub.repositories.find("model", "ann", "speller").id, "ann", sha256, 5, [b"large"])
    wanted = {"operation": "download", "objects": [{"oid": sha256, "size": 5}]}
    told = ann("POST", "/ann/speller.git/info/lfs/objects/batch", json=wanted).json()["objects"][0]
    href = told["actions"]["download"]["href"]
    assert ann.client.get(href).content == b"large"
    ann("POST", f"{REPO}/lfs-files/batch", json={"deletions": {"sha": [sha256]}})
    assert ann.client.get(href).status_code == 404


def test_the_log_of_what_broke_opens_nothing(
    ann: Caller, hub: Hub, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    sha256 = hashlib.sha256(b"large").hexdigest()
    wanted = {"operation": "upload", "objects": [{"oid": sha256, "size": 5}]}
    told = ann("POST", "/ann/speller.git/info/lfs/objects/batch", json=wanted).json()["objects"][0]
    href = told["actions"]["upload"]["href"]

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(hub.large_files, "take", broken)
    assert ann.client.put(href, content=b"large").status_code == 500
    assert "PUT /api/lfs/{ticket}: RuntimeError" in caplog.text
    assert sha256 not in caplog.text


def test_no_owner_stands_behind_an_address_of_the_hub(hub: Hub) -> None:
    parts = [route.path.split("/")[1:] for route in application(hub).app.app.router.routes]  # type: ignore[attr-defined]
    first = {path[0] for path in parts} - {"api", ""}
    behind = {path[2] for path in parts if path[:1] == ["api"] and len(path) > 3 and path[1] in KINDS}
    taken = {name for name in first | behind if "{" not in name}
    assert {"uploads", "oauth", "hardware", "zero-gpu"} <= taken
    assert taken <= RESERVED
