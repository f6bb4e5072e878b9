"""Whatever moves a branch, with all that follows from it: pull requests hear of their commits, lists of a new card."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass

from minnow.errors import MinnowError
from minnow.hub.describing import Descriptions
from minnow.hub.discussions import Discussions
from minnow.hub.names import MAIN, PULLS, Kind, branch_ref
from minnow.hub.purging import Purging
from minnow.hub.repositories import Repositories, Repository
from minnow.hub.revisions import Message, Revisions
from minnow.hub.uploads import Operation, Uploads

LOG = logging.getLogger("minnow.hub")


@dataclass(frozen=True)
class Published:
    """A commit, and the pull request that was opened for it."""

    commit: str
    pull_request: int | None


class Publishing:
    """New repositories, commits, merges, squashes, copies, and large files taken out."""

    def __init__(
        self,
        repositories: Repositories,
        uploads: Uploads,
        revisions: Revisions,
        discussions: Discussions,
        descriptions: Descriptions,
        purging: Purging,
    ):
        self._repositories = repositories
        self._uploads = uploads
        self._revisions = revisions
        self._discussions = discussions
        self._descriptions = descriptions
        self._purging = purging

    def begin(
        self, kind: Kind, owner: str, name: str, *, private: bool, by: str, card: bytes | None = None
    ) -> Repository:
        """Make a repository; arguments and errors are those of ``Repositories.create``."""
        made = self._repositories.create(kind, owner, name, private=private, by=by, card=card)
        if card:
            self._descriptions.refresh(made.id)
        return made

    def commit(
        self,
        repository: Repository,
        branch: str,
        operations: Iterable[Operation],
        message: Message,
        *,
        by: str,
        pays: str | None = None,
        parent: str | None = None,
        as_pull_request: bool = False,
    ) -> Published:
        """Commit to a branch, to a pull request that is open, or to a new one.

        What was sent is checked and stored before the branch is touched or a pull request is opened.

        Args:
            operations: read once, so that the contents of many files need not be held together.
            pays: the account that pays for what is sent until it is accepted; the owner where none is said.

        Raises:
            RefusedUploadError, QuotaError: as ``Uploads.prepare``.
            HubNotFoundError, HubConflictError, InputError: as ``Revisions.commit``.
        """
        ref = branch_ref(branch)
        self._revisions.resolve(repository.id, ref)
        self._discussions.require_open(repository.id, ref)
        changes = self._uploads.prepare(repository, pays or repository.owner, operations)
        opened = None
        if as_pull_request:
            opened = self._discussions.open(repository.id, message.title, message.description, by=by, pull_request=True)
            ref = f"{PULLS}{opened}"
        try:
            commit = self._revisions.commit(repository.id, ref, changes, message, by=by, parent=parent)
        except MinnowError:
            if opened is not None:
                self._discussions.take_back(repository.id, opened)
            raise
        self._discussions.note_commit(repository.id, ref, commit, message.title, by=by)
        self._after(repository.id, ref)
        return Published(commit, opened)

    def merge(self, repository_id: int, number: int, text: str, *, by: str) -> str:
        """Merge a pull request; raises as ``Discussions.merge`` does."""
        commit = self._discussions.merge(repository_id, number, text, by=by)
        self._after(repository_id, MAIN)
        return commit

    def squash(self, repository_id: int, branch: str, message: Message, *, by: str) -> str:
        """Make one commit of a branch; raises as ``Revisions.squash`` does."""
        return self._revisions.squash(repository_id, branch, message, by=by)

    def purge(self, repository_id: int, sha256s: Iterable[str]) -> None:
        """Take large files out of a repository and its history; raises as ``Purging.purge`` does."""
        self._purging.purge(repository_id, sha256s)
        self._descriptions.refresh(repository_id)

    def copy(self, source: Repository, owner: str, name: str, *, private: bool) -> Repository:
        """Make a repository of what main of another one holds, with its history.

        Raises:
            InputError, HubExistsError, QuotaError: as ``Repositories.copy``.
        """
        made = self._repositories.copy(source, owner, name, private=private)
        self._descriptions.refresh(made.id)
        return made

    def _after(self, repository_id: int, ref: str) -> None:
        """Let lists hear of a new head of main. The commit stands by now, so whatever fails here does not undo it."""
        if ref == MAIN:
            try:
                self._descriptions.refresh(repository_id)
            except Exception as error:
                LOG.error("what repository %s says of itself was not read: %s", repository_id, type(error).__name__)
