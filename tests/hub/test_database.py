"""The two doors of the database, and that its migrations make the tables that the code expects."""

import importlib
import pkgutil
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, select, update

import minnow.hub
from minnow.hub.database import Base, Database
from minnow.hub.repository_tables import RepositoryRow

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


def a_repository(name: str = "one", likes: int = 0) -> RepositoryRow:
    return RepositoryRow(
        kind="model",
        owner="alice",
        name=name,
        key=f"alice/{name}",
        private=False,
        created_at=NOW,
        updated_at=NOW,
        likes=likes,
    )


def test_the_migrations_make_what_the_tables_say(tmp_path: Path) -> None:
    for module in pkgutil.walk_packages(minnow.hub.__path__, "minnow.hub."):
        if module.name.endswith("_tables"):
            importlib.import_module(module.name)
    database = Database(f"sqlite:///{tmp_path}/hub.db")
    database.migrate()
    with create_engine(database.url).connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


def test_migrating_twice_at_once_is_migrating_once(tmp_path: Path) -> None:
    databases = [Database(f"sqlite:///{tmp_path}/hub.db") for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(Database.migrate, databases))
    with databases[0].writing() as session:
        session.add(a_repository())


def test_after_an_error_nothing_of_a_block_is_kept(database: Database) -> None:
    def broken() -> None:
        with database.writing() as session:
            session.add(a_repository())
            session.flush()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        broken()
    with database.reading() as session:
        assert session.scalars(select(RepositoryRow)).all() == []


def test_a_reader_neither_waits_for_a_writer_nor_sees_half_of_it(database: Database) -> None:
    with database.writing() as session:
        session.add(a_repository())
    with database.reading() as reader:
        assert reader.scalar(select(RepositoryRow.likes)) == 0
        with database.writing() as writer:
            writer.execute(update(RepositoryRow).values(likes=1))
            assert reader.scalar(select(RepositoryRow.likes)) == 0
        assert reader.scalar(select(RepositoryRow.likes)) == 0
    with database.reading() as reader:
        assert reader.scalar(select(RepositoryRow.likes)) == 1


def test_two_writers_that_read_before_they_write_lose_nothing(tmp_path: Path, database: Database) -> None:
    with database.writing() as session:
        session.add(a_repository())
    databases = [database, Database(f"sqlite:///{tmp_path}/hub.db")]
    start = threading.Barrier(8)

    def like(i: int) -> None:
        start.wait()
        for _ in range(10):
            with databases[i % 2].writing() as session:
                session.scalars(select(RepositoryRow)).one().likes += 1

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(like, range(8)))
    with database.reading() as session:
        assert session.scalar(select(RepositoryRow.likes)) == 80


def test_moments_keep_their_instant_and_come_back_in_utc(database: Database) -> None:
    elsewhere = NOW.astimezone(timezone(timedelta(hours=8)))
    with database.writing() as session:
        row = a_repository()
        row.created_at = elsewhere
        session.add(row)
    with database.reading() as session:
        created = session.scalars(select(RepositoryRow)).one().created_at
    assert created == NOW
    assert created.utcoffset() == timedelta(0)


def test_a_repository_takes_its_rows_with_it(database: Database) -> None:
    from minnow.hub.repository_tables import RefRow

    with database.writing() as session:
        row = a_repository()
        session.add(row)
        session.flush()
        session.add(RefRow(repository_id=row.id, name="refs/heads/main", commit_id="0" * 40, updated_at=NOW))
    with database.writing() as session:
        session.delete(session.scalars(select(RepositoryRow)).one())
    with database.reading() as session:
        assert session.scalars(select(RefRow)).all() == []
