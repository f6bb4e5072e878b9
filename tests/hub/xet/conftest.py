"""A chunk store over a fresh database and folder, with one repository."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from minnow.hub.blobs import FolderBlobs
from minnow.hub.database import Database
from minnow.hub.limits import Quotas
from minnow.hub.repository_tables import RepositoryRow
from minnow.hub.xet.service import Xet


@pytest.fixture
def blobs(tmp_path: Path) -> FolderBlobs:
    return FolderBlobs(tmp_path / "blobs")


@pytest.fixture
def xet(database: Database, blobs: FolderBlobs) -> Xet:
    return Xet(database, blobs, b"secret" * 6, Quotas(database))


def new_repository(database: Database, name: str, owner: str = "ann", **settings: object) -> int:
    now = datetime.now(UTC)
    given = {"kind": "model", "private": False, "created_at": now, "updated_at": now, **settings}
    with database.writing() as session:
        row = RepositoryRow(owner=owner, name=name, key=f"{owner}/{name}".lower(), **given)
        session.add(row)
        session.flush()
        return row.id


@pytest.fixture
def repository(database: Database) -> int:
    return new_repository(database, "speller")
