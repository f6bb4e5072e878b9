"""Products with weights that were packed once for the vector units of a processor, in float32, bfloat16 or eight bits.

At the few rows of a decoding step a library spends as long on finding its way as on multiplying. In eight bits weights
have a scale a column, and rows one each that is found as they come (dynamic quantisation); sums are whole numbers.

R rows · K features in · N features out · P panels of 32 features out · S steps along K
"""

from typing import Any, NamedTuple

import numpy as np
import torch
from numba import njit, types
from numba.extending import overload
from torch import Tensor

from minnow.layers.matrix_units import (
    HEIGHT,
    SHAPE_BYTES,
    has_units,
    keep_shape,
    set_shape,
    shape_for,
    tiles,
    upper_tiles,
)
from minnow.layers.tiles import COLUMNS, FEW, ROWS, tile, tile_of_few
from minnow.layers.vector_math import FAST, bits_of, float_of, put

DTYPES: dict[str, Any] = {"float32": np.float32, "bfloat16": np.uint16, "int8": np.uint8}  # of rows that are multiplied
WEIGHTS: dict[str, Any] = DTYPES | {"int8": np.int8}
TALL = 2 * HEIGHT  # rows that matrix units take at once
LARGEST = 127  # of eight bits with a sign
ALIGNED = 64  # rows are filled up to so many bytes, which is a row of a tile in matrix units


class Packed(NamedTuple):
    """A matrix [N, K] as ``product`` wants it.

    Attributes:
        weights: [P, S, 32 · numbers of a step], float32, bfloat16 as uint16, or int8.
        scales, sums: of each column in eight bits, see ``tiles``; else empty.
        in_units: whether matrix units multiply it.
    """

    weights: Any
    scales: Any
    sums: Any
    in_units: bool


class Rows(NamedTuple):
    """Room for rows on their way into a product.

    Attributes:
        numbers: [R filled up to eights, K filled up to 64 bytes] in the type of the arithmetic.
        scales: of each row, in eight bits.
        sums: of up to 32 rows and 32 columns, int32 in eight bits and else float32, where matrix units put them.
    """

    numbers: Any
    scales: Any
    sums: Any


