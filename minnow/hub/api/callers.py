"""Who sends a request: the token in its header, counted against the caller's rate."""

from urllib.parse import urlsplit

from starlette.requests import Request

from minnow.errors import ForbiddenError, NotSignedInError
from minnow.hub.api.answering import READS
from minnow.hub.limits import RateLimit
from minnow.hub.rights import Caller
from minnow.hub.tokens import Tokens


class Door:
    """Where every request with a token comes in, and every one without.

    Args:
        tokens: of the hub.
        limit: counts requests of each user, and of each address where nobody signed in.
        endpoint: what clients call the hub, where that was said.
    """

    def __init__(self, tokens: Tokens, limit: RateLimit, endpoint: str = ""):
        self._tokens = tokens
        self._limit = limit
        self._host = urlsplit(endpoint).netloc.lower()

    def caller(self, request: Request) -> Caller:
        """Who asks; ANONYMOUS without a token. It reads the database: call it in a thread.

        Raises:
            NotSignedInError: what the header holds is no valid token.
            ForbiddenError: a page of another site had a browser send it.
            RateLimitError: the caller asked too often.
        """
        authorization = request.headers.get("authorization")
        try:
            # A browser keeps what its user once typed in, and sends it with whatever any page asks for.
            if request.method not in READS and _is_basic(authorization) and self._from_elsewhere(request):
                raise ForbiddenError("a page of another site may change nothing here; send the token as Bearer")
            caller = self._tokens.caller(authorization)
        except (NotSignedInError, ForbiddenError):
            self._limit.take(address_of(request))
            raise
        self._limit.take(f"user {caller.user_id}" if caller.signed_in else address_of(request))
        return caller

    def _from_elsewhere(self, request: Request) -> bool:
        """Whether a page of another site sent this: browsers say where a page is from, programs and git say nothing."""
        site = request.headers.get("sec-fetch-site")
        if site is not None:
            return site not in {"same-origin", "none"}
        origin = request.headers.get("origin")
        here = {request.headers.get("host", "").lower(), self._host} - {""}
        return origin is not None and origin.partition("://")[2].lower() not in here


def _is_basic(authorization: str | None) -> bool:
    return (authorization or "").strip().lower().startswith("basic")


def address_of(request: Request) -> str:
    """Where the request comes from, as far as the server knows."""
    return request.client.host if request.client else "unknown"
