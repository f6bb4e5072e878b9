"""Nothing that is needed, or that a client may still refer to, is removed; the rest is, and the figures are true."""

import os
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import delete, select, update

from hub.xet.chunks import xorb
from hub.xet.conftest import new_repository
from hub.xet.test_service import CONTENT, PARTS, SHA256, take, told, whole
from minnow.errors import RefusedUploadError
from minnow.hub.blobs import FolderBlobs
from minnow.hub.database import Database
from minnow.hub.repository_tables import LargeFileRow, RepositoryRow
from minnow.hub.xet.checking import problems
from minnow.hub.xet.service import Xet
from minnow.hub.xet.sweeping import Stored, Sweep, Swept
from minnow.hub.xet_tables import XetFileRow, XetTermRow, XorbRow

GRACE = timedelta(days=21)
NOTHING = Swept(0, 0, 0)


@pytest.fixture
def sweep(database: Database, blobs: FolderBlobs) -> Sweep:
    return Sweep(database, blobs)


def in_days(days: float) -> datetime:
    return datetime.now(UTC) + timedelta(days=days)


def forget(database: Database, repository: int) -> None:
    with database.writing() as session:
        session.execute(delete(RepositoryRow).where(RepositoryRow.id == repository))


def stored_length() -> int:
    return len(xorb(PARTS)[1])


def test_what_a_repository_has_is_kept_for_ever(xet: Xet, sweep: Sweep, repository: int) -> None:
    take(xet, PARTS)
    xet.registrar.register(repository, "ann", told())
    assert sweep.remove(in_days(4000), GRACE) == NOTHING
    assert whole(xet) == CONTENT
    assert sweep.stored() == Stored(1, len(CONTENT), 1, stored_length())


def test_a_file_that_nobody_has_goes_and_its_xorbs_a_while_later(
    xet: Xet, sweep: Sweep, database: Database, blobs: FolderBlobs, repository: int
) -> None:
    take(xet, PARTS)
    xet.registrar.register(repository, "ann", told())
    forget(database, repository)
    assert sweep.remove(in_days(20), GRACE) == NOTHING
    assert sweep.find(in_days(22), GRACE) == Swept(1, 0, 0)
    assert xet.content(SHA256) is not None
    assert sweep.remove(in_days(22), GRACE) == Swept(1, 0, 0)
    assert xet.content(SHA256) is None
    assert sweep.remove(in_days(42), GRACE) == NOTHING
    assert sweep.find(in_days(44), GRACE) == Swept(0, 1, stored_length())
    assert len(list(blobs.stored())) == 1
    assert sweep.remove(in_days(44), GRACE) == Swept(0, 1, stored_length())
    assert list(blobs.stored()) == []
    assert sweep.stored() == Stored(0, 0, 0, 0)


def test_without_grace_all_goes_at_once(xet: Xet, sweep: Sweep, database: Database, repository: int) -> None:
    take(xet, PARTS)
    xet.registrar.register(repository, "ann", told())
    forget(database, repository)
    assert sweep.remove(in_days(1), timedelta()) == Swept(1, 1, stored_length())


def test_a_xorb_that_is_needed_again_stays(xet: Xet, sweep: Sweep, database: Database, repository: int) -> None:
    take(xet, PARTS)
    xet.registrar.register(repository, "ann", told())
    forget(database, repository)
    sweep.remove(in_days(22), GRACE)
    again = new_repository(database, "again")
    xet.registrar.register(again, "ann", told())
    assert sweep.remove(in_days(100), GRACE) == NOTHING
    assert whole(xet) == CONTENT
    with database.reading() as session:
        assert session.scalars(select(XorbRow.unused_since)).all() == [None]


def test_a_file_that_refers_to_a_removed_xorb_is_refused_with_the_way_out(
    xet: Xet, sweep: Sweep, repository: int
) -> None:
    take(xet, PARTS)
    sweep.remove(in_days(22), GRACE)
    with pytest.raises(RefusedUploadError, match="upload again"):
        xet.registrar.register(repository, "ann", told())
    assert take(xet, PARTS)
    xet.registrar.register(repository, "ann", told())


