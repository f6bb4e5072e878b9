"""What a linear layer's weights are to learn, in the matrix units of a processor.

The gradient of a weight is the sum over all positions of products of what went in and of what came back. Such a sum
runs along the axis that both lie across, so a library turns them first, and at the sizes of small models that takes as
long as the product. Here one side is turned and the other interleaved by vector instructions into what the units want,
so many positions at a time as a core's cache holds, and the sums stay in float32.

N positions · I features of one side · O of the other
"""

from typing import Any

import numpy as np
import torch
from numba import njit
from torch import Tensor

from minnow.layers.matrix_units import SHAPE_BYTES, set_shape, set_whole_shape, stacked_tiles
from minnow.layers.turning import PAIRS, WIDTH, filled, interleaved, turned
from minnow.layers.vector_math import FAST, array_of

DEEP = 2048  # positions
PANELS = 8  # of WIDTH features of the turned side, DEEP positions of which half a core's cache holds


def sum_of_products(a_NI: Tensor, b_NO: Tensor, onto_IO: Tensor | None = None) -> Tensor:
    """a' b in float32, of two matrices in bfloat16, and ``onto_IO`` where that is given; for one thread."""
    out_IO = torch.empty(a_NI.shape[1], b_NO.shape[1]) if onto_IO is None else onto_IO
    arrays = (array_of(one.contiguous()) for one in (a_NI, b_NO))
    _sum_of_products(*arrays, array_of(out_IO), onto_IO is not None)
    return out_IO


@njit(**FAST)  # type: ignore[untyped-decorator]
def _sum_of_products(a_NI: Any, b_NO: Any, out_IO: Any, add: bool) -> None:
    num_positions, num_rows = a_NI.shape
    num_columns = b_NO.shape[1]
    if num_positions == 0 and not add:
        out_IO[:] = 0
    deepest = min(DEEP, filled(num_positions))
    a = np.empty(min(PANELS * WIDTH, filled(num_rows)) * deepest, np.uint16)
    b = np.empty(filled(num_columns) * deepest, np.uint16)
    sums = np.empty((WIDTH, WIDTH), np.float32)
    before = np.empty(SHAPE_BYTES, np.uint8)
    set_whole_shape(before)
    for start in range(0, num_positions, DEEP):
        end = min(start + DEEP, num_positions)
        deep = filled(end - start)
        _interleave(b_NO[start:end], b)
        for first in range(0, num_rows, PANELS * WIDTH):
            last = min(first + PANELS * WIDTH, num_rows)
            _turn(a_NI[start:end], first, last, a)
            for n in range(0, num_columns, WIDTH):
                for m in range(first, last, WIDTH):
                    stacked_tiles(a, (m - first) * deep, WIDTH, b, n * deep, deep // 2, sums)
                    for i in range(min(WIDTH, last - m)):
                        out, found = out_IO[m + i, n : n + WIDTH], sums[i]
                        for j in range(out.size):
                            out[j] = found[j] + (out[j] if add or start else np.float32(0))
    set_shape(before)


@njit(**FAST)  # type: ignore[untyped-decorator]
def _interleave(b_NO: Any, b: Any) -> None:
    """32 features after the other, two positions of each side by side; zeros where there are no more of either."""
    num_positions, num_columns = b_NO.shape
    deep, whole = filled(num_positions), num_columns // WIDTH * WIDTH
    edge = np.zeros((2, WIDTH), np.uint16)
    for n in range(0, num_positions // 2 * 2, 2):
        for first in range(0, whole, WIDTH):
            interleaved(b_NO, n * num_columns + first, num_columns, b, first * deep + n * WIDTH)
    for n in range(0, deep, 2):
        for first in range(whole if n + 1 < num_positions else 0, num_columns, WIDTH):
            edge[:] = 0
            for m in range(n, min(n + 2, num_positions)):
                for j in range(min(WIDTH, num_columns - first)):
                    edge[m - n, j] = b_NO[m, first + j]
            interleaved(edge, 0, WIDTH, b, first * deep + n * WIDTH)


@njit(**FAST)  # type: ignore[untyped-decorator]
def _turn(a_NI: Any, start: int, end: int, a: Any) -> None:
    """32 of these features after the other, of each 32 positions side by side; zeros where there are no more of
    either."""
    num_positions, size = a_NI.shape
    deep = filled(num_positions)
    edge = np.zeros((WIDTH, PAIRS), np.uint16)
    for n in range(0, num_positions, WIDTH):
        for first in range(start, start + filled(end - start), PAIRS):
            upper = (first - start) // WIDTH * WIDTH
            at = upper * deep + n * WIDTH + (first - start - upper) * WIDTH
            if first + PAIRS <= end and n + WIDTH <= num_positions:
                turned(a_NI, n * size + first, size, a, at)
                continue
            edge[:] = 0
            for m in range(n, min(n + WIDTH, num_positions)):
                for j in range(min(PAIRS, end - first)):
                    edge[m - n, j] = a_NI[m, first + j]
            turned(edge, 0, PAIRS, a, at)
