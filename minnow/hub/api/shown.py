"""Repositories, files and commits as clients read them."""

from collections.abc import Mapping
from typing import Any

from minnow.hub.api.asking import moment
from minnow.hub.contents import Entry
from minnow.hub.listing import Listed
from minnow.hub.names import Kind
from minnow.hub.objects import CommitInfo

SAID_BY_APPS = ("sdk", "models", "datasets")
PREFIXES: Mapping[Kind, str] = {"model": "", "dataset": "datasets/", "space": "spaces/"}


def repository_url(endpoint: str, kind: Kind, full_name: str) -> str:
    """The address of a repository."""
    return f"{endpoint}/{PREFIXES[kind]}{full_name}"


def shown_repository(listed: Listed, *, full: bool = True) -> dict[str, Any]:
    """A repository with all that is known of it but its files.

    Args:
        full: with card, configuration and parameters, which lists leave out.
    """
    repository = listed.repository
    shown: dict[str, Any] = {
        "_id": f"{repository.id:024x}",
        "id": repository.full_name,
        "author": repository.owner,
        "sha": listed.head,
        "private": repository.private,
        "gated": repository.gate or False,
        "disabled": False,
        "createdAt": moment(repository.created_at),
        "lastModified": moment(repository.updated_at),
        "downloads": repository.downloads,
        "downloadsAllTime": repository.downloads_all_time,
        "likes": repository.likes,
        "trendingScore": 0,
        "tags": list(listed.tags),
        "usedStorage": repository.used_bytes,
    }
    if repository.kind == "model":
        shown |= {"modelId": repository.full_name}
        optional = {"pipeline_tag": repository.pipeline_tag, "library_name": repository.library_name}
        shown |= {key: value for key, value in optional.items() if value is not None}
    if repository.kind == "space" and repository.card:
        shown |= {key: repository.card[key] for key in SAID_BY_APPS if key in repository.card}
    if full:
        optional_full = {
            "cardData": repository.card,
            "config": repository.config,
            "safetensors": repository.safetensors,
        }
        shown |= {key: value for key, value in optional_full.items() if value is not None}
        if repository.card and "model-index" in repository.card:
            shown["model-index"] = repository.card["model-index"]
    return shown


def shown_sibling(entry: Entry, *, blobs: bool) -> dict[str, Any]:
    """A file of a repository in the list that comes with it."""
    shown: dict[str, Any] = {"rfilename": entry.path}
    if blobs:
        shown |= {"size": entry.size, "blobId": entry.id}
        if entry.large:
            shown["lfs"] = {
                "size": entry.large.size,
                "sha256": entry.large.sha256,
                "pointerSize": entry.pointer_size,
            }
    return shown


def shown_entry(entry: Entry, chunked: Mapping[str, str]) -> dict[str, Any]:
    """A file or folder of a tree.

    Args:
        chunked: the Xet hashes of large files that can be read so.
    """
    shown: dict[str, Any] = {
        "type": "directory" if entry.is_folder else "file",
        "oid": entry.id,
        "size": entry.size,
        "path": entry.path,
    }
    if entry.large:
        shown["lfs"] = {"oid": entry.large.sha256, "size": entry.large.size, "pointerSize": entry.pointer_size}
        if entry.large.sha256 in chunked:
            shown["xetHash"] = chunked[entry.large.sha256]
    if entry.last_commit:
        last = entry.last_commit
        shown["lastCommit"] = {"id": last.id, "title": last.title, "date": moment(last.made_at)}
    return shown


def shown_commit(commit: CommitInfo) -> dict[str, Any]:
    """A commit of a history."""
    return {
        "id": commit.id,
        "title": commit.title,
        "message": commit.message.partition("\n")[2].strip(),
        "authors": [{"user": commit.author}],
        "date": moment(commit.made_at),
    }
