"""The tables in SQLite and in PostgreSQL: the same promises."""

import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

import pytest
from contracts.hub_database import HubDatabasePromises, a_repository
from ports import free_port
from sqlalchemy import create_engine, select, text

from minnow.hub.database import Database
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


class TestPostgresql(HubDatabasePromises):
    @pytest.fixture
    def url(self, server: str, request: pytest.FixtureRequest) -> str:
        name = f"test_{abs(hash(request.node.name)):x}"
        engine = create_engine(f"{server}/postgres", isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
        engine.dispose()
        return f"{server}/{quote(name)}"
