"""Steps that a public set needs before an honest score can be taken from it."""

import re
from collections.abc import Callable

_ATTRIBUTION = re.compile(r"\b(writes|wrote|says|said):|\bwrites in\b|^(In article|Quoted from)\b")
_QUOTE_MARKS = (">", "|")


def newsgroup_message(message: str) -> str:
    """What the author wrote: without headers, signature, quoted lines and the lines that name who is quoted.

    The headers end at the first empty line. The signature is what follows the last line that is empty or of dashes
    alone. These are the parts that scikit-learn's ``remove=("headers", "footers", "quotes")`` takes out as well.
    """
    _, _, body = message.partition("\n\n")
    lines = _without_signature(body.strip().split("\n"))
    return "\n".join(line for line in lines if not _is_quoted(line)).strip()


def _without_signature(lines: list[str]) -> list[str]:
    for at in range(len(lines) - 1, 0, -1):
        if not lines[at].strip().strip("-"):
            return lines[:at]
    return lines


def _is_quoted(line: str) -> bool:
    return line.startswith(_QUOTE_MARKS) or _ATTRIBUTION.search(line) is not None


steps: dict[str, Callable[[str], str]] = {"newsgroup_messages": newsgroup_message}
