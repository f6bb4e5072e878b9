"""Repositories, git objects and refs, large files, downloads, likes and discussions."""

import sqlalchemy as sa
from alembic import op

from minnow.hub.database import Moment

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "repositories",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("kind", sa.String(8), nullable=False),
        sa.Column("owner", sa.String(96), nullable=False),
        sa.Column("name", sa.String(96), nullable=False),
        sa.Column("key", sa.String(200), nullable=False),
        sa.Column("private", sa.Boolean, nullable=False),
        sa.Column("gate", sa.String(8), nullable=False),
        sa.Column("created_at", Moment, nullable=False),
        sa.Column("updated_at", Moment, nullable=False),
        sa.Column("pipeline_tag", sa.String(128)),
        sa.Column("library_name", sa.String(128)),
        sa.Column("card", sa.JSON),
        sa.Column("config", sa.JSON),
        sa.Column("safetensors", sa.JSON),
        sa.Column("num_parameters", sa.BigInteger),
        sa.Column("used_bytes", sa.BigInteger, nullable=False),
        sa.Column("downloads", sa.BigInteger, nullable=False),
        sa.Column("downloads_all_time", sa.BigInteger, nullable=False),
        sa.Column("likes", sa.Integer, nullable=False),
    )
    op.create_index(op.f("ix_repositories_kind_key"), "repositories", ["kind", "key"], unique=True)
    for column in ("updated_at", "created_at", "downloads", "likes", "owner"):
        op.create_index(op.f(f"ix_repositories_kind_{column}"), "repositories", ["kind", column])
    op.create_table(
        "repository_tags",
        _repository(),
        sa.Column("tag", sa.String(256), primary_key=True),
        sa.Index(None, "tag", "repository_id"),
    )
    op.create_table(
        "former_names",
        sa.Column("kind", sa.String(8), primary_key=True),
        sa.Column("key", sa.String(200), primary_key=True),
        sa.Column(
            "repository_id",
            sa.Integer,
            sa.ForeignKey("repositories.id", ondelete="CASCADE"),
            nullable=False,
            index=True,
        ),
    )
    op.create_table(
        "git_objects",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("kind", sa.Integer, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("lfs_sha256", sa.String(64)),
        sa.Column("lfs_size", sa.BigInteger),
        sa.Column("stored_at", Moment, nullable=False),
        sa.Column("content", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "refs",
        _repository(),
        sa.Column("name", sa.String(300), primary_key=True),
        sa.Column("commit_id", sa.String(40), nullable=False),
        sa.Column("tag_id", sa.String(40)),
        sa.Column("updated_at", Moment, nullable=False),
    )
    op.create_table("commits", _repository(), sa.Column("commit_id", sa.String(40), primary_key=True))
    op.create_table(
        "repository_files",
        _repository(),
        sa.Column("sha256", sa.String(64), primary_key=True, index=True),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("admitted_at", Moment, nullable=False),
    )
    op.create_table(
        "daily_downloads",
        _repository(),
        sa.Column("day", sa.Date, primary_key=True, index=True),
        sa.Column("count", sa.Integer, nullable=False),
    )
    op.create_table(
        "likes",
        _repository(),
        sa.Column("user", sa.String(96), primary_key=True, index=True),
        sa.Column("liked_at", Moment, nullable=False),
    )
    op.create_table(
        "discussions",
        _repository(),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("title", sa.String(500), nullable=False),
        sa.Column("author", sa.String(96), nullable=False, index=True),
        sa.Column("status", sa.String(8), nullable=False),
        sa.Column("is_pull_request", sa.Boolean, nullable=False),
        sa.Column("base", sa.String(300)),
        sa.Column("merge_commit_id", sa.String(40)),
        sa.Column("created_at", Moment, nullable=False),
    )
    op.create_table(
        "discussion_events",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("repository_id", sa.Integer, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("author", sa.String(96), nullable=False),
        sa.Column("created_at", Moment, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("details", sa.JSON),
        sa.ForeignKeyConstraint(
            ["repository_id", "number"], ["discussions.repository_id", "discussions.number"], ondelete="CASCADE"
        ),
        sa.Index(None, "repository_id", "number"),
    )


def _repository() -> sa.Column[int]:
    return sa.Column(
        "repository_id", sa.Integer, sa.ForeignKey("repositories.id", ondelete="CASCADE"), primary_key=True
    )


def downgrade() -> None:
    """Drop the tables."""
    for table in (
        "discussion_events",
        "discussions",
        "likes",
        "daily_downloads",
        "repository_files",
        "commits",
        "refs",
        "git_objects",
        "former_names",
        "repository_tags",
        "repositories",
    ):
        op.drop_table(table)
