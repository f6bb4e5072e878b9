"""Addresses that carry their own leave: signed, bound to one thing, and good for a while only."""

import hmac
import time
from collections.abc import Callable, Mapping
from hashlib import sha256

from minnow.errors import ForbiddenError

SECONDS = 6 * 3600


class Stamp:
    """Signs what an address allows, and checks it again.

    Args:
        secret: never leaves the hub.
        purpose: keeps stamps of different purposes apart.
        now: the clock, in seconds since 1970.
    """

    def __init__(self, secret: bytes, purpose: str, now: Callable[[], float] = time.time):
        self._secret, self._purpose, self._now = secret, purpose, now

    def query(self, *parts: object, seconds: int = SECONDS) -> str:
        """The query that allows what the parts say, from now on for so many seconds."""
        until = int(self._now()) + seconds
        return f"until={until}&signature={self._signature(until, *parts)}"

    def check(self, query: Mapping[str, str], *parts: object) -> None:
        """Raises ForbiddenError where a query does not allow what the parts say, or not any more."""
        until = query.get("until", "")
        valid = until.isascii() and until.isdigit() and len(until) < 15
        expected = self._signature(until, *parts).encode()
        if not valid or not hmac.compare_digest(expected, query.get("signature", "").encode()):
            raise ForbiddenError("this address was not made by the hub; ask the hub for one")
        if int(until) <= self._now():
            raise ForbiddenError("this address has expired; ask the hub for a new one")

    def _signature(self, *parts: object) -> str:
        text = "\0".join(map(str, (self._purpose, *parts)))
        return hmac.new(self._secret, text.encode(), sha256).hexdigest()
