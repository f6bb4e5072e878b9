"""The routes of discussions and pull requests."""

from datetime import datetime
from typing import Any, Literal

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from minnow.errors import ForbiddenError
from minnow.hub.api.asking import REPOSITORY, Asked, Asking, Body, is_true, json, moment, number, with_body
from minnow.hub.api.routing import numbered
from minnow.hub.api.shown import repository_url
from minnow.hub.discussions import PAGE, Discussion, Event
from minnow.hub.rights import may_write

STATUSES = {"open": ("open", "draft"), "closed": ("closed", "merged")}


class OpenBody(Body):
    """A new discussion."""

    title: str
    description: str = ""
    pullRequest: bool = False


class CommentBody(Body):
    """Something to say."""

    comment: str = ""


class EditBody(Body):
    """Another text."""

    content: str = ""


class TitleBody(Body):
    """Another title."""

    title: str


class StatusBody(Body):
    """Another status."""

    status: Literal["open", "closed"]
    comment: str = ""


def discussion_routes(asking: Asking) -> list[Route]:
    """The routes of this file."""
    handlers = _Handlers(asking)
    all_of_them = REPOSITORY + "/discussions"
    one = all_of_them + "/{number:int}"
    comment = one + "/comment/{comment}"
    return [
        Route(all_of_them, handlers.find),
        Route(all_of_them, with_body(OpenBody, handlers.open), methods=["POST"]),
        Route(one, handlers.show),
        Route(one + "/comment", with_body(CommentBody, handlers.comment), methods=["POST"]),
        Route(one + "/title", with_body(TitleBody, handlers.rename), methods=["POST"]),
        Route(one + "/status", with_body(StatusBody, handlers.set_status), methods=["POST"]),
        Route(one + "/merge", with_body(CommentBody, handlers.merge), methods=["POST"]),
        Route(comment + "/edit", with_body(EditBody, handlers.edit), methods=["POST"]),
        Route(comment + "/hide", handlers.hide, methods=["POST"]),
    ]


