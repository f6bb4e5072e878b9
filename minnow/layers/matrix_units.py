# ruff: noqa: ARG001 - numba hands over what a kernel is called with, and the types alone count
"""Up to 32 rows by 32 columns of a product with packed weights, in the matrix units of an Intel processor (AMX).

Such a processor has eight tiles of up to sixteen rows of 64 bytes. One instruction multiplies sixteen rows by sixteen
columns, 32 numbers deep in bfloat16 and 64 deep in eight bits: as much as 256 instructions of its vector units. Two
tiles of rows and two of weights make four of sums.

Packed weights are what the units want: the numbers of a step lie together, column by column.
"""

import ctypes
import platform
import sys
from functools import cache
from typing import Any

import llvmlite.binding
import numpy as np
import torch
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils as untyped
from numba.extending import intrinsic

from minnow.layers.vector_code import LONG
from minnow.layers.vector_math import FAST

HEIGHT = 16  # rows of a tile
BYTES = 64  # of a row of a tile: sixteen steps along rows of numbers, or sixteen sums
STEPS, STEP_BYTES = 16, 2 * BYTES  # of weights that a tile takes, and of 32 columns of one, as of 32 sums
SHAPE_BYTES = 64  # of the description of all tiles

_llvm: Any = untyped
_FEATURES = {types.uint16: "amx-bf16", types.int8: "amx-int8"}  # by the type of the weights
_PRODUCTS = {types.uint16: "tdpbf16ps", types.int8: "tdpbusd"}
# Tiles by number: sums of the upper and of the lower rows; rows; columns.
_SUMS, _ROWS, _COLUMNS = ((0, 1), (2, 3)), (4, 5), (6, 7)

llvmlite.binding.initialize_native_asmparser()  # which reads the instructions


@cache
def has_units(arithmetic: str) -> bool:
    """Whether there are units for ``bfloat16`` or ``int8`` and the system lets this process use them."""
    return _of_processor({"bfloat16": "amx-bf16", "int8": "amx-int8"}.get(arithmetic, "")) and _allowed()


def has_units_for(*dtypes: torch.dtype) -> bool:
    """Whether numbers of all these types go into the units as they are: in bfloat16, where there are units for it."""
    return all(dtype == torch.bfloat16 for dtype in dtypes) and has_units("bfloat16")


def _of_processor(feature: str) -> bool:
    return bool(llvmlite.binding.get_host_cpu_features().get(feature))


