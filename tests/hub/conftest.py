"""A hub's tables, empty, for each test that asks."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from minnow.hub.database import Database
from minnow.hub.hub import Hub, build_hub, close_hub
from minnow.hub.repositories import Repository
from minnow.hub.settings import HubSettings


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a database with all its tables, made once."""
    path = tmp_path_factory.mktemp("hub") / "hub.db"
    made = Database(f"sqlite:///{path}")
    made.migrate()
    made.close()
    return path


@pytest.fixture
def database(empty_database: Path, tmp_path: Path) -> Iterator[Database]:
    """A SQLite database in the test's own folder."""
    shutil.copyfile(empty_database, tmp_path / "hub.db")
    made = Database(f"sqlite:///{tmp_path / 'hub.db'}")
    yield made
    made.close()


@pytest.fixture
def hub(database: Database, tmp_path: Path) -> Iterator[Hub]:
    """A whole hub over those tables and a folder."""
    made = build_hub(
        HubSettings(
            data=tmp_path,
            database_url=database.url.render_as_string(),
            blobs_url=str(tmp_path / "blobs"),
            secret=b"secret" * 6,
            endpoint="http://hub.test",
        )
    )
    yield made
    close_hub(made)


@pytest.fixture
def repository(hub: Hub) -> Repository:
    """A public model of Ann's."""
    return hub.repositories.create("model", "ann", "speller", private=False, by="ann")
