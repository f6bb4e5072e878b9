"""Who is told what happens: a person, in sentences, and a display, in rows."""

from collections.abc import Callable
from typing import Any

Note = Callable[[str], None]
Show = Callable[[dict[str, Any]], None]


def unheard(_: object) -> None:
    """For callers who want to hear nothing."""
