"""Short-lived, signed leave to use Xet: tokens for a repository, and addresses of a range of a xorb.

Clients fetch xorbs without any token, so the address itself carries the leave; it covers the bytes that were needed and
no others, since a xorb may also hold chunks of files that the caller may not read.
"""

import hmac
import re
import secrets
from dataclasses import dataclass, field
from hashlib import sha256

from minnow.errors import ForbiddenError, NotSignedInError

SECONDS = 900
_TOKEN = re.compile(
    r"xet_(\d{1,18})\.((?:\d{1,18}-)*)\.(r|w|rw)\.(\d{1,12})\.([\w.-]{0,96})\.([0-9a-f]{16})\.([0-9a-f]{64})", re.ASCII
)


@dataclass(frozen=True)
class Grant:
    """What a token allows.

    Attributes:
        repository_id: of the repository it is for.
        near: other repositories that the caller may read and whose chunks are likely to come again, nearest first.
        writes: whether it may upload.
        expires: seconds since 1970.
        account: who pays for uploads until they are accepted.
        reads: whether it may have what the repository holds; not so where somebody proposes to a gated one.
        nonce: tells two tokens apart that are equal otherwise.
    """

    repository_id: int
    near: tuple[int, ...]
    writes: bool
    expires: int
    account: str = ""
    reads: bool = True
    nonce: str = field(default_factory=lambda: secrets.token_hex(8))


class Signer:
    """Signs and checks with a secret that never leaves the hub."""

    def __init__(self, secret: bytes):
        self._secret = secret

    def token(self, grant: Grant) -> str:
        """The grant as a token."""
        near = "".join(f"{repository_id}-" for repository_id in grant.near)
        role = ("r" if grant.reads else "") + ("w" if grant.writes else "")
        text = f"{grant.repository_id}.{near}.{role}.{grant.expires}.{grant.account}.{grant.nonce}"
        return f"xet_{text}.{self._mac('token', text)}"

    def grant(self, token: str, now: int, *, writing: bool = False) -> Grant:
        """The grant of a token.

        Raises:
            NotSignedInError: not one of ours, or expired.
            ForbiddenError: a token for reading where something is to be written.
        """
        found = _TOKEN.fullmatch(token)
        text = token[len("xet_") :].rpartition(".")[0]
        if not found or not hmac.compare_digest(self._mac("token", text), found[7]) or int(found[4]) <= now:
            raise NotSignedInError("the Xet token is unknown or has expired; ask the hub for a new one")
        near = tuple(map(int, found[2].split("-")[:-1]))
        grant = Grant(int(found[1]), near, "w" in found[3], int(found[4]), found[5], "r" in found[3], found[6])
        if writing and not grant.writes:
            raise ForbiddenError("this Xet token may only read; ask the hub for a write token")
        return grant

    def query(self, xorb: str, start: int, stop: int, expires: int) -> str:
        """The query of an address that gives the bytes of a xorb from start to before stop."""
        return f"from={start}&to={stop}&until={expires}&signature={self._mac('xorb', xorb, start, stop, expires)}"

    def check(self, xorb: str, start: int, stop: int, expires: int, signature: str, now: int) -> None:
        """Raises ForbiddenError where an address is not one of ours or has expired; clients then ask again."""
        expected = self._mac("xorb", xorb, start, stop, expires)
        if not hmac.compare_digest(expected.encode(), signature.encode()) or expires <= now:
            raise ForbiddenError("this address has expired; ask for the reconstruction of the file again")

    def key(self, purpose: str, *parts: object) -> bytes:
        """A key of 32 bytes for another purpose."""
        return bytes.fromhex(self._mac(purpose, *parts))

    def _mac(self, *parts: object) -> str:
        return hmac.new(self._secret, "\0".join(map(str, ("xet", *parts))).encode(), sha256).hexdigest()
