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
    z = max(min(z, np.float32(60)), np.float32(-100))
    whole = np.floor(z)
    rest = z - whole
    power = np.float32(1.8775767e-3)
    power = power * rest + np.float32(8.9893397e-3)
    power = power * rest + np.float32(5.5826318e-2)
    power = power * rest + np.float32(2.4015361e-1)
    power = power * rest + np.float32(6.9315308e-1)
    power = power * rest + np.float32(9.9999994e-1)
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
def powers_in_place(x: Any, end: int, to_base_2: Any) -> Any:
    """The first ``end`` float32 numbers less their highest, times ``to_base_2``, as powers of 2: a softmax but for its
    division. Returns that highest number and the sum of the powers."""
    highest_rank = rank_of(x[0])
    for i in range(end):
        highest_rank = max(highest_rank, rank_of(x[i]))
    highest = of_rank(highest_rank)
    total = np.float32(0)
    for i in range(end):
        power = exp2((x[i] - highest) * to_base_2)
        total += power
        x[i] = power
    return highest, total
