"""Xet over HTTP: what clients ask and how they hear why not."""

import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from hub.xet.chunks import xorb
from hub.xet.conftest import new_repository
from hub.xet.test_service import CONTENT, FILE, PARTS, told
from minnow.errors import MinnowError
from minnow.hub.api.errors import broke, refused
from minnow.hub.api.xet import BASE, xet_routes
from minnow.hub.blobs import FolderBlobs
from minnow.hub.database import Database
from minnow.hub.rights import Caller
from minnow.hub.xet.hashing import to_text
from minnow.hub.xet.service import Xet
from minnow.hub.xet.xorb import MOST_STORED_BYTES, read_chunks

ANN = Caller(1, "ann", writes=True)
XORB, STORED = to_text(xorb(PARTS)[0]), xorb(PARTS)[1]


@pytest.fixture
def client(xet: Xet) -> Iterator[TestClient]:
    routes = xet_routes(xet, lambda _request: "http://hub")
    app = Starlette(routes=routes, exception_handlers={MinnowError: refused, 500: broke})
    with TestClient(app, base_url="http://hub") as client:
        yield client


@pytest.fixture
def token(xet: Xet, repository: int) -> Callable[..., dict[str, str]]:
    def made(*, writes: bool = True) -> dict[str, str]:
        leave = xet.leave(ANN, repository, reads=True, pays="ann" if writes else None)
        return {"Authorization": f"Bearer {leave.token}"}

    return made


Token = Callable[..., dict[str, str]]


def upload(client: TestClient, token: Token) -> None:
    sent = client.post(f"{BASE}/v1/xorbs/default/{XORB}", content=STORED, headers=token())
    assert sent.json() == {"was_inserted": True}
    assert client.post(f"{BASE}/v1/shards", content=told(), headers=token()).json() == {"result": 1}


def made_of(client: TestClient, plan: dict[str, Any], fetches: Any) -> bytes:
    """Make a file as a client does: fetch without a token, cut out the terms."""
    made = b""
    for term in plan["terms"]:
        for url, chunks, span in fetches(term["hash"]):
            if chunks["start"] <= term["range"]["start"] and term["range"]["end"] <= chunks["end"]:
                got = client.get(url, headers={"Range": f"bytes={span['start']}-{span['end']}"})
                assert got.status_code == 206
                contents = list(read_chunks([got.content]))
                assert len(contents) == chunks["end"] - chunks["start"]
                run = slice(term["range"]["start"] - chunks["start"], term["range"]["end"] - chunks["start"])
                made += b"".join(contents[run])
                break
    return made[plan["offset_into_first_range"] :]


def test_a_file_travels_both_ways(client: TestClient, token: Token) -> None:
    upload(client, token)
    plan = client.get(f"{BASE}/v2/reconstructions/{FILE}", headers=token(writes=False)).json()
    made = made_of(
        client,
        plan,
        lambda xorb: [(f["url"], r["chunks"], r["bytes"]) for f in plan["xorbs"][xorb] for r in f["ranges"]],
    )
    assert made == CONTENT


def test_the_first_version_gives_the_same(client: TestClient, token: Token) -> None:
    upload(client, token)
    asked = token(writes=False) | {"Range": f"bytes=100-{len(CONTENT) - 50}"}
    plan = client.get(f"{BASE}/v1/reconstructions/{FILE}", headers=asked).json()
    made = made_of(
        client, plan, lambda xorb: [(f["url"], f["range"], f["url_range"]) for f in plan["fetch_info"][xorb]]
    )
    assert made.startswith(CONTENT[100:-49])


def test_a_range_behind_the_end_is_416_and_one_to_the_largest_number_is_all(client: TestClient, token: Token) -> None:
    upload(client, token)
    url = f"{BASE}/v2/reconstructions/{FILE}"
    gone = client.get(url, headers=token() | {"Range": f"bytes={len(CONTENT)}-"})
    assert gone.status_code == 416
    assert gone.headers["content-range"] == f"bytes */{len(CONTENT)}"
    whole = client.get(url, headers=token() | {"Range": f"bytes=0-{2**64 - 2}"}).json()
    assert sum(term["unpacked_length"] for term in whole["terms"]) == len(CONTENT)
    assert client.get(url, headers=token() | {"Range": "bytes=abc"}).status_code == 400


def test_progress_comes_line_by_line_and_ends_in_a_result(client: TestClient, token: Token) -> None:
    client.post(f"{BASE}/v1/xorbs/default/{XORB}", content=STORED, headers=token())
    lines = client.post(f"{BASE}/v2/shards", content=told(), headers=token()).text.splitlines()
    events = [json.loads(line) for line in lines]
    assert events[-1] == {"type": "result"}
    assert all(event["type"] == "validating" and event["verified"] <= event["total"] for event in events[:-1])


