"""The tables of repositories: their settings and figures, git objects and refs, large files, discussions."""

from datetime import date, datetime
from typing import Annotated, Any

from sqlalchemy import JSON, BigInteger, Date, ForeignKey, ForeignKeyConstraint, Index, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from minnow.hub.database import NUMBERED_ONCE, Base, Moment

Sha1 = String(40)
Sha256 = String(64)
OfRepository = Annotated[int, mapped_column(ForeignKey("repositories.id", ondelete="CASCADE"), primary_key=True)]


class RepositoryRow(Base):
    """A repository, and what lists and its page show of it.

    Attributes:
        key: ``owner/name`` in lower case, by which it is found and which nobody else may take.
        gate: "", ``auto`` or ``manual``.
        card: the front matter of README.md on the default branch.
        config: architectures and the like out of config.json on the default branch.
        safetensors: how many parameters of which type the default branch holds.
        downloads: of the last thirty days.
        used_bytes: what its large files would take if they were shared with nobody, but for those that wait.
    """

    __tablename__ = "repositories"
    __table_args__ = (
        Index(None, "kind", "key", unique=True),
        Index(None, "kind", "updated_at"),
        Index(None, "kind", "created_at"),
        Index(None, "kind", "downloads"),
        Index(None, "kind", "likes"),
        Index(None, "kind", "owner"),
        NUMBERED_ONCE,
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(8))
    owner: Mapped[str] = mapped_column(String(96))
    name: Mapped[str] = mapped_column(String(96))
    key: Mapped[str] = mapped_column(String(200))
    private: Mapped[bool]
    gate: Mapped[str] = mapped_column(String(8), default="")
    created_at: Mapped[datetime] = mapped_column(Moment)
    updated_at: Mapped[datetime] = mapped_column(Moment)
    pipeline_tag: Mapped[str | None] = mapped_column(String(128))
    library_name: Mapped[str | None] = mapped_column(String(128))
    card: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    config: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    safetensors: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    num_parameters: Mapped[int | None] = mapped_column(BigInteger)
    used_bytes: Mapped[int] = mapped_column(BigInteger, default=0)
    downloads: Mapped[int] = mapped_column(BigInteger, default=0)
    downloads_all_time: Mapped[int] = mapped_column(BigInteger, default=0)
    likes: Mapped[int] = mapped_column(default=0)


class TagRow(Base):
    """A word by which lists are filtered: of the card, or derived such as ``safetensors`` or ``license:mit``."""

    __tablename__ = "repository_tags"
    __table_args__ = (Index(None, "tag", "repository_id"),)

    repository_id: Mapped[OfRepository]
    tag: Mapped[str] = mapped_column(String(256), primary_key=True)


class FormerNameRow(Base):
    """Where a repository was before it moved; clients that ask for it there are sent on."""

    __tablename__ = "former_names"

    kind: Mapped[str] = mapped_column(String(8), primary_key=True)
    key: Mapped[str] = mapped_column(String(200), primary_key=True)
    repository_id: Mapped[int] = mapped_column(ForeignKey("repositories.id", ondelete="CASCADE"), index=True)


class GitObjectRow(Base):
    """A git object; identical ones of several repositories are stored once.

    Attributes:
        kind: git's number: 1 commit, 2 tree, 3 blob, 4 tag.
        size: of the content, unpacked.
        content: packed by zlib.
        lfs_sha256, lfs_size: of a blob that is a pointer to a large file: which one.
        stored_at: when it was last handed in; what is reachable from nowhere is kept a while from then on.
    """

    __tablename__ = "git_objects"

    id: Mapped[str] = mapped_column(Sha1, primary_key=True)
    kind: Mapped[int]
    size: Mapped[int] = mapped_column(BigInteger)
    lfs_sha256: Mapped[str | None] = mapped_column(Sha256)
    lfs_size: Mapped[int | None] = mapped_column(BigInteger)
    stored_at: Mapped[datetime] = mapped_column(Moment)
    content: Mapped[bytes] = mapped_column(LargeBinary)


