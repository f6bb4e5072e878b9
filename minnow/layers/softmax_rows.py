# ruff: noqa: ARG001 - numba hands over what a kernel is called with, and the types alone count
"""A query's scores as weights, and the way back, sixteen numbers at a time, from rows of sums in single precision to
rows in bfloat16 that the matrix units of a processor read.
"""

from typing import Any

from numba import types
from numba.extending import intrinsic

from minnow.layers.vector_code import (
    FLOATS,
    LANES,
    LONG,
    NOTHING,
    Arrays,
    broadcast,
    constant,
    each,
    exp2,
    higher,
    highest_lane,
    lanes_before,
    sum_of_lanes,
    to_bfloat16,
)

_PLACE, _NUMBER = types.int64, types.float32
_TWO: Any = types.UniTuple(_NUMBER, 2)  # type: ignore[no-untyped-call]


def _softmax_row(_: Any, scores: Any, row: Any, sees: Any, end: Any, factor: Any, weights: Any) -> Any:
    """Powers of 2 of (score - highest) · factor for the first ``sees`` keys, at least one, and 0 up to ``end``, whole
    vectors; returns the highest score and the powers' sum."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        arrays, (_, index, seen, stop, scale, _) = Arrays(context, builder, signature, values), values
        given, out = arrays.row(0, index), arrays.row(5, index)
        lowest = constant(NOTHING)

        def look(offset: Any, found: list[Any]) -> list[Any]:
            known = lanes_before(builder, seen, offset)
            return [higher(builder, builder.select(known, arrays.load(given, offset, FLOATS), lowest), found[0])]

        vectors = builder.udiv(builder.add(seen, LONG(LANES - 1)), LONG(LANES))
        best = highest_lane(builder, each(builder, vectors, [lowest], look)[0])
        scales, offsets = broadcast(builder, scale), broadcast(builder, builder.fmul(best, scale))

        def take(offset: Any, sums: list[Any]) -> list[Any]:
            z = builder.fsub(builder.fmul(arrays.load(given, offset, FLOATS), scales), offsets)
            power = builder.select(lanes_before(builder, seen, offset), exp2(builder, z), constant(0))
            arrays.store(to_bfloat16(builder, power), out, offset)
            return [builder.fadd(sums[0], power)]

        sums = each(builder, builder.udiv(stop, LONG(LANES)), [constant(0)], take)
        return context.make_tuple(builder, signature.return_type, (best, sum_of_lanes(builder, sums[0])))

    return _TWO(scores, _PLACE, _PLACE, _PLACE, _NUMBER, weights), generate


def _softmax_row_backward(
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
        arrays = Arrays(context, builder, signature, values)
        _, _, index, seen, stop, *numbers, _, _ = values
        factors, norms, scales = (broadcast(builder, number) for number in numbers)
        kept, gradients, out, out_gradients = (arrays.row(array, index) for array in (0, 1, 8, 9))
        vectors = builder.udiv(stop, LONG(LANES))

        def take(offset: Any, sums: list[Any]) -> list[Any]:
            z = builder.fsub(builder.fmul(arrays.load(kept, offset, FLOATS), factors), norms)
            weight = builder.select(lanes_before(builder, seen, offset), exp2(builder, z), constant(0))
            arrays.store(weight, kept, offset)
            arrays.store(to_bfloat16(builder, weight), out, offset)
            return [builder.fadd(sums[0], builder.fmul(weight, arrays.load(gradients, offset, FLOATS)))]

        means = broadcast(builder, sum_of_lanes(builder, each(builder, vectors, [constant(0)], take)[0]))

        def give(offset: Any, _: list[Any]) -> list[Any]:
            apart = builder.fsub(arrays.load(gradients, offset, FLOATS), means)
            found = builder.fmul(builder.fmul(arrays.load(kept, offset, FLOATS), scales), apart)
            arrays.store(to_bfloat16(builder, found), out_gradients, offset)
            return []

        each(builder, vectors, [], give)
        return context.get_dummy_value()

    places, numbers = (_PLACE,) * 3, (_NUMBER,) * 3
    return types.void(scores, of_weights, *places, *numbers, weights, of_scores), generate


# For kernels alone: of rows of that number in all arrays.
softmax_row: Any = intrinsic(_softmax_row)
softmax_row_backward: Any = intrinsic(_softmax_row_backward)