@cache
def _allowed() -> bool:
    """Linux wants to be asked once a process: arch_prctl(2)."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return False
    arch_prctl, request_permission, tile_data = 158, 0x1023, 18
    return bool(ctypes.CDLL(None).syscall(arch_prctl, request_permission, tile_data) == 0)


def _on_shape(instruction: str) -> Any:
    def run(_: Any, shape: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            if _of_processor("amx-tile"):
                start = context.make_array(signature.args[0])(context, builder, values[0]).data
                _say(builder, f"{instruction} ($0)", builder.ptrtoint(start, LONG))
            return context.get_dummy_value()

        return types.void(shape), generate

    return intrinsic(run)


# The shape of the tiles is of the thread. A library may have set it, so it is kept before and set again after.
set_shape: Any = _on_shape("ldtilecfg")
keep_shape: Any = _on_shape("sttilecfg")


@njit(**FAST)  # type: ignore[untyped-decorator]
def shape_for(num_rows: int, shape: Any) -> None:
    """Describe tiles for up to 32 rows."""
    upper = min(num_rows, HEIGHT)
    lower = num_rows - upper
    shape[:] = 0
    shape[0] = 1  # the only kind there is
    for tile in range(8):
        rows = HEIGHT
        if tile in (0, 1, 4):
            rows = upper
        elif tile in (2, 3, 5):
            rows = lower
        shape[16 + 2 * tile] = BYTES if rows else 0
        shape[48 + tile] = rows


@njit(**FAST)  # type: ignore[untyped-decorator]
def set_whole_shape(before: Any) -> None:
    """Whole tiles from here on; what was set goes to ``before``, to be set again."""
    keep_shape(before)
    shape = np.empty(SHAPE_BYTES, np.uint8)
    shape_for(2 * HEIGHT, shape)
    set_shape(shape)


def _tiles(lower: bool, stacked: bool = False) -> Any:
    def product(_: Any, rows: Any, row_at: Any, width: Any, weights: Any, weight_at: Any, steps: Any, sums: Any) -> Any:
        """``sums[m, n] = sum of rows[m, k] weights[n, k]`` for 32 n and as many m as the tiles have the shape for; the
        other arguments are those of ``tiles.Given``, and whole numbers stay whole. Rows are ``stacked`` where ``width``
        numbers of each stand together, and then the next of each. For kernels alone."""
        kind, place = weights.dtype, types.int64

        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            def size(array: int, count: Any) -> Any:
                """In bytes, of so many numbers of that argument."""
                return builder.mul(count, LONG(signature.args[array].dtype.bitwidth // 8))

            def start(array: int, number: Any) -> Any:
                """The address of a number of that argument."""
                data = context.make_array(signature.args[array])(context, builder, values[array]).data
                return builder.add(builder.ptrtoint(data, LONG), size(array, number))

            # Elsewhere nothing calls it.
            if kind in _FEATURES and _of_processor(_FEATURES[kind]):
                lines = start(0, values[1]), size(0, values[2]), 2 * HEIGHT if stacked else 1
                panel = start(3, values[4]), builder.udiv(values[5], LONG(STEPS))
                out = context.make_array(signature.args[6])(context, builder, values[6])
                stride = _llvm.unpack_tuple(builder, out.strides, 2)[0]
                _write(builder, _PRODUCTS[kind], lines, panel, (builder.ptrtoint(out.data, LONG), stride), lower)
            return context.get_dummy_value()

        return types.void(rows, place, place, weights, place, place, sums), generate

    return intrinsic(product)


def _write(builder: Any, product: str, rows: Any, panel: Any, sums: Any, lower: bool) -> None:
    """The instructions for the upper rows alone or for the lower ones as well.

    Args:
        rows: where they start, how many bytes lie between two, and how many times 64 bytes between what one and the
            next instruction take of each.
        panel: where the weights start, and how many tiles of them lie one below the other.
        sums: where they start, and how many bytes lie between two rows of them.
    """
    halves = range(2 if lower else 1)
    (line, stride, apart), (start, blocks), (sums_at, apart_in_sums) = rows, panel, sums
    lines = [builder.add(line, builder.mul(stride, LONG(half * HEIGHT))) for half in halves]
    for tile in (tile for half in halves for tile in _SUMS[half]):
        _say(builder, f"tilezero %tmm{tile}")
    with _llvm.for_range(builder, blocks, intp=LONG) as loop:
        along, down = (builder.mul(loop.index, LONG(size)) for size in (apart * BYTES, STEPS * STEP_BYTES))
        for half in halves:
            _say(builder, f"tileloadd ($0,$1,1), %tmm{_ROWS[half]}", builder.add(lines[half], along), stride)
        for number, column in enumerate(_COLUMNS):
            block = builder.add(builder.add(start, down), LONG(number * BYTES))
            _say(builder, f"tileloadd ($0,$1,1), %tmm{column}", block, LONG(STEP_BYTES))
            for half in halves:
                _say(builder, f"{product} %tmm{column}, %tmm{_ROWS[half]}, %tmm{_SUMS[half][number]}")
    for half in halves:
        for number, tile in enumerate(_SUMS[half]):
            down = builder.mul(apart_in_sums, LONG(half * HEIGHT))
            place = builder.add(builder.add(sums_at, down), LONG(number * BYTES))
            _say(builder, f"tilestored %tmm{tile}, ($0,$1,1)", place, apart_in_sums)


def _say(builder: Any, instruction: str, *given: Any) -> None:
    """An instruction on tiles, of which LLVM knows no more than that it happens here and may touch all memory."""
    kind = ir.FunctionType(ir.VoidType(), [LONG] * len(given))
    builder.asm(kind, instruction, ",".join(["r"] * len(given) + ["~{memory}"]), given, True)


tiles: Any = _tiles(lower=True)
stacked_tiles: Any = _tiles(lower=True, stacked=True)
upper_tiles: Any = _tiles(lower=False)
