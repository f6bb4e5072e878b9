"""Sixteen numbers at a time, spelt out in LLVM's language: what the intrinsics of this room are written with.

Compilers take the rows of small models for too short to make vectors of them.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils as untyped

LANES = 16  # numbers of 32 bits in a vector
HIGHEST, LOWEST = 60.0, -100.0  # between them 2 to a power is what it says
NOTHING = np.float32(-3e38)  # a score that gets no weight; infinity is none that fast arithmetic knows
POLYNOMIAL = (1.8775767e-3, 8.9893397e-3, 5.5826318e-2, 2.4015361e-1, 6.9315308e-1, 9.9999994e-1)  # 2^z over [0, 1]

LONG = ir.IntType(64)
FLOATS, WORDS, HALVES = (ir.VectorType(kind, LANES) for kind in (ir.FloatType(), ir.IntType(32), ir.IntType(16)))

_llvm: Any = untyped
_BYTE = ir.IntType(8)
Step = Callable[[Any, list[Any]], list[Any]]


class Arrays:
    """The arrays among an intrinsic's arguments, of which vectors are read and written."""

    def __init__(self, context: Any, builder: Any, signature: Any, values: Any):
        self._builder = builder
        self._arrays: list[Any] = [  # None for a number
            context.make_array(kind)(context, builder, value) if isinstance(kind, types.Array) else None
            for kind, value in zip(signature.args, values, strict=True)
        ]

    def start(self, array: int) -> Any:
        """Where an argument's numbers lie."""
        return self._arrays[array].data

    def row(self, array: int, index: Any) -> Any:
        """Where a row of an argument lies, whose numbers stand side by side."""
        stride = _llvm.unpack_tuple(self._builder, self._arrays[array].strides, 2)[0]
        numbers = self.start(array)
        start = self._builder.bitcast(numbers, _BYTE.as_pointer())
        return self._builder.bitcast(self._builder.gep(start, [self._builder.mul(index, stride)]), numbers.type)

    def load(self, start: Any, offset: Any, kind: Any) -> Any:
        """So many numbers behind the start."""
        return self._builder.load(self._at(start, offset, kind), align=_bytes_of(start))

    def store(self, vector: Any, start: Any, offset: Any) -> None:
        self._builder.store(vector, self._at(start, offset, vector.type), align=_bytes_of(start))

    def _at(self, start: Any, offset: Any, kind: Any) -> Any:
        return self._builder.bitcast(self._builder.gep(start, [offset]), kind.as_pointer())


def _bytes_of(start: Any) -> int:
    """What numbers there are aligned to."""
    kind = start.type.pointee
    return kind.width // 8 if isinstance(kind, ir.IntType) else 4


def each(builder: Any, count: Any, begin: list[Any], work: Step) -> list[Any]:
    """``work(offset, totals)`` gives the next totals, for so many vectors side by side; the last ones."""
    totals = [_llvm.alloca_once_value(builder, one) for one in begin]
    with _llvm.for_range(builder, count, intp=LONG) as loop:
        offset = builder.mul(loop.index, LONG(LANES))
        for total, found in zip(totals, work(offset, [builder.load(one) for one in totals]), strict=True):
            builder.store(found, total)
    return [builder.load(total) for total in totals]


def constant(value: Any) -> Any:
    """A float in all lanes."""
    return ir.Constant(FLOATS, [float(np.float32(value))] * LANES)


def broadcast(builder: Any, number: Any) -> Any:
    """A number of 32 bits in all lanes."""
    kind = ir.VectorType(number.type, LANES)
    empty = ir.Constant(kind, ir.Undefined)
    return builder.shuffle_vector(
        builder.insert_element(empty, number, ir.IntType(32)(0)), empty, ir.Constant(WORDS, None)
    )


def lanes_before(builder: Any, end: Any, offset: Any) -> Any:
    """Which lanes of the vector at ``offset`` come before ``end``."""
    left = broadcast(builder, builder.trunc(builder.sub(end, offset), ir.IntType(32)))
    return builder.icmp_signed("<", ir.Constant(WORDS, list(range(LANES))), left)


def higher(builder: Any, one: Any, other: Any) -> Any:
    """The higher number of each lane."""
    return builder.select(builder.fcmp_ordered(">", one, other), one, other)


def highest_lane(builder: Any, vector: Any) -> Any:
    return _named(builder, f"llvm.vector.reduce.fmax.v{LANES}f32", ir.FloatType(), vector)


def sum_of_lanes(builder: Any, vector: Any) -> Any:
    nothing = ir.Constant(ir.FloatType(), 0.0)
    return _named(builder, f"llvm.vector.reduce.fadd.v{LANES}f32", ir.FloatType(), nothing, vector)


def to_bfloat16(builder: Any, floats: Any) -> Any:
    """Rounded to bfloat16."""
    bits = builder.add(builder.bitcast(floats, WORDS), ir.Constant(WORDS, [0x8000] * LANES))
    return builder.trunc(builder.lshr(bits, ir.Constant(WORDS, [16] * LANES)), HALVES)


def exp2(builder: Any, z: Any) -> Any:
    """2^z, as ``vector_math.exp2``."""
    z = builder.select(builder.fcmp_ordered("<", z, constant(HIGHEST)), z, constant(HIGHEST))
    z = higher(builder, z, constant(LOWEST))
    whole = _named(builder, f"llvm.floor.v{LANES}f32", FLOATS, z)
    rest = builder.fsub(z, whole)
    power = constant(POLYNOMIAL[0])
    for coefficient in POLYNOMIAL[1:]:
        power = _named(builder, f"llvm.fmuladd.v{LANES}f32", FLOATS, power, rest, constant(coefficient))
    bits = builder.add(builder.fptosi(whole, WORDS), ir.Constant(WORDS, [127] * LANES))
    shifted = builder.shl(bits, ir.Constant(WORDS, [23] * LANES))
    return builder.fmul(power, builder.bitcast(shifted, FLOATS))


def _named(builder: Any, name: str, result: Any, *given: Any) -> Any:
    """One of LLVM's own functions."""
    kind = ir.FunctionType(result, [one.type for one in given])
    return builder.call(_llvm.get_or_insert_function(builder.module, kind, name), given, fastmath=("fast",))