def test_a_refused_shard_says_why_in_either_form(client: TestClient, token: Token) -> None:
    missing = client.post(f"{BASE}/v1/shards", content=told(), headers=token())
    assert missing.status_code == 400
    assert "upload again" in missing.json()["error"]
    last = client.post(f"{BASE}/v2/shards", content=told(), headers=token()).text.splitlines()[-1]
    assert json.loads(last) == {"type": "error", "message": missing.json()["error"], "retryable": False}


def test_a_refused_xorb_is_read_to_its_end_and_says_why(client: TestClient, token: Token, blobs: FolderBlobs) -> None:
    def long() -> Iterator[bytes]:
        yield b"\x05" * 1000
        for _ in range(20):
            yield bytes(1 << 20)

    refused = client.post(f"{BASE}/v1/xorbs/default/{XORB}", content=long(), headers=token())
    assert refused.status_code == 400
    assert "version 0" in refused.json()["error"]
    assert list(blobs.stored()) == []


def test_a_body_that_is_too_long_is_refused(client: TestClient, token: Token) -> None:
    announced = token() | {"Content-Length": str(MOST_STORED_BYTES * 2)}
    for path in (f"v1/xorbs/default/{XORB}", "v1/shards", "v2/shards"):
        assert client.post(f"{BASE}/{path}", content=b"x", headers=announced).status_code == 400


def test_chunks_are_answered_or_not_found(client: TestClient, token: Token) -> None:
    asked = f"{BASE}/v1/chunks/default/{'0' * 64}"
    assert client.get(asked, headers=token()).status_code == 404
    upload(client, token)
    answer = client.get(asked, headers=token())
    assert (answer.status_code, answer.content[:8]) == (200, b"HFRepoMe")
    assert client.get(f"{BASE}/v1/chunks/default-merkledb/{'0' * 64}", headers=token()).status_code == 200
    assert client.get(f"{BASE}/v1/chunks/other/{'0' * 64}", headers=token()).status_code == 404
    assert client.get(f"{BASE}/v1/chunks/default/xyz", headers=token()).status_code == 400


def test_without_a_fitting_token_nothing_is_told(
    client: TestClient, token: Token, xet: Xet, database: Database
) -> None:
    upload(client, token)
    reading = ((f"v2/reconstructions/{FILE}", client.get), (f"v1/chunks/default/{'0' * 64}", client.get))
    writing = ((f"v1/xorbs/default/{XORB}", client.post), ("v1/shards", client.post), ("v2/shards", client.post))
    for path, send in (*reading, *writing):
        for headers in ({}, {"Authorization": "Bearer hf_x"}, {"Authorization": "Basic eA=="}):
            assert send(f"{BASE}/{path}", headers=headers).status_code == 401
    for path, send in writing:
        assert send(f"{BASE}/{path}", headers=token(writes=False)).status_code == 403
    other = xet.leave(ANN, new_repository(database, "other", private=True), reads=True).token
    headers = {"Authorization": f"Bearer {other}"}
    assert client.get(f"{BASE}/v2/reconstructions/{FILE}", headers=headers).status_code == 404


def test_an_address_gives_its_bytes_and_no_others(client: TestClient, token: Token) -> None:
    upload(client, token)
    asked = token() | {"Range": "bytes=0-99"}
    plan = client.get(f"{BASE}/v2/reconstructions/{FILE}", headers=asked).json()
    url = plan["xorbs"][XORB][0]["url"]
    stop = int(parse_qs(urlsplit(url).query)["to"][0])
    assert stop < len(STORED)
    inside = client.get(url, headers={"Range": f"bytes=0-{stop - 1}"})
    assert (inside.status_code, inside.content) == (206, STORED[:stop])
    assert client.get(url, headers={"Range": f"bytes=0-{stop}"}).status_code == 400
    for changed in (url.replace(f"to={stop}", f"to={len(STORED)}"), url[:-1] + "x", url.split("?")[0] + "?from=0&to=9"):
        assert client.get(changed, headers={"Range": "bytes=0-5"}).status_code in {400, 403}


@pytest.mark.parametrize("path", ["v1/xorb-grants/default/" + XORB, "v1/telemetry", "v2/file-chunk-hashes/" + FILE])
def test_what_is_not_spoken_here_is_not_found_so_that_clients_fall_back(
    client: TestClient, token: Token, path: str
) -> None:
    assert client.post(f"{BASE}/{path}", headers=token(), json={}).status_code == 404
