"""Checks the header of a safetensors file in full: sizes, names, types, shapes; and that tensors fill the file."""

import json
import math
import struct
from collections.abc import Iterable
from typing import Any, NoReturn

from minnow.errors import RefusedUploadError
from minnow.hub.trust.content import Content, part

SUFFIX = ".safetensors"
MOST_HEADER_BYTES = 32 * 1024 * 1024
MOST_NUMBERS = 1 << 60
MOST_AXES = 64
METADATA = "__metadata__"
BITS = {
    "BOOL": 8,
    "F4": 4,
    "F6_E2M3": 6,
    "F6_E3M2": 6,
    "U8": 8,
    "I8": 8,
    "F8_E5M2": 8,
    "F8_E4M3": 8,
    "F8_E8M0": 8,
    "F8_E4M3FNUZ": 8,
    "F8_E5M2FNUZ": 8,
    "I16": 16,
    "U16": 16,
    "F16": 16,
    "BF16": 16,
    "I32": 32,
    "U32": 32,
    "F32": 32,
    "C64": 64,
    "F64": 64,
    "I64": 64,
    "U64": 64,
}


def check_safetensors(name: str, content: Content) -> dict[str, Any]:
    """The header of a file, after it was found right in everything.

    Raises:
        RefusedUploadError: says what is wrong with it.
    """
    length = check_start(name, part(content, 0, 9), content.size)
    header = _header(name, part(content, 8, length))
    end = 0
    for tensor, start, stop in sorted(_tensors(name, header), key=lambda placed: placed[1:]):
        if start != end:
            what = "overlap" if start < end else "leave a gap"
            _refuse(name, f"its tensors {what} at byte {min(start, end)}, before {tensor!r}")
        end = stop
    if 8 + length + end != content.size:
        _refuse(name, f"its tensors end at byte {8 + length + end} of {content.size}")
    return header


def check_start(name: str, start: bytes, size: int) -> int:
    """How long the header is, after what can be told from the first bytes and the file's size was found right.

    Raises:
        RefusedUploadError: says what is wrong.
    """
    if size < 10 or len(start) < 9:
        _refuse(name, f"it has {size} bytes and no room for a header")
    length: int = struct.unpack("<Q", start[:8])[0]
    if length > MOST_HEADER_BYTES:
        _refuse(name, f"its header would have {length} bytes, and at most {MOST_HEADER_BYTES} are read")
    if length > size - 8:
        _refuse(name, f"its header would have {length} bytes, more than the file")
    if start[8:9] != b"{":
        _refuse(name, "its header does not begin with {")
    return length


def _header(name: str, text: bytes) -> dict[str, Any]:
    try:
        header = json.loads(text.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_constant)
    except (ValueError, RecursionError) as error:
        _refuse(name, f"its header is no JSON of the right kind ({str(error)[:200]})")
    if not isinstance(header, dict):
        _refuse(name, "its header is no JSON object")
    return header


def _tensors(name: str, header: dict[str, Any]) -> Iterable[tuple[str, int, int]]:
    """Each tensor with its first byte and the one behind its last, counted from the end of the header."""
    for tensor, entry in header.items():
        if tensor == METADATA:
            if not isinstance(entry, dict) or not all(isinstance(value, str) for value in entry.values()):
                _refuse(name, f"its {METADATA} must map text to text")
        else:
            yield tensor, *_place(name, tensor, entry)


def _place(name: str, tensor: str, entry: Any) -> tuple[int, int]:
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        _refuse(name, f"tensor {tensor!r} needs dtype, shape and data_offsets, and nothing else")
    kind, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(kind, str) or kind not in BITS:
        _refuse(name, f"tensor {tensor!r} has the unknown dtype {str(kind)[:40]!r}")
    if not _counts(shape) or len(shape) > MOST_AXES or math.prod(shape) > MOST_NUMBERS:
        _refuse(name, f"tensor {tensor!r} has the shape {str(shape)[:80]}")
    if not _counts(offsets) or len(offsets) != 2 or offsets[0] > offsets[1]:
        _refuse(name, f"tensor {tensor!r} has the data_offsets {str(offsets)[:80]}")
    bits = math.prod(shape) * BITS[kind]
    if bits % 8 or bits // 8 != offsets[1] - offsets[0]:
        _refuse(name, f"tensor {tensor!r} of {kind} {str(shape)[:80]} cannot have {offsets[1] - offsets[0]} bytes")
    return offsets[0], offsets[1]


def _counts(values: Any) -> bool:
    return isinstance(values, list) and all(type(value) is int and 0 <= value <= MOST_NUMBERS for value in values)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"the name {name!r} stands there twice")
        found[name] = value
    return found


def _constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number")


def _refuse(name: str, reason: str) -> NoReturn:
    raise RefusedUploadError(
        f"{name} is not a sound safetensors file: {reason}; write it again with safetensors' save_file"
    )
