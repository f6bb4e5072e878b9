"""What is in a revision: folders listed page by page, files found, and the commit that changed each last."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from sqlalchemy.orm import Session

from minnow.errors import HubNotFoundError
from minnow.hub.database import Database
from minnow.hub.names import path_asked_for
from minnow.hub.objects import FOLDER_MODE, CommitInfo, GitObjects, Pointer, TreeEntry

MOST_COMMITS_SEARCHED = 2000


@dataclass(frozen=True)
class Entry:
    """A file or a folder of a revision.

    Attributes:
        id: of git's blob or tree.
        size: of the content that a client gets; 0 for a folder.
        large: of a file that is stored outside of git: which one.
    """

    path: str
    id: str
    size: int
    is_folder: bool = False
    large: Pointer | None = None
    pointer_size: int = 0
    last_commit: CommitInfo | None = None


@dataclass(frozen=True)
class Page:
    """Some entries of a folder; ``more`` says that others follow."""

    entries: tuple[Entry, ...]
    more: bool


class Contents:
    """The files of every commit of a hub; whether a commit belongs to a repository, ``Revisions`` says."""

    def __init__(self, database: Database, objects: GitObjects):
        self._database = database
        self._objects = objects

    def page(
        self, commit: str, folder: str = "", *, recursive: bool, skip: int, most: int, with_commits: bool = False
    ) -> Page:
        """A page of what is in a folder.

        Args:
            recursive: all that is below it, not only the next level.
            skip: how many entries earlier pages gave.
            with_commits: say of each entry which commit changed it last.

        Raises:
            HubNotFoundError: no such folder.
        """
        with self._database.reading() as session:
            walked = self._walk(session, commit, folder, recursive)
            found = dict(islice(walked, skip, skip + most + 1))
            more = len(found) > most
            if more:
                found.popitem()
            return Page(tuple(self._entries(session, commit, found, with_commits)), more)

    def all(self, commit: str) -> list[Entry]:
        """Every file and folder of a revision."""
        with self._database.reading() as session:
            return self._entries(session, commit, dict(self._walk(session, commit, "", True)), False)

    def some(self, commit: str, paths: Iterable[str], *, with_commits: bool = False) -> list[Entry]:
        """Those of these files and folders that are there."""
        with self._database.reading() as session:
            tree = self._objects.commit(session, commit).tree
            looked_for = {path.rstrip("/"): self._found(session, tree, path.rstrip("/"), commit) for path in paths}
            there = {path: entry for path, entry in looked_for.items() if entry is not None}
            return self._entries(session, commit, there, with_commits)

    def file(self, commit: str, path: str) -> Entry:
        """A file; raises HubNotFoundError where there is none."""
        entries = self.some(commit, [path])
        if not entries or entries[0].is_folder or path.endswith("/"):
            raise HubNotFoundError("entry", path, commit)
        return entries[0]

    def read(self, entry: Entry) -> bytes:
        """The content of a file that git itself holds; of a large file, its pointer."""
        with self._database.reading() as session:
            return self._objects.content(session, entry.id)

    def _walk(self, session: Session, commit: str, folder: str, recursive: bool) -> Iterator[tuple[str, TreeEntry]]:
        tree, before = self._objects.commit(session, commit).tree, ""
        folder = folder.strip("/")
        if folder:
            top = self._found(session, tree, folder, commit)
            if top is None or not top.is_folder:
                raise HubNotFoundError("entry", folder, commit)
            tree, before = top.id, f"{folder}/"
        if recursive:
            return self._objects.walk(session, tree, before)
        return ((before + name, entry) for name, entry in self._objects.tree(session, tree).items())

    def _found(self, session: Session, tree: str, path: str, commit: str) -> TreeEntry | None:
        try:
            path_asked_for(path, commit)
        except HubNotFoundError:
            return None
        return self._objects.entry(session, tree, path)

    def _entries(
        self, session: Session, commit: str, found: Mapping[str, TreeEntry], with_commits: bool
    ) -> list[Entry]:
        blobs = self._objects.blobs(session, (entry.id for entry in found.values() if not entry.is_folder))
        last = last_commits(self._objects, session, commit, list(found)) if with_commits else {}
        made = []
        for path, entry in found.items():
            if entry.mode == FOLDER_MODE:
                made.append(Entry(path, entry.id, 0, is_folder=True, last_commit=last.get(path)))
                continue
            blob = blobs[entry.id]
            size = blob.pointer.size if blob.pointer else blob.size
            made.append(Entry(path, entry.id, size, False, blob.pointer, blob.size, last.get(path)))
        return made


def last_commits(objects: GitObjects, session: Session, commit: str, paths: Sequence[str]) -> dict[str, CommitInfo]:
    """The commit that changed each of these paths last, looking back along the first parents.

    What did not change within ``MOST_COMMITS_SEARCHED`` commits gets the oldest that was looked at.
    """
    current = objects.commit(session, commit)
    waiting = {path: objects.entry(session, current.tree, path) for path in paths}
    found: dict[str, CommitInfo] = {}
    for _ in range(MOST_COMMITS_SEARCHED):
        if not waiting or not current.parents:
            break
        before = objects.commit(session, current.parents[0])
        if before.tree != current.tree:
            for path, entry in list(waiting.items()):
                if objects.entry(session, before.tree, path) != entry:
                    found[path] = current
                    del waiting[path]
        current = before
    return found | dict.fromkeys(waiting, current)
