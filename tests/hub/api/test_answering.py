"""How requests come to handlers: the first route that fits, whatever its address looks like; one thread, one moment."""

import threading
from collections.abc import Iterator

import pytest
from contracts.hub_database import a_repository
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Match, Route
from starlette.testclient import TestClient

from minnow.hub.api.answering import QuickRouter, Shelf, Threads
from minnow.hub.database import Database
from minnow.hub.repository_tables import RepositoryRow

PATHS = (
    *("/", "/api/models", "/api/{kinds}/{owner}/{name}", "/api/{kinds}/{owner}/{name}/tree/{revision}"),
    *("/api/models/{rest:path}", "/api/{kinds}/{owner}/{name}/tree/{revision}/{folder:path}", "/{owner}/{name}/x"),
    *("/datasets/{owner}/{name}/resolve/{revision}/{path:path}", "/{owner}/{name}/resolve/{revision}/{path:path}"),
    *("/{owner}/{name}.git/info/refs", "/{owner}/{name}/info/refs", "/api/{number:int}"),
)
PARTS = st.sampled_from(["", "api", "models", "datasets", "tree", "resolve", "info", "refs", "x", "a.git", "7", "b"])


def named(path: str) -> Route:
    def handler(_request: Request) -> Response:
        return PlainTextResponse(path)

    return Route(path, handler)


ROUTES = [named(path) for path in PATHS]


@given(st.lists(PARTS, max_size=8).map(lambda parts: "/" + "/".join(parts)))
def test_the_route_is_the_one_that_trying_all_would_find(path: str) -> None:
    scope = {"type": "http", "path": path, "method": "GET"}
    fit = [route for route in ROUTES if route.matches(scope)[0] is Match.FULL]
    assert [route for route in Shelf(ROUTES).fitting(path) if route.matches(scope)[0] is Match.FULL] == fit


@pytest.fixture
def threads(database: Database) -> Iterator[Threads]:
    opened = Threads(database)
    yield opened
    opened.close()


def served(routes: list[Route]) -> TestClient:
    app = Starlette()
    app.router = QuickRouter(routes)
    return TestClient(app)


def test_methods_and_unknown_addresses_are_answered_as_ever() -> None:
    client = served([named("/a/{name}"), Route("/a/{name}", lambda _request: Response("made"), methods=["POST"])])
    assert client.post("/a/x").text == "made"
    assert client.head("/a/x").status_code == 200
    assert client.delete("/a/x").status_code == 405
    assert client.get("/b/x").status_code == 404


def enter(database: Database) -> None:
    with database.writing() as session:
        session.add(a_repository())


def test_an_answer_is_made_in_one_thread_of_one_moment(threads: Threads, database: Database) -> None:
    def count() -> int:
        with database.looking() as connection:
            return connection.scalar(select(func.count()).select_from(RepositoryRow)) or 0

    def handler(_request: Request) -> Response:
        before = count()
        other = threading.Thread(target=enter, args=(database,))
        other.start()
        other.join()
        return PlainTextResponse(f"{before} {count()} {threading.current_thread().name.partition('_')[0]}")

    client = served(threads.over([Route("/", handler)]))
    assert client.get("/").text == "0 0 answer"
    assert count() == 1


def test_what_changes_something_may_write(threads: Threads, database: Database) -> None:
    def handler(_request: Request) -> Response:
        enter(database)
        return PlainTextResponse("made")

    client = served(threads.over([Route("/", handler, methods=["POST"])]))
    assert client.post("/").text == "made"
