"""The routes of versions and files: refs, branches, tags, history, folders, squashing."""

from html import escape
from typing import Any
from urllib.parse import parse_qs

import orjson
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from minnow.errors import InputError
from minnow.hub.api.asking import REPOSITORY, Asking, Body, is_true, json, next_page, number, with_body
from minnow.hub.api.bodies import whole
from minnow.hub.api.routing import part
from minnow.hub.api.shown import shown_commit, shown_entry
from minnow.hub.contents import Entry
from minnow.hub.names import BRANCHES, PULLS, TAGS
from minnow.hub.revisions import Message, Ref

PAGE, PAGE_WITH_COMMITS, PAGE_OF_COMMITS = 1000, 50, 50
MOST_PATHS, MOST_PATHS_BODY = 10_000, 4 << 20
MOST_EXPANDED = 1000  # for each of which the history is looked through


class BranchBody(Body):
    """Where a branch begins; main where nothing is said."""

    startingPoint: str | None = None


class TagBody(Body):
    """How a tag is called."""

    tag: str
    message: str | None = None


class SquashBody(Body):
    """What the one commit says of itself."""

    message: str | None = None


def revision_routes(asking: Asking) -> list[Route]:
    """The routes of this file."""
    handlers = _Handlers(asking)
    return [
        Route(REPOSITORY + "/refs", handlers.refs),
        Route(REPOSITORY + "/branch/{branch}", with_body(BranchBody, handlers.create_branch), methods=["POST"]),
        Route(REPOSITORY + "/branch/{branch}", handlers.delete_branch, methods=["DELETE"]),
        Route(REPOSITORY + "/tag/{revision}", with_body(TagBody, handlers.create_tag), methods=["POST"]),
        Route(REPOSITORY + "/tag/{revision}", handlers.delete_tag, methods=["DELETE"]),
        Route(REPOSITORY + "/commits/{revision}", handlers.commits),
        Route(REPOSITORY + "/super-squash/{branch}", with_body(SquashBody, handlers.squash), methods=["POST"]),
        Route(REPOSITORY + "/tree/{revision}", handlers.tree),
        Route(REPOSITORY + "/tree/{revision}/{folder:path}", handlers.tree),
        Route(REPOSITORY + "/paths-info/{revision}", handlers.paths, methods=["POST"]),
    ]