def pack(weight_NK: Tensor, arithmetic: str) -> Packed:
    """The matrix of a linear layer without bias; rows and columns that fill up panels and steps are zero."""
    weight = weight_NK.detach().cpu()
    num_columns, size = weight.shape
    dtype = torch.bfloat16 if arithmetic == "bfloat16" else torch.float32
    whole = torch.zeros(-(-num_columns // COLUMNS) * COLUMNS, _aligned(size, arithmetic), dtype=dtype)
    whole[:num_columns, :size] = weight
    scales, sums = np.zeros(0, np.float32), np.zeros(0, np.int32)
    if arithmetic == "int8":
        scales_N = whole.abs().amax(1) / LARGEST
        whole = (whole / scales_N.clamp(min=torch.finfo(torch.float32).tiny)[:, None]).round().to(torch.int8)
        scales, sums = scales_N.numpy(), (whole.sum(1, dtype=torch.int32) * (LARGEST + 1)).numpy()
    steps = whole.view(torch.int32)  # a step has four bytes in every arithmetic
    panels = steps.view(-1, COLUMNS, steps.shape[1]).transpose(1, 2).contiguous()
    return Packed(panels.numpy().view(WEIGHTS[arithmetic]), scales, sums, has_units(arithmetic))


def room_for(num_rows: int, size: int, arithmetic: str) -> Rows:
    """For so many rows of so many numbers."""
    whole = -(-num_rows // ROWS) * ROWS
    numbers = np.empty((whole, _aligned(size, arithmetic)), DTYPES[arithmetic])
    numbers[:, size:] = 0
    numbers[num_rows:] = 0  # what happens to lie there might be numbers so small that they are multiplied slowly
    sums = np.empty((TALL, COLUMNS), np.int32 if arithmetic == "int8" else np.float32)
    return Rows(numbers, np.empty(whole, np.float32), sums)


def _aligned(size: int, arithmetic: str) -> int:
    """So many numbers and those that fill them up."""
    step: int = ALIGNED // np.dtype(DTYPES[arithmetic]).itemsize
    return -(-size // step) * step


@njit(**FAST)  # type: ignore[untyped-decorator]
def product(rows: Any, packed: Any, out_RN: Any, add: bool) -> None:
    """The product of the first R rows with the weights, into ``out_RN`` or onto it; for kernels and for one thread."""
    if packed.in_units:
        _in_units(rows, packed, out_RN, add)
    else:
        _in_vectors(rows, packed, out_RN, add)


@njit(**FAST)  # type: ignore[untyped-decorator]
def _in_units(rows: Any, packed: Any, out_RN: Any, add: bool) -> None:
    """The sums of up to 32 rows and 32 columns at a time, on their way while they are in the nearest cache."""
    num_rows, num_columns = out_RN.shape
    numbers, sums, weights = rows.numbers, rows.sums, packed.weights
    width, steps, size = numbers.shape[1], weights.shape[1], weights.shape[1] * weights.shape[2]
    before, shape = np.empty(SHAPE_BYTES, np.uint8), np.empty(SHAPE_BYTES, np.uint8)
    keep_shape(before)
    whole = num_rows // TALL * TALL
    for first, last in ((0, whole), (whole, num_rows)):
        height = min(TALL, last - first)
        if height == 0:
            continue
        shape_for(height, shape)
        set_shape(shape)
        for p in range(weights.shape[0]):
            n, end = p * COLUMNS, min((p + 1) * COLUMNS, num_columns)
            scales, more = packed.scales[n:], packed.sums[n:]
            for r in range(first, last, height):
                if height > HEIGHT:
                    tiles(numbers, r * width, width, weights, p * size, steps, sums)
                else:
                    upper_tiles(numbers, r * width, width, weights, p * size, steps, sums)
                for i in range(height):
                    settle(sums[i], rows.scales[r + i], scales, more, out_RN[r + i, n:end], add)
    set_shape(before)


@njit(**FAST)  # type: ignore[untyped-decorator]
def _in_vectors(rows: Any, packed: Any, out_RN: Any, add: bool) -> None:
    num_rows, num_columns = out_RN.shape
    numbers, scales = rows.numbers, rows.scales
    weights, units, sums = packed.weights, packed.scales, packed.sums
    width, steps, size = numbers.shape[1], weights.shape[1], weights.shape[1] * weights.shape[2]
    edge = np.empty((ROWS, COLUMNS), np.float32)
    for p in range(weights.shape[0]):
        n, w = p * COLUMNS, p * size
        for r in range(0, num_rows, ROWS):
            a, at = r * width, r * num_columns + n
            if n + COLUMNS <= num_columns and r + ROWS <= num_rows:
                tile(numbers, a, width, weights, w, steps, out_RN, at, num_columns, add, scales, r, units, n, sums)
                continue
            if num_rows - r <= FEW:
                tile_of_few(numbers, a, width, weights, w, steps, edge, 0, COLUMNS, False, scales, r, units, n, sums)
            else:
                tile(numbers, a, width, weights, w, steps, edge, 0, COLUMNS, False, scales, r, units, n, sums)
            for i in range(min(ROWS, num_rows - r)):
                for j in range(min(COLUMNS, num_columns - n)):
                    before = out_RN[r + i, n + j] if add else np.float32(0)
                    out_RN[r + i, n + j] = before + edge[i, j]


def take(row: Any, numbers: Any, scales: Any, r: int) -> None:
    """A row of float32 numbers into ``Rows`` as row ``r``. For kernels alone."""
    raise NotImplementedError


# numba wants the parameters of both functions to be written alike, annotations included.
@overload(take, inline="always")
def _take(row: Any, numbers: Any, scales: Any, r: int) -> Any:  # noqa: ARG001
    def rounded(row: Any, numbers: Any, scales: Any, r: int) -> None:  # noqa: ARG001
        line = numbers[r]
        for k in range(row.size):
            put(line, k, row[k])
        for k in range(row.size, line.size):
            put(line, k, np.float32(0))

    def scaled(row: Any, numbers: Any, scales: Any, r: int) -> None:
        line = numbers[r]
        highest = np.int32(0)  # of the bits without the sign, which are found many at a time, as floats would not be
        for k in range(row.size):
            highest = max(highest, bits_of(row[k]) & np.int32(0x7FFFFFFF))
        largest = float_of(highest)
        scales[r] = largest / np.float32(LARGEST)
        factor = np.float32(LARGEST) / max(largest, np.float32(1e-30))
        for k in range(row.size):
            line[k] = np.uint8(np.int32(np.rint(row[k] * factor)) + np.int32(LARGEST + 1))
        for k in range(row.size, line.size):
            line[k] = np.uint8(LARGEST + 1)

    return scaled if numbers.dtype == types.uint8 else rounded


def settle(sums: Any, unit: Any, scales: Any, more: Any, out: Any, add: bool) -> None:
    """Sums of a row into ``out`` or onto it; in eight bits as what they stand for. For kernels alone."""
    raise NotImplementedError


@overload(settle, inline="always")
def _settle(sums: Any, unit: Any, scales: Any, more: Any, out: Any, add: bool) -> Any:  # noqa: ARG001
    def rounded(sums: Any, unit: Any, scales: Any, more: Any, out: Any, add: bool) -> None:  # noqa: ARG001
        for j in range(out.size):
            out[j] = sums[j] + (out[j] if add else np.float32(0))

    def scaled(sums: Any, unit: Any, scales: Any, more: Any, out: Any, add: bool) -> None:
        for j in range(out.size):
            found = np.float32(sums[j] - more[j]) * (scales[j] * unit)
            out[j] = found + (out[j] if add else np.float32(0))

    return scaled if sums.dtype == types.int32 else rounded
