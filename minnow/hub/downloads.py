"""Downloads counted by day: gathered in memory, entered every few seconds, summed over thirty days for lists."""

import logging
import threading
from collections import Counter, OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import func, select, update

from minnow.errors import StorageError
from minnow.hub.clock import Clock, utc_now
from minnow.hub.database import Database
from minnow.hub.repository_tables import DailyDownloadsRow, RepositoryRow

LOG = logging.getLogger("minnow.hub")
SECONDS = 1.0
DAYS = 30
WINDOW_SECONDS = 3600
MOST_REMEMBERED = 20_000


@dataclass
class _UnderWay:
    """What one client fetches of one repository."""

    since: float
    paths: set[str]


class Downloads:
    """Counts downloads. What was counted within the last ``SECONDS`` is lost if the process is killed.

    Args:
        now: the clock, in UTC.
        seconds: how often counts are entered.
    """

    def __init__(self, database: Database, now: Clock = utc_now, seconds: float = SECONDS):
        self._database = database
        self._seconds = seconds
        self._now = now
        self._lock = threading.Lock()
        self._counted: Counter[int] = Counter()
        self._under_way: OrderedDict[tuple[int, str], _UnderWay] = OrderedDict()
        self._summed_on: date | None = None
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Sum the last thirty days, of which a hub that is started anew each day never sees one begin."""
        try:
            self.enter()
        except StorageError as error:
            LOG.error("downloads were not summed: %s", error)

    def count(self, repository_id: int, who: str, path: str, *, again: bool = True) -> None:
        """Count a fetched file; quick, and never touches the disk.

        The files that one client fetches one after the other are one download; the same file again is another.

        Args:
            who: names the client.
            again: whether the same path again is another download.
        """
        with self._lock:
            now = self._now().timestamp()
            before = self._under_way.get((repository_id, who))
            if before and now - before.since < WINDOW_SECONDS and not (again and path in before.paths):
                before.paths.add(path)
                return
            self._under_way[repository_id, who] = _UnderWay(now, {path})
            self._under_way.move_to_end((repository_id, who))
            while len(self._under_way) > MOST_REMEMBERED:
                self._under_way.popitem(last=False)
            self._counted[repository_id] += 1
            if self._thread is None:
                self._thread = threading.Thread(target=self._enter_now_and_then, name="downloads", daemon=True)
                self._thread.start()

    def enter(self) -> None:
        """Enter what was counted since the last time; what cannot be entered now waits for the next."""
        with self._lock:
            counted, self._counted = self._counted, Counter()
        try:
            self._enter(counted)
        except BaseException:
            with self._lock:
                self._counted.update(counted)
            raise

    def _enter(self, counted: Mapping[int, int]) -> None:
        today = self._now().date()
        if not counted and today == self._summed_on:
            return
        with self._database.writing() as session:
            for repository_id, count in counted.items():
                if session.get(RepositoryRow, repository_id) is None:
                    continue
                row = session.get(DailyDownloadsRow, (repository_id, today), with_for_update=True)
                if row is None:
                    session.add(DailyDownloadsRow(repository_id=repository_id, day=today, count=count))
                else:
                    row.count += count
                session.execute(
                    update(RepositoryRow)
                    .where(RepositoryRow.id == repository_id)
                    .values(
                        downloads=RepositoryRow.downloads + count,
                        downloads_all_time=RepositoryRow.downloads_all_time + count,
                    )
                )
            if today != self._summed_on:
                session.flush()
                recent = select(func.coalesce(func.sum(DailyDownloadsRow.count), 0)).where(
                    DailyDownloadsRow.repository_id == RepositoryRow.id,
                    DailyDownloadsRow.day > today - timedelta(days=DAYS),
                )
                changed = RepositoryRow.downloads != recent.scalar_subquery()
                session.execute(update(RepositoryRow).where(changed).values(downloads=recent.scalar_subquery()))
        self._summed_on = today

    def close(self) -> None:
        """Enter what is left and count no more."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()
        self.enter()

    def _enter_now_and_then(self) -> None:
        while not self._ended.wait(self._seconds):
            try:
                self.enter()
            except Exception as error:  # such as a full disk; it passes, and without a thread nothing is counted
                LOG.error("downloads were not entered: %s", type(error).__name__)
