# ruff: noqa: ARG001 - numba hands over what a kernel is called with, and the types alone count
"""Eight rows by 32 columns of a product with packed weights, summed up in the registers of a processor with AVX-512.

Compilers do not find such a form by themselves, so it is spelt out in LLVM's language: for each step along the rows the
weights of 32 columns are loaded once and meet the numbers of eight rows. A step is one number in float32, two in
bfloat16, four in eight bits, which one instruction multiplies and adds.
"""

from typing import Any

import llvmlite.binding
from llvmlite import ir
from numba import types
from numba.core import cgutils as untyped
from numba.extending import intrinsic

ROWS, COLUMNS = 8, 32
LANES = 16  # numbers of 32 bits in a register
# What a processor must have, and how many numbers a step takes.
ARITHMETICS = {"float32": ("avx512f", 1), "bfloat16": ("avx512bf16", 2), "int8": ("avx512vnni", 4)}

_llvm: Any = untyped
_WIDE, _WORD, _LONG = ir.FloatType(), ir.IntType(32), ir.IntType(64)
_FLOATS, _WORDS = ir.VectorType(_WIDE, LANES), ir.VectorType(_WORD, LANES)
_DOTS = {"bfloat16": "vdpbf16ps $3, $2, $0", "int8": "vpdpbusd $3, $2, $0"}
_ARITHMETIC_OF = {types.float32: "float32", types.uint16: "bfloat16", types.int8: "int8"}

llvmlite.binding.initialize_native_asmparser()  # which reads the two instructions


def arithmetics_here() -> tuple[str, ...]:
    """In which of ``ARITHMETICS`` this processor multiplies tiles."""
    has = llvmlite.binding.get_host_cpu_features()
    return tuple(name for name, (feature, _) in ARITHMETICS.items() if has.get("avx512f") and has.get(feature))


def _tile(
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
    """``out[m, n] = sum of rows[m, k] weights[n, k]`` for eight m and 32 n; for kernels alone.

    ``row_at``, ``weight_at`` and ``out_at`` count numbers from the beginnings of the arrays; ``width`` and
    ``out_width`` are numbers of a row. ``add``: to what stands in ``out``. In eight bits a row's numbers lie 128 above
    their values, so ``column_sums`` (128 times the sum of a column's weights) is taken off, and the scales bring both
    sides' units back.
    """
    arithmetic = _ARITHMETIC_OF[weights.dtype]
    sums_type = _WORDS if arithmetic == "int8" else _FLOATS

    def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        def memory(number: int, at: Any) -> Any:
            array = context.make_array(signature.args[number])(context, builder, given[number])
            return builder.gep(array.data, [at])

        def vector(pointer: Any, kind: Any, number: int) -> Any:
            return builder.load(builder.gep(builder.bitcast(pointer, kind.as_pointer()), [_LONG(number)]), align=4)

        width, steps, out_at, out_width, add = given[2], given[5], given[7], given[8], given[9]
        one = _WIDE if arithmetic == "float32" else _WORD
        lines = [memory(0, builder.add(given[1], builder.mul(_LONG(m), width))) for m in range(ROWS)]
        lines = [builder.bitcast(line, one.as_pointer()) for line in lines]
        panel = builder.bitcast(memory(3, given[4]), sums_type.as_pointer())
        nothing = ir.Constant(sums_type, None)
        sums = [[_llvm.alloca_once_value(builder, nothing) for _ in range(COLUMNS // LANES)] for _ in range(ROWS)]
        with _llvm.for_range(builder, steps, intp=_LONG) as loop:
            first = builder.mul(loop.index, _LONG(COLUMNS // LANES))
            columns = [
                builder.load(builder.gep(panel, [builder.add(first, _LONG(v))]), align=4) for v in range(len(sums[0]))
            ]
            for line, row in zip(lines, sums, strict=True):
                number = _spread(builder, builder.load(builder.gep(line, [loop.index]), align=1))
                for column, total in zip(columns, row, strict=True):
                    builder.store(_added(builder, arithmetic, builder.load(total), number, column), total)
        for m, row in enumerate(sums):
            target = memory(6, builder.add(out_at, builder.mul(_LONG(m), out_width)))
            for v, total in enumerate(row):
                found = builder.load(total)
                if arithmetic == "int8":
                    found = builder.sitofp(builder.sub(found, vector(memory(14, given[13]), _WORDS, v)), _FLOATS)
                    scale = _spread(builder, builder.load(memory(10, builder.add(given[11], _LONG(m)))))
                    found = builder.fmul(builder.fmul(found, vector(memory(12, given[13]), _FLOATS, v)), scale)
                place = builder.gep(builder.bitcast(target, _FLOATS.as_pointer()), [_LONG(v)])
                more = builder.fadd(found, builder.load(place, align=4))
                builder.store(builder.select(add, more, found), place, align=4)
        return context.get_dummy_value()

    numbers = (types.int64,) * 3
    return (
        types.void(
            *(rows, *numbers[:2], weights, *numbers[:2], out, *numbers[:2], types.boolean),
            *(row_scales, types.int64, column_scales, types.int64, column_sums),
        ),
        generate,
    )


def _added(builder: Any, arithmetic: str, total: Any, number: Any, column: Any) -> Any:
    """``total`` and the products of a step."""
    if arithmetic == "float32":
        kind = ir.FunctionType(_FLOATS, [_FLOATS] * 3)
        return builder.call(
            _llvm.get_or_insert_function(builder.module, kind, "llvm.fma.v16f32"), [number, column, total]
        )
    words = column if arithmetic == "int8" else builder.bitcast(column, _WORDS)
    kind = ir.FunctionType(total.type, [total.type, _WORDS, _WORDS])
    # Not by LLVM's own names for the two, whose types change from release to release.
    return builder.asm(kind, _DOTS[arithmetic], "=v,0,v,v", [total, number, words], False)


def _spread(builder: Any, number: Any) -> Any:
    """The number in all lanes."""
    kind = ir.VectorType(number.type, LANES)
    empty = ir.Constant(kind, ir.Undefined)
    return builder.shuffle_vector(
        builder.insert_element(empty, number, _WORD(0)), empty, ir.Constant(ir.VectorType(_WORD, LANES), None)
    )


tile: Any = intrinsic(_tile)
