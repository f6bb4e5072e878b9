"""Who sends a request: the token in its header, counted against the caller's rate."""

from starlette.requests import Request

from minnow.errors import NotSignedInError
from minnow.hub.limits import RateLimit
from minnow.hub.rights import Caller
from minnow.hub.tokens import Tokens


class Door:
    """Where every request with a token comes in, and every one without.

    Args:
        tokens: of the hub.
        limit: counts requests of each user, and of each address where nobody signed in.
    """

    def __init__(self, tokens: Tokens, limit: RateLimit):
        self._tokens = tokens
        self._limit = limit

    def caller(self, request: Request) -> Caller:
        """Who asks; ANONYMOUS without a token. It reads the database: call it in a thread.

        Raises:
            NotSignedInError: what the header holds is no valid token.
            RateLimitError: the caller asked too often.
        """
        try:
            caller = self._tokens.caller(request.headers.get("authorization"))
        except NotSignedInError:
            self._limit.take(address_of(request))
            raise
        self._limit.take(f"user {caller.user_id}" if caller.signed_in else address_of(request))
        return caller


def address_of(request: Request) -> str:
    """Where the request comes from, as far as the server knows."""
    return request.client.host if request.client else "unknown"
