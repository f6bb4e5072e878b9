"""The tables of users, organisations, tokens, access requests and the audit log."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from minnow.hub.database import NUMBERED_ONCE, Base, Moment


class AccountRow(Base):
    """A user or an organisation; both live in one name space, since either may own repositories.

    ``key`` is the name in lower case: names that differ in case only are the same.
    """

    __tablename__ = "accounts"
    __table_args__ = NUMBERED_ONCE

    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(String(96), unique=True)
    name: Mapped[str] = mapped_column(String(96))
    kind: Mapped[str] = mapped_column(String(16))
    full_name: Mapped[str] = mapped_column(String(256), default="")
    email: Mapped[str] = mapped_column(String(256), default="")
    password: Mapped[str | None] = mapped_column(String(256))
    site_admin: Mapped[bool] = mapped_column(default=False)
    disabled: Mapped[bool] = mapped_column(default=False)
    quota_bytes: Mapped[int | None] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(Moment)


class RemovedNameRow(Base):
    """The name of an account that was removed, in lower case: whatever it wrote and proposed goes by that name."""

    __tablename__ = "removed_names"

    key: Mapped[str] = mapped_column(String(96), primary_key=True)


class MembershipRow(Base):
    """A user in an organisation."""

    __tablename__ = "memberships"

    organization_id: Mapped[int] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True, index=True)
    role: Mapped[str] = mapped_column(String(16))


class TokenRow(Base):
    """A token of a user: its hash, never itself. A revoked one stays, so that the audit log can name it."""

    __tablename__ = "tokens"
    __table_args__ = NUMBERED_ONCE

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"), index=True)
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    name: Mapped[str] = mapped_column(String(96))
    writes: Mapped[bool]
    scope: Mapped[Any | None] = mapped_column(JSON(none_as_null=True))
    created_at: Mapped[datetime] = mapped_column(Moment)
    expires_at: Mapped[datetime | None] = mapped_column(Moment)
    last_used_at: Mapped[datetime | None] = mapped_column(Moment)
    revoked_at: Mapped[datetime | None] = mapped_column(Moment)


class AccessRequestRow(Base):
    """A user who asks for the files of a gated repository."""

    __tablename__ = "access_requests"
    __table_args__ = (UniqueConstraint("repository_id", "user_id"), NUMBERED_ONCE)

    id: Mapped[int] = mapped_column(primary_key=True)
    repository_id: Mapped[int] = mapped_column(ForeignKey("repositories.id", ondelete="CASCADE"))
    user_id: Mapped[int] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"), index=True)
    status: Mapped[str] = mapped_column(String(16))
    fields: Mapped[Any] = mapped_column(JSON)
    asked_at: Mapped[datetime] = mapped_column(Moment)
    decided_at: Mapped[datetime | None] = mapped_column(Moment)
    reason: Mapped[str] = mapped_column(Text, default="")


class AuditRow(Base):
    """One thing that somebody did. It names accounts in words, so that it outlives them."""

    __tablename__ = "audit"
    __table_args__ = (Index(None, "subject", "id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(Moment, index=True)
    actor: Mapped[str] = mapped_column(String(96))
    token_id: Mapped[int | None]
    action: Mapped[str] = mapped_column(String(64))
    subject: Mapped[str] = mapped_column(String(256))
    detail: Mapped[Any] = mapped_column(JSON)
    address: Mapped[str] = mapped_column(String(64), default="")
