"""The tables in SQLite and in PostgreSQL: the same promises."""

import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from contracts.hub_database import NOW, HubDatabasePromises, a_repository
from ports import free_port
from sqlalchemy import Table, create_engine, insert, inspect, select, text

from minnow.errors import StorageError
from minnow.hub.blobs import open_blobs
from minnow.hub.database import Base, Database, Moment
from minnow.hub.repository_tables import RepositoryRow

PROGRAMS = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of its own, whose data nobody else sees and which needs no durability."""
    programs = os.pathsep.join([*map(str, PROGRAMS), os.environ["PATH"]])
    initdb, control = shutil.which("initdb", path=programs), shutil.which("pg_ctl", path=programs)
    if not initdb or not control:
        pytest.skip("PostgreSQL is not installed; put its initdb and pg_ctl into PATH")
    folder = tmp_path_factory.mktemp("postgresql")
    # PostgreSQL refuses to run as root; its own account is there wherever root installed it.
    user = "postgres" if os.geteuid() == 0 else None
    if user:
        for above in (folder, *folder.parents[:-1]):
            above.chmod(above.stat().st_mode | 0o011)
        shutil.chown(folder, user)
    port = free_port()

    def run(*words: object) -> None:
        subprocess.run([*map(str, words)], check=True, capture_output=True, user=user, cwd=folder)

    run(initdb, "-D", folder / "data", "-U", "hub", "-A", "trust", "--no-sync")
    options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
    run(control, "-D", folder / "data", "-w", "-l", folder / "log", "-o", options, "start")
    yield f"postgresql+pg8000://hub@127.0.0.1:{port}"
    run(control, "-D", folder / "data", "-m", "immediate", "stop")


class TestSqlite(HubDatabasePromises):
    @pytest.fixture
    def url(self, tmp_path: Path) -> str:
        return f"sqlite:///{tmp_path}/hub.db"

    def test_two_writers_that_read_before_they_write_lose_nothing(self, url: str, database: Database) -> None:
        with database.writing() as session:
            session.add(a_repository())
        databases = [database, Database(url)]
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

    def test_what_was_there_stays_when_numbers_come_to_be_given_once(self, url: str) -> None:
        database = Database(url)
        database.migrate(to="0004")
        with database.writing() as session:
            there = set(inspect(session.connection()).get_table_names())
            for table in Base.metadata.sorted_tables:
                if table.name in there:
                    session.execute(insert(table), [made_up(table, number) for number in (1, 2)])
        before, links = all_of(database)
        assert len(before) >= 18
        database.migrate()
        after, links_after = all_of(database)
        assert ({name: after[name] for name in before}, {name: links_after[name] for name in links}) == (before, links)
        with database.writing() as session:
            session.execute(text("DELETE FROM repositories WHERE id = 2"))
            session.execute(text("DELETE FROM accounts WHERE id = 2"))
        left = all_of(database)[0]
        assert [len(left[name]) for name in ("refs", "discussion_events", "tokens", "memberships")] == [1, 1, 1, 1]
        with database.writing() as session:
            session.add(made := a_repository())
            session.flush()
            assert made.id == 3
        database.close()

    def test_a_number_is_given_once(self, database: Database) -> None:
        numbers = []
        for _ in range(2):
            with database.writing() as session:
                session.add(row := a_repository())
                session.flush()
                numbers.append(row.id)
                session.delete(row)
        assert numbers == [1, 2]


def made_up(table: Table, number: int) -> dict[str, Any]:
    """A row that refers to those with the same number."""
    values = {int: number, str: f"text {number}", bytes: b"bytes", bool: True, date: NOW.date()}
    return {
        column.name: NOW if isinstance(column.type, Moment) else values.get(column.type.python_type, {"a": number})
        for column in table.columns
    }


def all_of(database: Database) -> tuple[dict[str, list[Any]], dict[str, list[Any]]]:
    """The rows of every table, and what ties them together: foreign keys, indexes, names that are there once."""
    with database.reading() as session:
        seen = inspect(session.connection())
        names = [name for name in seen.get_table_names() if name != "alembic_version"]
        rows = {name: sorted(map(tuple, session.execute(text(f"SELECT * FROM {name}"))), key=str) for name in names}
        return rows, {
            name: sorted(
                map(str, seen.get_foreign_keys(name) + seen.get_indexes(name) + seen.get_unique_constraints(name))
            )
            for name in names
        }


class TestPostgresql(HubDatabasePromises):
    @pytest.fixture
    def url(self, server: str, request: pytest.FixtureRequest) -> str:
        name = f"test_{abs(hash(request.node.name)):x}"
        engine = create_engine(f"{server}/postgres", isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
        engine.dispose()
        return f"{server}/{quote(name)}"


def test_only_the_owner_may_read_the_tables_in_a_folder_that_all_may_look_into(tmp_path: Path) -> None:
    folder = tmp_path / "open"
    folder.mkdir(mode=0o755)
    database = Database(f"sqlite:///{folder / 'hub.db'}")
    database.migrate()
    with database.writing() as session:
        session.connection().exec_driver_sql("UPDATE accounts SET full_name = ''")
        modes = {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}
    database.close()
    assert modes == {"hub.db": 0o600, "hub.db-wal": 0o600, "hub.db-shm": 0o600}
    open_blobs(str(folder / "blobs"))
    assert (folder / "blobs").stat().st_mode & 0o777 == 0o700


def test_tables_of_a_newer_version_are_told_of(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'hub.db'}")
    database.migrate()
    with database.writing() as session:
        session.connection().exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StorageError, match=r"are of another version of Minnow than this one .*'9999'"):
        database.migrate()
    database.close()
