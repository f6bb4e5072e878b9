"""Folders to a hub and back, through ``huggingface_hub`` itself: pushed, pulled, found; whole or not at all."""

import errno
import glob
import hashlib
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minnow.errors import (
    FullDiskError,
    HubNotFoundError,
    InputError,
    MinnowError,
    NoHubError,
    RemoteError,
    StorageError,
)
from minnow.files import storage_error
from minnow.logins import Hub

if TYPE_CHECKING:
    from huggingface_hub import HfApi

KINDS = ("model", "dataset", "space")
MAIN = "main"
NAME = re.compile(r"(?P<id>[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95})(?:@(?P<revision>[^\s@]{1,200}))?", re.ASCII)
LEFT_OUT = (".previous/**", "**/.*.part", ".*.part", "**/__pycache__/**")
RUN = "run"
PICTURES = (".png", ".svg")
HASH = re.compile(r"[0-9a-f]{64}|[0-9a-f]{40}")
CHUNK_BYTES = 1 << 20
OF_THE_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS)


@dataclass(frozen=True)
class Name:
    """A repository on a hub, and perhaps a revision of it: a branch, a tag or a commit."""

    id: str
    revision: str | None = None

    def __str__(self) -> str:
        return self.id + (f"@{self.revision}" if self.revision else "")


@dataclass(frozen=True)
class Pushed:
    """A revision that was written: whoever pulls ``name@commit`` gets it for good.

    Attributes:
        base: the model that the card names as its base, where it was named in passing.
    """

    name: str
    commit: str
    url: str
    base: str | None = None


@dataclass(frozen=True)
class Listed:
    """A repository that was found."""

    name: str
    tags: tuple[str, ...]
    downloads: int
    likes: int
    private: bool
    updated: str


def is_name(text: str) -> bool:
    """Whether a text could name a repository, such as ``team/name`` or ``team/name@v2``."""
    return NAME.fullmatch(text) is not None


def name_of(text: str) -> Name:
    """The repository that ``team/name`` or ``team/name@v2`` names.

    Raises:
        InputError: it names none.
    """
    found = NAME.fullmatch(text)
    if found is None:
        raise InputError(f"a repository is named team/name or team/name@revision, but got {text!r}")
    return Name(found["id"], found["revision"])


def push(
    hub: Hub,
    folder: Path,
    name: Name,
    *,
    kind: str = "model",
    message: str | None = None,
    private: bool | None = None,
    tag: str | None = None,
    delete: bool = False,
) -> Pushed:
    """Write a folder into a repository, which is made where there is none; what is the same is not sent again.

    What a training run keeps for itself (``run/``) stays at home, but for its pictures, which the card shows.

    Args:
        name: its revision is the branch to write to, which is made where there is none.
        private: of a new repository; None is the hub's own choice.
        tag: a name for the new revision.
        delete: remove what the repository has and the folder has not.

    Raises:
        InputError: the folder is empty, or none; or the tag is there already.
        RemoteError: no hub answers, or it refuses.
    """
    folder = Path(folder)
    check_folder(folder)
    api = _api(hub, kind)
    with _explained(hub, name, writing=True):
        made = api.create_repo(name.id, repo_type=kind, private=private, exist_ok=True)
        if name.revision:
            api.create_branch(name.id, branch=name.revision, repo_type=kind, exist_ok=True)
        if tag and any(there.name == tag for there in api.list_repo_refs(name.id, repo_type=kind).tags):
            raise InputError(f"{name.id} has a tag {tag} already; choose another --tag. Nothing was pushed")
        commit = api.upload_folder(
            repo_id=name.id,
            folder_path=folder,
            repo_type=kind,
            revision=name.revision,
            commit_message=message or f"Push {folder.resolve().name}",
            ignore_patterns=[*LEFT_OUT, *_kept_of_run(folder)],
            delete_patterns="*" if delete else None,
        )
        if tag:
            api.create_tag(name.id, tag=tag, revision=commit.oid, repo_type=kind)
    return Pushed(name.id, commit.oid, str(made))


def _kept_of_run(folder: Path) -> Iterator[str]:
    """A pattern for each file of ``run/`` that stays at home."""
    for path in (folder / RUN).rglob("*"):
        if path.suffix not in PICTURES:
            yield glob.escape(path.relative_to(folder).as_posix())


