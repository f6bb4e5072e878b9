"""The routes of repositories: made, shown, listed, set, moved, deleted."""

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any, Literal

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from minnow.errors import HubExistsError, InputError
from minnow.hub.api.asking import KINDS, REPOSITORY, Asking, Body, is_true, json, moment, next_page, number, with_body
from minnow.hub.api.errors import exists_response, left_out
from minnow.hub.api.routing import part
from minnow.hub.api.safetensors import safetensors_routes
from minnow.hub.api.shown import repository_url, shown_repository, shown_sibling
from minnow.hub.cards import card_problems, card_warnings
from minnow.hub.listing import Listed, Query, read_parameters
from minnow.hub.names import MAIN, Kind, kind_of
from minnow.hub.repositories import Repository
from minnow.hub.rights import Gate, Place, require_admin, require_create

MOST_LISTED, MOST_LISTED_FULL = 1000, 100
GATES: Mapping[Any, Gate] = {False: "", "false": "", "auto": "auto", "manual": "manual"}
WITH_FILES = {"siblings"}
NOT_LISTED_BY = {
    "apps": "listing models by the apps that open them; filter by tag or library instead",
    "inference": "running models; filter by tag or library instead",
    "inference_provider": "running models; filter by tag or library instead",
}


class CreateBody(Body):
    """What a new repository is to be."""

    name: str
    organization: str | None = None
    type: str | None = None
    visibility: Literal["public", "private"] | None = None
    private: bool | None = None
    sdk: Literal["gradio", "streamlit", "docker", "static"] | None = None

    @property
    def is_private(self) -> bool:
        """As every version of the client says it."""
        return self.visibility == "private" if self.visibility else bool(self.private)


class DeleteBody(Body):
    """Which repository is to go."""

    name: str
    organization: str | None = None
    type: str | None = None


class MoveBody(Body):
    """From which full name to which."""

    fromRepo: str
    toRepo: str
    type: str | None = None


class SettingsBody(Body):
    """What is to change; what is missing stays."""

    visibility: Literal["public", "private"] | None = None
    private: bool | None = None
    gated: Literal["auto", "manual", "false", False] | None = None


class CopyBody(Body):
    """The full name of a copy."""

    repository: str
    visibility: Literal["public", "private"] | None = None
    private: bool | None = None


class CardBody(Body):
    """A card that is to be checked."""

    content: str
    repoType: str | None = None


def repository_routes(asking: Asking) -> list[Route]:
    """The routes of this file."""
    handlers = _Handlers(asking)
    lists = [Route(f"/api/{kinds}", partial(handlers.find, kind)) for kinds, kind in KINDS.items()]
    return [
        Route("/api/repos/create", with_body(CreateBody, handlers.create), methods=["POST"]),
        Route("/api/repos/delete", with_body(DeleteBody, handlers.delete), methods=["DELETE"]),
        Route("/api/repos/move", with_body(MoveBody, handlers.move), methods=["POST"]),
        Route("/api/validate-yaml", with_body(CardBody, handlers.validate), methods=["POST"]),
        *lists,
        Route(REPOSITORY, handlers.show),
        Route(REPOSITORY + "/revision/{revision}", handlers.show),
        Route(REPOSITORY + "/settings", with_body(SettingsBody, handlers.change), methods=["PUT"]),
        Route(REPOSITORY + "/auth-check", handlers.may_download),
        Route(REPOSITORY + "/auth-check/write", handlers.may_write),
        Route(REPOSITORY + "/duplicate", with_body(CopyBody, handlers.copy), methods=["POST"]),
        *safetensors_routes(asking),
    ]