def test_xorbs_that_no_file_ever_needed_go(xet: Xet, sweep: Sweep) -> None:
    take(xet, PARTS)
    assert sweep.remove(in_days(20), GRACE) == NOTHING
    assert sweep.remove(in_days(22), GRACE) == Swept(0, 1, stored_length())


def test_a_xorb_that_was_stored_but_not_entered_goes_unless_it_is_young(
    sweep: Sweep, blobs: FolderBlobs, xet: Xet, repository: int
) -> None:
    take(xet, PARTS)
    xet.registrar.register(repository, "ann", told())
    blobs.put("xorbs/ab/cut-off", [b"12345"])
    assert sweep.remove(datetime.now(UTC), timedelta()) == NOTHING
    path = next(blobs.root.rglob("cut-off"))
    os.utime(path, (0, 0))
    assert sweep.find(datetime.now(UTC), GRACE) == Swept(0, 1, 5)
    assert sweep.remove(datetime.now(UTC), GRACE) == Swept(0, 1, 5)
    assert whole(xet) == CONTENT


def found(database: Database, blobs: FolderBlobs, *, contents: bool = True) -> list[str]:
    return list(problems(database, blobs, contents=contents))


def test_a_sound_store_has_no_problems(xet: Xet, database: Database, blobs: FolderBlobs, repository: int) -> None:
    take(xet, PARTS)
    xet.registrar.register(repository, "ann", told())
    assert found(database, blobs) == []


def test_damage_is_found(xet: Xet, database: Database, blobs: FolderBlobs, repository: int) -> None:
    take(xet, PARTS)
    xet.registrar.register(repository, "ann", told())
    path = next(path for path in blobs.root.rglob("*") if path.is_file())
    right = path.read_bytes()
    path.write_bytes(right[:-20] + bytes([right[-20] ^ 1]) + right[-19:])
    assert found(database, blobs, contents=False) == []
    assert len(found(database, blobs)) == 2
    path.write_bytes(right[:-1])
    assert "bytes are stored of" in found(database, blobs, contents=False)[0]
    path.unlink()
    assert "not found" in found(database, blobs, contents=False)[0]


def test_tables_that_disagree_are_found(xet: Xet, database: Database, blobs: FolderBlobs, repository: int) -> None:
    take(xet, PARTS)
    xet.registrar.register(repository, "ann", told())
    for change, words in (
        (update(XetTermRow).values(start=1), "do not have"),
        (update(XetTermRow).values(start=0, length=7), "do not have"),
        (update(XetTermRow).values(length=len(CONTENT)), ""),
        (update(XetFileRow).values(size=7), "do not give its size"),
        (update(XetFileRow).values(size=len(CONTENT), sha256="0" * 64), "has the SHA-256"),
        (update(XetFileRow).values(sha256=SHA256), ""),
        (update(XorbRow).values(length=7), "does not have its length"),
    ):
        with database.writing() as session:
            session.execute(change)
        said = found(database, blobs)
        assert words in said[0] if words else said == []


def test_a_link_without_a_file_is_nothing_to_xet(database: Database, blobs: FolderBlobs, repository: int) -> None:
    with database.writing() as session:
        row = LargeFileRow(repository_id=repository, sha256="0" * 64, size=1, admitted_at=datetime.now(UTC))
        session.add(row)
    assert found(database, blobs) == []


def test_a_xorb_whose_file_is_still_to_be_told_stays_without_any_grace(
    xet: Xet, sweep: Sweep, database: Database, repository: int
) -> None:
    take(xet, PARTS)
    assert sweep.remove(in_days(0), timedelta(0)) == NOTHING
    xet.registrar.register(repository, "ann", told())
    assert whole(xet) == CONTENT
    forget(database, repository)
    assert sweep.remove(in_days(0), timedelta(0)) == Swept(1, 1, stored_length())
