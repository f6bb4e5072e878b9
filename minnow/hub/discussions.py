"""Discussions and pull requests: a number, a title, what was said and done, and for a pull request a ref of its own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, cast

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from minnow.errors import HubConflictError, HubNotFoundError, InputError
from minnow.hub.changes import Change, Put, Remove, apply_changes
from minnow.hub.clock import Clock, utc_now
from minnow.hub.database import Database, insert_missing
from minnow.hub.differences import difference
from minnow.hub.limits import Quotas
from minnow.hub.names import MAIN, PULLS
from minnow.hub.objects import GitObjects, commit_of, identity
from minnow.hub.payers import accept_history
from minnow.hub.repositories import locked, move_ref
from minnow.hub.repository_tables import CommitRow, DiscussionEventRow, DiscussionRow, RefRow
from minnow.hub.revisions import Message, require_open

Status = Literal["open", "closed", "merged", "draft"]
MOST_TITLE, MOST_TEXT = 500, 65_536
PAGE = 50
MOST_DIFFS = 100


@dataclass(frozen=True)
class Event:
    """Something that was said or done.

    Attributes:
        kind: ``comment``, ``title-change``, ``status-change`` or ``commit``.
        details: by kind: ``from`` and ``to``; ``status``; ``subject`` and ``oid``; ``hidden`` and ``edited_at``.
    """

    id: int
    kind: str
    author: str
    at: datetime
    text: str
    details: Mapping[str, Any]


@dataclass(frozen=True)
class Discussion:
    """A discussion, or a pull request for the branch ``base``."""

    number: int
    title: str
    author: str
    status: Status
    is_pull_request: bool
    created_at: datetime
    base: str | None
    merge_commit: str | None
    events: tuple[Event, ...] = ()
    conflicts: tuple[str, ...] = ()

    @property
    def ref(self) -> str:
        """The ref of a pull request."""
        return f"{PULLS}{self.number}"


class Discussions:
    """The discussions of a hub.

    Args:
        quotas: how much an owner may store, to whom a merge brings files.
        now: the clock, in UTC.
    """

    def __init__(self, database: Database, objects: GitObjects, quotas: Quotas, now: Clock = utc_now):
        self._database = database
        self._objects = objects
        self._quotas = quotas
        self._now = now

    def open(
        self, repository_id: int, title: str, text: str, *, by: str, pull_request: bool, status: Status = "open"
    ) -> int:
        """Open a discussion, or a pull request whose ref begins at the head of main; returns its number.

        Raises:
            InputError: no title, or one or a text that is too long.
        """
        with self._database.writing() as session:
            locked(session, repository_id)
            last = select(func.max(DiscussionRow.number)).where(DiscussionRow.repository_id == repository_id)
            number, now = (session.scalar(last) or 0) + 1, self._now()
            session.add(
                DiscussionRow(
                    repository_id=repository_id,
                    number=number,
                    title=_title(title),
                    author=by,
                    status=status,
                    is_pull_request=pull_request,
                    base=MAIN if pull_request else None,
                    created_at=now,
                )
            )
            session.flush()
            if text.strip():
                self._event(session, repository_id, number, "comment", by, text=_text(text))
            if pull_request:
                head = _ref(session, repository_id, MAIN).commit_id
                session.add(
                    RefRow(repository_id=repository_id, name=f"{PULLS}{number}", commit_id=head, updated_at=now)
                )
            return number

    def take_back(self, repository_id: int, number: int) -> None:
        """Let a pull request that was opened a moment ago never have been, since its commit was refused."""
        with self._database.writing() as session:
            locked(session, repository_id)
            session.execute(
                delete(DiscussionRow).where(
                    DiscussionRow.repository_id == repository_id, DiscussionRow.number == number
                )
            )
            session.execute(
                delete(RefRow).where(RefRow.repository_id == repository_id, RefRow.name == f"{PULLS}{number}")
            )

    def get(self, repository_id: int, number: int) -> Discussion:
        """A discussion with all that happened in it; raises HubNotFoundError where there is none."""
        with self._database.reading() as session:
            row = _row(session, repository_id, number)
            rows = session.scalars(
                select(DiscussionEventRow)
                .where(DiscussionEventRow.repository_id == repository_id, DiscussionEventRow.number == number)
                .order_by(DiscussionEventRow.id)
            )
            conflicts: Sequence[str] = ()
            if row.is_pull_request and row.status in {"open", "draft"}:
                conflicts = self._changes(session, repository_id, row)[1]
            return _discussion(row, tuple(_event(event) for event in rows), tuple(conflicts))

    def author(self, repository_id: int, number: int) -> str:
        """Who opened a discussion; raises HubNotFoundError where there is none."""
        with self._database.reading() as session:
            return _row(session, repository_id, number).author

    def page(
        self,
        repository_id: int,
        page: int,
        *,
        pull_requests: bool | None = None,
        statuses: Sequence[str] = (),
        author: str | None = None,
    ) -> tuple[list[Discussion], int]:
        """The discussions of a page, the newest first, and how many there are in all."""
        asked = select(DiscussionRow).where(DiscussionRow.repository_id == repository_id)
        if pull_requests is not None:
            asked = asked.where(DiscussionRow.is_pull_request.is_(pull_requests))
        if statuses:
            asked = asked.where(DiscussionRow.status.in_(statuses))
        if author:
            asked = asked.where(func.lower(DiscussionRow.author) == author.lower())
        with self._database.reading() as session:
            total = session.scalar(select(func.count()).select_from(asked.subquery())) or 0
            rows = session.scalars(asked.order_by(DiscussionRow.number.desc()).limit(PAGE).offset(page * PAGE))
            return [_discussion(row) for row in rows], total

    def comment(self, repository_id: int, number: int, text: str, *, by: str) -> Event:
        """Say something."""
        with self._database.writing() as session:
            _row(session, repository_id, number)
            if not text.strip():
                raise InputError("a comment needs a text")
            return self._event(session, repository_id, number, "comment", by, text=_text(text))

    def edit(self, repository_id: int, number: int, event_id: int, text: str) -> Event:
        """Give a comment another text; raises InputError where it was hidden."""
        with self._database.writing() as session:
            row = _comment(session, repository_id, number, event_id)
            if (row.details or {}).get("hidden"):
                raise InputError("this comment was hidden and stays so; write another one")
            row.text = _text(text)
            row.details = {**(row.details or {}), "edited_at": self._now().isoformat()}
            return _event(row)

    def hide(self, repository_id: int, number: int, event_id: int) -> Event:
        """Take a comment's text away, for good."""
        with self._database.writing() as session:
            row = _comment(session, repository_id, number, event_id)
            row.text, row.details = "", {**(row.details or {}), "hidden": True}
            return _event(row)

    def event(self, repository_id: int, number: int, event_id: int) -> Event:
        """A comment; raises HubNotFoundError where there is none."""
        with self._database.reading() as session:
            return _event(_comment(session, repository_id, number, event_id))

    def rename(self, repository_id: int, number: int, title: str, *, by: str) -> Event:
        """Give a discussion another title."""
        with self._database.writing() as session:
            row = _row(session, repository_id, number)
            before, row.title = row.title, _title(title)
            return self._event(
                session, repository_id, number, "title-change", by, details={"from": before, "to": row.title}
            )

    def set_status(self, repository_id: int, number: int, status: Status, text: str, *, by: str) -> Event:
        """Open or close a discussion; what a closed pull request brought is collected after a while.

        Raises:
            InputError: it was merged, or is to be, or what it brought was collected.
        """
        with self._database.writing() as session:
            locked(session, repository_id)
            row = _row(session, repository_id, number)
            if row.status == "merged" or status == "merged":
                raise InputError("a pull request is merged by merging it, and stays merged")
            if row.is_pull_request:
                ref = session.get(RefRow, (repository_id, f"{PULLS}{number}"))
                if ref is not None:
                    ref.updated_at = self._now()
                elif status == "open":
                    raise InputError(f"what pull request {number} brought was collected; open another one")
            row.status = status
            if text.strip():
                self._event(session, repository_id, number, "comment", by, text=_text(text))
            return self._event(session, repository_id, number, "status-change", by, details={"status": status})

    def note_commit(self, repository_id: int, ref: str, commit: str, subject: str, *, by: str) -> None:
        """Enter a commit into the pull request of a ref; other refs have none."""
        if not ref.startswith(PULLS):
            return
        with self._database.writing() as session:
            number = int(ref.removeprefix(PULLS))
            self._event(
                session, repository_id, number, "commit", by, details={"subject": subject[:MOST_TITLE], "oid": commit}
            )

    def require_open(self, repository_id: int, ref: str) -> None:
        """Raises InputError where a ref is of a pull request that was closed or merged."""
        with self._database.reading() as session:
            require_open(session, repository_id, ref)

    def merge(self, repository_id: int, number: int, text: str, *, by: str) -> str:
        """Commit what a pull request changes to its base, and return the commit.

        Raises:
            InputError: it is no open pull request.
            HubConflictError: both sides changed the same files.
            QuotaError: what it brings does not fit into the room of the owner, who pays for it from now on.
        """
        with self._database.writing() as session:
            repository = locked(session, repository_id)
            row = _row(session, repository_id, number)
            if not row.is_pull_request or row.status not in {"open", "draft"} or row.base is None:
                raise InputError(f"number {number} is no open pull request")
            changes, conflicts = self._changes(session, repository_id, row)
            if conflicts:
                raise HubConflictError(f"both sides changed {', '.join(conflicts[:10])}; bring them together first")
            base = _ref(session, repository_id, row.base).commit_id
            head = _ref(session, repository_id, f"{PULLS}{number}").commit_id
            what = f"pull request {number} cannot be merged: "
            accept_history(session, self._objects, self._quotas, repository, head, what)
            now, message = self._now(), Message(f"{row.title} (#{number})", text)
            changed = apply_changes(self._objects, session, self._objects.commit(session, base).tree, changes, base)
            made = commit_of(changed.tree, [base, head], author=identity(by), message=message.to_text(), at=now)
            self._objects.add_within(session, (*changed.new_trees, made))
            entered = {"repository_id": repository_id, "commit_id": made.id}
            session.execute(insert_missing(session, CommitRow), [entered])
            move_ref(session, repository_id, row.base, base, made.id, now)
            repository.updated_at = now
            row.status, row.merge_commit_id = "merged", made.id
            self._event(session, repository_id, number, "status-change", by, details={"status": "merged"})
            return made.id

    def diff(self, repository_id: int, number: int) -> str:
        """What a pull request changes, as ``git diff`` says it.

        Nothing once it was closed and collected, or once the commit that merged it was squashed away and collected.

        Raises:
            HubNotFoundError: there is none of this number.
        """
        with self._database.reading() as session:
            row = _row(session, repository_id, number)
            if not row.is_pull_request or session.get(RefRow, (repository_id, f"{PULLS}{number}")) is None:
                return ""
            base = _ref(session, repository_id, row.base or MAIN).commit_id
            if row.merge_commit_id:
                if self._objects.missing(session, [row.merge_commit_id]):
                    return ""
                base = self._objects.commit(session, row.merge_commit_id).parents[0]
            head = _ref(session, repository_id, f"{PULLS}{number}").commit_id
            fork = _common(self._objects, session, base, head)
            before, after = self._files(session, fork) if fork else {}, self._files(session, head)
            paths = [path for path in sorted(before.keys() | after.keys()) if before.get(path) != after.get(path)]

            def content(blob: str | None) -> bytes | None:
                return self._objects.content(session, blob) if blob else None

            told = [
                difference(path, content(before.get(path)), content(after.get(path))) for path in paths[:MOST_DIFFS]
            ]
            left = f"… and {len(paths) - MOST_DIFFS} files more\n" if len(paths) > MOST_DIFFS else ""
            return "".join(told) + left

    def _changes(self, session: Session, repository_id: int, row: DiscussionRow) -> tuple[list[Change], list[str]]:
        """What a pull request changes that its base has not yet, and the files that both sides changed."""
        base = _ref(session, repository_id, row.base or MAIN).commit_id
        head = _ref(session, repository_id, f"{PULLS}{row.number}").commit_id
        fork = _common(self._objects, session, base, head)
        before = self._files(session, fork) if fork else {}
        ours, theirs = self._files(session, base), self._files(session, head)
        changes: list[Change] = []
        conflicts = []
        for path in sorted(before.keys() | theirs.keys()):
            wanted = theirs.get(path)
            if wanted in (before.get(path), ours.get(path)):
                continue
            if ours.get(path) != before.get(path):
                conflicts.append(path)
            changes.append(Put(path, wanted) if wanted else Remove(path))
        return changes, conflicts

    def _files(self, session: Session, commit: str) -> dict[str, str]:
        walked = self._objects.walk(session, self._objects.commit(session, commit).tree)
        return {path: entry.id for path, entry in walked if not entry.is_folder}

    def _event(
        self,
        session: Session,
        repository_id: int,
        number: int,
        kind: str,
        by: str,
        *,
        text: str = "",
        details: Mapping[str, Any] | None = None,
    ) -> Event:
        row = DiscussionEventRow(
            repository_id=repository_id,
            number=number,
            kind=kind,
            author=by,
            created_at=self._now(),
            text=text,
            details=dict(details or {}),
        )
        session.add(row)
        session.flush()
        return _event(row)


