"""Which hub is meant and with which token: said, in the environment, or remembered by ``minnow login``.

A token goes to the hub it was made by, and to no other: one that was remembered belongs to its address, and those of
``HF_TOKEN`` and ``hf auth login`` to the address in ``HF_ENDPOINT``.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson

from minnow.errors import InputError
from minnow.files import read_table, storage_error


@dataclass(frozen=True)
class Hub:
    """A hub to talk to; ``token`` None is nobody."""

    endpoint: str
    token: str | None = field(default=None, repr=False)

    @property
    def folder_name(self) -> str:
        """A name for what is kept of this hub on the disk."""
        parts = urlsplit(self.endpoint)
        return (parts.netloc + parts.path).strip("/").replace(":", "_").replace("/", "_")


def hub_of(endpoint: str | None, token: str | None, environment: Mapping[str, str]) -> Hub:
    """The hub that was named, else that of ``HF_ENDPOINT``, else the one of the last ``minnow login``.

    There is no default: what is pushed stays in the house.

    Raises:
        InputError: none is named, or what is named is no address.
    """
    remembered = read_table(logins_file(environment))
    named = endpoint or environment.get("HF_ENDPOINT") or remembered.get("last")
    if not named:
        raise InputError(
            "no hub is named; log in with: minnow login --hub http://127.0.0.1:8000, or set HF_ENDPOINT to its address"
        )
    address = endpoint_named(named)
    return Hub(address, token or _token(address, environment, remembered))


def names_a_hub(environment: Mapping[str, str]) -> bool:
    """Whether ``hub_of`` would find one without being told."""
    return bool(environment.get("HF_ENDPOINT") or read_table(logins_file(environment)).get("last"))


def remember(hub: Hub, environment: Mapping[str, str]) -> Path:
    """Keep a hub's address and token for later commands, in a file that only its owner may read.

    Raises:
        StorageError: the file may not be written.
    """
    path = logins_file(environment)
    kept = read_table(path)
    kept = {"last": hub.endpoint, "tokens": kept.get("tokens", {}) | {hub.endpoint: hub.token}}
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.touch(mode=0o600, exist_ok=True)
        part.write_bytes(orjson.dumps(kept, option=orjson.OPT_INDENT_2) + b"\n")
        part.replace(path)
    except OSError as error:
        raise storage_error(error, path) from error
    finally:
        part.unlink(missing_ok=True)
    return path


def logins_file(environment: Mapping[str, str]) -> Path:
    """Where logins are remembered: ``minnow/logins.json`` in ``XDG_CONFIG_HOME``, else in ``~/.config``."""
    return Path(environment.get("XDG_CONFIG_HOME") or "~/.config").expanduser() / "minnow" / "logins.json"


def endpoint_named(url: str) -> str:
    """The address of a hub without a slash at its end.

    Raises:
        InputError: it is none.
    """
    cleaned = url.strip().rstrip("/")
    parts = urlsplit(cleaned)
    if parts.scheme not in {"http", "https"} or not parts.netloc or parts.username is not None:
        raise InputError(f"a hub's address must be such as http://127.0.0.1:8000, but got {url!r}")
    return cleaned


def _token(address: str, environment: Mapping[str, str], remembered: Mapping[str, Any]) -> str | None:
    tokens = remembered.get("tokens")
    if environment.get("HF_ENDPOINT", "").strip().rstrip("/") == address:
        if environment.get("HF_TOKEN"):
            return environment["HF_TOKEN"].strip()
        if isinstance(tokens, dict) and tokens.get(address):
            return str(tokens[address])
        from huggingface_hub import get_token

        return get_token()
    found = tokens.get(address) if isinstance(tokens, dict) else None
    return str(found) if found else None
