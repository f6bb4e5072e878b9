"""A hub's tables, empty, for each test that asks."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from minnow.hub.database import Database


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
