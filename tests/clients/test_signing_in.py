"""``hf auth login`` from a browser: the client's own code asks and polls, a form is sent in the place of a person."""

from collections.abc import Callable
from typing import Any

import pytest
from command import minnow
from huggingface_hub import HfApi, constants
from huggingface_hub.errors import DeviceCodeError
from huggingface_hub.utils import get_session
from huggingface_hub.utils._oauth_device import poll_device_token, request_device_code

from .conftest import LiveHub

PASSWORD = "correct horse"


@pytest.fixture(scope="module")
def person(live_hub: LiveHub) -> str:
    live_hub.add_user("pia")
    minnow("hub", "user", "password", "pia", "--stdin", "--data", live_hub.data, given=PASSWORD + "\n")
    return "pia"


@pytest.fixture
def begun(live_hub: LiveHub, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Any]:
    """Begin a login as the client does; it then polls without a pause."""
    monkeypatch.setattr(constants, "ENDPOINT", live_hub.url)
    return lambda: request_device_code() | {"interval": 0}


def confirm(login: Any, **form: str) -> Any:
    """Send the form of the page that the client opens."""
    page = get_session().get(login["verification_uri_complete"])
    assert page.status_code == 200
    assert login["user_code"] in page.text
    assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]
    return get_session().post(login["verification_uri"], data={"code": login["user_code"], "answer": "yes"} | form)


def test_a_program_is_signed_in_by_name_and_password(live_hub: LiveHub, person: str, begun: Callable[[], Any]) -> None:
    login = begun()
    assert login["verification_uri"].startswith(live_hub.url)
    done = confirm(login, name=person.upper(), password=PASSWORD)
    assert "signed in" in done.text
    answer = poll_device_token(login)
    me = HfApi(endpoint=live_hub.url, token=answer["access_token"]).whoami()
    assert (me["name"], me["auth"]["accessToken"]["role"]) == (person, "write")
    assert answer["expires_in"] == 90 * 86400
    with pytest.raises(DeviceCodeError, match="expired"):
        poll_device_token(login)


def test_a_program_waits_until_it_is_answered_and_may_be_turned_away(person: str, begun: Callable[[], Any]) -> None:
    login = begun()
    asked: list[str] = []

    def turn_away() -> None:
        asked.append("pending")
        assert "turned away" in confirm(login, name=person, password=PASSWORD, answer="no").text

    with pytest.raises(DeviceCodeError, match="denied"):
        poll_device_token(login, on_pending=turn_away)
    assert asked == ["pending"]


def test_a_wrong_password_opens_nothing_and_may_be_tried_a_few_times(
    live_hub: LiveHub, begun: Callable[[], Any]
) -> None:
    login = begun()
    answers = [confirm(login, name="nobody", password="guess").status_code for _ in range(12)]
    assert answers[0] == 403
    assert answers[-1] == 429
    lines = minnow("hub", "audit", "--subject", "nobody", "--data", live_hub.data, "--json").json["audit"]
    assert {line["action"] for line in lines} == {"sign-in.fail"}
    assert "guess" not in str(lines)


def test_what_is_no_login_is_an_error_of_oauth(live_hub: LiveHub) -> None:
    answer = get_session().post(f"{live_hub.url}/oauth/token", data={"grant_type": "password"})
    assert (answer.status_code, answer.json()) == (400, {"error": "unsupported_grant_type"})
    page = get_session().get(f"{live_hub.url}/oauth/device/confirm", params={"code": '"><script>'})
    assert "<script>" not in page.text