def _common(objects: GitObjects, session: Session, one: str, other: str) -> str | None:
    """The newest commit that both descend from."""
    known = {info.id for info in objects.ancestors(session, [one])}
    return next((info.id for info in objects.ancestors(session, [other]) if info.id in known), None)


def _row(session: Session, repository_id: int, number: int) -> DiscussionRow:
    row = session.get(DiscussionRow, (repository_id, number))
    if row is None:
        raise HubNotFoundError("discussion", str(number))
    return row


def _comment(session: Session, repository_id: int, number: int, event_id: int) -> DiscussionEventRow:
    row = session.get(DiscussionEventRow, event_id)
    if row is None or (row.repository_id, row.number, row.kind) != (repository_id, number, "comment"):
        raise HubNotFoundError("comment", str(event_id))
    return row


def _ref(session: Session, repository_id: int, name: str) -> RefRow:
    row = session.get(RefRow, (repository_id, name))
    if row is None:
        raise HubNotFoundError("revision", name)
    return row


def _discussion(row: DiscussionRow, events: tuple[Event, ...] = (), conflicts: tuple[str, ...] = ()) -> Discussion:
    return Discussion(
        number=row.number,
        title=row.title,
        author=row.author,
        status=cast(Status, row.status),
        is_pull_request=row.is_pull_request,
        created_at=row.created_at,
        base=row.base,
        merge_commit=row.merge_commit_id,
        events=events,
        conflicts=conflicts,
    )


def _event(row: DiscussionEventRow) -> Event:
    return Event(row.id, row.kind, row.author, row.created_at, row.text or "", row.details or {})


def _title(text: str) -> str:
    title = " ".join(text.split())
    if not title or len(title) > MOST_TITLE:
        raise InputError(f"a title has 1 to {MOST_TITLE} letters, but got {len(title)}")
    return title


def _text(text: str) -> str:
    if len(text) > MOST_TEXT:
        raise InputError(f"a comment has at most {MOST_TEXT} letters, but got {len(text)}")
    return text
