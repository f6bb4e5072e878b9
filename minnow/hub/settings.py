"""What a hub is set to, read once where it starts; its secret is made in its own folder."""

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from minnow.errors import InputError, StorageError
from minnow.files import storage_error

SECRET = "secret"
SECRET_BYTES = 32
DATABASE = "hub.db"
BLOBS = "blobs"
SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(k|m|g|t)?i?b?", re.IGNORECASE)
MOST_BYTES = 9 * 1000**6  # what the tables hold in a number
SPAN = re.compile(r"(\d{1,3})([hdwy])")
HOURS = {"h": 1, "d": 24, "w": 24 * 7, "y": 24 * 365}
RATE = re.compile(r"(\d{1,9})/(\d{1,6})")
POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}


@dataclass(frozen=True)
class HubSettings:
    """All that a hub is told from outside.

    Attributes:
        data: its folder; one process at a time serves it.
        database_url: SQLite in the folder, or ``postgresql+pg8000://user@host/name``.
        blobs_url: where large files lie: a folder, or ``s3://bucket/prefix``.
        secret: signs addresses and short-lived tokens.
        endpoint: how clients reach it, such as ``https://hub.example.org``; empty takes what the client itself asked
            for, which is right without a proxy in between.
        quota_bytes: how much an account may store, where nothing else is said for the account; None is no bound.
        rate_requests, rate_seconds: so many requests of one caller are answered in each such time; 0 is no bound.
        remote_code: whether models may name Python code of their own, which ``trust_remote_code`` would run.
    """

    data: Path
    database_url: str
    blobs_url: str
    secret: bytes = field(repr=False)
    endpoint: str = ""
    quota_bytes: int | None = None
    rate_requests: int = 0
    rate_seconds: int = 300
    remote_code: bool = False


def read_settings(
    data: Path,
    environment: Mapping[str, str],
    *,
    endpoint: str | None = None,
    quota: str | None = None,
    rate: str | None = None,
    remote_code: bool = False,
) -> HubSettings:
    """The settings of the hub in a folder, which is made, with its secret, where it is missing.

    Args:
        environment: ``MINNOW_HUB_DATABASE``, ``MINNOW_HUB_BLOBS``, ``MINNOW_HUB_ENDPOINT``, ``MINNOW_HUB_QUOTA`` and
            ``MINNOW_HUB_RATE`` count where no argument says otherwise.
        quota: such as ``50GB``.
        rate: such as ``1000/300``: requests in seconds.

    Raises:
        InputError: a setting that cannot be.
        StorageError: the folder may not be written.
    """
    folder = Path(data).absolute()
    said = endpoint if endpoint is not None else environment.get("MINNOW_HUB_ENDPOINT", "")
    bound = quota if quota is not None else environment.get("MINNOW_HUB_QUOTA") or None
    requests, seconds = _rate(rate if rate is not None else environment.get("MINNOW_HUB_RATE") or "0/300")
    return HubSettings(
        data=folder,
        secret=_secret(folder),
        database_url=environment.get("MINNOW_HUB_DATABASE") or f"sqlite:///{folder / DATABASE}",
        blobs_url=environment.get("MINNOW_HUB_BLOBS") or str(folder / BLOBS),
        endpoint=_endpoint(said),
        quota_bytes=None if bound is None else read_size(bound),
        rate_requests=requests,
        rate_seconds=seconds,
        remote_code=remote_code,
    )


def is_hub(data: Path) -> bool:
    """Whether a hub was made in this folder."""
    return (Path(data) / SECRET).is_file()


def read_size(text: str) -> int:
    """A number of bytes such as ``500MB``, ``1.5 GB`` or ``1000``; a kB is 1,000 bytes.

    Raises:
        InputError: it is none.
    """
    found = SIZE.fullmatch(text.strip())
    if not found:
        raise InputError(f"a size must be such as 500MB or 50GB, but got {text!r}")
    size = float(found[1]) * 1000 ** POWERS[(found[2] or "").lower()]
    if size > MOST_BYTES:
        raise InputError(f"a size may be {MOST_BYTES // 1000**4}TB at most, but got {text[:80]!r}")
    return int(size)


def read_span(text: str) -> timedelta:
    """A time such as ``12h``, ``30d``, ``8w`` or ``1y``.

    Raises:
        InputError: it is none.
    """
    found = SPAN.fullmatch(text.strip())
    if not found:
        raise InputError(f"a time must be such as 12h, 30d, 8w or 1y, but got {text!r}")
    return timedelta(hours=int(found[1]) * HOURS[found[2]])


def _rate(text: str) -> tuple[int, int]:
    found = RATE.fullmatch(text.strip())
    if not found or not int(found[2]):
        raise InputError(f"a rate must be requests/seconds such as 1000/300, but got {text!r}")
    return int(found[1]), int(found[2])


def _endpoint(url: str) -> str:
    cleaned = url.strip().rstrip("/")
    if cleaned and (urlsplit(cleaned).scheme not in {"http", "https"} or not urlsplit(cleaned).netloc):
        raise InputError(f"the endpoint must be an address such as https://hub.example.org, but got {url!r}")
    return cleaned


def _secret(folder: Path) -> bytes:
    """The hub's secret; the first to ask makes it, and only its owner may read it."""
    path = folder / SECRET
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            _make_secret(path)
        secret = path.read_bytes()
    except OSError as error:
        raise storage_error(error, path) from error
    if len(secret) != SECRET_BYTES:
        raise StorageError(f"{path} is damaged; restore it from a backup, or remove it, which ends signed addresses")
    return secret


def _make_secret(path: Path) -> None:
    part = path.with_name(f".{SECRET}.{secrets.token_hex(8)}")
    part.touch(mode=0o600, exist_ok=False)
    try:
        part.write_bytes(secrets.token_bytes(SECRET_BYTES))
        path.hardlink_to(part)
    except FileExistsError:
        pass  # another process was first, and its secret is the one
    finally:
        part.unlink()
