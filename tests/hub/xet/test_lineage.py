"""Clients are told of the chunks that they most likely have, of what they may read, and of nothing else."""

from collections.abc import Sequence
from hashlib import sha256
from typing import Any

import pytest

from hub.xet.chunks import contents, hashes, proof, shard, shard_file, term, xorb
from hub.xet.conftest import new_repository
from minnow.errors import RefusedUploadError
from minnow.hub.blobs import FolderBlobs
from minnow.hub.database import Database
from minnow.hub.limits import Quotas
from minnow.hub.rights import ANONYMOUS, Caller, Role
from minnow.hub.xet.grants import Grant
from minnow.hub.xet.hashing import chunk_hash, keyed, to_text
from minnow.hub.xet.lineage import MOST_REPEATS, REPEAT_SECONDS, Bases, bases_of_card, near
from minnow.hub.xet.service import Xet
from minnow.hub.xet.shard import FOOTER_BYTES, read_shard

ANN = Caller(1, "ann", writes=True)
BOB = Caller(2, "bob", writes=True)
ASKED = "0" * 64


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def xet(database: Database, blobs: FolderBlobs, clock: Clock) -> Xet:
    return Xet(database, blobs, b"secret" * 6, Quotas(database), clock)


def upload(xet: Xet, repository: int, seed: int) -> list[bytes]:
    parts = [part * (8192 // len(part) + 1) for part in contents(3, seed)]
    hashed, content = xorb(parts)
    xet.xorbs.take(to_text(hashed), "ann", [content])
    name = sha256(b"".join(parts)).hexdigest()
    xet.registrar.register(repository, "ann", shard([shard_file(parts, [term(parts)], [proof(parts)], name)]))
    return parts


def nearest(database: Database, caller: Caller, repository: int, bases: Sequence[str] = ()) -> tuple[int, ...]:
    told = Bases()
    told.tell(repository, bases)
    with database.reading() as session:
        return near(session, caller, repository, told)


def told_of(xet: Xet, grant: Grant, chunk: str = ASKED) -> set[bytes]:
    answer = xet.answers.about(grant, chunk)
    return set() if answer is None else {told.hash for told in read_shard(answer).xorbs}


def grant(repository: int, *others: int) -> Grant:
    return Grant(repository, others, True, 2**40)


def test_bases_are_followed_and_the_owners_newest_come_after(database: Database) -> None:
    ground = new_repository(database, "ground", "eve")
    middle = new_repository(database, "middle", "eve", card={"base_model": ["Eve/Ground", "eve/gone"]})
    mine = new_repository(database, "mine", card={"base_model": "eve/middle"})
    sister = new_repository(database, "sister")
    new_repository(database, "letters", kind="dataset")
    new_repository(database, "unrelated", "eve")
    assert nearest(database, ANN, mine) == (middle, ground, sister)


def test_bases_in_a_circle_end(database: Database) -> None:
    one = new_repository(database, "one", "eve", card={"base_model": "eve/two"})
    two = new_repository(database, "two", "eve", card={"base_model": "eve/one"})
    assert nearest(database, ANN, one) == (two,)


@pytest.mark.parametrize("settings", [{"private": True}, {"gate": "manual"}, {"gate": "auto"}])
def test_what_the_caller_may_not_read_is_not_near(database: Database, settings: dict[str, Any]) -> None:
    hidden = new_repository(database, "hidden", "eve", **settings)
    mine = new_repository(database, "mine", card={"base_model": "eve/hidden"})
    assert nearest(database, ANN, mine) == ()
    assert nearest(database, ANONYMOUS, mine) == ()
    assert nearest(database, Caller(1, "ann", roles={"eve": Role.READ}), mine) == (hidden,)


def test_bases_told_before_the_card_is_there_count_for_an_hour(clock: Clock) -> None:
    bases = Bases(clock)
    bases.tell(5, ["eve/ground"])
    assert bases.of(5) == ("eve/ground",)
    assert bases.of(6) == ()
    clock.now += 3601
    assert bases.of(5) == ()


def test_told_bases_are_near(database: Database) -> None:
    ground = new_repository(database, "ground", "eve")
    mine = new_repository(database, "mine")
    assert nearest(database, ANN, mine, ["eve/ground"]) == (ground,)


@pytest.mark.parametrize(
    ("card", "bases"),
    [
        (None, ()),
        ({}, ()),
        ({"base_model": "a/b"}, ("a/b",)),
        ({"base_model": ["a/b", 5, "c/d"]}, ("a/b", "c/d")),
        ({"base_model": {"x": 1}}, ()),
        ({"base_model": 7}, ()),
    ],
)
def test_bases_are_read_from_any_card(card: dict[str, Any] | None, bases: tuple[str, ...]) -> None:
    assert bases_of_card(card) == bases


def test_earlier_uploads_and_those_of_near_repositories_are_told(xet: Xet, database: Database, repository: int) -> None:
    base, other = new_repository(database, "base"), new_repository(database, "other", "eve", private=True)
    mine, theirs, hidden = upload(xet, repository, 1), upload(xet, base, 2), upload(xet, other, 3)
    assert told_of(xet, grant(repository)) == {xorb(mine)[0]}
    assert told_of(xet, grant(repository, base)) == {xorb(mine)[0], xorb(theirs)[0]}
    assert xorb(hidden)[0] not in told_of(xet, grant(repository, base))


def test_chunks_are_told_under_a_key(xet: Xet, repository: int) -> None:
    parts = upload(xet, repository, 1)
    answer = xet.answers.about(grant(repository), ASKED)
    assert answer
    key = answer[-FOOTER_BYTES:][72:104]
    assert any(key)
    assert read_shard(answer).xorbs[0].chunks == tuple((keyed(hashed, key), size) for hashed, size in hashes(parts))
    assert all(chunk_hash(part) not in answer for part in parts)


def test_a_token_is_told_once_but_for_those_who_ask_at_the_same_moment(xet: Xet, clock: Clock, repository: int) -> None:
    first = xorb(upload(xet, repository, 1))[0]
    token = grant(repository)
    assert told_of(xet, token) == told_of(xet, token, "1" * 64) == {first}
    clock.now += REPEAT_SECONDS + 1
    assert told_of(xet, token) == set()
    assert told_of(xet, grant(repository)) == {first}


def test_not_everybody_who_asks_at_the_same_moment_is_told(xet: Xet, repository: int) -> None:
    upload(xet, repository, 1)
    token = grant(repository)
    assert sum(bool(told_of(xet, token)) for _ in range(MOST_REPEATS + 5)) == MOST_REPEATS


def test_what_more_than_an_answer_holds_is_left_out(xet: Xet, repository: int, monkeypatch: pytest.MonkeyPatch) -> None:
    older, newer = upload(xet, repository, 1), upload(xet, repository, 2)
    monkeypatch.setattr("minnow.hub.xet.lineage.MOST_CHUNKS_TOLD", len(older) + len(newer) - 1)
    assert told_of(xet, grant(repository)) == {xorb(newer)[0]}


def test_public_files_with_the_same_first_chunk_are_told(xet: Xet, database: Database, repository: int) -> None:
    public, private = new_repository(database, "public", "eve"), new_repository(database, "x", "eve", private=True)
    parts, hidden = upload(xet, public, 1), upload(xet, private, 2)
    assert told_of(xet, grant(repository), to_text(chunk_hash(parts[0]))) == {xorb(parts)[0]}
    assert told_of(xet, grant(repository), to_text(chunk_hash(hidden[0]))) == set()
    assert told_of(xet, grant(repository), to_text(chunk_hash(parts[1]))) == set()


def test_a_chunk_is_asked_for_by_a_hash(xet: Xet, repository: int) -> None:
    with pytest.raises(RefusedUploadError):
        xet.answers.about(grant(repository), "x")


def test_leave_to_write_knows_what_is_near(xet: Xet, database: Database, repository: int) -> None:
    base = new_repository(database, "base")
    assert xet.grant(xet.leave(ANN, repository, reads=True, pays="ann").token, writing=True).near == (base,)
    assert xet.grant(xet.leave(ANN, repository, reads=True).token).near == ()