class RefRow(Base):
    """A branch, a tag or the head of a pull request, by its full name such as ``refs/heads/main``.

    Attributes:
        commit_id: the commit it leads to.
        tag_id: of a tag with a message: the tag object between.
    """

    __tablename__ = "refs"

    repository_id: Mapped[OfRepository]
    name: Mapped[str] = mapped_column(String(300), primary_key=True)
    commit_id: Mapped[str] = mapped_column(Sha1)
    tag_id: Mapped[str | None] = mapped_column(Sha1)
    updated_at: Mapped[datetime] = mapped_column(Moment)


class CommitRow(Base):
    """That a commit belongs to a repository: asked for by its id, it is found there and nowhere else."""

    __tablename__ = "commits"

    repository_id: Mapped[OfRepository]
    commit_id: Mapped[str] = mapped_column(Sha1, primary_key=True)


class LargeFileRow(Base):
    """That a large file was uploaded to a repository, or copied into it by somebody who may read it elsewhere.

    Knowing the hash of a file is not having it: a commit may only name files that have such a row.

    Attributes:
        payer: in lower case, whose room it takes while it waits to be accepted, since it was only sent or stands on a
            pull request; None is the owner's.
    """

    __tablename__ = "repository_files"

    repository_id: Mapped[OfRepository]
    sha256: Mapped[str] = mapped_column(Sha256, primary_key=True, index=True)
    size: Mapped[int] = mapped_column(BigInteger)
    admitted_at: Mapped[datetime] = mapped_column(Moment)
    payer: Mapped[str | None] = mapped_column(String(96), index=True)


class DailyDownloadsRow(Base):
    """How often a repository was downloaded on a day."""

    __tablename__ = "daily_downloads"

    repository_id: Mapped[OfRepository]
    day: Mapped[date] = mapped_column(Date, primary_key=True, index=True)
    count: Mapped[int]


class LikeRow(Base):
    """That a user likes a repository."""

    __tablename__ = "likes"

    repository_id: Mapped[OfRepository]
    user: Mapped[str] = mapped_column(String(96), primary_key=True, index=True)
    liked_at: Mapped[datetime] = mapped_column(Moment)


class DiscussionRow(Base):
    """A discussion or a pull request, numbered within its repository.

    Attributes:
        status: ``open``, ``closed``, ``merged`` or ``draft``.
        base: of a pull request: the branch it is for.
        merge_commit_id: of a merged one.
    """

    __tablename__ = "discussions"

    repository_id: Mapped[OfRepository]
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    title: Mapped[str] = mapped_column(String(500))
    author: Mapped[str] = mapped_column(String(96), index=True)
    status: Mapped[str] = mapped_column(String(8))
    is_pull_request: Mapped[bool]
    base: Mapped[str | None] = mapped_column(String(300))
    merge_commit_id: Mapped[str | None] = mapped_column(Sha1)
    created_at: Mapped[datetime] = mapped_column(Moment)


class DiscussionEventRow(Base):
    """What happened in a discussion: a comment, a new title, a new status, a commit."""

    __tablename__ = "discussion_events"
    __table_args__ = (
        ForeignKeyConstraint(
            ["repository_id", "number"], ["discussions.repository_id", "discussions.number"], ondelete="CASCADE"
        ),
        Index(None, "repository_id", "number"),
        NUMBERED_ONCE,
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    repository_id: Mapped[int]
    number: Mapped[int]
    kind: Mapped[str] = mapped_column(String(32))
    author: Mapped[str] = mapped_column(String(96))
    created_at: Mapped[datetime] = mapped_column(Moment)
    text: Mapped[str] = mapped_column(Text, default="")
    details: Mapped[dict[str, Any] | None] = mapped_column(JSON)
