"""Over HTTP, whoever asks gets what he has a right to, by whatever way he asks for it."""

from typing import Any

from starlette.testclient import TestClient

from hub.api.test_app import REPO, Caller, ann, bob, client, code, nobody
from hub.xet.chunks import xorb
from hub.xet.test_service import CONTENT, FILE, PARTS, SHA256, told
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
