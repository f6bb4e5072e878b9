"""Who is told what happens: a person, in sentences, and a display, in rows or by how far a long job has come."""

from collections.abc import Callable
from typing import Any

Note = Callable[[str], None]
Show = Callable[[dict[str, Any]], None]
Progress = Callable[[str, int, int], None]  # what is done, how much of it, and of how much


def unheard(_: object) -> None:
    """For callers who want to hear nothing."""
