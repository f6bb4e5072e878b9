"""The route of a sharded model's headers: the index, and what each of its safetensors files holds."""

from contextlib import closing
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from minnow.errors import InputError
from minnow.hub.api.asking import Asking, json
from minnow.hub.api.routing import part
from minnow.hub.hub import Hub
from minnow.hub.names import MAIN, path_asked_for
from minnow.hub.trust.safetensors import check_safetensors

MOST_INDEX_BYTES = 8 << 20
MOST_SHARDS = 256


def safetensors_routes(asking: Asking) -> list[Route]:
    """The routes of this file."""
    hub = asking.hub

    def headers(request: Request) -> Response:
        """The headers of the files that an index on main names."""
        asked = asking.downloadable(request, "model")
        commit = hub.revisions.resolve(asked.repository.id, MAIN)
        index = path_asked_for(part(request, "path"), commit)
        read = _index(hub, commit, index)
        folder = index.rpartition("/")[0]
        shards = sorted({str(shard) for shard in read["weight_map"].values()})
        if len(shards) > MOST_SHARDS:
            raise InputError(f"an index names at most {MOST_SHARDS} files, but {index} names {len(shards)}")
        found = {shard: _header(hub, commit, f"{folder}/{shard}".lstrip("/")) for shard in shards}
        return json({"index": {"metadata": read.get("metadata") or {}}, "headers": found})

    return [Route("/api/models/{owner}/{name}/safetensors-metadata/{path:path}", headers)]


def _index(hub: Hub, commit: str, path: str) -> dict[str, Any]:
    entry = hub.contents.file(commit, path)
    read: Any = None
    if entry.large is None and entry.size <= MOST_INDEX_BYTES:
        try:
            read = orjson.loads(hub.contents.read(entry))
        except orjson.JSONDecodeError as error:
            raise InputError(f"{path} is no JSON: {error}") from error
    if not isinstance(read, dict) or not isinstance(read.get("weight_map"), dict):
        raise InputError(f"{path} must be an index of safetensors files, with a weight_map")
    return read


def _header(hub: Hub, commit: str, path: str) -> dict[str, Any]:
    entry = hub.contents.file(commit, path)
    if entry.large is None:
        raise InputError(f"{path} is no safetensors file")
    with closing(hub.large_files.open(entry.large.sha256)) as content:
        return check_safetensors(path, content)