class _Handlers:
    def __init__(self, asking: Asking):
        self._asking = asking
        self._hub = asking.hub

    def find(self, request: Request) -> Response:
        """A page of them."""
        asked = self._asking.readable(request)
        page, kind = number(request, "p", 0, 10**6), request.query_params.get("type")
        found, total = self._hub.discussions.page(
            asked.repository.id,
            page,
            pull_requests={"pull_request": True, "discussion": False}.get(kind or ""),
            statuses=STATUSES.get(request.query_params.get("status", ""), ()),
            author=request.query_params.get("author"),
        )
        shown = [self._shown(asked, one) for one in found]
        return json({"discussions": shown, "count": total, "start": page * PAGE})

    def open(self, request: Request, body: OpenBody) -> Response:
        """Open one; a pull request that has no commit yet is a draft, as clients expect."""
        asked = self._asking.discussable(request)
        opened = self._hub.discussions.open(
            asked.repository.id,
            body.title,
            body.description,
            by=asked.caller.name,
            pull_request=body.pullRequest,
            status="draft" if body.pullRequest else "open",
        )
        return json({"num": opened, "url": f"{self._asking.endpoint(request)}{_page(asked, opened)}"})

    def show(self, request: Request) -> Response:
        """One with all that happened in it; what it changes is told to those who may have the files."""
        asked = self._asking.readable(request)
        found = self._hub.discussions.get(asked.repository.id, _number(request))
        shown = self._shown(asked, found) | {"events": [_event(event) for event in found.events]}
        if found.is_pull_request:
            asked_for = is_true(request, "diff") and self._asking.downloads(asked)
            diff = self._hub.discussions.diff(asked.repository.id, found.number) if asked_for else ""
            shown |= {"filesWithConflicts": list(found.conflicts), "diff": diff}
            shown["changes"] = {"base": found.base, "mergeCommitId": found.merge_commit}
        return json(shown)

    def comment(self, request: Request, body: CommentBody) -> Response:
        """Say something."""
        asked = self._asking.discussable(request)
        said = self._hub.discussions.comment(asked.repository.id, _number(request), body.comment, by=asked.caller.name)
        return json({"newMessage": _event(said)})

    def rename(self, request: Request, body: TitleBody) -> Response:
        """Give one another title."""
        asked = self._taking_part(request)
        event = self._hub.discussions.rename(asked.repository.id, _number(request), body.title, by=asked.caller.name)
        return json({"newTitle": _event(event)})

    def set_status(self, request: Request, body: StatusBody) -> Response:
        """Open or close one."""
        asked = self._taking_part(request)
        event = self._hub.discussions.set_status(
            asked.repository.id, _number(request), body.status, body.comment, by=asked.caller.name
        )
        return json({"newStatus": _event(event)})

    def merge(self, request: Request, body: CommentBody) -> Response:
        """Merge a pull request."""
        asked = self._asking.writable(request)
        commit = self._hub.publishing.merge(asked.repository.id, _number(request), body.comment, by=asked.caller.name)
        self._asking.note(request, asked.caller, "discussion.merge", asked.repository, number=_number(request))
        return json({"mergeCommitId": commit})

    def edit(self, request: Request, body: EditBody) -> Response:
        """Give one's own comment another text."""
        asked, comment = self._own_comment(request, hiding=False)
        edited = self._hub.discussions.edit(asked.repository.id, _number(request), comment, body.content)
        return json({"updatedComment": _event(edited)})

    def hide(self, request: Request) -> Response:
        """Take a comment's text away: one's own, or any in a repository that one may change."""
        asked, comment = self._own_comment(request, hiding=True)
        hidden = self._hub.discussions.hide(asked.repository.id, _number(request), comment)
        return json({"updatedComment": _event(hidden)})

    def _taking_part(self, request: Request) -> Asked:
        """Who opened it, or who may change the repository."""
        asked = self._asking.discussable(request)
        author = self._hub.discussions.author(asked.repository.id, _number(request))
        if author != asked.caller.name and not may_write(asked.caller, asked.repository.place):
            raise ForbiddenError(f"only {author}, and whoever may change the repository, may do that")
        return asked

    def _own_comment(self, request: Request, *, hiding: bool) -> tuple[Asked, int]:
        asked = self._asking.discussable(request)
        comment = numbered(request, "comment", "comment")
        found = self._hub.discussions.event(asked.repository.id, _number(request), comment)
        if found.author != asked.caller.name and not (hiding and may_write(asked.caller, asked.repository.place)):
            raise ForbiddenError(f"this comment is {found.author}'s")
        return asked, found.id

    def _shown(self, asked: Asked, one: Discussion) -> dict[str, Any]:
        return {
            "num": one.number,
            "title": one.title,
            "author": {"name": one.author, "type": "user"},
            "status": one.status,
            "isPullRequest": one.is_pull_request,
            "createdAt": moment(one.created_at),
            "repo": {"name": asked.repository.full_name, "type": asked.repository.kind},
        }


def _number(request: Request) -> int:
    return numbered(request, "number", "discussion")


def _page(asked: Asked, opened: int) -> str:
    return f"{repository_url('', asked.repository.kind, asked.repository.full_name)}/discussions/{opened}"


def _edited_at(event: Event) -> datetime:
    edited = event.details.get("edited_at")
    return datetime.fromisoformat(edited) if edited else event.at


def _event(event: Event) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "id": f"{event.id:024d}",
        "type": event.kind,
        "createdAt": moment(event.at),
        "author": {"name": event.author, "type": "user"},
    }
    if event.kind != "comment":
        return shown | {"data": dict(event.details)}
    latest = {
        "raw": event.text,
        "html": "",
        "updatedAt": moment(_edited_at(event)),
        "author": {"name": event.author},
    }
    data = {
        "edited": "edited_at" in event.details,
        "hidden": bool(event.details.get("hidden")),
        "latest": latest,
        "numEdits": int("edited_at" in event.details),
        "history": [],
    }
    return shown | {"data": data}
