"""What the numba kernels of the layers share: numbers in single precision or bfloat16, and 2 to a power, in forms that
become vector instructions.

numpy has no bfloat16, so such tensors come as arrays of uint16: the upper halves of float32 numbers.
"""

from typing import Any

import numpy as np
import torch
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils as untyped
from numba.extending import intrinsic, overload
from torch import Tensor

FAST: dict[str, Any] = {"cache": True, "fastmath": True, "nogil": True, "error_model": "numpy"}
LOG2_E = 1.4426950408889634
NOTHING = np.float32(-3e38)  # a score that gets no weight
HIGHEST, LOWEST = 60.0, -100.0  # between them ``exp2`` is what it says
POLYNOMIAL = (1.8775767e-3, 8.9893397e-3, 5.5826318e-2, 2.4015361e-1, 6.9315308e-1, 9.9999994e-1)  # 2^z over [0, 1]
LANES = 16  # numbers of 32 bits in a vector

_llvm: Any = untyped
_LONG = ir.IntType(64)
_VECTOR, _WHOLE = (ir.VectorType(kind, LANES) for kind in (ir.FloatType(), ir.IntType(32)))


def array_of(x: Tensor) -> Any:
    """The memory of a contiguous tensor as an array: float32, or uint16 for bfloat16."""
    x = x.detach()
    return x.view(torch.int16).numpy().view(np.uint16) if x.dtype == torch.bfloat16 else x.numpy()


def suits_kernels(x: Tensor, trained: bool | None = None) -> bool:
    """Whether ``x`` belongs to a training step of one thread on a processor, in a type that the kernels know.

    The library's own functions serve every other case: they spread over threads, and others can compile them.
    ``trained``: whether a gradient is wanted, where ``x`` itself does not tell.
    """
    return (
        not torch.compiler.is_compiling()
        and x.device.type == "cpu"
        and x.dtype in (torch.float32, torch.bfloat16)
        and (x.requires_grad if trained is None else trained)
        and torch.get_num_threads() == 1
    )


def _float_of(_: Any, bits: Any) -> Any:  # noqa: ARG001 - numba hands it over
    def generate(_: Any, builder: Any, __: Any, given: Any) -> Any:
        return builder.bitcast(given[0], ir.FloatType())

    return types.float32(types.int32), generate


def _bits_of(_: Any, number: Any) -> Any:  # noqa: ARG001 - numba hands it over
    def generate(_: Any, builder: Any, __: Any, given: Any) -> Any:
        return builder.bitcast(given[0], ir.IntType(32))

    return types.int32(types.float32), generate


float_of: Any = intrinsic(_float_of)  # the float32 that has these 32 bits
bits_of: Any = intrinsic(_bits_of)  # the 32 bits of a float32


def wide(number: Any) -> Any:
    """A number of an array in single precision. For kernels alone."""
    raise NotImplementedError


def put(array: Any, i: Any, number: Any) -> None:
    """``array[i] = number``, rounded to the type of the array. For kernels alone."""
    raise NotImplementedError


# numba wants the parameters of both functions to be written alike, annotations included.
@overload(wide, inline="always")
def _wide(number: Any) -> Any:
    def single(number: Any) -> Any:
        return number

    def half(number: Any) -> Any:
        return float_of(np.int32(np.uint32(number) << np.uint32(16)))

    return single if isinstance(number, types.Float) else half


@overload(put, inline="always")
def _put(array: Any, i: Any, number: Any) -> Any:  # noqa: ARG001
    def single(array: Any, i: Any, number: Any) -> None:
        array[i] = number

    def half(array: Any, i: Any, number: Any) -> None:
        array[i] = np.uint16((np.uint32(bits_of(number)) + np.uint32(0x8000)) >> np.uint32(16))

    return single if isinstance(array.dtype, types.Float) else half


@njit(inline="always", **FAST)  # type: ignore[untyped-decorator]
def exp2(z: Any) -> Any:
    """2^z in single precision, good to two parts in ten million; z is taken into [-100, 60].

    2^floor(z) goes into the exponent's bits, 2^(z - floor(z)) is a polynomial. Smaller powers would, once they are
    shared out, be so small that a processor handles them in microcode, a hundred times as slowly; the square of larger
    ones would be infinite.
    """
    z = max(min(z, np.float32(HIGHEST)), np.float32(LOWEST))
    whole = np.floor(z)
    rest = z - whole
    power = np.float32(POLYNOMIAL[0])
    power = power * rest + np.float32(POLYNOMIAL[1])  # spelt out, as a loop would keep it from becoming vectors
    power = power * rest + np.float32(POLYNOMIAL[2])
    power = power * rest + np.float32(POLYNOMIAL[3])
    power = power * rest + np.float32(POLYNOMIAL[4])
    power = power * rest + np.float32(POLYNOMIAL[5])
    return power * float_of((np.int32(whole) + np.int32(127)) << np.int32(23))


@njit(inline="always", **FAST)  # type: ignore[untyped-decorator]
def rank_of(number: Any) -> Any:
    """An int32 that is the larger the larger a float32 is: the highest of many integers is found eight at a time, the
    highest of many floats one by one."""
    bits: Any = bits_of(number)
    return bits ^ ((bits >> np.int32(31)) & np.int32(0x7FFFFFFF))


@njit(inline="always", **FAST)  # type: ignore[untyped-decorator]
def of_rank(rank: Any) -> Any:
    """The float32 of that rank."""
    return float_of(rank ^ ((rank >> np.int32(31)) & np.int32(0x7FFFFFFF)))


