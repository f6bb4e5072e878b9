"""Rates and quotas."""

from datetime import UTC, datetime

import pytest

from minnow.errors import QuotaError, RateLimitError
from minnow.hub import limits
from minnow.hub.accounts import Accounts
from minnow.hub.database import Database
from minnow.hub.limits import Quotas, Rate, RateLimit, Room
from minnow.hub.repository_tables import RepositoryRow

NOW = datetime(2026, 5, 1, tzinfo=UTC)


class Clock:
    """Seconds that tests set."""

    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        return self.at


def test_a_caller_has_so_many_requests_in_each_window() -> None:
    clock = Clock()
    limit = RateLimit(Rate("api", 3, 60), clock)
    for _ in range(3):
        limit.take("ann")
    clock.at += 10.5
    limit.take("bob")
    with pytest.raises(RateLimitError, match="at most 3 api requests in 60 seconds") as refused:
        limit.take("ann")
    assert refused.value.seconds == 50
    clock.at = 1060
    limit.take("ann")


def test_no_bound_is_no_bound() -> None:
    limit = RateLimit(Rate("api", 0, 60))
    for _ in range(100):
        limit.take("ann")


def test_a_flood_of_callers_takes_no_memory_for_good(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MOST_CALLERS", 10)
    clock = Clock()
    limit = RateLimit(Rate("api", 1, 60), clock)
    for i in range(25):
        clock.at += 0.01
        limit.take(f"caller {i}")
    assert len(limit._windows) <= 10
    with pytest.raises(RateLimitError):
        limit.take("caller 24")


def test_the_repositories_of_an_owner_hold_no_more_than_the_bound(database: Database) -> None:
    accounts = Accounts(database)
    accounts.create_user("Ann", site_admin=True)
    accounts.create_user("bob")
    accounts.change("ann", quota_bytes=1000)
    with database.writing() as session:
        for name, used in (("a", 600), ("b", 300)):
            session.add(
                RepositoryRow(
                    kind="model",
                    owner="Ann",
                    name=name,
                    key=f"ann/{name}",
                    private=False,
                    created_at=NOW,
                    updated_at=NOW,
                    used_bytes=used,
                )
            )
    quotas = Quotas(database, default_bytes=50)
    assert quotas.of("ANN") == Room(900, 1000)
    assert quotas.of("bob") == Room(0, 50)
    quotas.require("ann", 100)
    with pytest.raises(QuotaError, match="ann may store 1,000 bytes and stores 900; 101 more do not fit"):
        quotas.require("ann", 101)
    with pytest.raises(QuotaError):
        quotas.require("bob", 51)
    Quotas(database).require("bob", 10**15)
