"""Numbers that are never given again, in SQLite too, as in PostgreSQL: signed leave and the audit log go by them."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

TABLES = ("repositories", "accounts", "tokens", "access_requests", "discussion_events", "xorbs", "xet_files")


def upgrade() -> None:
    """Write the tables anew with their rows; ``Database.migrate`` sees to it that nothing follows what is dropped."""
    _rebuild(autoincrement=True)


def downgrade() -> None:
    """Write them anew as they were."""
    _rebuild(autoincrement=False)


def _rebuild(*, autoincrement: bool) -> None:
    connection = op.get_bind()
    if connection.dialect.name != "sqlite":
        return
    for table in TABLES:
        with op.batch_alter_table(table, recreate="always", table_kwargs={"sqlite_autoincrement": autoincrement}):
            pass
    lost = connection.execute(sa.text("PRAGMA foreign_key_check")).all()
    assert not lost, f"rows without what they belong to: {lost[:3]}"
