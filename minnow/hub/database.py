"""The hub's tables behind two doors: a session that reads a snapshot, and one that writes all of it or nothing."""

import threading
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, DateTime, Dialect, Engine, Insert, MetaData, create_engine, event, make_url
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import DeclarativeBase, Session
from sqlalchemy.types import TypeDecorator

from minnow.errors import StorageError

_MIGRATING = threading.Lock()  # alembic keeps what it is doing in its modules
MIGRATIONS = Path(__file__).parent / "migrations"
BUSY_SECONDS = 30
# PostgreSQL's lock between those who write and the garbage collection, until the transaction ends. It is taken with its
# beginning, since a statement of its own would be one more way to the server and back.
COLLECTING = 0x6D696E6E6F77
BESIDE_OTHERS = f"BEGIN; SELECT pg_advisory_xact_lock_shared({COLLECTING})"
ALONE = f"BEGIN; SELECT pg_advisory_xact_lock({COLLECTING})"
AT_ONCE = 500  # values that one statement names: SQLite takes some thousands, and short ones let others in between
Item = TypeVar("Item")
NAMES = {
    "pk": "pk_%(table_name)s",
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
}


NUMBERED_ONCE = {"sqlite_autoincrement": True}  # of a table whose numbers are given once, though a row may go


class Base(DeclarativeBase):
    """What every table of the hub derives from; its constraints have names, so that a migration can change them."""

    metadata = MetaData(naming_convention=NAMES)


class Moment(TypeDecorator[datetime]):
    """A moment in UTC, with its time zone on both sides, in databases that keep one and in those that do not."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """A moment without a time zone would be somebody's local time: it is refused."""
        if value is None:
            return None
        assert value.tzinfo is not None, "moments carry their time zone"
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """What SQLite hands back without a time zone is UTC."""
        del dialect
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Database:
    """A database by its URL: ``sqlite:////folder/hub.db``, or ``postgresql+pg8000://user@host/name``.

    SQLite runs with a write-ahead log: readers never wait for a writer, and a transaction is on the disk when
    ``writing`` ends. Writers of one process queue in the order they came; those of other processes wait up to
    ``BUSY_SECONDS``.
    """

    def __init__(self, url: str):
        self.url = make_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self._engine = _sqlite_engine(url) if self.is_sqlite else _postgresql_engine(url)
        options = {} if self.is_sqlite else {"isolation_level": "REPEATABLE READ"}
        self._readers = self._engine.execution_options(**options)
        self._writers = self._engine.execution_options(begin="BEGIN IMMEDIATE" if self.is_sqlite else BESIDE_OTHERS)
        self._collector = self._engine.execution_options(begin="BEGIN IMMEDIATE" if self.is_sqlite else ALONE)
        self._turn = threading.Lock() if self.is_sqlite else nullcontext()
        self._here = _Here()

    @contextmanager
    def one_moment(self) -> Iterator[None]:
        """Whatever this thread reads within the block, it reads from one snapshot, over one connection.

        Nothing is written within, and nothing that reads outlives the block. The moment is that of the first reading.
        """
        with ExitStack() as opened:
            self._here.moment = opened
            try:
                yield
            finally:
                self._here.moment = self._here.connection = None

    @contextmanager
    def looking(self) -> Iterator[Connection]:
        """A connection over one snapshot, for statements that are put together by hand and for ``questions``."""
        shared = self._shared()
        if shared is not None:
            yield shared
            return
        with self._readers.connect() as connection:
            connection.begin()
            yield connection

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session over one snapshot; what it changes is not kept."""
        with Session(self._shared() or self._readers, autoflush=False) as session:
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A session whose changes are durable together once the block ends, and gone together after any error.

        Raises:
            StorageError: the disk is full.

        On SQLite it is the only writer from its first statement on. On PostgreSQL others write beside it: change what
        others may change too by ``update … where`` with the old value, and look at how many rows it met.
        """
        with self._transaction(self._writers) as session:
            yield session

    @contextmanager
    def collecting(self) -> Iterator[Session]:
        """As ``writing``, while nobody else writes, in any process, on PostgreSQL too.

        What is found unneeded within is so until it is removed. Keep it short: all who write wait for its end.
        """
        with self._transaction(self._collector) as session:
            yield session

    @contextmanager
    def _transaction(self, engine: Engine) -> Iterator[Session]:
        assert self._here.moment is None, "nothing is written within one_moment"
        opened = Session(engine, expire_on_commit=False)
        with self._turn, _full_disk_told(), opened as session, session.begin():
            yield session

    def _shared(self) -> Connection | None:
        """The connection of this thread's moment; None outside of one."""
        here = self._here
        if here.moment is not None and here.connection is None:
            here.connection = here.moment.enter_context(self._readers.connect())
            here.connection.begin()
        return here.connection

    def migrate(self, to: str = "head") -> None:
        """Bring the tables to this version of Minnow, or to an older one; safe from several processes at once.

        Raises:
            StorageError: they are of a newer version.
        """
        from alembic import command
        from alembic.config import Config
        from alembic.util import CommandError

        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
        with (
            _MIGRATING,
            self._turn,
            self._writers.connect() as connection,
            self._without_foreign_keys(connection),
            connection.begin(),
        ):
            config.attributes["connection"] = connection
            try:
                command.upgrade(config, to)
            except CommandError as error:
                raise StorageError(
                    f"the hub's tables are of another version of Minnow than this one ({error}); use the one that "
                    "wrote them, or a newer one"
                ) from error

    @contextmanager
    def _without_foreign_keys(self, connection: Connection) -> Iterator[None]:
        """Let a table be dropped and made anew on SQLite, where what refers to its rows would go with it else."""
        driver = connection.connection.dbapi_connection
        assert driver is not None
        if self.is_sqlite:
            driver.execute("PRAGMA foreign_keys=OFF").close()  # type: ignore[attr-defined]
        try:
            yield
        finally:
            if self.is_sqlite:
                driver.execute("PRAGMA foreign_keys=ON").close()  # type: ignore[attr-defined]

    def close(self) -> None:
        """Give back every connection."""
        self._engine.dispose()


