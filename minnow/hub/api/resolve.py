"""The routes of files: what they are (HEAD), and their bytes or a range of them (GET)."""

from functools import partial
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from minnow.hub.api.asking import Asked, Asking
from minnow.hub.api.routing import part
from minnow.hub.api.sending import Span, sent, span_asked
from minnow.hub.api.shown import PREFIXES
from minnow.hub.contents import Entry
from minnow.hub.names import Kind, path_asked_for

# What a browser may show; everything else is plain text to it, or a download, so that no upload runs in the hub's name.
TEXTS = {"md", "txt", "json", "jsonl", "csv", "tsv", "yaml", "yml", "toml", "py", "gitattributes", "gitignore"}
PICTURES = {"png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg", "gif": "image/gif", "webp": "image/webp"}
CAREFUL = {"Content-Security-Policy": "default-src 'none'; sandbox", "Cross-Origin-Resource-Policy": "cross-origin"}


def resolve_routes(asking: Asking) -> list[Route]:
    """The routes of this file; those with a prefix come first, since no owner is called as a prefix is."""
    handlers = _Handlers(asking)
    ordered = sorted(PREFIXES.items(), key=lambda item: item[1], reverse=True)
    return [
        Route(f"/{prefix}{{owner}}/{{name}}/{verb}/{{revision}}/{{path:path}}", partial(handler, kind))
        for verb, handler in (("resolve", handlers.resolve), ("raw", handlers.raw))
        for kind, prefix in ordered
    ]


class _Handlers:
    def __init__(self, asking: Asking):
        self._asking = asking
        self._hub = asking.hub

    def resolve(self, kind: Kind, request: Request) -> Response:
        """A file; of a large one its content."""
        asked, commit, entry = self._file(kind, request)
        headers = self._headers(request, asked, commit, entry)
        if request.headers.get("if-none-match") == headers["ETag"]:
            return Response(None, 304, headers)
        span = span_asked(request, entry.size, headers["ETag"])
        if request.method == "HEAD":
            return _head(headers, span, entry)
        if span.start == 0:
            self._asking.count_download(request, asked, entry.path)
        if entry.large is None:
            content = self._hub.contents.read(entry)[span.start : span.stop]
            status = 206 if span.partial else 200
            return Response(content, status, headers | span.headers, _media_type(entry.path))
        opened = partial(self._hub.large_files.open, entry.large.sha256)
        return sent(opened, span, headers, _media_type(entry.path))

    def raw(self, kind: Kind, request: Request) -> Response:
        """A file as git has it; of a large one the pointer."""
        _, commit, entry = self._file(kind, request)
        headers = {"X-Repo-Commit": commit, "ETag": f'"{entry.id}"', **CAREFUL}
        return Response(self._hub.contents.read(entry), 200, headers, "text/plain; charset=utf-8")

    def _file(self, kind: Kind, request: Request) -> tuple[Asked, str, Entry]:
        asked = self._asking.downloadable(request, kind)
        commit = self._hub.revisions.resolve(asked.repository.id, part(request, "revision"))
        path = path_asked_for(part(request, "path"), commit)
        return asked, commit, self._hub.contents.file(commit, path)

    def _headers(self, request: Request, asked: Asked, commit: str, entry: Entry) -> dict[str, str]:
        etag = entry.large.sha256 if entry.large else entry.id
        name = quote(entry.path.rpartition("/")[2])
        headers = {
            "X-Repo-Commit": commit,
            "ETag": f'"{etag}"',
            "Content-Disposition": f"inline; filename*=UTF-8''{name}",
            **CAREFUL,
        }
        if entry.large:
            headers |= {"X-Linked-Etag": f'"{etag}"', "X-Linked-Size": str(entry.size)}
            chunked = self._hub.large_files.chunked_names([etag]).get(etag)
            if chunked:
                repository = asked.repository
                route = f"/api/{repository.kind}s/{repository.full_name}/xet-read-token/{commit}"
                url = self._asking.endpoint(request) + route
                headers |= {"X-Xet-Hash": chunked, "X-Xet-Refresh-Route": route, "Link": f'<{url}>; rel="xet-auth"'}
        return headers


def _head(headers: dict[str, str], span: Span, entry: Entry) -> Response:
    """The answer to HEAD: its length is that of the file, though no byte of it comes."""
    response = Response(None, 200, headers, _media_type(entry.path))
    response.headers["Content-Length"] = str(span.size)
    response.headers["Accept-Ranges"] = "bytes"
    return response


def _media_type(path: str) -> str:
    suffix = path.rpartition(".")[2].lower()
    if suffix in TEXTS:
        return "text/plain; charset=utf-8"
    return PICTURES.get(suffix, "application/octet-stream")
