"""What the hub's tables promise in every database; subclasses say which, by a fixture ``url`` of an empty one."""

import hashlib
import importlib
import pkgutil
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, select, text, update

import minnow.hub
from minnow.errors import HubConflictError, HubExistsError, InputError, QuotaError, RefusedUploadError
from minnow.hub.account_tables import AccountRow, RemovedNameRow
from minnow.hub.accounts import Accounts
from minnow.hub.blobs import FolderBlobs
from minnow.hub.database import Base, Database
from minnow.hub.hub import Hub, build_hub, close_hub
from minnow.hub.limits import Quotas, Room
from minnow.hub.listing import Query
from minnow.hub.payers import waiting
from minnow.hub.repositories import Repository
from minnow.hub.repository_tables import LikeRow, RefRow, RepositoryRow
from minnow.hub.revisions import Message
from minnow.hub.rights import ANONYMOUS, Role
from minnow.hub.settings import HubSettings
from minnow.hub.upkeep import Collected, collect, figures, problems
from minnow.hub.uploads import AddFile, AddLarge

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


def a_repository(name: str = "one", likes: int = 0) -> RepositoryRow:
    key = f"alice/{name}"
    return RepositoryRow(
        kind="model", owner="alice", name=name, key=key, private=False, created_at=NOW, updated_at=NOW, likes=likes
    )


def sent(hub: Hub, repository: Repository, account: str, content: bytes) -> AddLarge:
    """A large file that an account sent to a repository and that no commit names yet."""
    sha256 = hashlib.sha256(content).hexdigest()
    hub.large_files.take(repository.id, account, sha256, len(content), [content])
    return AddLarge(f"{sha256[:6]}.dat", sha256, len(content))


def proposed(hub: Hub, repository: Repository, author: str, *files: AddLarge | AddFile) -> int:
    """The number of a new pull request with these files."""
    made = hub.publishing.commit(
        repository, "main", files, Message("a proposal"), by=author, pays=author, as_pull_request=True
    )
    assert made.pull_request
    return made.pull_request


def numbers(database: Database) -> Iterator[int]:
    """How many repositories there are once nobody writes."""
    with database.collecting() as session:
        yield len(session.scalars(select(RepositoryRow)).all())


def that_fit(work: Callable[[int], object]) -> int:
    """How many of eight that begin at once find room."""
    start = threading.Barrier(8)

    def fits(i: int) -> bool:
        start.wait()
        try:
            work(i)
        except QuotaError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        return sum(pool.map(fits, range(8)))


