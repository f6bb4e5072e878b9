"""Ports for servers that tests start."""

import random
import socket


def free_port(and_above: int = 0) -> int:
    """A port that is free, and so is the one that lies ``and_above`` higher.

    Both lie below 32,768, where systems find the ports of connections: one that is made before the server has started,
    or while it is down, cannot take them.
    """
    while True:
        port = random.SystemRandom().randrange(12_000, 32_768 - and_above)
        if _is_free(port) and _is_free(port + and_above):
            return port


def _is_free(port: int) -> bool:
    with socket.socket() as one:
        try:
            one.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
