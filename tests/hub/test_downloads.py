"""Downloads leave the figure of thirty days when they are older."""

import threading
import time
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from typing import cast

from sqlalchemy.orm import Session

from minnow.errors import StorageError
from minnow.hub.database import Database
from minnow.hub.downloads import Downloads
from minnow.hub.hub import Hub


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 1, 1, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.moment


def test_old_downloads_leave_the_figure_of_thirty_days(hub: Hub, database: Database) -> None:
    made = hub.repositories.create("model", "ann", "one", private=False, by="ann")
    clock = Clock()
    downloads = Downloads(database, clock)
    for day in (0, 1, 29, 31):
        clock.moment = datetime(2026, 1, 1, 12, tzinfo=UTC) + timedelta(days=day)
        downloads.count(made.id, "somebody", "a")
        downloads.enter()
    told = hub.repositories.by_id(made.id)
    assert (told.downloads, told.downloads_all_time) == (2, 4)
    clock.moment += timedelta(days=40)
    downloads.enter()
    assert hub.repositories.by_id(made.id).downloads == 0
    downloads.close()


def test_a_hub_that_is_started_each_day_lets_old_downloads_go_too(hub: Hub, database: Database) -> None:
    made = hub.repositories.create("model", "ann", "one", private=False, by="ann")
    clock = Clock()
    for day in (0, 1, 2):
        clock.moment = datetime(2026, 1, 1, 12, tzinfo=UTC) + timedelta(days=day)
        downloads = Downloads(database, clock)
        downloads.start()
        downloads.count(made.id, "somebody", "a")
        downloads.close()
    assert hub.repositories.by_id(made.id).downloads == 3
    clock.moment += timedelta(days=29)
    Downloads(database, clock).start()
    assert hub.repositories.by_id(made.id).downloads == 1


def test_nothing_counted_is_lost_when_the_hub_ends(hub: Hub, database: Database) -> None:
    made = hub.repositories.create("model", "ann", "one", private=False, by="ann")
    downloads = Downloads(database)
    downloads.count(made.id, "somebody", "a")
    downloads.close()
    assert hub.repositories.by_id(made.id).downloads == 1


class FullAtFirst:
    """A database whose first transaction fails."""

    def __init__(self, database: Database):
        self._database = database
        self.failed = threading.Event()

    def writing(self) -> AbstractContextManager[Session]:
        if not self.failed.is_set():
            self.failed.set()
            raise StorageError("no space left")
        return self._database.writing()


def test_what_could_not_be_entered_is_entered_the_next_time(hub: Hub, database: Database) -> None:
    made = hub.repositories.create("model", "ann", "one", private=False, by="ann")
    broken = FullAtFirst(database)
    downloads = Downloads(cast(Database, broken), seconds=0.01)
    downloads.count(made.id, "somebody", "a")
    assert broken.failed.wait(30)
    for _ in range(3000):
        if hub.repositories.by_id(made.id).downloads:
            break
        time.sleep(0.01)
    assert hub.repositories.by_id(made.id).downloads == 1
    downloads.close()
