"""What the numba kernels of the layers share: numbers in single precision or bfloat16, and 2 to a power, in forms that
become vector instructions.

numpy has no bfloat16, so such tensors come as arrays of uint16: the upper halves of float32 numbers.
"""

from typing import Any

import numpy as np
import torch
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic, overload
from torch import Tensor

from minnow.layers import vector_code as code
from minnow.layers.vector_code import HIGHEST, LANES, LOWEST, NOTHING, POLYNOMIAL

FAST: dict[str, Any] = {"cache": True, "fastmath": True, "nogil": True, "error_model": "numpy"}
LOG2_E = 1.4426950408889634


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


# What follows is spelt out in LLVM's language, vector by vector.


def _highest_of(_: Any, x: Any, count: Any) -> Any:  # noqa: ARG001 - numba hands it over
    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        arrays = code.Arrays(context, builder, signature, values)

        def look(offset: Any, found: list[Any]) -> list[Any]:
            return [code.higher(builder, arrays.load(arrays.start(0), offset, code.FLOATS), found[0])]

        return code.highest_lane(builder, code.each(builder, values[1], [code.constant(NOTHING)], look)[0])

    return types.float32(x, types.int64), generate


def _powers_of(_: Any, x: Any, count: Any, factor: Any, offset: Any) -> Any:  # noqa: ARG001
    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        arrays = code.Arrays(context, builder, signature, values)
        start, factors, offsets = arrays.start(0), *(code.broadcast(builder, value) for value in values[2:])

        def take(place: Any, sums: list[Any]) -> list[Any]:
            z = builder.fsub(builder.fmul(arrays.load(start, place, code.FLOATS), factors), offsets)
            power = code.exp2(builder, z)
            arrays.store(power, start, place)
            return [builder.fadd(sums[0], power)]

        return code.sum_of_lanes(builder, code.each(builder, values[1], [code.constant(0)], take)[0])

    return types.float32(x, types.int64, types.float32, types.float32), generate


_highest: Any = intrinsic(_highest_of)
_powers: Any = intrinsic(_powers_of)