class _Handlers:
    def __init__(self, asking: Asking):
        self._asking = asking
        self._hub = asking.hub

    def refs(self, request: Request) -> Response:
        """Branches and tags, and pull requests where they are asked for."""
        asked = self._asking.readable(request)
        refs = self._hub.revisions.refs(asked.repository.id)
        shown = {"branches": _shown(refs, BRANCHES), "tags": _shown(refs, TAGS), "converts": []}
        if is_true(request, "include_prs"):
            shown["pullRequests"] = _shown(refs, PULLS)
        return json(shown)

    def create_branch(self, request: Request, body: BranchBody) -> Response:
        """Make a branch."""
        asked = self._asking.writable(request)
        self._hub.revisions.create_branch(asked.repository.id, part(request, "branch"), body.startingPoint)
        return json({})

    def delete_branch(self, request: Request) -> Response:
        """Delete a branch."""
        asked = self._asking.writable(request)
        self._hub.revisions.delete_branch(asked.repository.id, part(request, "branch"))
        self._asking.note(request, asked.caller, "branch.delete", asked.repository, branch=part(request, "branch"))
        return json({})

    def create_tag(self, request: Request, body: TagBody) -> Response:
        """Tag a revision."""
        asked = self._asking.writable(request)
        self._hub.revisions.create_tag(
            asked.repository.id, body.tag, part(request, "revision"), body.message or "", by=asked.caller.name
        )
        return json({})

    def delete_tag(self, request: Request) -> Response:
        """Delete a tag."""
        asked = self._asking.writable(request)
        self._hub.revisions.delete_tag(asked.repository.id, part(request, "revision"))
        self._asking.note(request, asked.caller, "tag.delete", asked.repository, tag=part(request, "revision"))
        return json({})

    def commits(self, request: Request) -> Response:
        """A page of the history."""
        asked = self._asking.readable(request)
        page, most = number(request, "p", 0, 10**6), number(request, "limit", PAGE_OF_COMMITS, 1000) or PAGE_OF_COMMITS
        commit = self._hub.revisions.resolve(asked.repository.id, part(request, "revision"))
        found = self._hub.revisions.history(asked.repository.id, commit, skip=page * most, most=most + 1)
        more = next_page(request, self._asking.endpoint(request), p=page + 1) if len(found) > most else {}
        shown = [shown_commit(one) for one in found[:most]]
        if "formatted" in request.query_params.getlist("expand[]") + request.query_params.getlist("expand"):
            shown = [one | {"formatted": {key: escape(one[key]) for key in ("title", "message")}} for one in shown]
        return json(shown, headers=more)

    def squash(self, request: Request, body: SquashBody) -> Response:
        """Make one commit of a branch."""
        asked = self._asking.writable(request)
        branch = part(request, "branch")
        message = Message(body.message or f"Super-squash branch '{branch}' using huggingface_hub")
        commit = self._hub.publishing.squash(asked.repository.id, branch, message, by=asked.caller.name)
        self._asking.note(request, asked.caller, "branch.squash", asked.repository, branch=branch)
        return json({"commitOid": commit})

    def tree(self, request: Request) -> Response:
        """A page of what is in a folder. The next pages are of the same commit, whatever happens to the branch."""
        asked = self._asking.readable(request)
        commit = self._hub.revisions.resolve(asked.repository.id, part(request, "revision"))
        expand = is_true(request, "expand")
        most = PAGE_WITH_COMMITS if expand else PAGE
        most = max(1, number(request, "limit", most, most))
        skip = number(request, "cursor", 0, 10**9)
        page = self._hub.contents.page(
            commit,
            part(request, "folder") if "folder" in request.path_params else "",
            recursive=is_true(request, "recursive"),
            skip=skip,
            most=most,
            with_commits=expand,
        )
        more = {}
        if page.more:
            of_commit = request.scope["path"].replace(f"/tree/{request.path_params['revision']}", f"/tree/{commit}", 1)
            more = next_page(request, self._asking.endpoint(request), of_commit, cursor=skip + most)
        return json(self._shown(page.entries), headers=more)

    async def paths(self, request: Request) -> Response:
        """Those of some files and folders that are there."""
        paths, expand = _read_paths(await whole(request, MOST_PATHS_BODY))
        return await run_in_threadpool(self._paths, request, paths, expand)

    def _paths(self, request: Request, paths: list[str], expand: bool) -> Response:
        asked = self._asking.readable(request)
        commit = self._hub.revisions.resolve(asked.repository.id, part(request, "revision"))
        return json(self._shown(self._hub.contents.some(commit, paths, with_commits=expand)))

    def _shown(self, entries: "list[Entry] | tuple[Entry, ...]") -> list[dict[str, Any]]:
        chunked = self._hub.large_files.chunked_names(entry.large.sha256 for entry in entries if entry.large)
        return [shown_entry(entry, chunked) for entry in entries]


def _read_paths(content: bytes) -> tuple[list[str], bool]:
    """The paths of a body that is a form or JSON, and whether commits are wanted."""
    if content.lstrip().startswith(b"{"):
        try:
            body = orjson.loads(content)
        except orjson.JSONDecodeError as error:
            raise InputError(f"the body is no JSON: {error}") from error
        paths, expand = body.get("paths", []), bool(body.get("expand"))
    else:
        if content.count(b"&") > MOST_PATHS:
            raise InputError(f"at most {MOST_PATHS} paths are looked for at once")
        form = parse_qs(content.decode("utf-8", "replace"), keep_blank_values=True)
        paths, expand = form.get("paths", []), form.get("expand", ["false"])[0].lower() == "true"
    paths = [paths] if isinstance(paths, str) else paths
    most = MOST_EXPANDED if expand else MOST_PATHS
    if not isinstance(paths, list) or len(paths) > most or not all(isinstance(path, str) for path in paths):
        raise InputError(f"paths must be a list of at most {most} strings{' with their commits' if expand else ''}")
    return paths, expand


def _shown(refs: list[Ref], prefix: str) -> list[dict[str, str]]:
    return [
        {"name": ref.name.removeprefix(prefix), "ref": ref.name, "targetCommit": ref.commit}
        for ref in refs
        if ref.name.startswith(prefix)
    ]
