"""Models to a hub and back: ``push``, ``pull``, and which folder a name means."""

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from minnow.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from minnow.remote import Listed, Pushed


def push(
    folder: str | Path,
    name: str,
    *,
    kind: str = "model",
    message: str | None = None,
    private: bool | None = None,
    tag: str | None = None,
    delete: bool = False,
    base: str | None = None,
    hub: str | None = None,
    token: str | None = None,
) -> "Pushed":
    """Write a model's folder, or another, into a repository on a hub, which is made where there is none.

    Args:
        name: ``team/name``; ``team/name@branch`` writes to a branch.
        kind: ``model``, ``dataset`` or ``space``.
        message: of the commit.
        private: of a new repository: whether others may see it.
        tag: a name for the new revision, such as ``v2``.
        delete: remove what the repository has and the folder has not.
        base: the model that this one was made from, as the hub has it, for the card; found where it was pushed or
            pulled on this machine.
        hub: its address; else that of ``HF_ENDPOINT``, else that of the last ``minnow login``.
        token: else that of ``HF_TOKEN`` or of the login.

    Raises:
        InputError: a folder or a name that cannot be, or a model whose training is not finished.
        HubError: the hub refuses; or does not answer, which is a NoHubError.
    """
    from minnow import bases, remote
    from minnow.bundle import layout
    from minnow.logins import hub_of

    source, wanted = Path(folder), remote.name_of(name)
    if (source / layout.RUN).is_dir():
        layout.check_bundle(source)
    remote.check_folder(source)
    where = hub_of(hub, token, os.environ)
    kept = _cache() / where.folder_name
    found = remote.name_of(base).id if base else bases.base_of(kept, source) if kind == "model" else None
    found = None if found == wanted.id else found
    with bases.naming(source, found) as shown:
        pushed = remote.push(
            where,
            shown,
            wanted,
            kind=kind,
            message=message or f"Push {source.resolve().name}",
            private=private,
            tag=tag,
            delete=delete,
        )
    if kind == "model":
        bases.remember(kept, source, wanted.id)
    return replace(pushed, base=found)


def pull(
    name: str,
    *,
    out: str | Path | None = None,
    kind: str = "model",
    offline: bool = False,
    hub: str | None = None,
    token: str | None = None,
) -> Path:
    """The folder of a repository on a hub: fetched, its hashes compared, and kept for when the hub is away.

    Args:
        name: ``team/name``, or ``team/name@revision`` with a branch, a tag or a commit.
        out: copy it there; without it the folder is in ``MINNOW_CACHE``, else in ``~/.cache/minnow/hub``, and is not to
            be changed.
        offline: ask nobody, and take what was pulled before.
        kind, hub, token: as in ``push``.

    Raises:
        InputError: a name that cannot be, or a place that is taken.
        HubError: the hub does not have it; or does not answer and it was not pulled before, which is a NoHubError.
        MinnowError: a file does not have the hash that the hub names.
    """
    from minnow import bases, remote
    from minnow.logins import hub_of

    where, wanted = hub_of(hub, token, os.environ), remote.name_of(name)
    folder = remote.pull(where, wanted, _cache(), kind=kind, offline=offline)
    if kind == "model":
        bases.remember(_cache() / where.folder_name, folder, wanted.id)
    if out is None:
        return folder
    remote.copy_out(folder, Path(out))
    return Path(out)


def search(
    text: str | None = None,
    *,
    kind: str = "model",
    owner: str | None = None,
    tags: "Sequence[str]" = (),
    limit: int = 20,
    hub: str | None = None,
    token: str | None = None,
) -> "list[Listed]":
    """Repositories of a hub whose name holds a text, the latest first; without one, all.

    Args:
        owner: only those of this user or organisation.
        tags: only those with all of these, such as ``text-classification`` or ``language:en``.
        limit: at most so many.
        kind, hub, token: as in ``push``.

    Raises:
        HubError: the hub refuses; or does not answer, which is a NoHubError.
    """
    from minnow import remote
    from minnow.logins import hub_of

    return remote.search(hub_of(hub, token, os.environ), text, kind=kind, owner=owner, tags=tags, limit=limit)


def _cache() -> Path:
    """Where what was pulled is kept."""
    return Path(os.environ.get("MINNOW_CACHE") or "~/.cache/minnow/hub").expanduser()


def folder_of(model: str | Path, *, hub: str | None = None, token: str | None = None) -> Path:
    """The folder of a model that is named as everywhere: by its folder, or as ``team/name@v2`` on a hub.

    Args:
        hub, token: as in ``pull``.

    Raises:
        InputError: what should name a model is no name.
    """
    from minnow.logins import names_a_hub
    from minnow.remote import is_name

    if not isinstance(model, str | Path):
        raise InputError(f"a model is named by its folder, or as team/name@v2 on a hub, but got {model!r:.60}")

    folder, name = Path(model), str(model)
    if folder.exists() or not is_name(name) or not (hub is not None or "@" in name or names_a_hub(os.environ)):
        return folder
    return pull(name, hub=hub, token=token)
