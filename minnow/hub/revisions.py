"""The versions of a repository: branches, tags and history read, and commits that lose nobody's work."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

from sqlalchemy import Connection, bindparam, delete, func, or_, select
from sqlalchemy.orm import Session

from minnow.errors import HubConflictError, HubExistsError, HubNotFoundError, InputError
from minnow.hub.changes import Change, Put, apply_changes
from minnow.hub.clock import Clock, utc_now
from minnow.hub.database import Database, insert_missing
from minnow.hub.limits import Quotas
from minnow.hub.names import BRANCHES, COMMIT_ID, COMMIT_PREFIX, MAIN, PULLS, TAGS, branch_ref, tag_ref
from minnow.hub.objects import CommitInfo, GitObjects, commit_of, identity, tag_of
from minnow.hub.payers import accept_history, author_of, charge
from minnow.hub.questions import Question
from minnow.hub.repositories import locked, move_ref
from minnow.hub.repository_tables import CommitRow, DiscussionRow, LargeFileRow, RefRow

MOST_MESSAGE = 20_000
ROWS = 500


@dataclass(frozen=True)
class Ref:
    """A branch, a tag or the head of a pull request.

    Attributes:
        name: the full name, such as ``refs/heads/main``.
        commit: where it leads.
        tag: the object of a tag with a message.
    """

    name: str
    commit: str
    tag: str | None


@dataclass(frozen=True)
class Message:
    """What a commit says of itself."""

    title: str
    description: str = ""

    def to_text(self) -> str:
        """As git stores it; raises InputError where it is too long."""
        title = " ".join(self.title.split()) or "Update files"
        text = f"{title}\n\n{self.description.strip()}\n" if self.description.strip() else f"{title}\n"
        if len(text) > MOST_MESSAGE:
            raise InputError(f"a commit message has at most {MOST_MESSAGE} letters, but got {len(text)}")
        return text


class Revisions:
    """The versions of every repository of a hub, by the repository's number.

    Args:
        quotas: how much whoever pays for what a ref leads to may store.
        now: the clock, in UTC.
    """

    def __init__(self, database: Database, objects: GitObjects, quotas: Quotas, now: Clock = utc_now):
        self._database = database
        self._objects = objects
        self._quotas = quotas
        self._now = now

    def resolve(self, repository_id: int, revision: str) -> str:
        """The commit that a branch, a tag, a full ref or (the beginning of) a commit id leads to.

        Raises:
            HubNotFoundError: nothing in this repository does.
        """
        with self._database.looking() as connection:
            return resolved(connection, repository_id, revision)

    def refs(self, repository_id: int) -> list[Ref]:
        """Every ref, by name."""
        with self._database.reading() as session:
            rows = session.scalars(select(RefRow).where(RefRow.repository_id == repository_id).order_by(RefRow.name))
            return [Ref(row.name, row.commit_id, row.tag_id) for row in rows]

    def history(self, repository_id: int, revision: str, *, skip: int = 0, most: int | None = None) -> list[CommitInfo]:
        """The commits that lead to a revision, the newest first."""
        with self._database.reading() as session:
            head = resolved(session.connection(), repository_id, revision)
            stop = None if most is None else skip + most
            return list(islice(self._objects.ancestors(session, [head]), skip, stop))

    def commit_info(self, commit: str) -> CommitInfo:
        """A commit that was resolved before."""
        with self._database.reading() as session:
            return self._objects.commit(session, commit)

    def commit(
        self,
        repository_id: int,
        ref: str,
        changes: Sequence[Change],
        message: Message,
        *,
        by: str,
        parent: str | None = None,
    ) -> str:
        """Commit changes to a branch or pull request: all of them or none, durable on return.

        Commits to one repository follow each other; each builds on the one before it, so that no work is lost. Changes
        that change nothing make no commit: the head is returned as it is.

        Args:
            ref: the full name of the branch.
            parent: what the head must be, or begin with; None takes whatever it is.

        Raises:
            HubNotFoundError: no such branch, or something to be removed is not there.
            HubConflictError: the head is another than ``parent``.
            InputError: changes that contradict one another or the tree, or a pull request that is not open any more.
            QuotaError: large files that wait to be accepted do not fit into the room of who pays for them from now on.
        """
        text = message.to_text()
        with self._database.writing() as session:
            repository = locked(session, repository_id)
            require_open(session, repository_id, ref)  # it may have been merged while files came in
            head = _head(session, repository_id, ref)
            if parent and not head.startswith(parent):
                raise HubConflictError(
                    f"{ref} is at {head}, not at {parent}: somebody committed since; fetch it and try again"
                )
            if self._objects.missing(session, (change.blob_id for change in changes if isinstance(change, Put))):
                raise HubConflictError("files of this commit were collected before it was made; upload them again")
            named = self._large(session, repository_id, changes)
            before = self._objects.commit(session, head)
            changed = apply_changes(self._objects, session, before.tree, changes, head)
            if changed.tree == before.tree:
                return head
            payer = author_of(session, repository_id, ref) if ref.startswith(PULLS) else repository.owner
            charge(session, self._quotas, repository, named, payer)
            now = self._now()
            made = commit_of(changed.tree, [head], author=identity(by), message=text, at=now)
            self._objects.add_within(session, (*changed.new_trees, made))
            self._enter(session, repository_id, [made.id])
            move_ref(session, repository_id, ref, head, made.id, now)
            repository.updated_at = now
            return made.id

    def create_branch(self, repository_id: int, name: str, start: str | None = None) -> str:
        """Make a branch from a revision (main) and return its commit.

        Raises:
            InputError: a name that cannot be.
            HubExistsError: there is one.
            HubNotFoundError: no such revision.
            QuotaError: it was only proposed so far, and does not fit into the room of the owner.
        """
        ref = branch_ref(name)
        if ref.startswith(PULLS):
            raise InputError(f"{ref} belongs to a pull request; open one instead")
        return self._create_ref(repository_id, ref, start)

    def create_tag(self, repository_id: int, name: str, revision: str, message: str = "", *, by: str) -> str:
        """Tag a revision; raises as ``create_branch`` does."""
        return self._create_ref(repository_id, tag_ref(name), revision, message, by)

    def delete_branch(self, repository_id: int, name: str) -> None:
        """Delete a branch; its commits stay until the next garbage collection.

        Raises:
            InputError: it is main.
            HubNotFoundError: there is none.
        """
        ref = branch_ref(name)
        if ref == MAIN or ref.startswith(PULLS):
            raise InputError(f"{name} cannot be deleted: it is what every client reads first, or a pull request")
        self._delete_ref(repository_id, ref, name)

    def delete_tag(self, repository_id: int, name: str) -> None:
        """Delete a tag; raises HubNotFoundError where there is none."""
        self._delete_ref(repository_id, tag_ref(name), name)

    def squash(self, repository_id: int, branch: str, message: Message, *, by: str) -> str:
        """Make one commit without a past of a branch; commits that nothing else leads to cannot be found any more.

        Raises:
            HubNotFoundError: no such branch.
        """
        ref = branch_ref(branch)
        with self._database.writing() as session:
            repository = locked(session, repository_id)
            head = _head(session, repository_id, ref)
            now = self._now()
            tree = self._objects.commit(session, head).tree
            made = commit_of(tree, (), author=identity(by), message=message.to_text(), at=now)
            self._objects.add_within(session, [made])
            self._enter(session, repository_id, [made.id])
            move_ref(session, repository_id, ref, head, made.id, now)
            repository.updated_at = now
            session.flush()
            forget_unreachable(self._objects, session, repository_id)
            return made.id

    def _large(self, session: Session, repository_id: int, changes: Sequence[Change]) -> list[str]:
        """The large files that changes name; raises HubConflictError where the repository has one no more, or never."""
        blobs = self._objects.blobs(session, (change.blob_id for change in changes if isinstance(change, Put)))
        named = sorted({info.pointer.sha256 for info in blobs.values() if info.pointer})
        held = 0
        for start in range(0, len(named), ROWS):
            own = LargeFileRow.sha256.in_(named[start : start + ROWS]), LargeFileRow.repository_id == repository_id
            held += session.scalar(select(func.count()).select_from(LargeFileRow).where(*own)) or 0
        if held < len(named):
            raise HubConflictError("large files of this commit are not here (any more); upload them again")
        return named

    def _enter(self, session: Session, repository_id: int, commits: Iterable[str]) -> None:
        rows = [{"repository_id": repository_id, "commit_id": commit} for commit in commits]
        session.execute(insert_missing(session, CommitRow), rows)

    def _create_ref(
        self, repository_id: int, ref: str, start: str | None, message: str = "", by: str | None = None
    ) -> str:
        with self._database.writing() as session:
            repository = locked(session, repository_id)
            if session.get(RefRow, (repository_id, ref)) is not None:
                raise HubExistsError("reference", ref)
            _require_apart(session, repository_id, ref)
            commit, now, tag = resolved(session.connection(), repository_id, start or MAIN), self._now(), None
            accept_history(session, self._objects, self._quotas, repository, commit)
            if message and by:
                tag = tag_of(
                    commit, ref.removeprefix(TAGS), author=identity(by), message=message[:MOST_MESSAGE], at=now
                )
                self._objects.add_within(session, [tag])
            session.add(
                RefRow(
                    repository_id=repository_id,
                    name=ref,
                    commit_id=commit,
                    tag_id=tag.id if tag else None,
                    updated_at=now,
                )
            )
            return commit

    def _delete_ref(self, repository_id: int, ref: str, name: str) -> None:
        with self._database.writing() as session:
            locked(session, repository_id)
            row = session.get(RefRow, (repository_id, ref))
            if row is None:
                raise HubNotFoundError("revision", name)
            session.delete(row)


def resolved(connection: Connection, repository_id: int, revision: str) -> str:
    """What ``Revisions.resolve`` returns, as a part of somebody's transaction."""
    names = (revision, "") if revision.startswith("refs/") else (BRANCHES + revision, TAGS + revision)
    heads: dict[str, str] = dict(_REFS.rows(connection, repository_id=repository_id, branch=names[0], tag=names[1]))
    for name in names:
        if name in heads:
            return heads[name]
    if COMMIT_ID.fullmatch(revision):
        if _COMMIT.first(connection, repository_id=repository_id, commit_id=revision):
            return revision
    elif COMMIT_PREFIX.fullmatch(revision):
        found = _COMMITS.rows(connection, repository_id=repository_id, beginning=revision)
        if len(found) == 1:
            return str(found[0].commit_id)
    raise HubNotFoundError("revision", revision)


