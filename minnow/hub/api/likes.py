"""The routes of likes."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from minnow.hub.api.asking import REPOSITORY, Asking, json, moment
from minnow.hub.api.routing import part


def like_routes(asking: Asking) -> list[Route]:
    """The routes of this file."""
    handlers = _Handlers(asking)
    return [
        Route(REPOSITORY + "/like", handlers.add, methods=["POST"]),
        Route(REPOSITORY + "/like", handlers.remove, methods=["DELETE"]),
        Route(REPOSITORY + "/likers", handlers.likers),
        Route("/api/users/{user}/likes", handlers.liked),
    ]


class _Handlers:
    def __init__(self, asking: Asking):
        self._asking = asking
        self._hub = asking.hub

    def add(self, request: Request) -> Response:
        """Like a repository."""
        asked = self._asking.acting(request, "like")
        self._hub.likes.add(asked.repository.id, asked.caller.name)
        return json({})

    def remove(self, request: Request) -> Response:
        """Like it no more."""
        asked = self._asking.acting(request, "like")
        self._hub.likes.remove(asked.repository.id, asked.caller.name)
        return json({})

    def likers(self, request: Request) -> Response:
        """Who likes it."""
        asked = self._asking.readable(request)
        found = self._hub.likes.of_repository(asked.repository.id)
        return json([{"user": one.name, "fullname": one.full_name, "avatarUrl": "", "type": "user"} for one in found])

    def liked(self, request: Request) -> Response:
        """What a user likes."""
        caller = self._asking.caller(request)
        found = self._hub.likes.of_user(part(request, "user"), caller)
        return json(
            [
                {"createdAt": moment(at), "repo": {"name": repository.full_name, "type": repository.kind}}
                for repository, at in found
            ]
        )
