"""Xorbs, and files made of their chunks."""

import sqlalchemy as sa
from alembic import op

from minnow.hub.database import Moment

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "xorbs",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("hash", sa.String(64), nullable=False, unique=True),
        sa.Column("blob", sa.String(128), nullable=False),
        sa.Column("length", sa.Integer, nullable=False),
        sa.Column("stored_length", sa.Integer, nullable=False),
        sa.Column("chunks", sa.LargeBinary, nullable=False),
        sa.Column("created_at", Moment, nullable=False),
        sa.Column("unused_since", Moment),
    )
    op.create_table(
        "xet_files",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("hash", sa.String(64), nullable=False, unique=True),
        sa.Column("sha256", sa.String(64), nullable=False, unique=True),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("created_at", Moment, nullable=False),
    )
    op.create_table(
        "xet_terms",
        sa.Column("file_id", sa.Integer, sa.ForeignKey("xet_files.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("position", sa.Integer, primary_key=True),
        sa.Column("xorb_id", sa.Integer, sa.ForeignKey("xorbs.id"), nullable=False, index=True),
        sa.Column("start", sa.Integer, nullable=False),
        sa.Column("stop", sa.Integer, nullable=False),
        sa.Column("length", sa.Integer, nullable=False),
    )
    op.create_table(
        "xet_marks",
        sa.Column("chunk", sa.String(64), primary_key=True),
        sa.Column("xorb_id", sa.Integer, sa.ForeignKey("xorbs.id", ondelete="CASCADE"), primary_key=True, index=True),
    )


def downgrade() -> None:
    """Drop them."""
    for table in ("xet_marks", "xet_terms", "xet_files", "xorbs"):
        op.drop_table(table)