_REFS = Question(
    select(RefRow.name, RefRow.commit_id).where(
        RefRow.repository_id == bindparam("repository_id"),
        or_(RefRow.name == bindparam("branch"), RefRow.name == bindparam("tag")),
    )
)
_OF_REPOSITORY = select(CommitRow.commit_id).where(CommitRow.repository_id == bindparam("repository_id"))
_COMMIT = Question(_OF_REPOSITORY.where(CommitRow.commit_id == bindparam("commit_id")))
_COMMITS = Question(_OF_REPOSITORY.where(CommitRow.commit_id.startswith(bindparam("beginning"))).limit(2))


def forget_unreachable(objects: GitObjects, session: Session, repository_id: int) -> int:
    """Let go of the commits of a repository that no ref leads to, and return how many they were."""
    heads = session.scalars(select(RefRow.commit_id).where(RefRow.repository_id == repository_id)).all()
    reachable = {info.id for info in objects.ancestors(session, set(heads))}
    known = set(session.scalars(select(CommitRow.commit_id).where(CommitRow.repository_id == repository_id)))
    gone = sorted(known - reachable)
    for start in range(0, len(gone), 500):
        part = gone[start : start + 500]
        session.execute(
            delete(CommitRow).where(CommitRow.repository_id == repository_id, CommitRow.commit_id.in_(part))
        )
    return len(gone)


