"""Signing in a program from a browser."""

from minnow.hub import device_login
from minnow.hub.device_login import DeviceLogins


class Clock:
    """Seconds that tests set."""

    def __init__(self) -> None:
        self.at = 0.0

    def __call__(self) -> float:
        return self.at


def test_a_program_gets_in_once_its_code_is_confirmed_and_is_told_once() -> None:
    logins = DeviceLogins()
    login, other = logins.begin(), logins.begin()
    assert logins.outcome(login.device_code) == "authorization_pending"
    assert logins.answer(f" {login.user_code.lower()} ", 7)
    assert not logins.answer(login.user_code, 8), "answered already"
    assert logins.outcome(other.device_code) == "authorization_pending"
    assert logins.outcome(login.device_code) == 7
    assert logins.outcome(login.device_code) == "expired_token"


def test_a_program_may_be_turned_away() -> None:
    logins = DeviceLogins()
    login = logins.begin()
    assert logins.answer(login.user_code, None)
    assert logins.outcome(login.device_code) == "access_denied"


def test_a_code_ends_and_guesses_open_nothing() -> None:
    clock = Clock()
    logins = DeviceLogins(clock)
    login = logins.begin()
    assert not logins.answer("AAAA-AAAA", 7)
    assert logins.outcome("guess") == "expired_token"
    clock.at = device_login.SECONDS
    assert not logins.answer(login.user_code, 7)
    assert logins.outcome(login.device_code) == "expired_token"


def test_only_so_many_are_under_way() -> None:
    logins = DeviceLogins()
    first = logins.begin()
    last = [logins.begin() for _ in range(device_login.MOST)][-1]
    assert logins.outcome(first.device_code) == "expired_token"
    assert logins.outcome(last.device_code) == "authorization_pending"
