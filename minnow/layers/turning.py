# ruff: noqa: ARG001 - numba hands over what a kernel is called with, and the types alone count
"""Numbers in bfloat16 on their way into the matrix units of a processor, and sums on their way out.

The units multiply rows of 32 numbers with columns whose numbers lie two by two: the next two of a column behind those
of the column beside it. ``matrix_units`` says more.
"""

from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from minnow.layers.vector_code import FLOATS, HALVES, LONG, WORDS, Arrays, broadcast, each, to_bfloat16
from minnow.layers.vector_math import FAST

WIDTH = 32  # numbers of a row that one instruction takes, and columns of a step
PAIRS = WIDTH // 2

_PLACE = types.int64


@njit(inline="always", **FAST)  # type: ignore[untyped-decorator]
def filled(count: Any) -> Any:
    """So many, and those that fill up the last step."""
    return (count + WIDTH - 1) // WIDTH * WIDTH


def _pairs(builder: Any, arrays: Arrays, offset: Any, width: Any) -> Any:
    """Of two lines of the first argument, ``width`` apart, side by side in 32 bits."""
    upper, lower = (
        builder.zext(arrays.load(arrays.start(0), place, HALVES), WORDS)
        for place in (offset, builder.add(offset, width))
    )
    return builder.or_(upper, builder.shl(lower, ir.Constant(WORDS, [16] * PAIRS)))


def _turned_into(_: Any, a: Any, at: Any, width: Any, to: Any, to_at: Any) -> Any:
    """Sixteen features of 32 positions, ``width`` numbers apart, as sixteen rows of 32 numbers."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        arrays, (_, start, apart, _, target) = Arrays(context, builder, signature, values), values
        places = (builder.add(start, builder.mul(LONG(2 * n), apart)) for n in range(PAIRS))
        lines = [_pairs(builder, arrays, place, apart) for place in places]
        for n, line in enumerate(_transposed(builder, lines)):
            arrays.store(line, arrays.start(3), builder.add(target, LONG(n * WIDTH)))
        return context.get_dummy_value()

    return types.void(a, _PLACE, _PLACE, to, _PLACE), generate


def _interleaved_into(_: Any, b: Any, at: Any, width: Any, to: Any, to_at: Any) -> Any:
    """32 features of two positions, ``width`` numbers apart, as 64 numbers."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        arrays, (_, start, apart, _, target) = Arrays(context, builder, signature, values), values
        for first in range(0, WIDTH, PAIRS):
            line = _pairs(builder, arrays, builder.add(start, LONG(first)), apart)
            arrays.store(line, arrays.start(3), builder.add(target, LONG(2 * first)))
        return context.get_dummy_value()

    return types.void(b, _PLACE, _PLACE, to, _PLACE), generate


def _crossed_into(_: Any, b: Any, at: Any, width: Any, to: Any, to_at: Any) -> Any:
    """Sixteen positions of 32 features, ``width`` numbers apart, as half of sixteen steps of 64 numbers: of the
    positions as columns."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        arrays, (_, start, apart, _, target) = Arrays(context, builder, signature, values), values
        lines = [
            arrays.load(arrays.start(0), builder.add(start, builder.mul(LONG(n), apart)), WORDS) for n in range(PAIRS)
        ]
        for n, line in enumerate(_transposed(builder, lines)):
            arrays.store(line, arrays.start(3), builder.add(target, LONG(n * 2 * WIDTH)))
        return context.get_dummy_value()

    return types.void(b, _PLACE, _PLACE, to, _PLACE), generate


def _put_row(_: Any, sums: Any, row: Any, factor: Any, out: Any, to: Any, column: Any, count: Any) -> Any:
    """``count`` vectors of a row of sums times a factor, in bfloat16 to a row of ``out``, from a column on."""
    if out.dtype.bitwidth != 16:
        return None

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        arrays, (_, index, number, _, target, first, vectors) = Arrays(context, builder, signature, values), values
        given, there, factors = arrays.row(0, index), arrays.row(3, target), broadcast(builder, number)

        def move(offset: Any, _: list[Any]) -> list[Any]:
            scaled = builder.fmul(arrays.load(given, offset, FLOATS), factors)
            arrays.store(to_bfloat16(builder, scaled), there, builder.add(first, offset))
            return []

        each(builder, vectors, [], move)
        return context.get_dummy_value()

    return types.void(sums, _PLACE, types.float32, out, _PLACE, _PLACE, _PLACE), generate


def _copy_row(_: Any, numbers: Any, start: Any, out: Any, to: Any, count: Any) -> Any:
    """``count`` vectors of numbers of 16 bits, from a place on, to a row of ``out``."""
    if not numbers.dtype.bitwidth == out.dtype.bitwidth == 16:
        return None

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        arrays, (_, at, _, target, vectors) = Arrays(context, builder, signature, values), values
        given, there = arrays.start(0), arrays.row(2, target)

        def move(offset: Any, _: list[Any]) -> list[Any]:
            arrays.store(arrays.load(given, builder.add(at, offset), HALVES), there, offset)
            return []

        each(builder, vectors, [], move)
        return context.get_dummy_value()

    return types.void(numbers, _PLACE, out, _PLACE, _PLACE), generate


# For kernels alone: of an array, the place where to begin, and how far lines lie apart, to a place of another array.
turned: Any = intrinsic(_turned_into)
interleaved: Any = intrinsic(_interleaved_into)
crossed: Any = intrinsic(_crossed_into)
# Rows of two arrays by their numbers, or from a place of the first.
put_row: Any = intrinsic(_put_row)
copy_row: Any = intrinsic(_copy_row)


def _transposed(builder: Any, lines: list[Any]) -> list[Any]:
    """Sixteen vectors of sixteen numbers: four times each is interleaved with that eight further on."""
    half = len(lines) // 2
    masks = [ir.Constant(WORDS, [start + n // 2 + n % 2 * PAIRS for n in range(PAIRS)]) for start in (0, half)]
    for _ in range(4):
        lines = [builder.shuffle_vector(lines[n], lines[n + half], mask) for n in range(half) for mask in masks]
    return lines
