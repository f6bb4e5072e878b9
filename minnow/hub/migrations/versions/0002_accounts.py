"""Users, organisations, tokens, access requests and the audit log."""

import sqlalchemy as sa
from alembic import op

from minnow.hub.database import Moment

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "accounts",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("key", sa.String(96), nullable=False, unique=True),
        sa.Column("name", sa.String(96), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("full_name", sa.String(256), nullable=False),
        sa.Column("email", sa.String(256), nullable=False),
        sa.Column("password", sa.String(256)),
        sa.Column("site_admin", sa.Boolean, nullable=False),
        sa.Column("disabled", sa.Boolean, nullable=False),
        sa.Column("quota_bytes", sa.BigInteger),
        sa.Column("created_at", Moment, nullable=False),
    )
    op.create_table(
        "memberships",
        sa.Column("organization_id", sa.Integer, sa.ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True),
        sa.Column(
            "user_id", sa.Integer, sa.ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True, index=True
        ),
        sa.Column("role", sa.String(16), nullable=False),
    )
    op.create_table(
        "tokens",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("user_id", sa.Integer, sa.ForeignKey("accounts.id", ondelete="CASCADE"), nullable=False, index=True),
        sa.Column("digest", sa.String(64), nullable=False, unique=True),
        sa.Column("name", sa.String(96), nullable=False),
        sa.Column("writes", sa.Boolean, nullable=False),
        sa.Column("scope", sa.JSON),
        sa.Column("created_at", Moment, nullable=False),
        sa.Column("expires_at", Moment),
        sa.Column("last_used_at", Moment),
        sa.Column("revoked_at", Moment),
    )
    op.create_table(
        "access_requests",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("repository_id", sa.Integer, sa.ForeignKey("repositories.id", ondelete="CASCADE"), nullable=False),
        sa.Column("user_id", sa.Integer, sa.ForeignKey("accounts.id", ondelete="CASCADE"), nullable=False, index=True),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("fields", sa.JSON, nullable=False),
        sa.Column("asked_at", Moment, nullable=False),
        sa.Column("decided_at", Moment),
        sa.Column("reason", sa.Text, nullable=False),
        sa.UniqueConstraint("repository_id", "user_id"),
    )
    op.create_table(
        "audit",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("at", Moment, nullable=False, index=True),
        sa.Column("actor", sa.String(96), nullable=False),
        sa.Column("token_id", sa.Integer),
        sa.Column("action", sa.String(64), nullable=False),
        sa.Column("subject", sa.String(256), nullable=False),
        sa.Column("detail", sa.JSON, nullable=False),
        sa.Column("address", sa.String(64), nullable=False),
        sa.Index(None, "subject", "id"),
    )


def downgrade() -> None:
    """Drop them."""
    for table in ("audit", "access_requests", "tokens", "memberships", "accounts"):
        op.drop_table(table)
