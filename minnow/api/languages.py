"""The languages of pairs, as a caller names them."""

from collections.abc import Sequence

from minnow.errors import InputError


def languages_asked(source: str | None, target: str | None, listed: str | Sequence[str] | None = ()) -> tuple[str, ...]:
    """The languages that a source and a target name, or a list of them, which may be one text with commas between; none
    where nothing was said.

    Raises:
        InputError: one of the two without the other, or both ways at once.
    """
    named = listed.split(",") if isinstance(listed, str) else listed or ()
    languages = tuple(code for one in named if (code := one.strip()))
    if languages and (source is not None or target is not None):
        raise InputError("languages are listed, or a source and a target name one direction; say one of the two")
    if (source is None) != (target is None):
        raise InputError("source and target name a direction together, such as en and de; say both")
    return languages if source is None or target is None else (source, target)
