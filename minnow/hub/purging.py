"""Large files taken out of a repository for good: its history is written again as if they had never been in it."""

from collections.abc import Iterable, Mapping

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from minnow.hub.clock import Clock, utc_now
from minnow.hub.database import Database, insert_missing
from minnow.hub.names import sha256_of
from minnow.hub.objects import GitObject, GitObjects, TreeEntry, commit_with, tag_with, tree_of
from minnow.hub.repositories import locked
from minnow.hub.repository_tables import CommitRow, DiscussionRow, LargeFileRow, RefRow
from minnow.hub.revisions import forget_unreachable


class Purging:
    """Takes large files out.

    Args:
        now: the clock, in UTC.
    """

    def __init__(self, database: Database, objects: GitObjects, now: Clock = utc_now):
        self._database = database
        self._objects = objects
        self._now = now

    def purge(self, repository_id: int, sha256s: Iterable[str]) -> None:
        """Take files out of every branch, tag and pull request of a repository; all of it happens or nothing.

        Commits that held none of them, and descend from none that did, keep their ids. Those that no branch, tag or
        pull request leads to, such as those of a deleted branch, cannot be found any more. What was taken out is freed
        by the next garbage collection, unless another repository has it.

        Raises:
            InputError: no hash of a large file.
            HubNotFoundError: no such repository.
        """
        gone = {sha256_of(sha256) for sha256 in sha256s}
        with self._database.writing() as session:
            repository = locked(session, repository_id)
            refs = session.scalars(select(RefRow).where(RefRow.repository_id == repository_id)).all()
            history = _Rewriting(self._objects, session, gone)
            for ref in refs:
                history.rewrite(ref.commit_id)
            self._objects.add_within(session, history.made)
            self._exchange(session, repository_id, history.changed)
            for ref in refs:
                if ref.commit_id in history.changed:
                    ref.commit_id, ref.updated_at = history.changed[ref.commit_id], self._now()
                    ref.tag_id = self._tag_again(session, ref.tag_id, ref.commit_id) if ref.tag_id else None
            session.execute(
                delete(LargeFileRow).where(LargeFileRow.repository_id == repository_id, LargeFileRow.sha256.in_(gone))
            )
            repository.updated_at = self._now()
            session.flush()
            forget_unreachable(self._objects, session, repository_id)

    def _exchange(self, session: Session, repository_id: int, changed: Mapping[str, str]) -> None:
        """Let the new commits belong to the repository in the place of the old ones."""
        for old, new in changed.items():
            values = {"repository_id": repository_id, "commit_id": new}
            session.execute(insert_missing(session, CommitRow), [values])
            session.execute(
                delete(CommitRow).where(CommitRow.repository_id == repository_id, CommitRow.commit_id == old)
            )
            session.execute(
                update(DiscussionRow)
                .where(DiscussionRow.repository_id == repository_id, DiscussionRow.merge_commit_id == old)
                .values(merge_commit_id=new)
            )

    def _tag_again(self, session: Session, tag: str, commit: str) -> str:
        made = tag_with(self._objects.content(session, tag), commit)
        self._objects.add_within(session, [made])
        return made.id


class _Rewriting:
    """Commits and trees written again without some large files; each is looked at once."""

    def __init__(self, objects: GitObjects, session: Session, gone: set[str]):
        self._objects, self._session, self._gone = objects, session, gone
        self._commits: dict[str, str] = {}
        self._trees: dict[str, str | None] = {}
        self.made: list[GitObject] = []

    @property
    def changed(self) -> dict[str, str]:
        """The commits that have another id now, and which."""
        return {old: new for old, new in self._commits.items() if old != new}

    def rewrite(self, head: str) -> None:
        """Write a commit again after all that it descends from."""
        waiting = [head]
        while waiting:
            commit = self._objects.commit(self._session, waiting[-1])
            missing = [parent for parent in commit.parents if parent not in self._commits]
            if commit.id in self._commits or not missing:
                waiting.pop()
                self._commits.setdefault(commit.id, self._commit(commit.id, commit.tree, commit.parents))
            else:
                waiting += missing

    def _commit(self, id: str, tree: str, parents: tuple[str, ...]) -> str:
        if id in self._commits:
            return self._commits[id]
        new_tree, new_parents = self._tree(tree), [self._commits[parent] for parent in parents]
        if new_tree == tree and new_parents == list(parents):
            return id
        if new_tree is None:
            empty = tree_of([])
            self.made.append(empty)
            new_tree = empty.id
        made = commit_with(self._objects.content(self._session, id), new_tree, new_parents)
        self.made.append(made)
        return made.id

    def _tree(self, id: str) -> str | None:
        """The same tree without those files; None where nothing is left of it."""
        if id not in self._trees:
            entries = self._objects.tree(self._session, id)
            blobs = self._objects.blobs(self._session, (entry.id for entry in entries.values() if not entry.is_folder))
            kept = []
            for entry in entries.values():
                pointer = None if entry.is_folder else blobs[entry.id].pointer
                inner = self._tree(entry.id) if entry.is_folder else entry.id
                if inner is not None and not (pointer and pointer.sha256 in self._gone):
                    kept.append(TreeEntry(entry.name, entry.mode, inner))
            if kept == list(entries.values()):
                self._trees[id] = id
            elif not kept:
                self._trees[id] = None
            else:
                made = tree_of(kept)
                self.made.append(made)
                self._trees[id] = made.id
        return self._trees[id]
