# ruff: noqa: ARG001 - numba hands over what a kernel is called with, and the types alone count
"""Numbers in bfloat16 on their way into the matrix units of a processor, sixteen vectors at a time.

The units multiply rows of 32 numbers with columns whose numbers lie two by two: the next two of a column behind those
of the column beside it. ``matrix_units`` says more.
"""

from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from minnow.layers.vector_math import FAST

WIDTH = 32  # numbers of a row that one instruction takes, and columns of a step
PAIRS = WIDTH // 2

_LONG, _PLACE = ir.IntType(64), types.int64
_NARROW, _WIDE = (ir.VectorType(ir.IntType(bits), PAIRS) for bits in (16, 32))


@njit(inline="always", **FAST)  # type: ignore[untyped-decorator]
def filled(count: Any) -> Any:
    """So many, and those that fill up the last step."""
    return (count + WIDTH - 1) // WIDTH * WIDTH


class _Memory:
    """The arrays that numba hands over, as vectors of sixteen numbers."""

    def __init__(self, context: Any, builder: Any, signature: Any, values: Any):
        self._builder = builder
        self._starts = [
            context.make_array(kind)(context, builder, value).data if isinstance(kind, types.Array) else value
            for kind, value in zip(signature.args, values, strict=True)
        ]

    def pairs(self, array: int, offset: Any, width: Any) -> Any:
        """Of two lines, ``width`` apart, side by side in 32 bits."""
        upper, lower = (
            self._builder.zext(self._builder.load(self._at(array, place, _NARROW), align=2), _WIDE)
            for place in (offset, self._builder.add(offset, width))
        )
        return self._builder.or_(upper, self._builder.shl(lower, ir.Constant(_WIDE, [16] * PAIRS)))

    def line(self, array: int, offset: Any) -> Any:
        """Pairs that lie side by side already."""
        return self._builder.load(self._at(array, offset, _WIDE), align=2)

    def store(self, line: Any, array: int, offset: Any) -> None:
        self._builder.store(line, self._at(array, offset, _WIDE), align=2)

    def _at(self, array: int, offset: Any, kind: Any) -> Any:
        return self._builder.bitcast(self._builder.gep(self._starts[array], [offset]), kind.as_pointer())


def _turned_into(_: Any, a: Any, at: Any, width: Any, to: Any, to_at: Any) -> Any:
    """Sixteen features of 32 positions, ``width`` numbers apart, as sixteen rows of 32 numbers."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        memory, (_, start, apart, _, target) = _Memory(context, builder, signature, values), values
        places = (builder.add(start, builder.mul(_LONG(2 * n), apart)) for n in range(PAIRS))
        lines = [memory.pairs(0, place, apart) for place in places]
        for n, line in enumerate(_transposed(builder, lines)):
            memory.store(line, 3, builder.add(target, _LONG(n * WIDTH)))
        return context.get_dummy_value()

    return types.void(a, _PLACE, _PLACE, to, _PLACE), generate


def _interleaved_into(_: Any, b: Any, at: Any, width: Any, to: Any, to_at: Any) -> Any:
    """32 features of two positions, ``width`` numbers apart, as 64 numbers."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        memory, (_, start, apart, _, target) = _Memory(context, builder, signature, values), values
        for first in range(0, WIDTH, PAIRS):
            line = memory.pairs(0, builder.add(start, _LONG(first)), apart)
            memory.store(line, 3, builder.add(target, _LONG(2 * first)))
        return context.get_dummy_value()

    return types.void(b, _PLACE, _PLACE, to, _PLACE), generate


def _crossed_into(_: Any, b: Any, at: Any, width: Any, to: Any, to_at: Any) -> Any:
    """Sixteen positions of 32 features, ``width`` numbers apart, as half of sixteen steps of 64 numbers: of the
    positions as columns."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        memory, (_, start, apart, _, target) = _Memory(context, builder, signature, values), values
        lines = [memory.line(0, builder.add(start, builder.mul(_LONG(n), apart))) for n in range(PAIRS)]
        for n, line in enumerate(_transposed(builder, lines)):
            memory.store(line, 3, builder.add(target, _LONG(n * 2 * WIDTH)))
        return context.get_dummy_value()

    return types.void(b, _PLACE, _PLACE, to, _PLACE), generate


# For kernels alone: of an array, the place where to begin, and how far lines lie apart, to a place of another array.
turned: Any = intrinsic(_turned_into)
interleaved: Any = intrinsic(_interleaved_into)
crossed: Any = intrinsic(_crossed_into)


def _transposed(builder: Any, lines: list[Any]) -> list[Any]:
    """Sixteen vectors of sixteen numbers: four times each is interleaved with that eight further on."""
    half = len(lines) // 2
    masks = [ir.Constant(_WIDE, [start + n // 2 + n % 2 * PAIRS for n in range(PAIRS)]) for start in (0, half)]
    for _ in range(4):
        lines = [builder.shuffle_vector(lines[n], lines[n + half], mask) for n in range(half) for mask in masks]
    return lines
