"""Whatever moves a branch, with all that follows from it: pull requests hear of their commits, lists of a new card."""

from collections.abc import Iterable
from dataclasses import dataclass

from minnow.hub.describing import Descriptions
from minnow.hub.discussions import Discussions
from minnow.hub.names import MAIN, branch_ref
from minnow.hub.repositories import Repository
from minnow.hub.revisions import Message, Revisions
from minnow.hub.uploads import Operation, Uploads


@dataclass(frozen=True)
class Published:
    """A commit, and the pull request that it is in."""

    commit: str
    pull_request: int | None


class Publishing:
    """Commits, merges and squashes."""

    def __init__(self, uploads: Uploads, revisions: Revisions, discussions: Discussions, descriptions: Descriptions):
        self._uploads = uploads
        self._revisions = revisions
        self._discussions = discussions
        self._descriptions = descriptions

    def commit(
        self,
        repository: Repository,
        branch: str,
        operations: Iterable[Operation],
        message: Message,
        *,
        by: str,
        parent: str | None = None,
        as_pull_request: bool = False,
    ) -> Published:
        """Commit to a branch, to a pull request that is open, or to a new one; raises as ``Uploads.commit`` does."""
        opened = None
        ref = branch_ref(branch)
        if as_pull_request:
            opened = self._discussions.open(repository.id, message.title, message.description, by=by, pull_request=True)
            ref = f"refs/pr/{opened}"
        self._discussions.require_open(repository.id, ref)
        commit = self._uploads.commit(repository, ref, operations, message, by=by, parent=parent)
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

    def _after(self, repository_id: int, ref: str) -> None:
        if ref == MAIN:
            self._descriptions.refresh(repository_id)
