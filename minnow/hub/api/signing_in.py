"""The routes by which a program signs in from a browser, as ``hf auth login`` does, and their one bare page."""

from datetime import UTC, datetime, timedelta
from html import escape
from urllib.parse import parse_qsl

from anyio.to_thread import run_sync
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from minnow.hub.api.asking import Asking, json
from minnow.hub.api.bodies import whole
from minnow.hub.api.callers import address_of
from minnow.hub.device_login import INTERVAL, SECONDS, DeviceLogins
from minnow.hub.limits import Rate, RateLimit
from minnow.hub.rights import Caller

PAGE = "/oauth/device/confirm"
DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
TOKEN_DAYS = 90
MOST_FORM = 1 << 14
TRIES = Rate("sign-in", 10, 300)
BEGUN = Rate("sign-in", 60, 300)  # so that nobody pushes out the logins of all others, of which 1,000 are held
HEADERS = {"Content-Security-Policy": "default-src 'none'; form-action 'self'; frame-ancestors 'none'"}


def signing_in_routes(asking: Asking) -> list[Route]:
    """The routes of this file."""
    handlers = _Handlers(asking)
    return [
        Route("/oauth/device", handlers.begin, methods=["POST"]),
        Route("/oauth/token", handlers.token, methods=["POST"]),
        Route(PAGE, handlers.page, methods=["GET"]),
        Route(PAGE, handlers.confirm, methods=["POST"]),
    ]


class _Handlers:
    def __init__(self, asking: Asking):
        self._asking = asking
        self._hub = asking.hub
        self._logins = DeviceLogins()
        self._tries = RateLimit(TRIES)
        self._begun = RateLimit(BEGUN)

    def begin(self, request: Request) -> Response:
        """Tell a program its codes, and where the person confirms the short one."""
        self._begun.take(address_of(request))
        login = self._logins.begin()
        page = self._asking.endpoint(request) + PAGE
        return json(
            {
                "device_code": login.device_code,
                "user_code": login.user_code,
                "verification_uri": page,
                "verification_uri_complete": f"{page}?code={login.user_code}",
                "interval": INTERVAL,
                "expires_in": SECONDS,
            }
        )

    async def token(self, request: Request) -> Response:
        """The token, once the person has confirmed."""
        form = await _form(request)
        if form.get("grant_type") != DEVICE_GRANT:
            return json({"error": "unsupported_grant_type"}, 400)
        return await run_sync(self._token, form.get("device_code", ""), address_of(request))

    def _token(self, device_code: str, address: str) -> Response:
        outcome = self._logins.outcome(device_code)
        if isinstance(outcome, str):
            return json({"error": outcome}, 400)
        ends = datetime.now(UTC) + timedelta(days=TOKEN_DAYS)
        text, token = self._hub.tokens.create(outcome, "signed in from a browser", writes=True, expires_at=ends)
        caller = Caller(outcome, token.user, token_id=token.id)
        self._hub.audit.note(caller, "token.add", token.user, address=address, token=token.id, name=token.name)
        return json({"access_token": text, "token_type": "bearer", "expires_in": TOKEN_DAYS * 86400})

    def page(self, request: Request) -> Response:
        """Where the person enters the code, beside name and password."""
        return _page(_FORM.format(code=escape(request.query_params.get("code", "")[:16], quote=True)))

    async def confirm(self, request: Request) -> Response:
        """Let the program in, or turn it away."""
        return await run_sync(self._confirm, await _form(request), address_of(request))

    def _confirm(self, form: dict[str, str], address: str) -> Response:
        name, code = form.get("name", ""), form.get("code", "")
        for who in (address, f"user {name.lower()}"):
            self._tries.take(who)
        account = self._hub.accounts.check_password(name, form.get("password", ""))
        if account is None:
            self._hub.audit.note(Caller(), "sign-in.fail", name[:96], address=address)
            return _page("<p>Name or password is wrong.</p>", 403)
        allowed = form.get("answer") == "yes"
        if not self._logins.answer(code, account.id if allowed else None):
            return _page("<p>There is no such code, or it has ended. Start again in the program.</p>", 404)
        return _page(f"<p>The program is {'signed in' if allowed else 'turned away'}. You may close this page.</p>")


async def _form(request: Request) -> dict[str, str]:
    content = await whole(request, MOST_FORM)
    return dict(parse_qsl(content.decode("utf-8", "replace"), max_num_fields=16))


def _page(body: str, status: int = 200) -> Response:
    return HTMLResponse(
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Minnow</title><h1>Sign in</h1>{body}</html>',
        status,
        headers=HEADERS,
    )


_FORM = """
<p>Only go on where you started the program yourself and it shows this code.</p>
<form method="post">
<p><label>Code <input name="code" value="{code}" autocomplete="off" required></label></p>
<p><label>Name <input name="name" autocomplete="username" required></label></p>
<p><label>Password <input name="password" type="password" autocomplete="current-password" required></label></p>
<p><button name="answer" value="yes">Sign it in</button> <button name="answer" value="no">Turn it away</button></p>
</form>
"""