def check_folder(folder: Path) -> None:
    """Raises InputError where there is nothing to push."""
    if not folder.is_dir() or not any(folder.iterdir()):
        raise InputError(f"{folder} is not a folder with files in; nothing was pushed")


def pull(hub: Hub, name: Name, cache: Path, *, kind: str = "model", offline: bool = False) -> Path:
    """The folder of a revision on this disk; what is here already is not sent again.

    Every file is compared with the hash under which the hub named it. Where the hub cannot be reached, a revision that
    was pulled before is taken from the disk; not where it answers and refuses.

    Args:
        cache: the folder for what is kept; hubs are kept apart in it.
        offline: ask nobody.

    Raises:
        HubNotFoundError: the hub has no such repository or revision, or does not show it to this token.
        RemoteError: no hub answers and nothing is on the disk, or it refuses.
        StorageError: the disk is full, or the cache may not be written.
    """
    api, kept = _api(hub, kind), cache / hub.folder_name
    with _explained(hub, name, offline=offline, kept=kept):
        commit = None if offline else _commit_of(api, name, kind)
        folder = Path(
            api.snapshot_download(
                name.id,
                repo_type=kind,
                revision=commit or name.revision,
                cache_dir=kept,
                local_files_only=commit is None,
            )
        )
        if commit:
            _remember(folder, name.revision or MAIN, commit)
    check_hashes(folder)
    return folder


def _commit_of(api: "HfApi", name: Name, kind: str) -> str | None:
    """The commit that a name leads to now; None where the hub cannot be reached, or is out of order.

    The client would take what is on the disk where the hub refuses too, so it is asked before.
    """
    from huggingface_hub import errors

    try:
        return api.repo_info(name.id, repo_type=kind, revision=name.revision).sha
    except (errors.HTTPError, OSError) as error:  # type: ignore[attr-defined] # of whichever HTTP library it has
        status = getattr(getattr(error, "response", None), "status_code", None)
        if status is not None and status < 500:
            raise
        return None


def _remember(folder: Path, revision: str, commit: str) -> None:
    """Note where a branch or a tag led, as the client does, for when the hub is away."""
    ref = folder.parent.parent / "refs" / revision
    if revision != commit and ".." not in ref.parts:
        ref.parent.mkdir(parents=True, exist_ok=True)
        ref.write_text(commit)


def copy_out(folder: Path, out: Path) -> None:
    """Copy a pulled folder to a place of its own, which must be free; there whole or not at all.

    Raises:
        StorageError: something stands there, or the disk refuses.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise StorageError(f"{out} is not empty; choose another --out")
    out = out.resolve()
    part = out.with_name(f".{out.name}.{os.getpid()}.part")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(folder, part)
        if out == Path.cwd():  # which would be another folder than the one somebody is in
            for path in part.iterdir():
                path.replace(out / path.name)
        else:
            part.replace(out)  # an empty folder gives way
    except OSError as error:
        raise storage_error(error, out) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def search(
    hub: Hub,
    text: str | None = None,
    *,
    kind: str = "model",
    owner: str | None = None,
    tags: Sequence[str] = (),
    limit: int = 20,
) -> list[Listed]:
    """Repositories whose name holds a text, the latest first.

    Args:
        owner: only those of this user or organisation.
        tags: only those with all of these, such as ``text-classification`` or ``language:en``.

    Raises:
        RemoteError: no hub answers, or it refuses.
    """
    api = _api(hub, kind)
    look: Callable[..., Iterable[Any]] = getattr(api, f"list_{kind}s")
    with _explained(hub, None):
        found = look(search=text, author=owner, filter=list(tags) or None, sort="last_modified", limit=limit, full=True)
        return [_listed(one) for one in found]


def who(hub: Hub) -> str:
    """The name of the user whose token this is.

    Raises:
        RemoteError: no hub answers, or the token opens nothing.
    """
    with _explained(hub, None):
        return str(_api(hub, "model").whoami()["name"])


def check_hashes(folder: Path) -> None:
    """Compare every file of a pulled folder with its hash: it is a link to that name, as the hub gave it.

    Raises:
        MinnowError: one is damaged; it is removed, so that the next pull brings it anew.
    """
    for path in sorted(folder.rglob("*")):
        name = path.readlink().name if path.is_symlink() else ""
        if HASH.fullmatch(name) and _hash_of(path, name) != name:
            for link in (path.resolve(), path.parent / path.readlink(), path):
                link.unlink(missing_ok=True)
            raise MinnowError(f"{path.relative_to(folder)} was damaged on this disk and is removed; pull it again")


def _hash_of(path: Path, wanted: str) -> str:
    """As the hub names a file: sha256 of a large one, git's hash of a small one."""
    digest = hashlib.sha256() if len(wanted) == 64 else hashlib.sha1(f"blob {path.stat().st_size}\0".encode())
    with path.open("rb") as stream:
        while piece := stream.read(CHUNK_BYTES):
            digest.update(piece)
    return digest.hexdigest()