class _Handlers:
    def __init__(self, asking: Asking):
        self._asking = asking
        self._hub = asking.hub

    def create(self, request: Request, body: CreateBody) -> Response:
        """Make a repository; one that is there already is an error that names its address."""
        caller = self._asking.caller(request)
        kind, owner = kind_of(body.type or "model"), body.organization or caller.name
        require_create(caller, Place(kind, owner, body.name))
        owner = self._hub.accounts.find(owner).name
        card = f"---\ntitle: {body.name}\nsdk: {body.sdk}\n---\n".encode() if kind == "space" and body.sdk else None
        try:
            made = self._hub.publishing.begin(
                kind, owner, body.name, private=body.is_private, by=caller.name, card=card
            )
        except HubExistsError as error:
            there = self._hub.repositories.find(kind, owner, body.name)
            return exists_response(error, self._url(request, there))
        self._asking.note(request, caller, "repository.create", made, private=made.private)
        return json({"url": self._url(request, made), "name": made.full_name, "id": f"{made.id:024x}"})

    def delete(self, request: Request, body: DeleteBody) -> Response:
        """Delete a repository."""
        caller = self._asking.caller(request)
        owner, name = _full_name(body.name, body.organization or caller.name)
        repository = self._asking.known(caller, kind_of(body.type or "model"), owner, name, formerly=False)
        require_admin(caller, repository.place)
        self._hub.repositories.delete(repository.id)
        self._asking.note(request, caller, "repository.delete", repository)
        return json({})

    def move(self, request: Request, body: MoveBody) -> Response:
        """Give a repository another name or owner."""
        caller = self._asking.caller(request)
        kind = kind_of(body.type or "model")
        repository = self._asking.known(caller, kind, *_full_name(body.fromRepo))
        require_admin(caller, repository.place)
        owner, name = _full_name(body.toRepo)
        require_create(caller, Place(kind, owner, name))
        owner = self._hub.accounts.find(owner).name
        moved = self._hub.repositories.move(repository.id, owner, name)
        self._asking.note(request, caller, "repository.move", repository, to=moved.full_name)
        return json({"url": self._url(request, moved)})

    def copy(self, request: Request, body: CopyBody) -> Response:
        """Copy a repository; without a word on it the copy is as private as the original."""
        asked = self._asking.downloadable(request)
        source, (owner, name) = asked.repository, _full_name(body.repository)
        require_create(asked.caller, Place(source.kind, owner, name))
        owner = self._hub.accounts.find(owner).name
        private = body.visibility == "private" if body.visibility else body.private
        private = source.private or bool(source.gate) if private is None else private
        try:
            made = self._hub.publishing.copy(source, owner, name, private=private)
        except HubExistsError as error:
            return exists_response(error, self._url(request, self._hub.repositories.find(source.kind, owner, name)))
        self._asking.note(request, asked.caller, "repository.copy", source, to=made.full_name)
        return json({"url": self._url(request, made)})

    def change(self, request: Request, body: SettingsBody) -> Response:
        """Change settings."""
        asked = self._asking.administrable(request)
        private = body.visibility == "private" if body.visibility else body.private
        gate = None if body.gated is None else GATES[body.gated]
        changed = self._hub.repositories.change(asked.repository.id, private=private, gate=gate)
        self._asking.note(
            request, asked.caller, "repository.change", changed, private=changed.private, gate=changed.gate
        )
        return json({"private": changed.private, "gated": changed.gate or False})

    def show(self, request: Request) -> Response:
        """A repository at a revision."""
        asked = self._asking.readable(request)
        revision = part(request, "revision") if "revision" in request.path_params else MAIN
        listed = self._hub.listing.details(asked.repository)
        is_main = revision in {MAIN, "main"}
        commit = (is_main and listed.head) or self._hub.revisions.resolve(asked.repository.id, revision)
        shown = shown_repository(listed)
        shown["sha"] = commit
        if not is_main:
            shown["lastModified"] = self._last_modified(commit)
        expand = _expanded(request)
        if not expand or expand & WITH_FILES:
            shown["siblings"] = self._siblings(commit, blobs=is_true(request, "blobs"))
        if is_true(request, "securityStatus"):
            shown["securityRepoStatus"] = {"scansDone": True, "filesWithIssues": []}
        return json(_only(shown, expand))

    def find(self, kind: Kind, request: Request) -> Response:
        """A page of the repositories of a kind."""
        caller = self._asking.caller(request)
        for name, reason in NOT_LISTED_BY.items():
            if name in request.query_params:
                return left_out(reason)(request)
        query = _query(kind, request)
        page = self._hub.listing.find(query, caller)
        expand = _expanded(request)
        full = is_true(request, "full") or bool(expand)
        shown = [self._shown_in_list(listed, request, full, expand) for listed in page.listed]
        more = next_page(request, self._asking.endpoint(request), cursor=page.cursor) if page.cursor else {}
        return json(shown, headers=more)

    def may_download(self, request: Request) -> Response:
        """Whether the caller may have the files."""
        self._asking.downloadable(request)
        return json({})

    def may_write(self, request: Request) -> Response:
        """Whether the caller may commit."""
        self._asking.writable(request)
        return json({})

    def validate(self, request: Request, body: CardBody) -> Response:
        """What is wrong with a card; it takes some time, so it counts in the caller's rate."""
        self._asking.caller(request)
        wrong = [{"message": problem} for problem in card_problems(body.content)]
        warnings = [{"message": warning} for warning in card_warnings(body.content)]
        return json({"errors": wrong, "warnings": warnings}, 400 if wrong else 200)

    def _shown_in_list(self, listed: Listed, request: Request, full: bool, expand: set[str]) -> dict[str, Any]:
        shown = shown_repository(listed, full=full)
        if not full:
            wanted = {"cardData": listed.repository.card, "config": listed.repository.config}
            shown |= {key: value for key, value in wanted.items() if value and is_true(request, key)}
        if listed.head and (expand & WITH_FILES or (full and not expand)):
            shown["siblings"] = self._siblings(listed.head, blobs=False)
        return _only(shown, expand)

    def _siblings(self, commit: str, *, blobs: bool) -> list[dict[str, Any]]:
        files = (entry for entry in self._hub.contents.all(commit) if not entry.is_folder)
        return [shown_sibling(entry, blobs=blobs) for entry in files]

    def _last_modified(self, commit: str) -> str:
        return moment(self._hub.revisions.commit_info(commit).made_at)

    def _url(self, request: Request, repository: Repository) -> str:
        return repository_url(self._asking.endpoint(request), repository.kind, repository.full_name)


