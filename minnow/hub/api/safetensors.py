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
from minnow.hub.trust.content import part as part_of
from minnow.hub.trust.safetensors import check_safetensors, check_start

MOST_INDEX_BYTES = 8 << 20
MOST_SHARDS = 256
MOST_HEADER_BYTES = 16 << 20  # together; read, they take nine times as much


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
        headers = _Headers(hub, commit)
        found = {shard: headers.of(f"{folder}/{shard}".lstrip("/")) for shard in shards}
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


class _Headers:
    """The headers of a commit's files, one read after the other, each content once, and in all no more than so many."""

    def __init__(self, hub: Hub, commit: str):
        self._hub = hub
        self._commit = commit
        self._left = MOST_HEADER_BYTES
        self._known: dict[str, tuple[int, orjson.Fragment]] = {}

    def of(self, path: str) -> orjson.Fragment:
        """The header of a file, as JSON."""
        entry = self._hub.contents.file(self._commit, path)
        if entry.large is None:
            raise InputError(f"{path} is no safetensors file")
        sha256 = entry.large.sha256
        if sha256 in self._known:
            self._take(self._known[sha256][0])
        else:
            with closing(self._hub.large_files.open(sha256)) as content:
                length = check_start(path, part_of(content, 0, 9), content.size)
                self._take(length)
                self._known[sha256] = length, orjson.Fragment(orjson.dumps(check_safetensors(path, content)))
        return self._known[sha256][1]

    def _take(self, length: int) -> None:
        self._left -= length
        if self._left < 0:
            raise InputError(f"headers of over {MOST_HEADER_BYTES} bytes are not told together; ask for fewer files")