def used(hub: Hub, *accounts: str) -> tuple[int, ...]:
    """How much room these accounts take."""
    return tuple(hub.quotas.of(account).used_bytes for account in accounts)


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

    def test_nobody_writes_while_something_is_collected(self, url: str, database: Database) -> None:
        def add(name: str) -> None:
            with database.writing() as session:
                session.add(a_repository(name))

        elsewhere = Database(url)
        with ThreadPoolExecutor(1) as others:
            with elsewhere.collecting() as session:
                assert session.scalars(select(RepositoryRow)).all() == []
                adding = others.submit(add, "one")
                assert wait([adding], timeout=0.3).not_done
                assert session.scalars(select(RepositoryRow)).all() == []
            adding.result()
            with database.writing() as session:
                session.add(a_repository("two"))
                session.flush()
                collecting = others.submit(lambda: list(numbers(elsewhere)))
                assert wait([collecting], timeout=0.3).not_done
            assert collecting.result() == [2]
        elsewhere.close()

    def test_an_upload_beside_a_collection_is_stored_or_refused(
        self, hub: Hub, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        repository = hub.repositories.create("model", "ann", "one", private=False, by="ann")
        unneeded = hub.repositories.create("model", "ann", "two", private=False, by="ann")
        sent(hub, unneeded, "ann", b"wanted again")
        hub.repositories.delete(unneeded.id)
        removing = threading.Event()
        uploading: list[Future[None]] = []
        remove = FolderBlobs.remove

        def upload() -> None:
            removing.wait()
            large = sent(hub, repository, "ann", b"wanted again")
            hub.publishing.commit(repository, "main", [large], Message("large"), by="ann")

        def slowly(blobs: FolderBlobs, name: str) -> None:
            removing.set()
            wait(uploading, timeout=1)
            remove(blobs, name)

        monkeypatch.setattr(FolderBlobs, "remove", slowly)
        with ThreadPoolExecutor(1) as others:
            uploading.append(others.submit(upload))
            collect(hub.settings, hub.database, datetime.now(UTC) + timedelta(days=30))
        with suppress(RefusedUploadError):
            uploading[0].result()
        assert list(problems(hub.settings, hub.database, contents=True)) == []

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
        hub.large_files.take(repository.id, repository.owner, sha256, len(content), [content])
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

    def test_what_was_there_before_payers_counts_for_the_owner(self, url: str) -> None:
        database = Database(url)
        database.migrate(to="0003")
        with database.writing() as session:
            place = "'model', 'ann', 'one', 'ann/one', false, '', '2026-01-01', '2026-01-01', 5, 0, 0, 0"
            columns = "kind, owner, name, key, private, gate, created_at, updated_at, used_bytes, downloads"
            session.execute(
                text(f"INSERT INTO repositories ({columns}, downloads_all_time, likes, id) VALUES ({place}, 1)")
            )
            session.execute(text(f"INSERT INTO repository_files VALUES (1, '{'a' * 64}', 5, '2026-01-01')"))
        database.migrate()
        with database.reading() as session:
            assert waiting(session, 1) == {}
        assert Quotas(database).of("ann") == Room(5, None)
        database.close()

    def test_names_that_were_free_before_and_under_which_something_stands_stay_taken(self, url: str) -> None:
        database = Database(url)
        database.migrate(to="0005")
        accounts = Accounts(database)
        with database.writing() as session:
            session.add(row := a_repository())
            session.add(AccountRow(name="Ann", key="ann", kind="user", created_at=NOW))
            session.flush()
            session.add_all(LikeRow(repository_id=row.id, user=user, liked_at=NOW) for user in ("Ann", "Gone"))
        database.migrate()
        with database.reading() as session:
            assert session.scalars(select(RemovedNameRow.key)).all() == ["gone"]
        with pytest.raises(HubConflictError, match="was removed"):
            accounts.create_user("gone")
        database.close()

    def test_whoever_proposes_a_file_pays_until_it_is_merged(self, hub: Hub) -> None:
        hub.accounts.create_user("ann", site_admin=True)
        hub.accounts.create_user("Bob")
        hub.accounts.change("bob", quota_bytes=1000)
        hub.accounts.change("ann", quota_bytes=500)
        repository = hub.repositories.create("model", "ann", "one", private=False, by="ann")
        large = sent(hub, repository, "Bob", b"x" * 600)
        number = proposed(hub, repository, "Bob", large, AddFile("small", b"small"))
        assert used(hub, "ann", "bob") == (0, 600)
        told = r"Bob may store 1,000 bytes and stores 600, 600 of them not accepted by anybody yet; 500 more do not fit"
        with pytest.raises(QuotaError, match=told + "; close pull requests, delete files or ask an administrator"):
            sent(hub, repository, "Bob", b"y" * 500)
        told = "pull request 1 cannot be merged: ann may store 500 bytes and stores 0; 600 more do not fit; delete"
        with pytest.raises(QuotaError, match=told):
            hub.publishing.merge(repository.id, number, "", by="ann")
        assert hub.discussions.get(repository.id, number).status == "open"
        assert used(hub, "ann", "bob") == (0, 600)
        hub.accounts.change("ann", quota_bytes=600)
        hub.publishing.merge(repository.id, number, "", by="ann")
        assert used(hub, "ann", "bob") == (600, 0)
        assert hub.repositories.by_id(repository.id).used_bytes == 600
        sent(hub, repository, "Bob", b"y" * 500)
        assert list(problems(hub.settings, hub.database, contents=True)) == []

    def test_a_closed_pull_request_is_collected_with_what_it_brought(self, hub: Hub) -> None:
        repository = hub.repositories.create("model", "ann", "one", private=False, by="ann")
        gone, shared = (sent(hub, repository, "bob", content) for content in (b"x" * 600, b"y" * 50))
        first = proposed(hub, repository, "bob", gone, shared)
        second = proposed(hub, repository, "eve", sent(hub, repository, "eve", b"z"), shared)
        third = proposed(hub, repository, "bob", sent(hub, repository, "bob", b"reopened"), shared)
        assert used(hub, "ann", "bob", "eve") == (0, 658, 1)
        for number in (first, third):
            hub.discussions.set_status(repository.id, number, "closed", "", by="bob")
        hub.discussions.set_status(repository.id, third, "open", "", by="bob")
        now, before = datetime.now(UTC), used(hub, "bob")
        assert collect(hub.settings, hub.database, now) == Collected(0, 0, 0, 0, 0)
        later = now + timedelta(days=30)
        foretold = collect(hub.settings, hub.database, later, dry_run=True)
        assert (foretold.commits, foretold.large_files, used(hub, "bob")) == (1, 1, before)
        done = collect(hub.settings, hub.database, later)
        assert (done.commits, done.git_objects, done.large_files) == (1, foretold.git_objects, 1)
        assert used(hub, "ann", "bob", "eve") == (0, 58, 1)
        told = hub.discussions.get(repository.id, first)
        assert (told.status, hub.discussions.diff(repository.id, first)) == ("closed", "")
        with pytest.raises(InputError, match="open another one"):
            hub.discussions.set_status(repository.id, first, "open", "", by="bob")
        hub.discussions.set_status(repository.id, third, "closed", "", by="bob")
        collect(hub.settings, hub.database, later + timedelta(days=30))
        assert used(hub, "ann", "bob", "eve") == (0, 0, 51), "eve's pull request is the only one that holds it now"
        hub.publishing.merge(repository.id, second, "", by="ann")
        assert used(hub, "ann", "bob", "eve") == (51, 0, 0)
        assert list(problems(hub.settings, hub.database, contents=True)) == []

    def test_of_many_who_send_at_once_no_more_than_fit_are_taken(self, hub: Hub) -> None:
        hub.accounts.create_user("bob", site_admin=True)
        hub.accounts.change("bob", quota_bytes=300)
        places = [hub.repositories.create("model", "ann", f"n{i}", private=False, by="ann") for i in range(8)]
        assert that_fit(lambda i: sent(hub, places[i], "bob", bytes([i]) * 100)) == 3
        assert used(hub, "bob") == (300,)

    def test_of_many_that_move_or_are_copied_at_once_no_more_than_fit_come(self, hub: Hub) -> None:
        hub.accounts.create_user("ann", site_admin=True)
        places = [hub.repositories.create("model", "ann", f"n{i}", private=False, by="ann") for i in range(8)]
        for i, place in enumerate(places):
            hub.publishing.commit(
                place, "main", [sent(hub, place, "ann", bytes([i]) * 100)], Message("large"), by="ann"
            )
        for name in ("movers", "copies"):
            hub.accounts.create_organization(name)
            hub.accounts.change(name, quota_bytes=300)

        assert that_fit(lambda i: hub.publishing.copy(places[i], "copies", f"n{i}", private=False)) == 3
        assert used(hub, "ann", "copies") == (800, 300)
        assert that_fit(lambda i: hub.repositories.move(places[i].id, "movers", f"n{i}")) == 3
        assert used(hub, "ann", "movers") == (500, 300)
        found = [hub.repositories.by_id(place.id).owner for place in places]
        assert sorted(found) == ["ann"] * 5 + ["movers"] * 3

    def test_who_has_no_room_left_still_renames(self, hub: Hub) -> None:
        hub.accounts.create_user("Ann", site_admin=True)
        repository = hub.repositories.create("model", "Ann", "one", private=False, by="Ann")
        large = sent(hub, repository, "Ann", b"x" * 100)
        hub.publishing.commit(repository, "main", [large], Message("large"), by="Ann")
        hub.accounts.change("ann", quota_bytes=10)
        assert hub.repositories.move(repository.id, "ann", "two").full_name == "ann/two"
        assert used(hub, "ann") == (100,)

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
