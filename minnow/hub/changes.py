"""Changes to files: from the tree of a commit and a list of changes to the tree of the next."""

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field

from sqlalchemy.orm import Session

from minnow.errors import HubNotFoundError, InputError
from minnow.hub.names import twin_key
from minnow.hub.objects import FILE_MODE, FOLDER_MODE, GitObject, GitObjects, TreeEntry, tree_of


@dataclass(frozen=True)
class Put:
    """A file with this content, new or in the place of an older one; its blob is stored already."""

    path: str
    blob_id: str


@dataclass(frozen=True)
class Remove:
    """A file that goes."""

    path: str


@dataclass(frozen=True)
class RemoveFolder:
    """A folder that goes with all that is in it."""

    path: str


Change = Put | Remove | RemoveFolder


@dataclass
class _Node:
    """What is to happen at a path: a file or a folder there goes, it gets a blob, and things happen below it."""

    goes: Remove | RemoveFolder | None = None
    blob_id: str | None = None
    below: dict[str, "_Node"] = field(default_factory=dict)

    def at(self, path: str) -> "_Node":
        node = self
        for part in path.split("/"):
            node = node.below.setdefault(part, _Node())
        return node


@dataclass(frozen=True)
class Changed:
    """The tree after the changes, and the trees that have to be stored for it."""

    tree: str
    new_trees: tuple[GitObject, ...]


def apply_changes(
    objects: GitObjects, session: Session, tree: str, changes: Iterable[Change], revision: str
) -> Changed:
    """Make the tree that a list of changes leads to. A path that both goes and is put is replaced.

    Args:
        tree: where they start from.
        revision: the commit of that tree, for errors.

    Raises:
        HubNotFoundError: something that goes is not there.
        InputError: a file would stand where a folder is, a folder was to go as a file or the other way round, or two
            names differ in case or Unicode form only.
    """
    root = _Node()
    for change in changes:
        node = root.at(change.path.rstrip("/"))
        if isinstance(change, Put):
            node.blob_id = change.blob_id
        else:
            node.goes = change
    made: list[GitObject] = []
    folder = _Folder(objects, session, made, revision)
    entries = folder.changed(objects.tree(session, tree), root, "")
    top = tree_of(entries.values())
    return Changed(top.id, (*made, top))


@dataclass(frozen=True)
class _Folder:
    objects: GitObjects
    session: Session
    made: list[GitObject]
    revision: str

    def changed(self, entries: Mapping[str, TreeEntry], node: _Node, path: str) -> dict[str, TreeEntry]:
        """The entries of a folder after what is to happen below it."""
        result = dict(entries)
        for name, child in node.below.items():
            after = self._entry(result.get(name), name, child, f"{path}{name}")
            if after is None:
                result.pop(name, None)
            else:
                result[name] = after
        added = {name for name in node.below if name in result and name not in entries}
        if added:
            _refuse_twins(result, added, path)
        return result

    def _entry(self, before: TreeEntry | None, name: str, node: _Node, path: str) -> TreeEntry | None:
        if node.goes:
            if before is None:
                raise HubNotFoundError("entry", path, self.revision)
            _require_kind(node.goes, before, path)
            before = None
        if node.blob_id is not None:
            if node.below or (before is not None and before.is_folder):
                raise InputError(f"{path} is a folder; delete it first, or give the file another name")
            return TreeEntry(name, FILE_MODE, node.blob_id)
        if not node.below:
            return before
        if before is not None and not before.is_folder:
            raise InputError(f"{path} is a file; delete it first, or give the folder another name")
        entries = self.changed({} if before is None else self.objects.tree(self.session, before.id), node, f"{path}/")
        if not entries:
            return None
        tree = tree_of(entries.values())
        self.made.append(tree)
        return TreeEntry(name, FOLDER_MODE, tree.id)


def _require_kind(goes: Remove | RemoveFolder, there: TreeEntry, path: str) -> None:
    """Raises InputError where a folder was to go as a file, with all that is in it, or the other way round."""
    if there.is_folder and isinstance(goes, Remove):
        raise InputError(f"{path} is a folder and was to be deleted as a file; to delete all in it, name it {path}/")
    if not there.is_folder and isinstance(goes, RemoveFolder):
        raise InputError(f"{path} is a file and was to be deleted as a folder; to delete it, name it without a slash")


def _refuse_twins(entries: Mapping[str, TreeEntry], added: Set[str], path: str) -> None:
    """Raises InputError where an added name differs from another one only as some file systems do not see."""
    seen: dict[str, str] = {}
    for name in (*(name for name in entries if name not in added), *sorted(added)):
        other = seen.setdefault(twin_key(name), name)
        if other != name:
            raise InputError(
                f"{path}{name} and {path}{other} would be one file on systems that overlook case or Unicode forms; "
                "rename one of them"
            )
