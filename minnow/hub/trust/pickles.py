"""Recognises pickles by what they are, whatever they are called; nothing is ever unpickled.

A pickle is a program: whoever loads it runs it. From protocol 2 on it begins with its protocol's number. Older ones
have no mark, so text could be taken for one; they count where they would import something and call it, and either end
as a pickle does or go on longer than is looked at.
"""

import io
import pickletools
from dataclasses import dataclass

HEAD_BYTES = 64 * 1024
MOST_STEPS = 20_000
MARK = b"\x80"
_PROTOCOLS = range(2, 6)
_IMPORTS = {"GLOBAL", "INST", "STACK_GLOBAL", "EXT1", "EXT2", "EXT4"}
_CALLS = {"REDUCE", "INST", "OBJ", "NEWOBJ", "NEWOBJ_EX", "BUILD"}
_STEPS = {step.code.encode("latin-1"): step for step in pickletools.opcodes}


def is_pickle(head: bytes) -> bool:
    """Whether a content that begins with these bytes is a pickle; ``HEAD_BYTES`` of it are enough."""
    if head[:1] == MARK:
        return len(head) > 1 and head[1] in _PROTOCOLS and _program(head).valid
    program = _program(head)
    whole = program.ends or len(head) >= HEAD_BYTES
    return program.valid and whole and program.imports and program.calls


@dataclass(frozen=True)
class _Program:
    """What bytes are as steps of a pickle: read without an error, to an end of its own; importing, calling."""

    valid: bool
    ends: bool
    imports: bool
    calls: bool


def _program(head: bytes) -> _Program:
    stream = io.BytesIO(head)
    imports = calls = False
    for count in range(MOST_STEPS):
        code = stream.read(1)
        if not code:
            return _Program(count > 0, False, imports, calls)
        step = _STEPS.get(code)
        if step is None:
            return _Program(False, False, imports, calls)
        imports |= step.name in _IMPORTS and _names_something(step.name, stream)
        calls |= step.name in _CALLS
        if step.name == "STOP":
            return _Program(True, True, imports, calls)
        if not _skipped(step, stream, len(head)):
            return _Program(False, False, imports, calls)
    return _Program(True, False, imports, calls)


def _skipped(step: pickletools.OpcodeInfo, stream: io.BytesIO, length: int) -> bool:
    """Go past what belongs to a step; whether that was well formed, or cut off where the bytes end."""
    if step.arg is None:
        return True
    start = stream.tell()
    try:
        if step.arg is pickletools.stringnl:
            _line(stream, quoted=True)
        elif step.arg is pickletools.stringnl_noescape:
            _line(stream)
        elif step.arg is pickletools.stringnl_noescape_pair:
            _line(stream)
            _line(stream)
        else:
            step.arg.reader(stream)
    except (ValueError, OverflowError, UnicodeDecodeError, EOFError):
        return _cut_off(step.arg.n, start, stream, length)
    return True


def _line(stream: io.BytesIO, *, quoted: bool = False) -> None:
    """Go past a line of ASCII; what is escaped in it matters to nobody here."""
    line = stream.readline()
    in_quotes = len(line) > 2 and line[:1] in b"'\"" and line[-2:-1] == line[:1]
    if not line.endswith(b"\n") or not line.isascii() or (quoted and not in_quotes):
        raise ValueError("no line of the right form")


def _cut_off(size: int, start: int, stream: io.BytesIO, length: int) -> bool:
    """Whether a step could not be read because the bytes end, rather than because it is none."""
    if size == pickletools.UP_TO_NEWLINE:
        stream.seek(start)
        rest = stream.read()
        stream.seek(length)
        return b"\n" not in rest
    if size < 0:
        stream.seek(length)
        return True
    ends = start + size > length
    stream.seek(length)
    return ends


def _names_something(name: str, stream: io.BytesIO) -> bool:
    """Whether an import names a module and something in it; ordinary text hardly ever does."""
    if name not in {"GLOBAL", "INST"}:
        return True
    start = stream.tell()
    lines = stream.read(1024).split(b"\n", 2)
    stream.seek(start)
    return len(lines) == 3 and all(_dotted(line) for line in lines[:2])


def _dotted(name: bytes) -> bool:
    try:
        return all(word.isidentifier() for word in name.decode("utf-8").split("."))
    except UnicodeDecodeError:
        return False