def require_open(session: Session, repository_id: int, ref: str) -> None:
    """Raises InputError where a ref is of a pull request that was closed or merged; other refs have none."""
    if ref.startswith(PULLS):
        row = session.get(DiscussionRow, (repository_id, int(ref.removeprefix(PULLS))))
        if row is None:
            raise HubNotFoundError("discussion", ref)
        if row.status not in {"open", "draft"}:
            raise InputError(f"pull request {row.number} is {row.status}; open another one")


def _require_apart(session: Session, repository_id: int, ref: str) -> None:
    """Raises InputError where a ref would lie within another one: on a disk git cannot keep both ``a`` and ``a/b``."""
    parts = ref.split("/")
    above = ["/".join(parts[:count]) for count in range(3, len(parts))]
    lies_within = or_(RefRow.name.in_(above), RefRow.name.startswith(f"{ref}/", autoescape=True))
    found = session.scalar(select(RefRow.name).where(RefRow.repository_id == repository_id, lies_within).limit(1))
    if found:
        raise InputError(f"git cannot keep {ref} beside {found}; choose a name that neither begins with the other's")


def _head(session: Session, repository_id: int, ref: str) -> str:
    row = session.get(RefRow, (repository_id, ref))
    if row is None:
        raise HubNotFoundError("revision", ref.removeprefix(BRANCHES))
    return row.commit_id
