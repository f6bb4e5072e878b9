"""Requests for gated repositories."""

from datetime import UTC, datetime

import pytest

from minnow.errors import HubNotFoundError, InputError
from minnow.hub.access import AccessRequests
from minnow.hub.accounts import Accounts
from minnow.hub.database import Database
from minnow.hub.repository_tables import RepositoryRow
from minnow.hub.rights import ANONYMOUS, Caller

NOW = datetime(2026, 5, 1, tzinfo=UTC)


@pytest.fixture
def repository(database: Database) -> int:
    with database.writing() as session:
        row = RepositoryRow(
            kind="model", owner="t", name="m", key="t/m", private=False, gate="manual", created_at=NOW, updated_at=NOW
        )
        session.add(row)
        session.flush()
        return row.id


@pytest.fixture
def ann(database: Database) -> Caller:
    return Caller(Accounts(database).create_user("ann", full_name="Ann", email="a@b.c").id, "ann")


def test_a_request_waits_for_a_decision(database: Database, repository: int, ann: Caller) -> None:
    requests = AccessRequests(database)
    assert ann.user_id is not None
    assert requests.ask(ann.user_id, repository, "manual", {"purpose": "study"}) == "pending"
    assert not requests.granted(ann, repository)
    waiting = requests.of(repository, "pending")
    assert [(one.user, one.email, one.fields) for one in waiting] == [("ann", "a@b.c", {"purpose": "study"})]
    requests.decide(ann.user_id, repository, "accepted")
    assert requests.granted(ann, repository)
    assert not requests.granted(ann, repository + 1)
    assert not requests.granted(ANONYMOUS, repository)
    requests.decide(ann.user_id, repository, "rejected", "no reason given")
    assert not requests.granted(ann, repository)
    assert requests.ask(ann.user_id, repository, "manual", {}) == "rejected", "asking again changes no decision"
    assert requests.ask(ann.user_id, repository, "auto", {}) == "rejected"


def test_an_automatic_gate_opens_at_once(database: Database, repository: int, ann: Caller) -> None:
    requests = AccessRequests(database)
    assert ann.user_id is not None
    assert requests.ask(ann.user_id, repository, "auto", {}) == "accepted"
    assert requests.granted(ann, repository)
    requests.withdraw(ann.user_id, repository)
    assert not requests.granted(ann, repository)


def test_who_was_rejected_is_so_after_taking_the_request_back(database: Database, repository: int, ann: Caller) -> None:
    requests = AccessRequests(database)
    assert ann.user_id is not None
    requests.ask(ann.user_id, repository, "manual", {})
    requests.decide(ann.user_id, repository, "rejected")
    requests.withdraw(ann.user_id, repository)
    assert requests.ask(ann.user_id, repository, "auto", {}) == "rejected"
    assert not requests.granted(ann, repository)
    requests.decide(ann.user_id, repository, "pending")
    requests.withdraw(ann.user_id, repository)
    assert requests.of(repository, "pending") == []


def test_access_may_be_given_to_who_did_not_ask(database: Database, repository: int, ann: Caller) -> None:
    requests = AccessRequests(database)
    assert ann.user_id is not None
    assert requests.grant(ann.user_id, repository)
    assert not requests.grant(ann.user_id, repository)
    assert requests.granted(ann, repository)


def test_requests_that_cannot_be_are_refused(database: Database, repository: int, ann: Caller) -> None:
    requests = AccessRequests(database)
    assert ann.user_id is not None
    with pytest.raises(InputError, match="is not gated"):
        requests.ask(ann.user_id, repository, "", {})
    with pytest.raises(InputError, match="32 fields of 2000 letters"):
        requests.ask(ann.user_id, repository, "auto", {"x": "y" * 2001})
    with pytest.raises(HubNotFoundError, match="access request"):
        requests.decide(ann.user_id, repository, "accepted")
