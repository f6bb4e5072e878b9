"""Every error the house raises on purpose; each message states the rule, the value and the next step."""

from collections.abc import Iterable
from difflib import get_close_matches


class MinnowError(Exception):
    """Something failed that is nobody's mistake at the keyboard; the command line ends with code 1."""

    exit_code = 1


class InputError(MinnowError):
    """What the user handed in cannot be used; the command line ends with code 2 and nothing is written."""

    exit_code = 2


class DataError(InputError):
    """A file, a table or a column that cannot be read as asked."""


class RecipeError(InputError):
    """A recipe or an override with an unknown key or an impossible value."""


class BundleError(InputError):
    """A model folder that is missing, incomplete or damaged."""


class StorageError(InputError):
    """The disk refuses: no space, no permission, or something already stands where the output should go."""


class UnknownNameError(InputError):
    """A name that no registry knows; the message lists the nearest ones."""

    def __init__(self, kind: str, name: str, known: Iterable[str]):
        super().__init__(f"unknown {kind} {name!r}; {nearest(name, known)}")


def nearest(name: str, known: Iterable[str]) -> str:
    """The hint behind an unknown name: the closest known name where there is one, else all of them."""
    choices = sorted(known)
    close = get_close_matches(name, choices, n=1)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"choose one of: {', '.join(choices)}"
