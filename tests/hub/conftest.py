"""A hub's tables, empty, for each test that asks."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from minnow.hub.account_tables import AccountRow, AuditRow, MembershipRow, TokenRow
from minnow.hub.database import Base, Database


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """A SQLite database in the test's own folder."""
    made = Database(f"sqlite:///{tmp_path / 'hub.db'}")
    with made.writing() as session:
        Base.metadata.create_all(
            session.connection(), tables=[row.__table__ for row in (AccountRow, MembershipRow, TokenRow, AuditRow)]
        )
    yield made
    made.close()
