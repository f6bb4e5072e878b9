# ruff: noqa: ARG001 - numba hands over what a kernel is called with, and the types alone count
"""Eight or four rows by 32 columns of a product with packed weights, summed up in the registers of a processor with
AVX-512.

Compilers do not find such a form by themselves, so it is spelt out in LLVM's language: for each step along the rows the
weights of 32 columns are loaded once and meet the numbers of all rows. A step is one number in float32, two in
bfloat16, four in eight bits, which one instruction multiplies and adds.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

import llvmlite.binding
from llvmlite import ir
from numba import types
from numba.core import cgutils as untyped
from numba.extending import intrinsic

from minnow.layers.vector_code import FLOATS, LANES, LONG, WORDS, broadcast

ROWS, FEW, COLUMNS = 8, 4, 32
VECTORS = COLUMNS // LANES
# What a processor must have, and how many numbers a step takes.
ARITHMETICS = {"float32": ("avx512f", 1), "bfloat16": ("avx512bf16", 2), "int8": ("avx512vnni", 4)}

_llvm: Any = untyped
_WIDE, _WORD = ir.FloatType(), ir.IntType(32)
_DOTS = {"bfloat16": "vdpbf16ps $3, $2, $0", "int8": "vpdpbusd $3, $2, $0"}
_ARITHMETIC_OF = {types.float32: "float32", types.uint16: "bfloat16", types.int8: "int8"}

llvmlite.binding.initialize_native_asmparser()  # which reads the two instructions


@cache
def arithmetics_here() -> tuple[str, ...]:
    """In which of ``ARITHMETICS`` this processor multiplies tiles."""
    has = llvmlite.binding.get_host_cpu_features()
    return tuple(name for name, (feature, _) in ARITHMETICS.items() if has.get("avx512f") and has.get(feature))


class Given(NamedTuple):
    """What ``tile`` is called with.

    Attributes:
        rows, row_at, width: numbers, those of a row behind those of the row before; the first of them here; how many a
            row has.
        weights, weight_at, steps: packed; where the 32 columns begin; how long they are.
        out, out_at, out_width: where the sums go, likewise; ``add`` puts them onto what stands there.
        row_scales, row_scale_at, column_scales, column_at, column_sums: in eight bits, where a row's numbers lie 128
            above their values, 128 times the sum of each column's weights, which is taken off, and what both sides'
            units are.
    """

    rows: Any
    row_at: Any
    width: Any
    weights: Any
    weight_at: Any
    steps: Any
    out: Any
    out_at: Any
    out_width: Any
    add: Any
    row_scales: Any
    row_scale_at: Any
    column_scales: Any
    column_at: Any
    column_sums: Any


def _tile_of(num_rows: int) -> Any:
    def tile(
        _: Any,
        rows: Any,
        row_at: Any,
        width: Any,
        weights: Any,
        weight_at: Any,
        steps: Any,
        out: Any,
        out_at: Any,
        out_width: Any,
        add: Any,
        row_scales: Any,
        row_scale_at: Any,
        column_scales: Any,
        column_at: Any,
        column_sums: Any,
    ) -> Any:
        """``out[m, n] = sum of rows[m, k] weights[n, k]`` for so many m and 32 n; see ``Given``. For kernels alone."""
        arithmetic, place = _ARITHMETIC_OF[weights.dtype], types.int64

        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            def start(kind: Any, value: Any) -> Any:
                return (
                    context.make_array(kind)(context, builder, value).data if isinstance(kind, types.Array) else value
                )

            given = Given(*map(start, signature.args, values))
            for m, row in enumerate(_sums(builder, arithmetic, given, num_rows)):
                sums = _in_units(builder, given, m, row) if arithmetic == "int8" else row
                target = builder.gep(given.out, [builder.add(given.out_at, builder.mul(LONG(m), given.out_width))])
                for v, found in enumerate(sums):
                    pointer = _vector_at(builder, target, FLOATS, v)
                    more = builder.fadd(found, builder.load(pointer, align=4))
                    builder.store(builder.select(given.add, more, found), pointer, align=4)
            return context.get_dummy_value()

        asked = Given(
            *(rows, place, place, weights, place, place, out, place, place, types.boolean),
            *(row_scales, place, column_scales, place, column_sums),
        )
        return types.void(*asked), generate

    return intrinsic(tile)


def _sums(builder: Any, arithmetic: str, given: Given, num_rows: int) -> list[list[Any]]:
    """Of so many rows, each in vectors of columns."""
    kind = WORDS if arithmetic == "int8" else FLOATS
    one = _WIDE if arithmetic == "float32" else _WORD
    starts = (builder.add(given.row_at, builder.mul(LONG(m), given.width)) for m in range(num_rows))
    lines = [builder.bitcast(builder.gep(given.rows, [start]), one.as_pointer()) for start in starts]
    panel = builder.gep(given.weights, [given.weight_at])
    nothing = ir.Constant(kind, None)
    sums = [[_llvm.alloca_once_value(builder, nothing) for _ in range(VECTORS)] for _ in range(num_rows)]
    with _llvm.for_range(builder, given.steps, intp=LONG) as loop:
        step = builder.gep(builder.bitcast(panel, kind.as_pointer()), [builder.mul(loop.index, LONG(VECTORS))])
        columns = [builder.load(_vector_at(builder, step, kind, v), align=4) for v in range(VECTORS)]
        for line, row in zip(lines, sums, strict=True):
            number = broadcast(builder, builder.load(builder.gep(line, [loop.index]), align=1))
            for column, total in zip(columns, row, strict=True):
                builder.store(_added(builder, arithmetic, builder.load(total), number, column), total)
    return [[builder.load(total) for total in row] for row in sums]


def _in_units(builder: Any, given: Given, m: int, sums: Sequence[Any]) -> list[Any]:
    """Whole numbers of row m as what they stand for."""
    scale = builder.load(builder.gep(given.row_scales, [builder.add(given.row_scale_at, LONG(m))]))
    scales, more = (builder.gep(start, [given.column_at]) for start in (given.column_scales, given.column_sums))
    found = []
    for v, total in enumerate(sums):
        whole = builder.sub(total, builder.load(_vector_at(builder, more, WORDS, v), align=4))
        unit = builder.fmul(builder.load(_vector_at(builder, scales, FLOATS, v), align=4), broadcast(builder, scale))
        found.append(builder.fmul(builder.sitofp(whole, FLOATS), unit))
    return found


def _vector_at(builder: Any, pointer: Any, kind: Any, number: int) -> Any:
    """To the vector of that number from a pointer on."""
    return builder.gep(builder.bitcast(pointer, kind.as_pointer()), [LONG(number)])


def _added(builder: Any, arithmetic: str, total: Any, number: Any, column: Any) -> Any:
    """``total`` and the products of a step."""
    if arithmetic == "float32":
        kind = ir.FunctionType(FLOATS, [FLOATS] * 3)
        return builder.call(
            _llvm.get_or_insert_function(builder.module, kind, "llvm.fma.v16f32"), [number, column, total]
        )
    words = column if arithmetic == "int8" else builder.bitcast(column, WORDS)
    kind = ir.FunctionType(total.type, [total.type, WORDS, WORDS])
    # Not by LLVM's own names for the two, whose types change from release to release.
    return builder.asm(kind, _DOTS[arithmetic], "=v,0,v,v", [total, number, words], False)


tile: Any = _tile_of(ROWS)
tile_of_few: Any = _tile_of(FEW)
