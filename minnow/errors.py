"""Every error the house raises on purpose; each message states the rule, the value and the next step."""

from collections.abc import Iterable
from difflib import get_close_matches


class MinnowError(Exception):
    """Something failed that is nobody's mistake at the keyboard; the command line ends with code 1."""

    exit_code = 1


class InputError(MinnowError):
    """What the user handed in cannot be used; the command line ends with code 2 and nothing is written."""

    exit_code = 2


class ContextError(InputError):
    """A text leaves no room to write in the model's context."""


class DataError(InputError):
    """A file, a table or a column that cannot be read as asked."""


class ManyLanguagesError(DataError):
    """Data of more languages than a pair has, of which none were chosen."""


class RecipeError(InputError):
    """A recipe or an override with an unknown key or an impossible value."""


class BundleError(InputError):
    """A model folder that is missing, incomplete or damaged."""


class StorageError(InputError):
    """The disk refuses: no space, no permission, or something already stands where the output should go."""


class FullDiskError(StorageError):
    """The disk is full, which is nobody's mistake at the keyboard."""

    exit_code = 1


class UnknownNameError(InputError):
    """A name that no registry knows; the message lists the nearest ones."""

    def __init__(self, kind: str, name: str, known: Iterable[str]):
        super().__init__(f"unknown {kind} {name!r}; {nearest(name, known)}")


class HubError(InputError):
    """What a hub refuses; only ``hub/api/errors.py`` knows the status codes and headers that go with each."""


class HubNotFoundError(HubError):
    """Something is not there, or the caller may not know that it is.

    Attributes:
        kind: ``repository``, ``revision``, ``entry`` (a file or folder), ``account``, ``token`` and the like.
        name: how it was asked for.
        revision: of an entry: the commit in which it is missing, which clients remember.
    """

    def __init__(self, kind: str, name: str, revision: str | None = None):
        super().__init__(f"{kind} {name} was not found" + (f" in revision {revision}" if revision else ""))
        self.kind, self.name, self.revision = kind, name, revision


class HubExistsError(HubError):
    """The name is taken; ``name`` is what stands there."""

    def __init__(self, kind: str, name: str):
        super().__init__(f"{kind} {name} exists already; choose another name")
        self.kind, self.name = kind, name


class HubConflictError(HubError):
    """Somebody else was first: the branch moved on since the caller looked."""


class NotSignedInError(HubError):
    """A token is missing, unknown, revoked or expired."""


class ForbiddenError(HubError):
    """The caller is known and may not do this."""


class GatedError(ForbiddenError):
    """The files of this repository are handed out on request only."""


class RemoteError(HubError):
    """A hub that does not answer, or refuses; the message says which one and what would help."""


class NoHubError(RemoteError):
    """No hub answers, or it breaks off."""

    exit_code = 1


class RefusedUploadError(HubError):
    """Content that the hub does not take: unsafe, malformed, or not what its hash says."""


class StalledError(RefusedUploadError):
    """What is to come does not come; in ``seconds`` not a byte did."""

    def __init__(self, seconds: float):
        super().__init__(f"the upload stalled: nothing came in {seconds:g} seconds; send it again")


class QuotaError(HubError):
    """The upload would take its owner over what he may store."""


class RateLimitError(HubError):
    """Too many requests; in ``seconds`` the next one is answered.

    Attributes:
        resource, limit, window_seconds: the policy that was hit: so many requests of this kind in each window.
    """

    def __init__(self, resource: str, limit: int, window_seconds: int, seconds: int):
        super().__init__(
            f"at most {limit} {resource} requests in {window_seconds} seconds are answered; try again in {seconds}"
        )
        self.resource, self.limit, self.window_seconds, self.seconds = resource, limit, window_seconds, seconds


def nearest(name: str, known: Iterable[str]) -> str:
    """The hint behind an unknown name: the closest known name where there is one, else all of them."""
    choices = sorted(known)
    close = get_close_matches(name, choices, n=1)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"choose one of: {', '.join(choices)}"
