"""Recognises pickles by what they are, whatever they are called; nothing is ever unpickled.

A pickle is a program: whoever loads it runs it, step by step, to its end or to the first step that is none. From
protocol 2 on it begins with its protocol's number. Older ones have no mark, so text could be taken for one; they count
once they would have imported something and called it, whatever follows.
"""

import pickletools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

HEAD_BYTES = 64 * 1024
MOST_STEPS = 1_000_000
_PROTOCOLS = range(2, 6)
_IMPORTS = {"GLOBAL", "INST", "STACK_GLOBAL", "EXT1", "EXT2", "EXT4"}
_CALLS_ALONE = {"INST", "OBJ"}
# What fills an object calls a method of it: `append` of `sys.path`, as one that was imported.
_CALLS_WITH = {"REDUCE", "NEWOBJ", "NEWOBJ_EX", "BUILD", "APPEND", "APPENDS", "SETITEM", "SETITEMS", "ADDITEMS"}
_PUTS = {"PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"}
_GETS = {"GET", "BINGET", "LONG_BINGET"}
_STEPS = {step.code.encode("latin-1"): step for step in pickletools.opcodes}
_LENGTH_BYTES = {
    pickletools.TAKEN_FROM_ARGUMENT1: 1,
    pickletools.TAKEN_FROM_ARGUMENT4: 4,
    pickletools.TAKEN_FROM_ARGUMENT4U: 4,
    pickletools.TAKEN_FROM_ARGUMENT8U: 8,
}
_LINE_BYTES = 64 * 1024
_PIECE = 1 << 20
_FARTHEST = 1 << 62


def is_pickle(stream: BinaryIO) -> bool:
    """Whether a content is a pickle, read as far as it reads like one; of the whole or of its first bytes."""
    program = _Program(stream)
    marked = False
    for count, step in enumerate(program.steps()):
        marked |= count == 0 and step.name == "PROTO" and program.argument in _PROTOCOLS
        if program.imports and (marked or program.calls):
            return True
        if count == MOST_STEPS:
            return True
    return marked and program.valid


@dataclass
class _Stack:
    """What an unpickler holds: of each item whether it was imported, and where the marks are."""

    items: list[bool] = field(default_factory=list)
    marks: list[int] = field(default_factory=list)

    @property
    def ends_imported(self) -> bool:
        return bool(self.items) and self.items[-1]

    def apply(self, step: pickletools.OpcodeInfo) -> bool:
        """What a step does; whether all is there that it takes."""
        takes = step.stack_before
        floor = self.marks[-1] if self.marks else 0
        if step.name == "MARK":
            self.marks.append(len(self.items))
            return True
        if step.name == "POP" and self.marks and len(self.items) == floor:
            self.marks.pop()
            return True
        below = len(takes)
        if pickletools.markobject in takes:
            if not self.marks:
                return False
            del self.items[self.marks.pop() :]
            floor = self.marks[-1] if self.marks else 0
            below = takes.index(pickletools.markobject)
        left = len(self.items) - below
        if left < floor:
            return False
        del self.items[left:]
        self.items += [step.name in _IMPORTS] * len(step.stack_after)
        return True


@dataclass
class _Program:
    """A content taken for a pickle, step by step.

    Attributes:
        argument: the byte that belongs to the last step, where it has one.
        valid: no step was found that is none.
        imports, calls: whether a step did, so far.
    """

    stream: BinaryIO
    argument: int | None = None
    valid: bool = True
    imports: bool = False
    calls: bool = False
    _kept: bool = False
    _stack: _Stack = field(default_factory=_Stack)

    def steps(self) -> Iterator[pickletools.OpcodeInfo]:
        """Each step after it was read, up to the end, or to where the bytes end or are no steps."""
        while self.valid and (code := self.stream.read(1)):
            step = _STEPS.get(code)
            calls = step is not None and (step.name in _CALLS_ALONE or self._calls_with(step.name))
            if step is None or not self._stack.apply(step) or not self._argument(step):
                self.valid = False
                return
            self.calls |= calls
            self._kept |= step.name in _PUTS
            yield step
            if step.name == "STOP":
                return

    def _calls_with(self, name: str) -> bool:
        """Whether a step calls something with what stands before it; lists of words import one thing after another."""
        return name in _CALLS_WITH and not self._stack.ends_imported

    def _argument(self, step: pickletools.OpcodeInfo) -> bool:
        """Go past what belongs to a step; whether it is what an unpickler takes, or cut off where the bytes end."""
        if step.name in _GETS and not self._kept:
            return False
        if step.name in _IMPORTS:
            return self._imported(step.name)
        if step.arg is None:
            return True
        if step.arg.n == pickletools.UP_TO_NEWLINE:
            return _line(self.stream, step)
        length = step.arg.n
        if length < 0:
            signed = step.arg.n == pickletools.TAKEN_FROM_ARGUMENT4
            length = int.from_bytes(self.stream.read(_LENGTH_BYTES[step.arg.n]), "little", signed=signed)
        elif length == 1:
            self.argument = int.from_bytes(self.stream.read(1))
            return True
        return length >= 0 and _skip(self.stream, length)

    def _imported(self, name: str) -> bool:
        """Go past what an import names: a module and something in it, which ordinary text hardly ever does."""
        if name not in {"GLOBAL", "INST"}:
            self.imports = True
            return _skip(self.stream, {"EXT1": 1, "EXT2": 2, "EXT4": 4}.get(name, 0))
        lines = [self.stream.readline(_LINE_BYTES) for _ in range(2)]
        if not all(line.endswith(b"\n") and line.isascii() for line in lines):
            return False
        self.imports |= all(_dotted(line[:-1]) for line in lines)
        return True


def _line(stream: BinaryIO, step: pickletools.OpcodeInfo) -> bool:
    """Go past the line of a step; whether it is one as an unpickler takes it, if it is not over ``_LINE_BYTES``."""
    line = stream.readline(_LINE_BYTES)
    if not line.endswith(b"\n"):
        while (more := stream.readline(_LINE_BYTES)) and not more.endswith(b"\n"):
            pass
        return bool(more)
    text = line[:-1]
    if step.name == "STRING":
        return len(text) > 1 and text[:1] in b"'\"" and text[:1] == text[-1:]
    if step.name == "PERSID":
        return text.isascii()
    return step.name == "UNICODE" or _is_number(step.name, text)


def _is_number(name: str, text: bytes) -> bool:
    """Whether a line is the number of a step; the unpickler in C reads it up to a NUL, and in any base."""
    digits = text.partition(b"\0")[0]
    try:
        if name == "FLOAT":
            float(digits)
        else:
            int(digits.removesuffix(b"L") if name == "LONG" else digits, 0 if name in {"INT", "LONG"} else 10)
    except ValueError:
        return name == "INT" and digits in {b"00", b"01"}
    return True


def _skip(stream: BinaryIO, length: int) -> bool:
    """Go past so many bytes, or to the end where they are fewer, by seeking where the stream can."""
    if length > _PIECE and stream.seekable():
        stream.seek(min(stream.tell() + length - 1, _FARTHEST))
        stream.read(1)
        return True
    while length and (found := stream.read(min(length, _PIECE))):
        length -= len(found)
    return True


def _dotted(name: bytes) -> bool:
    return all(word.isidentifier() for word in name.decode("ascii").split("."))
