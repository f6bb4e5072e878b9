"""What the hub's tables promise in every database; subclasses say which, by a fixture ``url`` of an empty one."""

import hashlib
import importlib
import pkgutil
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, select, update

import minnow.hub
from minnow.errors import HubConflictError, HubExistsError
from minnow.hub.database import Base, Database
from minnow.hub.hub import Hub, build_hub, close_hub
from minnow.hub.listing import Query
from minnow.hub.repository_tables import RefRow, RepositoryRow
from minnow.hub.revisions import Message
from minnow.hub.rights import ANONYMOUS, Role
from minnow.hub.settings import HubSettings
from minnow.hub.upkeep import collect, figures, problems
from minnow.hub.uploads import AddFile, AddLarge

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


def a_repository(name: str = "one", likes: int = 0) -> RepositoryRow:
    key = f"alice/{name}"
    return RepositoryRow(
        kind="model", owner="alice", name=name, key=key, private=False, created_at=NOW, updated_at=NOW, likes=likes
    )


class HubDatabasePromises:
    """One empty database a test."""

    @pytest.fixture
    def database(self, url: str) -> Iterator[Database]:
        made = Database(url)
        made.migrate()
        yield made
        made.close()

    @pytest.fixture
    def hub(self, url: str, tmp_path: Path) -> Iterator[Hub]:
        settings = HubSettings(tmp_path, url, str(tmp_path / "blobs"), b"secret" * 6)
        made = build_hub(settings)
        yield made
        close_hub(made)

    def test_the_migrations_make_what_the_tables_say(self, database: Database) -> None:
        for module in pkgutil.walk_packages(minnow.hub.__path__, "minnow.hub."):
            if module.name.endswith("_tables"):
                importlib.import_module(module.name)
        engine = create_engine(database.url)
        with engine.connect() as connection:
            context = MigrationContext.configure(connection, opts={"compare_type": True})
            assert compare_metadata(context, Base.metadata) == []
        engine.dispose()

    def test_migrating_twice_at_once_is_migrating_once(self, url: str) -> None:
        databases = [Database(url) for _ in range(4)]
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(Database.migrate, databases))
        with databases[0].writing() as session:
            session.add(a_repository())
        for database in databases:
            database.close()

    def test_after_an_error_nothing_of_a_block_is_kept(self, database: Database) -> None:
        def broken() -> None:
            with database.writing() as session:
                session.add(a_repository())
                session.flush()
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            broken()
        with database.reading() as session:
            assert session.scalars(select(RepositoryRow)).all() == []

    def test_a_reader_neither_waits_for_a_writer_nor_sees_half_of_it(self, database: Database) -> None:
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

    def test_what_a_thread_reads_in_one_moment_is_of_one_moment(self, database: Database) -> None:
        with database.writing() as session:
            session.add(a_repository())

        def like() -> None:
            with database.writing() as session:
                session.execute(update(RepositoryRow).values(likes=RepositoryRow.likes + 1))

        def seen() -> list[int | None]:
            with database.looking() as connection, database.reading() as session:
                return [connection.scalar(select(RepositoryRow.likes)), session.scalar(select(RepositoryRow.likes))]

        with ThreadPoolExecutor(1) as others:
            with database.one_moment():
                assert seen() == [0, 0]
                others.submit(like).result()
                assert seen() == [0, 0]
                assert others.submit(seen).result() == [1, 1]
                with pytest.raises(AssertionError, match="nothing is written within one_moment"):
                    like()
            assert seen() == [1, 1]

    def test_moments_keep_their_instant_and_come_back_in_utc(self, database: Database) -> None:
        elsewhere = NOW.astimezone(timezone(timedelta(hours=8)))
        with database.writing() as session:
            row = a_repository()
            row.created_at = elsewhere
            session.add(row)
        with database.reading() as session:
            created = session.scalars(select(RepositoryRow)).one().created_at
        assert created == NOW
        assert created.utcoffset() == timedelta(0)

    def test_a_repository_takes_its_rows_with_it(self, database: Database) -> None:
        with database.writing() as session:
            row = a_repository()
            session.add(row)
            session.flush()
            session.add(RefRow(repository_id=row.id, name="refs/heads/main", commit_id="0" * 40, updated_at=NOW))
        with database.writing() as session:
            session.delete(session.scalars(select(RepositoryRow)).one())
        with database.reading() as session:
            assert session.scalars(select(RefRow)).all() == []

    def test_of_many_who_create_at_once_one_does(self, hub: Hub) -> None:
        start = threading.Barrier(8)

        def create(_i: int) -> bool:
            start.wait()
            try:
                hub.repositories.create("model", "ann", "wanted", private=False, by="ann")
            except HubExistsError:
                return False
            return True

        with ThreadPoolExecutor(8) as pool:
            assert sum(pool.map(create, range(8))) == 1

    def test_many_who_commit_at_once_all_find_their_work_in_the_history(self, hub: Hub) -> None:
        repository = hub.repositories.create("model", "ann", "one", private=False, by="ann")
        start = threading.Barrier(16)

        def work(i: int) -> str:
            start.wait()
            files = [AddFile(f"of-{i}", str(i).encode()), AddFile(f"shared/{i % 4}/{i}", b"the same for all")]
            return hub.publishing.commit(repository, "main", files, Message(str(i)), by="ann").commit

        with ThreadPoolExecutor(16) as pool:
            made = list(pool.map(work, range(16)))
        history = {info.id for info in hub.revisions.history(repository.id, "main")}
        assert set(made) < history
        assert len(history) == 17
        assert list(problems(hub.settings, hub.database, contents=True)) == []

    def test_of_many_with_the_same_parent_one_is_accepted(self, hub: Hub) -> None:
        repository = hub.repositories.create("model", "ann", "one", private=False, by="ann")
        parent = hub.revisions.resolve(repository.id, "main")
        start = threading.Barrier(8)

        def work(i: int) -> bool:
            start.wait()
            try:
                hub.publishing.commit(
                    repository, "main", [AddFile(f"{i}", b"x")], Message("x"), by="ann", parent=parent
                )
            except HubConflictError:
                return False
            return True

        with ThreadPoolExecutor(8) as pool:
            assert sum(pool.map(work, range(8))) == 1

    def test_a_life_from_upload_to_collection(self, hub: Hub) -> None:
        repository = hub.repositories.create("model", "ann", "one", private=False, by="ann")
        content = b"large" * 1000
        sha256 = hashlib.sha256(content).hexdigest()
        hub.large_files.take(repository.id, sha256, len(content), [content])
        files = [AddLarge("a.dat", sha256, len(content)), AddFile("README.md", b"---\nlicense: mit\n---\n")]
        hub.publishing.commit(repository, "main", files, Message("first"), by="ann")
        number = hub.publishing.commit(
            repository, "main", [AddFile("b", b"b")], Message("pr"), by="bob", as_pull_request=True
        ).pull_request
        assert number == 1
        hub.publishing.merge(repository.id, number, "", by="ann")
        hub.likes.add(repository.id, "bob")
        hub.likes.add(repository.id, "bob")
        hub.downloads.count(repository.id, "bob", "a")
        hub.downloads.enter()
        for sort in ("createdAt", "downloads", "likes"):
            [listed] = hub.listing.find(Query("model", sort=sort, filters=("license:mit",)), ANONYMOUS).listed
            assert (listed.repository.likes, listed.repository.downloads) == (1, 1)
        assert figures(hub.settings, hub.database)["large_files"] == 1
        hub.repositories.delete(repository.id)
        done = collect(hub.settings, hub.database, datetime.now(UTC) + timedelta(days=30))
        assert done.contents == 1
        assert done.git_objects > 5
        assert figures(hub.settings, hub.database)["stored_bytes"] == 0

    def test_accounts_tokens_requests_and_the_log_are_kept(self, hub: Hub) -> None:
        hub.accounts.create_user("root", site_admin=True)
        ann = hub.accounts.create_user("Ann", full_name="安", password="correct horse")
        with pytest.raises(HubExistsError):
            hub.accounts.create_organization("ANN")
        hub.accounts.create_organization("team", admin_id=ann.id)
        hub.accounts.change("ann", quota_bytes=5 * 10**12)
        text, token = hub.tokens.create(ann.id, "laptop", writes=True, scope=["team/*"])
        caller = hub.tokens.authenticate(text)
        assert (caller.name, caller.roles, caller.scope) == ("Ann", {"team": Role.ADMIN}, ("team/*",))
        hub.tokens.wait()
        assert hub.tokens.named(token.id).last_used_at is not None
        gated = hub.repositories.create("model", "team", "gated", private=False, by="Ann")
        assert hub.access.ask(ann.id, gated.id, "manual", {"why": "study"}) == "pending"
        hub.access.decide(ann.id, gated.id, "accepted")
        assert hub.access.granted(caller, gated.id)
        hub.audit.note(caller, "access.accepted", "model team/gated", user="Ann")
        assert [line.detail for line in hub.audit.read(actor="Ann")] == [{"user": "Ann"}]
        assert hub.quotas.of("Ann").most_bytes == 5 * 10**12
        assert [one.place.name for one in hub.quotas.stored("TEAM")] == ["gated"]
        with pytest.raises(HubConflictError, match="a hub needs an administrator"):
            hub.accounts.remove("root", owns=lambda _: 0)
        hub.accounts.remove("ann", owns=lambda _: 0)
        assert hub.tokens.of() == []
        assert hub.access.of(gated.id, "accepted") == []
        assert hub.accounts.members("team") == []
