"""Questions: what SQLAlchemy would answer, values and all, within whatever transaction they are asked."""

from datetime import UTC, datetime

import pytest
from contracts.hub_database import a_repository
from sqlalchemy import bindparam, select

from minnow.hub.database import Database
from minnow.hub.questions import Question
from minnow.hub.repositories import COLUMNS, Repositories, Repository
from minnow.hub.repository_tables import RepositoryRow

NAMED = Question(select(*COLUMNS).where(RepositoryRow.key == bindparam("key"), RepositoryRow.kind == "model"))
SINCE = Question(select(RepositoryRow.name).where(RepositoryRow.created_at >= bindparam("moment")).order_by("name"))


@pytest.fixture
def entered(database: Database) -> Database:
    with database.writing() as session:
        row = a_repository()
        row.card, row.private = {"tags": ["100 %", "a?"], "of": None}, True
        session.add_all([row, a_repository("two")])
    return database


def test_values_come_back_as_they_were_put(entered: Database) -> None:
    with entered.looking() as connection, entered.reading() as session:
        [row] = NAMED.rows(connection, key="alice/one")
        by_id = Repositories(entered, None, None).by_id(row.id)  # type: ignore[arg-type]
        assert Repository(*row) == by_id
        assert session.execute(select(*COLUMNS).where(RepositoryRow.id == row.id)).one() == row
        assert NAMED.first(connection, key="alice/none") is None


def test_values_that_differ_are_turned_into_the_drivers(entered: Database) -> None:
    with entered.looking() as connection:
        assert [row.name for row in SINCE.rows(connection, moment=datetime(2026, 1, 1, tzinfo=UTC))] == ["one", "two"]
        assert SINCE.rows(connection, moment=datetime(2027, 1, 1, tzinfo=UTC)) == []


def test_a_question_sees_what_its_transaction_wrote(entered: Database) -> None:
    with entered.writing() as session:
        session.add(a_repository("three"))
        session.flush()
        assert [row.name for row in NAMED.rows(session.connection(), key="alice/three")] == ["three"]
    with entered.one_moment(), entered.looking() as connection:
        assert [row.name for row in NAMED.rows(connection, key="alice/three")] == ["three"]
