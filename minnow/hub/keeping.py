"""What the person at the hub's own machine does: found it, open it, keep its accounts in order."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from minnow.errors import HubConflictError, StorageError
from minnow.files import storage_error
from minnow.hub.accounts import Accounts, account_name
from minnow.hub.audit import KEEPER, Audit
from minnow.hub.database import Database
from minnow.hub.limits import Quotas
from minnow.hub.repository_tables import RepositoryRow
from minnow.hub.settings import HubSettings
from minnow.hub.tokens import Tokens

SERVING, KEEPING = "serving.lock", "keeping.lock"


@dataclass(frozen=True)
class Keeping:
    """A hub as its keeper sees it from the command line."""

    settings: HubSettings
    database: Database
    accounts: Accounts
    tokens: Tokens
    quotas: Quotas
    audit: Audit

    def note(self, action: str, subject: str, **detail: Any) -> None:
        """Write into the audit log what was done at the command line."""
        self.audit.note(KEEPER, action, subject, **detail)

    def owned(self, owner: str) -> int:
        """How many repositories there are under an owner's name."""
        asked = select(func.count()).select_from(RepositoryRow)
        with self.database.reading() as session:
            return session.scalar(asked.where(func.lower(RepositoryRow.owner) == owner.lower())) or 0


@contextmanager
def opened(settings: HubSettings) -> Iterator[Keeping]:
    """A hub's tables, brought to this version of Minnow.

    Raises:
        StorageError: the database refuses, is damaged or cannot be reached.
    """
    database = Database(settings.database_url)
    try:
        database.migrate()
        yield Keeping(
            settings,
            database,
            Accounts(database),
            Tokens(database),
            Quotas(database, settings.quota_bytes),
            Audit(database),
        )
    except SQLAlchemyError as error:
        shown = database.url.render_as_string(hide_password=True)
        raise StorageError(f"the database {shown} refuses: {str(error).splitlines()[0]}") from error
    finally:
        database.close()


def found(keeping: Keeping, name: str, *, email: str = "") -> tuple[str, str]:
    """Make the first administrator: his name and a token, which is told this once.

    Raises:
        InputError: the name cannot be.
        HubConflictError: the hub has an administrator.
    """
    account_name(name)
    if keeping.accounts.any_admin():
        raise HubConflictError(
            f"the hub in {keeping.settings.data} has an administrator already; add others with: minnow hub user add"
        )
    user = keeping.accounts.create_user(name, email=email, site_admin=True)
    text, token = keeping.tokens.create(user.id, "first token", writes=True)
    keeping.note("hub.found", user.name, token=token.id)
    return user.name, text


@contextmanager
def serving_alone(settings: HubSettings) -> Iterator[None]:
    """Hold the folder for one serving process, until the block or the process ends.

    Raises:
        StorageError: another process serves it.
    """
    refusal = f"another process serves the hub in {settings.data}; stop it, or choose another --data"
    with _alone(settings.data / SERVING, refusal):
        yield


@contextmanager
def keeping_alone(settings: HubSettings) -> Iterator[None]:
    """Hold the files of a hub for one that removes or copies them, so that nothing goes that a copy is to have.

    Raises:
        StorageError: another process collects or copies.
    """
    refusal = f"a collection or a backup of the hub in {settings.data} is under way; try again when it has ended"
    with _alone(settings.data / KEEPING, refusal):
        yield


@contextmanager
def _alone(path: Path, refusal: str) -> Iterator[None]:
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise storage_error(error, path) from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise StorageError(refusal) from None
        yield
    finally:
        os.close(handle)
