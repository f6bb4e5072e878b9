"""What stays of a row that is longer than a model reads."""

from typing import Literal, Protocol, TypeVar

from minnow.errors import InputError, UnknownNameError

Keep = Literal["first", "last", "both"]
Item = TypeVar("Item")


class Shorten(Protocol):
    """What stays of a row of ids, or of words."""

    def __call__(self, row: list[Item], /) -> list[Item]: ...


def uncut(row: list[Item]) -> list[Item]:
    """The whole row."""
    return row


def cutter(max_tokens: int | None, keep: str) -> Shorten:
    """What keeps at most ``max_tokens`` of a row: its ``first``, its ``last``, or ``both`` ends, the beginning one more
    of an odd number.

    Raises:
        InputError: ``max_tokens`` is below 1.
        UnknownNameError: ``keep`` is none of the three.
    """
    if keep not in ("first", "last", "both"):
        raise UnknownNameError("part to keep", keep, ("first", "last", "both"))
    if max_tokens is None:
        return uncut
    if max_tokens < 1:
        raise InputError(f"max_tokens must be at least 1, but got max_tokens={max_tokens}")
    head = {"first": max_tokens, "last": 0, "both": (max_tokens + 1) // 2}[keep]
    tail = max_tokens - head

    def cut(row: list[Item]) -> list[Item]:
        return row if len(row) <= max_tokens else row[:head] + row[len(row) - tail :]

    return cut
