"""Whatever comes in is bounded: in size, in number, in the time that it may let others wait."""

import asyncio
import hashlib
import struct
from base64 import urlsafe_b64encode
from typing import Any

import orjson
import pytest
from sqlalchemy import update

from hub.api.test_app import REPO, Caller, ann, bob, client, code, nobody, send_large
from hub.api.test_bodies import Sender, done
from minnow.errors import StalledError
from minnow.hub.api import bodies, safetensors
from minnow.hub.api.bodies import Turns, whole
from minnow.hub.hub import Hub
from minnow.hub.repository_tables import RepositoryRow

__all__ = ["ann", "bob", "client", "nobody"]


class Sleeper(Sender):
    """A client that sends some parts and then nothing, without going away."""

    async def receive(self) -> dict[str, Any]:
        if not self.left:
            await asyncio.sleep(3600)
        return await super().receive()


def test_a_body_that_stalls_gives_its_thread_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "STALLED_SECONDS", 0.05)
    with pytest.raises(StalledError, match=r"nothing came in 0.05 seconds; send it again"):
        done(Sleeper([b"a line\n"], leaves=True), list)
    with pytest.raises(StalledError):
        asyncio.run(asyncio.wait_for(whole(Sleeper([b"some"], leaves=True).request(), 100), 30))


def test_work_that_takes_long_is_no_stall(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "STALLED_SECONDS", 0.05)

    def slow(pieces: Any) -> int:
        length = 0
        for piece in pieces:
            asyncio.run(asyncio.sleep(0.1))
            length += len(piece)
        return length

    assert done(Sender([bytes(1 << 20)] * 8), slow) == 8 << 20


def test_one_caller_has_no_more_than_his_turns() -> None:
    async def run() -> list[str]:
        turns, going_on, seen = Turns(2), asyncio.Event(), []

        async def work(who: str) -> None:
            async with turns.of(who):
                seen.append(who)
                await going_on.wait()

        working = [asyncio.create_task(work(who)) for who in ("eve", "eve", "eve", "ann")]
        while len(seen) < 3:
            await asyncio.sleep(0)
        before = sorted(seen)
        going_on.set()
        await asyncio.gather(*working)
        assert not turns._gates
        return before

    assert asyncio.run(run()) == ["ann", "eve", "eve"]


@pytest.mark.parametrize(
    "front",
    [b"x: !!bool foo", b"x: !!int ''", b"x: !!timestamp foo", b"x: " + b"1:" * 200 + b"1.5", b'x: "\\ud800"'],
)
def test_a_commit_with_any_card_is_a_commit_and_is_shown(ann: Caller, nobody: Caller, front: bytes) -> None:
    text = b"---\n" + front + b"\n---\n"
    assert ann.commit({"README.md": text}).status_code == 200
    checked = nobody("POST", "/api/validate-yaml", json={"content": text.decode(), "repoType": "model"})
    assert checked.status_code in {200, 400}
    assert nobody("GET", REPO).status_code == nobody("GET", "/api/models?full=true&cardData=true").status_code == 200


def test_what_fails_after_a_commit_does_not_undo_it(ann: Caller, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_repository: int) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(hub.publishing._descriptions, "refresh", fails)
    assert ann.commit({"a": b"a"}).status_code == 200


def test_a_card_that_was_entered_as_it_was_written_is_shown(ann: Caller, nobody: Caller, hub: Hub) -> None:
    ann.commit({"a": b"a"})
    with hub.database.writing() as session:
        session.execute(update(RepositoryRow).values(card={"half": "\ud800", "long": 10**30}))
    assert nobody("GET", REPO).json()["cardData"] == {"half": "\ud800", "long": 10**30}


def test_a_nul_is_nothing_that_has_a_name(ann: Caller, nobody: Caller) -> None:
    ann.commit({"a": b"a"})
    assert code(nobody("GET", "/api/models/a%00b/c")) == (404, None)
    assert nobody("GET", f"{REPO}/revision/x%00").status_code == 404
    assert nobody("GET", "/api/models?search=a%00").status_code == 400
    told = ann("POST", f"{REPO}/discussions", json={"title": "a\0b"})
    assert (told.status_code, "NUL" in told.json()["error"]) == (400, True)
    assert ann("POST", f"{REPO}/discussions", json={"title": "a literal \\u0000"}).status_code == 200
    assert ann.commit({"b": b"b"}, summary="a\0b").status_code == 200


def test_numbers_that_nothing_has_are_not_there(ann: Caller, nobody: Caller) -> None:
    ann.commit({"a": b"a"})
    ann("POST", f"{REPO}/discussions", json={"title": "one"})
    assert nobody("GET", f"{REPO}/discussions/{'9' * 20}").status_code == 404
    assert ann("POST", f"{REPO}/discussions/1/comment/{'9' * 24}/hide", json={}).status_code == 404
    for many in ("9" * 20, "9" * 400):
        assert nobody("GET", f"/api/models?num_parameters=min:{many}").json() == []
    for place in (9_999_999_999_999_999_999, -9_223_372_036_854_775_808):
        cursor = urlsafe_b64encode(orjson.dumps([place, 1])).decode()
        assert nobody("GET", f"/api/models?cursor={cursor}").status_code == 400
    cursor = urlsafe_b64encode(orjson.dumps([1 << 62, 1])).decode()
    assert nobody("GET", f"/api/models?cursor={cursor}").status_code == 200
    assert nobody("GET", f"/api/models?search={'a+' * 21}").status_code == 400
    form = "grant_type=urn:ietf:params:oauth:grant-type:device_code&device_code=%C3%A9"
    told = nobody("POST", "/oauth/token", content=form.encode())
    assert (told.status_code, told.json()) == (400, {"error": "expired_token"})


def test_headers_are_told_together_up_to_a_bound(ann: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    header = orjson.dumps({"w": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}})
    content = struct.pack("<Q", len(header)) + header + b"\0"
    sha256 = hashlib.sha256(content).hexdigest()
    names = ["a.safetensors", "b.safetensors", "c.safetensors"]
    ann.commit({"i.json": orjson.dumps({"weight_map": {name: name for name in names}})})
    send_large(ann, sha256, content, names[0])
    large = {"algo": "sha256", "oid": sha256, "size": len(content)}
    ann.commit({}, operations=[{"key": "lfsFile", "value": {"path": name, **large}} for name in names[1:]])
    told = ann("GET", f"{REPO}/safetensors-metadata/i.json")
    assert told.json()["headers"] == dict.fromkeys(names, orjson.loads(header))
    monkeypatch.setattr(safetensors, "MOST_HEADER_BYTES", 3 * len(header) - 1)
    told = ann("GET", f"{REPO}/safetensors-metadata/i.json")
    assert (told.status_code, "ask for fewer files" in told.json()["error"]) == (400, True)


def test_small_files_are_small(ann: Caller) -> None:
    told = ann.commit({"a.txt": b"a" * 10_000_001})
    assert (told.status_code, "send it as a large file" in told.json()["error"]) == (400, True)


def test_paths_with_their_commits_are_fewer(ann: Caller, nobody: Caller) -> None:
    ann.commit({"a": b"a"})
    for expand, status in ((False, 200), (True, 400)):
        body = {"paths": ["a"] * 1001, "expand": expand}
        assert nobody("POST", f"{REPO}/paths-info/main", json=body).status_code == status


def test_signing_in_begins_so_often_and_no_more(nobody: Caller) -> None:
    begun = [nobody("POST", "/oauth/device").status_code for _ in range(61)]
    assert begun == [200] * 60 + [429]
