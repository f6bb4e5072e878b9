"""Who pays for what nobody accepted yet; what was there before counts for the owners of its repositories, as it did."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns."""
    for table in ("repository_files", "xorbs"):
        op.add_column(table, sa.Column("payer", sa.String(96)))
        op.create_index(op.f(f"ix_{table}_payer"), table, ["payer"])


def downgrade() -> None:
    """Drop them."""
    for table in ("repository_files", "xorbs"):
        op.drop_index(op.f(f"ix_{table}_payer"), table)
        op.drop_column(table, "payer")
