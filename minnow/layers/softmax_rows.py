# ruff: noqa: ARG001 - numba hands over what a kernel is called with, and the types alone count
"""A query's scores as weights, and the way back, sixteen numbers at a time, from rows of sums in single precision to
rows in bfloat16 that the matrix units of a processor read.
"""

from typing import Any

from numba import types
from numba.extending import intrinsic

from minnow.layers.vector_code import (
    FLOATS,
    HALVES,
    LANES,
    LONG,
    Memory,
    constant,
    each,
    exp2,
    higher,
    highest,
    lanes_before,
    narrow,
    spread,
    total,
)

_PLACE, _NUMBER = types.int64, types.float32
_TWO: Any = types.UniTuple(_NUMBER, 2)  # type: ignore[no-untyped-call]


def _weigh(_: Any, scores: Any, row: Any, sees: Any, end: Any, factor: Any, weights: Any) -> Any:
    """Powers of 2 of (score - highest) · factor for the first ``sees`` keys, at least one, and 0 up to ``end``, whole
    vectors; returns the highest score and the powers' sum."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        memory, (_, index, seen, stop, scale, _) = Memory(context, builder, signature, values), values
        given, out = memory.row(0, index), memory.row(5, index)
        lowest = constant(float("-inf"))

        def look(offset: Any, found: list[Any]) -> list[Any]:
            known = lanes_before(builder, seen, offset)
            return [higher(builder, builder.select(known, memory.load(given, offset, FLOATS), lowest), found[0])]

        vectors = builder.udiv(builder.add(seen, LONG(LANES - 1)), LONG(LANES))
        best = highest(builder, each(builder, vectors, [lowest], look)[0])
        scales, offsets = spread(builder, scale), spread(builder, builder.fmul(best, scale))

        def take(offset: Any, sums: list[Any]) -> list[Any]:
            z = builder.fsub(builder.fmul(memory.load(given, offset, FLOATS), scales), offsets)
            power = builder.select(lanes_before(builder, seen, offset), exp2(builder, z), constant(0))
            memory.store(narrow(builder, power), out, offset)
            return [builder.fadd(sums[0], power)]

        sums = each(builder, builder.udiv(stop, LONG(LANES)), [constant(0)], take)
        return context.make_tuple(builder, signature.return_type, (best, total(builder, sums[0])))

    return _TWO(scores, _PLACE, _PLACE, _PLACE, _NUMBER, weights), generate


def _weigh_again(
    _: Any,
    scores: Any,
    of_weights: Any,
    row: Any,
    sees: Any,
    end: Any,
    factor: Any,
    norm: Any,
    scale: Any,
    weights: Any,
    of_scores: Any,
) -> Any:
    """The weights 2^(score · factor - norm), 0 behind ``sees``, and the gradient of the scores from that of the
    weights: weight · (that - its mean under the weights) · scale. The scores are written over."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        memory = Memory(context, builder, signature, values)
        _, _, index, seen, stop, *numbers, _, _ = values
        factors, norms, scales = (spread(builder, number) for number in numbers)
        kept, gradients, out, out_gradients = (memory.row(array, index) for array in (0, 1, 8, 9))
        vectors = builder.udiv(stop, LONG(LANES))

        def take(offset: Any, sums: list[Any]) -> list[Any]:
            z = builder.fsub(builder.fmul(memory.load(kept, offset, FLOATS), factors), norms)
            weight = builder.select(lanes_before(builder, seen, offset), exp2(builder, z), constant(0))
            memory.store(weight, kept, offset)
            memory.store(narrow(builder, weight), out, offset)
            return [builder.fadd(sums[0], builder.fmul(weight, memory.load(gradients, offset, FLOATS)))]

        means = spread(builder, total(builder, each(builder, vectors, [constant(0)], take)[0]))

        def give(offset: Any, _: list[Any]) -> list[Any]:
            apart = builder.fsub(memory.load(gradients, offset, FLOATS), means)
            found = builder.fmul(builder.fmul(memory.load(kept, offset, FLOATS), scales), apart)
            memory.store(narrow(builder, found), out_gradients, offset)
            return []

        each(builder, vectors, [], give)
        return context.get_dummy_value()

    places, numbers = (_PLACE,) * 3, (_NUMBER,) * 3
    return types.void(scores, of_weights, *places, *numbers, weights, of_scores), generate


def _put_row(_: Any, sums: Any, row: Any, factor: Any, out: Any, to: Any, column: Any, count: Any) -> Any:
    """The first ``count`` vectors of a row of sums times a factor, to a row of ``out``, from a column on."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        memory, (_, index, number, _, target, first, vectors) = Memory(context, builder, signature, values), values
        given, there, factors = memory.row(0, index), memory.row(3, target), spread(builder, number)

        def move(offset: Any, _: list[Any]) -> list[Any]:
            scaled = builder.fmul(memory.load(given, offset, FLOATS), factors)
            memory.store(narrow(builder, scaled), there, builder.add(first, offset))
            return []

        each(builder, vectors, [], move)
        return context.get_dummy_value()

    return types.void(sums, _PLACE, _NUMBER, out, _PLACE, _PLACE, _PLACE), generate


def _copy_row(_: Any, numbers: Any, start: Any, out: Any, to: Any, count: Any) -> Any:
    """``count`` vectors of numbers in 16 bits, to a row of ``out``."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        memory, (_, at, _, target, vectors) = Memory(context, builder, signature, values), values
        given, there = memory.start(0), memory.row(2, target)

        def move(offset: Any, _: list[Any]) -> list[Any]:
            memory.store(memory.load(given, builder.add(at, offset), HALVES), there, offset)
            return []

        each(builder, vectors, [], move)
        return context.get_dummy_value()

    return types.void(numbers, _PLACE, out, _PLACE, _PLACE), generate


# For kernels alone: of the rows of two arrays that have that number.
weigh: Any = intrinsic(_weigh)
weigh_again: Any = intrinsic(_weigh_again)
put_row: Any = intrinsic(_put_row)
copy_row: Any = intrinsic(_copy_row)