def _api(hub: Hub, kind: str) -> "HfApi":
    from huggingface_hub import HfApi

    if kind not in KINDS:
        raise InputError(f"a repository is a model, a dataset or a space, but got {kind!r}")
    return HfApi(endpoint=hub.endpoint, token=hub.token or False, library_name="minnow")


def _listed(one: Any) -> Listed:
    updated = one.last_modified or one.created_at
    return Listed(
        name=one.id,
        tags=tuple(one.tags or ()),
        downloads=one.downloads or 0,
        likes=one.likes or 0,
        private=bool(one.private),
        updated=updated.isoformat(timespec="seconds") if updated else "",
    )


@contextmanager
def _explained(
    hub: Hub, name: Name | None, *, writing: bool = False, offline: bool = False, kept: Path | None = None
) -> Iterator[None]:
    """The client's errors as the house's, each with what would help; ``kept`` is where it writes what it gets."""
    from huggingface_hub import errors

    login = f"minnow login --hub {hub.endpoint}"
    try:
        yield
    except errors.GatedRepoError as error:
        raise RemoteError(f"{name} is gated on {hub.endpoint}: {_said(error)}") from error
    except errors.RevisionNotFoundError as error:
        raise HubNotFoundError("revision", f"{name} on {hub.endpoint}") from error
    except errors.RepositoryNotFoundError as error:
        hint = "check the name" if hub.token else f"check the name, or where it is private: {login}"
        raise RemoteError(f"there is no {name} on {hub.endpoint}, or you may not see it; {hint}") from error
    except errors.LocalEntryNotFoundError as error:
        if offline:
            raise RemoteError(f"{name} was not pulled before, and with --offline no hub is asked") from error
        raise NoHubError(_unreachable(hub) + f", and {name} was not pulled before") from error
    except errors.HfHubHTTPError as error:
        status = getattr(error.response, "status_code", 0)
        if status == 401:
            what = "did not take the token" if hub.token else "needs a token"
            raise RemoteError(f"{hub.endpoint} {what}; log in with: {login}") from error
        said = _said(error)
        kind = NoHubError if status >= 500 else RemoteError
        raise kind(f"{hub.endpoint} refuses{' to write ' + str(name) if writing else ''}: {said}") from error
    except errors.FileMetadataError as error:
        raise RemoteError(f"{hub.endpoint} is not a hub: it does not tell what a file is") from error
    except errors.HTTPError as error:  # type: ignore[attr-defined] # of whichever HTTP library it has
        raise NoHubError(_unreachable(hub) + f" ({type(error).__name__})") from error
    except errors.HFValidationError as error:
        raise InputError(str(error)) from error
    except (OSError, RuntimeError) as error:
        if kept is not None and isinstance(error, OSError) and error.errno in OF_THE_DISK:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            raise (FullDiskError if full else StorageError)(
                f"cannot keep what is pulled in {error.filename or kept} ({error.strerror}); free some space, or set "
                "MINNOW_CACHE to a folder that may be written"
            ) from error
        raise NoHubError(f"talking with {hub.endpoint} failed: {error}") from error


def _unreachable(hub: Hub) -> str:
    return f"no hub answers at {hub.endpoint}; check the address, and that it is being served"


def _said(error: Any) -> str:
    """What the hub itself said, in one line."""
    said = getattr(error, "server_message", None) or str(error)
    return " ".join(str(said).split())[:500]
