"""What larger hubs do and this one does not: answered with a reason, so that nobody takes it for a mistake."""

from starlette.routing import Route

from minnow.hub.api.asking import REPOSITORY
from minnow.hub.api.errors import left_out

METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]
SPACE = REPOSITORY.replace("{kinds}", "spaces")
RUNNING = "running the apps of its repositories; pull one and run it"
FOLLOWING = "following people; the lists sorted by lastModified say what is new"
REASONS = {
    "/api/collections": "collections; find repositories by owner, tag or name",
    "/api/settings/webhooks": "webhooks; ask for the lists sorted by lastModified instead",
    "/api/jobs": "running jobs",
    "/api/scheduled-jobs": "running jobs",
    "/api/buckets": "buckets; push a folder into a repository instead",
    "/api/papers": "papers",
    "/api/daily_papers": "papers",
    "/api/models-tags-by-type": "lists of all tags; the lists of models name those of each",
    "/api/datasets-tags-by-type": "lists of all tags; the lists of data sets name those of each",
    "/uploads": "files attached to comments; put them into the repository",
    "/api/kernels": "repositories of kernels; push one as a model",
    "/api/spaces/semantic-search": "searching by meaning; the list of apps takes words of their names with search=",
    "/api/spaces/templates": RUNNING,
    "/api/spaces/zero-gpu/quota": RUNNING,
    "/api/spaces/hardware": RUNNING,
    "/api/users/{user}/followers": FOLLOWING,
    "/api/users/{user}/following": FOLLOWING,
    "/api/organizations/{organization}/followers": FOLLOWING,
    "/api/datasets/{owner}/{name}/leaderboard": "leaderboards; compare models with `minnow compare`",
    "/api/datasets/{owner}/{name}/parquet": "converting data sets; load one with `datasets` or pull its files",
    **{
        f"{SPACE}/{what}": RUNNING
        for what in (
            *("runtime", "secrets", "variables", "hardware", "sleeptime", "pause", "restart", "storage", "logs"),
            *("volumes", "dev-mode"),
        )
    },
}


def absent_routes() -> list[Route]:
    """A route for each of these addresses, and for what lies below it."""
    return [
        Route(path, left_out(reason), methods=METHODS)
        for address, reason in REASONS.items()
        for path in (address, address + "/{rest:path}")
    ]
