"""Signing in a program from a browser: it shows a short code, the person enters it beside a password, it gets a token.

Logins under way are held in memory, since they end after minutes anyway.
"""

import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

LETTERS = "BCDFGHJKLMNPQRSTVWXZ"
SECONDS = 900
INTERVAL = 5
MOST = 1000

State = Literal["authorization_pending", "access_denied", "expired_token"]


@dataclass(frozen=True)
class DeviceLogin:
    """What a program is told when it begins: its own long code, and the short one for the person."""

    device_code: str
    user_code: str


@dataclass
class _Waiting:
    device_code: str
    ends: float
    user_id: int | None = None
    denied: bool = False


class DeviceLogins:
    """The logins under way.

    Args:
        now: seconds of a clock that only goes on.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic):
        self._now = now
        self._lock = threading.Lock()
        self._waiting: dict[str, _Waiting] = {}

    def begin(self) -> DeviceLogin:
        """A new login; where very many are under way, the oldest is given up."""
        letters = "".join(secrets.choice(LETTERS) for _ in range(8))
        login = DeviceLogin(secrets.token_urlsafe(32), f"{letters[:4]}-{letters[4:]}")
        with self._lock:
            self._drop_ended()
            while len(self._waiting) >= MOST:
                del self._waiting[next(iter(self._waiting))]
            self._waiting[login.user_code] = _Waiting(login.device_code, self._now() + SECONDS)
        return login

    def answer(self, user_code: str, user_id: int | None) -> bool:
        """Let the program in as this user, or with None turn it away; False where no login has this code."""
        with self._lock:
            self._drop_ended()
            waiting = self._waiting.get(user_code.strip().upper())
            if waiting is None or waiting.user_id is not None or waiting.denied:
                return False
            waiting.user_id, waiting.denied = user_id, user_id is None
            return True

    def outcome(self, device_code: str) -> int | State:
        """The user who let the program in, told this once; or why there is none."""
        with self._lock:
            self._drop_ended()
            for user_code, waiting in self._waiting.items():
                if secrets.compare_digest(waiting.device_code.encode(), device_code.encode()):
                    if waiting.user_id is None and not waiting.denied:
                        return "authorization_pending"
                    del self._waiting[user_code]
                    return "access_denied" if waiting.user_id is None else waiting.user_id
        return "expired_token"

    def _drop_ended(self) -> None:
        now = self._now()
        self._waiting = {code: waiting for code, waiting in self._waiting.items() if waiting.ends > now}