def _full_name(text: str, owner: str | None = None) -> tuple[str, str]:
    """Owner and name of ``owner/name``, or of a name alone with the owner that is meant."""
    before, slash, name = text.partition("/")
    if slash:
        return before, name
    if owner is None:
        raise InputError(f"a repository is named owner/name, but got {text!r}")
    return owner, text


def _expanded(request: Request) -> set[str]:
    """The only keys that are asked for; none means all."""
    asked = (*request.query_params.getlist("expand"), *request.query_params.getlist("expand[]"))
    return {key for key in asked if key.lower() not in {"true", "false"}}


def _only(shown: dict[str, Any], expand: set[str]) -> dict[str, Any]:
    return {key: value for key, value in shown.items() if key in {"_id", "id", "modelId", *expand}} if expand else shown


def _query(kind: Kind, request: Request) -> Query:
    params = request.query_params
    full = is_true(request, "full") or bool(_expanded(request))
    most = MOST_LISTED_FULL if full else MOST_LISTED
    gated = params.get("gated", "").lower()
    return Query(
        kind=kind,
        search=" ".join(params.getlist("search")),
        author=params.get("author", ""),
        filters=tuple(_filters(request)),
        linked=is_true(request, "linked"),
        pipeline_tag=params.get("pipeline_tag", ""),
        gated=None if gated not in {"true", "false"} else gated == "true",
        parameters=read_parameters(params.get("num_parameters", "")),
        sort=params.get("sort") or "lastModified",
        limit=number(request, "limit", most, most),
        cursor=params.get("cursor", ""),
    )


def _filters(request: Request) -> Iterable[str]:
    for text in request.query_params.getlist("filter"):
        yield from (tag.strip() for tag in text.split(",") if tag.strip())
    for key in ("model", "dataset"):  # of apps: which they say they use
        yield from (f"{key}:{name}" for name in request.query_params.getlist(f"{key}s"))
