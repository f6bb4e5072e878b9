"""NumPy files: an array of objects is a pickle, so only arrays of numbers and text are taken."""

import ast
import re
from typing import Any

from minnow.errors import RefusedUploadError

MAGIC = b"\x93NUMPY"
MOST_HEADER_BYTES = 32 * 1024
_PLAIN = re.compile(r"[|<>=]?(?:[biufcSUVaB?]\d*|[mM]8?(?:\[[\w/ ]{1,20}\])?)", re.ASCII)


def check_array(name: str, head: bytes) -> None:
    """Look at the first bytes of a NumPy file; raises RefusedUploadError where it holds objects or no sound header."""
    described = _header(head).get("descr")
    if described is None:
        raise RefusedUploadError(f"{name} is a NumPy file without a sound header; write it again with numpy.save")
    if not _plain(described):
        raise RefusedUploadError(
            f"{name} holds Python objects, which NumPy keeps as a pickle, and loading one runs code; save numbers or "
            "text (a dtype other than object), or parquet for a table"
        )


def _header(head: bytes) -> dict[str, Any]:
    width = 2 if head[6:7] == b"\x01" else 4
    length = int.from_bytes(head[8 : 8 + width], "little")
    text = head[8 + width : 8 + width + length]
    if len(text) < length or length > MOST_HEADER_BYTES:
        return {}
    try:
        header = ast.literal_eval(text.decode("utf-8").strip())
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return {}
    return header if isinstance(header, dict) else {}


def _plain(described: Any) -> bool:
    """Whether a dtype, as NumPy describes it, has no objects in it."""
    if isinstance(described, str):
        return _PLAIN.fullmatch(described) is not None
    if isinstance(described, tuple) and len(described) == 2 and not isinstance(described[0], tuple):
        return _plain(described[0])  # a type and a shape
    if not isinstance(described, list):
        return False
    return all(isinstance(field, tuple) and len(field) in {2, 3} and _plain(field[1]) for field in described)
