"""The names of accounts that were removed; those of which something is left are entered."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

BY_NAME = (("discussions", "author"), ("discussion_events", "author"), ("likes", "user"))


def upgrade() -> None:
    """Make the table."""
    removed = op.create_table("removed_names", sa.Column("key", sa.String(96), primary_key=True))
    accounts = sa.table("accounts", sa.column("key"))
    columns = [sa.table(table, sa.column(column)).c[column] for table, column in BY_NAME]
    names = sa.union(*(sa.select(sa.func.lower(column).label("key")) for column in columns)).subquery()
    gone = sa.select(names.c.key).where(names.c.key.not_in(sa.select(accounts.c.key)))
    op.execute(sa.insert(removed).from_select(["key"], gone))


def downgrade() -> None:
    """Drop it."""
    op.drop_table("removed_names")
