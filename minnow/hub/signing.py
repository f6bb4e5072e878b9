"""Leave that an address carries in itself: signed, bound to one thing, and good for a while only."""

import hmac
import time
from collections.abc import Callable
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

    def made(self, *parts: object) -> tuple[int, str]:
        """Until when the parts are allowed from now on (seconds since 1970), and the signature that says so."""
        until = int(self._now()) + SECONDS
        return until, self._signature(until, *parts)

    def check(self, until: int, signature: str, *parts: object) -> None:
        """Raises ForbiddenError where the parts are not allowed, or not any more."""
        if not hmac.compare_digest(self._signature(until, *parts), signature):
            raise ForbiddenError("this address was not made by the hub; ask the hub for one")
        if until <= self._now():
            raise ForbiddenError("this address has expired; ask the hub for a new one")

    def _signature(self, *parts: object) -> str:
        text = "\0".join(map(str, (self._purpose, *parts)))
        return hmac.new(self._secret, text.encode(), sha256).hexdigest()
