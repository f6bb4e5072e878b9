"""The hub as an ASGI application: its rooms, its routes, its errors."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from minnow.errors import MinnowError
from minnow.hub.api.absent import absent_routes
from minnow.hub.api.accounts import account_routes
from minnow.hub.api.answering import QuickRouter, Threads
from minnow.hub.api.asking import Asking, json
from minnow.hub.api.callers import Door
from minnow.hub.api.commits import commit_routes
from minnow.hub.api.discussions import discussion_routes
from minnow.hub.api.errors import broke, no_route, refused
from minnow.hub.api.git import git_routes
from minnow.hub.api.lfs import lfs_routes
from minnow.hub.api.likes import like_routes
from minnow.hub.api.repos import repository_routes
from minnow.hub.api.resolve import resolve_routes
from minnow.hub.api.revisions import revision_routes
from minnow.hub.api.routing import RawPaths, RequestIds
from minnow.hub.api.signing_in import signing_in_routes
from minnow.hub.api.xet import xet_routes
from minnow.hub.hub import Hub, build_hub, close_hub
from minnow.hub.lfs import Lfs
from minnow.hub.limits import Rate, RateLimit
from minnow.hub.settings import HubSettings
from minnow.hub.signing import Stamp

WELCOME = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Minnow hub</title></head>
<body><h1>A hub for models, data sets and apps</h1>
<p>This is a Minnow hub. The usual clients work with it once they know where it is:</p>
<pre>export HF_ENDPOINT={endpoint}
hf auth login
hf upload team/name folder
hf download team/name
minnow push folder team/name
git clone {endpoint}/team/name</pre>
<p>Lists: <a href="/api/models">models</a>, <a href="/api/datasets">data sets</a>, <a href="/api/spaces">apps</a>.</p>
</body></html>
"""


def create_hub(settings: HubSettings) -> ASGIApp:
    """The application of a hub; its tables are brought to this version of Minnow at once."""
    return application(build_hub(settings))


def application(hub: Hub) -> ASGIApp:
    """The application over rooms that are there; they are closed when it ends."""
    settings = hub.settings
    limit = RateLimit(Rate("api", settings.rate_requests, settings.rate_seconds))
    door = Door(hub.tokens, limit, settings.endpoint)
    asking = Asking(hub, door)
    lfs = Lfs(hub.large_files, hub.quotas, Stamp(settings.secret, "lfs"))

    def welcome(request: Request) -> Response:
        return HTMLResponse(WELCOME.format(endpoint=asking.endpoint(request)))

    threads = Threads(hub.database)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        yield
        await run_in_threadpool(threads.close)
        await run_in_threadpool(close_hub, hub)

    # The order counts where two routes fit one address: the first is taken.
    routes = [
        Route("/", welcome),
        Route("/health", lambda _request: json({"status": "ok"})),
        Route("/api/agent-harnesses", lambda _request: json({"standardEnvVars": [], "harnesses": {}})),
        *xet_routes(hub.xet, asking.endpoint),
        *absent_routes(),
        *account_routes(asking),
        *signing_in_routes(asking),
        *like_routes(asking),
        *lfs_routes(asking, lfs),
        *repository_routes(asking),
        *revision_routes(asking),
        *commit_routes(asking),
        *discussion_routes(asking),
        *git_routes(asking),
        *resolve_routes(asking),
    ]
    handlers = {MinnowError: refused, HTTPException: no_route, Exception: broke}
    app = Starlette(exception_handlers=handlers)
    app.router = QuickRouter(threads.over(routes), lifespan=lifespan)
    return RequestIds(RawPaths(app))