class _Here(threading.local):
    """What belongs to a thread: the moment within which it reads, and the connection once it has read something."""

    moment: ExitStack | None = None
    connection: Connection | None = None


@contextmanager
def _full_disk_told() -> Iterator[None]:
    try:
        yield
    except OperationalError as error:
        if "full" in str(error.orig) or "No space left" in str(error.orig):
            raise StorageError("no space left for the hub's tables; free some, or run `minnow hub gc`") from error
        raise


def insert_missing(session: Session, table: type[Base]) -> Insert:
    """An insert that lets be what somebody else entered a moment ago."""
    if session.get_bind().dialect.name == "postgresql":
        return postgresql.insert(table).on_conflict_do_nothing()
    return sqlite.insert(table).on_conflict_do_nothing()


def _sqlite_engine(url: str) -> Engine:
    engine = create_engine(url, pool_size=16, max_overflow=48, connect_args={"timeout": BUSY_SECONDS})
    path = engine.url.database

    @event.listens_for(engine, "do_connect")
    def make_private(*_about: Any) -> None:
        # Only its owner may read it; the files that SQLite puts beside it are as it is. Where that fails, SQLite tells.
        if path and path != ":memory:" and not Path(path).exists():
            with suppress(OSError):
                Path(path).touch(mode=0o600)

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # the driver would begin a transaction by itself, and too late
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "mmap_size=268435456"):
            connection.execute(f"PRAGMA {pragma}").close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # Past SQLAlchemy, which makes ten times the work of it.
        driver = connection.connection.dbapi_connection
        assert driver is not None
        driver.execute(connection.get_execution_options().get("begin", "BEGIN")).close()  # type: ignore[attr-defined]

    return engine


def _postgresql_engine(url: str) -> Engine:
    engine = create_engine(url, pool_size=16, max_overflow=48)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        statements = connection.get_execution_options().get("begin")
        if statements:
            driver = connection.connection.dbapi_connection
            assert driver is not None
            driver.execute_simple(statements)  # type: ignore[attr-defined]

    return engine


def batches(items: Iterable[Item], length: int = AT_ONCE) -> Iterator[list[Item]]:
    """The items in lists of at most ``length``, for statements that name them."""
    rest = iter(items)
    while batch := list(islice(rest, length)):
        yield batch