@njit(inline="always", **FAST)  # type: ignore[untyped-decorator]
def highest_of(x: Any, end: int) -> Any:
    """Of the first ``end`` float32 numbers, which must be one at least."""
    whole = end // LANES * LANES
    highest = _highest(x, whole // LANES) if whole else x[0]
    for i in range(whole, end):
        highest = max(highest, x[i])
    return highest


@njit(inline="always", **FAST)  # type: ignore[untyped-decorator]
def powers(x: Any, end: int, factor: Any, offset: Any) -> Any:
    """The first ``end`` float32 numbers x as 2^(x · factor - offset), in place; their sum."""
    whole = end // LANES * LANES
    total = _powers(x, whole // LANES, factor, offset)
    for i in range(whole, end):
        power = exp2(x[i] * factor - offset)
        total += power
        x[i] = power
    return total


@njit(inline="always", **FAST)  # type: ignore[untyped-decorator]
def powers_in_place(x: Any, end: int, to_base_2: Any) -> Any:
    """The first ``end`` float32 numbers less their highest, times ``to_base_2``, as powers of 2: a softmax but for its
    division. Returns that highest number and the sum of the powers."""
    highest = highest_of(x, end)
    return highest, powers(x, end, to_base_2, highest * to_base_2)


# What follows is spelt out in LLVM's language, sixteen numbers at a time: compilers take rows this short for too short.


def _each_vector(builder: Any, start: Any, count: Any, begin: float, work: Any) -> Any:
    """``work(pointer, total)`` gives the next total [16]; the last one, from one of ``begin``."""
    total = _llvm.alloca_once_value(builder, ir.Constant(_VECTOR, [begin] * LANES))
    with _llvm.for_range(builder, count, intp=_LONG) as loop:
        place = builder.gep(start, [builder.mul(loop.index, _LONG(LANES))])
        pointer = builder.bitcast(place, _VECTOR.as_pointer())
        builder.store(work(pointer, builder.load(total)), total)
    return builder.load(total)


def _named(builder: Any, name: str, result: Any, *given: Any) -> Any:
    """One of LLVM's own functions."""
    kind = ir.FunctionType(result, [one.type for one in given])
    return builder.call(_llvm.get_or_insert_function(builder.module, kind, name), given, fastmath=("fast",))


def _highest_of(_: Any, x: Any, count: Any) -> Any:  # noqa: ARG001 - numba hands it over
    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        start = context.make_array(signature.args[0])(context, builder, values[0]).data

        def work(pointer: Any, total: Any) -> Any:
            found = builder.load(pointer, align=4)
            return builder.select(builder.fcmp_ordered(">", found, total), found, total)

        total = _each_vector(builder, start, values[1], float("-inf"), work)
        return _named(builder, f"llvm.vector.reduce.fmax.v{LANES}f32", ir.FloatType(), total)

    return types.float32(x, types.int64), generate


def _powers_of(_: Any, x: Any, count: Any, factor: Any, offset: Any) -> Any:  # noqa: ARG001
    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        start = context.make_array(signature.args[0])(context, builder, values[0]).data
        factors, offsets = (spread(builder, value) for value in values[2:])

        def work(pointer: Any, total: Any) -> Any:
            z = builder.fsub(builder.fmul(builder.load(pointer, align=4), factors), offsets)
            power = _exp2(builder, z)
            builder.store(power, pointer, align=4)
            return builder.fadd(total, power)

        total = _each_vector(builder, start, values[1], 0.0, work)
        nothing = ir.Constant(ir.FloatType(), 0.0)
        return _named(builder, f"llvm.vector.reduce.fadd.v{LANES}f32", ir.FloatType(), nothing, total)

    return types.float32(x, types.int64, types.float32, types.float32), generate


def _exp2(builder: Any, z: Any) -> Any:
    """``exp2`` of sixteen numbers."""

    def constant(value: float) -> Any:
        return ir.Constant(_VECTOR, [float(np.float32(value))] * LANES)

    z = builder.select(builder.fcmp_ordered("<", z, constant(HIGHEST)), z, constant(HIGHEST))
    z = builder.select(builder.fcmp_ordered(">", z, constant(LOWEST)), z, constant(LOWEST))
    whole = _named(builder, f"llvm.floor.v{LANES}f32", _VECTOR, z)
    rest = builder.fsub(z, whole)
    power = constant(POLYNOMIAL[0])
    for coefficient in POLYNOMIAL[1:]:
        power = _named(builder, f"llvm.fmuladd.v{LANES}f32", _VECTOR, power, rest, constant(coefficient))
    bits = builder.add(builder.fptosi(whole, _WHOLE), ir.Constant(_WHOLE, [127] * LANES))
    shifted = builder.shl(bits, ir.Constant(_WHOLE, [23] * LANES))
    return builder.fmul(power, builder.bitcast(shifted, _VECTOR))


def spread(builder: Any, number: Any) -> Any:
    """A number of 32 bits in all lanes of a vector."""
    kind = ir.VectorType(number.type, LANES)
    empty = ir.Constant(kind, ir.Undefined)
    return builder.shuffle_vector(
        builder.insert_element(empty, number, ir.IntType(32)(0)), empty, ir.Constant(_WHOLE, None)
    )


_highest: Any = intrinsic(_highest_of)
_powers: Any = intrinsic(_powers_of)
