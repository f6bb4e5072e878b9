"""What a change does to texts, in the form of ``git diff``."""

from collections.abc import Iterator
from difflib import unified_diff

MOST_BYTES, MOST_LINES = 65_536, 1_000
NOWHERE = "/dev/null"


def difference(path: str, before: bytes | None, after: bytes | None) -> str:
    """The difference of a file; None where it is not there. What is no text, or is long, is only said to differ."""
    return "".join(_lines(path, before, after))


def _lines(path: str, before: bytes | None, after: bytes | None) -> Iterator[str]:
    old, new = f"a/{path}", f"b/{path}"
    yield f"diff --git {old} {new}\n"
    if before is None:
        yield "new file mode 100644\n"
    if after is None:
        yield "deleted file mode 100644\n"
    old_lines, new_lines = _text(before), _text(after)
    old, new = NOWHERE if before is None else old, NOWHERE if after is None else new
    if old_lines is None or new_lines is None:
        yield f"Binary files {old} and {new} differ\n"
        return
    for line in unified_diff(old_lines, new_lines, old, new):
        yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"


def _text(content: bytes | None) -> list[str] | None:
    """The lines of a text with their ends; None for what is none, or is too long to be compared line by line."""
    if content is None:
        return []
    if len(content) > MOST_BYTES or b"\0" in content:
        return None
    try:
        lines = content.decode().splitlines(keepends=True)
    except UnicodeDecodeError:
        return None
    return lines if len(lines) <= MOST_LINES else None
