"""Serves a hub on a socket until the process is told to stop."""

import socket as sockets
from collections.abc import Iterator
from contextlib import contextmanager

from starlette.types import ASGIApp

from minnow.errors import InputError

WAITING = 2048
STOP_SECONDS = 10
IDLE_SECONDS = 60


@contextmanager
def listening(host: str, port: int) -> Iterator[tuple[sockets.socket, str]]:
    """A socket that listens, and the address under which a client on this machine reaches it.

    Args:
        port: 0 takes a free one.

    Raises:
        InputError: the address is taken, or not of this machine.
    """
    family = sockets.AF_INET6 if ":" in host else sockets.AF_INET
    with sockets.socket(family, sockets.SOCK_STREAM) as made:
        made.setsockopt(sockets.SOL_SOCKET, sockets.SO_REUSEADDR, 1)
        try:
            made.bind((host, port))
            made.listen(WAITING)
        except OSError as error:
            raise InputError(f"cannot listen on {host} port {port}: {error.strerror}; choose another --port") from error
        shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
        yield made, f"http://{shown}:{made.getsockname()[1]}"


def serve_on(socket: sockets.socket, app: ASGIApp) -> None:
    """Answer requests until SIGINT or SIGTERM; those under way may end within ``STOP_SECONDS``."""
    import uvicorn

    from minnow.hub.protocol import BoundedHttp

    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=STOP_SECONDS,
        http=BoundedHttp,
        ws="none",
        timeout_keep_alive=IDLE_SECONDS,
    )
    uvicorn.Server(config).run(sockets=[socket])
