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

from minnow.layers.tiles import COLUMNS, FEW, ROWS, tile, tile_of_few
from minnow.layers.vector_math import FAST, bits_of, float_of, put

DTYPES: dict[str, Any] = {"float32": np.float32, "bfloat16": np.uint16, "int8": np.uint8}  # of rows that are multiplied
WEIGHTS: dict[str, Any] = DTYPES | {"int8": np.int8}
LARGEST = 127  # of eight bits with a sign
ALIGNED = 4  # rows are filled up to so many numbers, which is a step in eight bits


class Packed(NamedTuple):
    """A matrix [N, K] as ``product`` wants it.

    Attributes:
        weights: [P, S, 32 · numbers of a step], float32, bfloat16 as uint16, or int8.
        scales, sums: of each column in eight bits, see ``tiles``; else empty.
    """

    weights: Any
    scales: Any
    sums: Any


class Rows(NamedTuple):
    """Room for rows on their way into a product.

    Attributes:
        numbers: [R filled up to eights, K filled up to fours] in the type of the arithmetic.
        scales: of each row, in eight bits.
    """

    numbers: Any
    scales: Any


def pack(weight_NK: Tensor, arithmetic: str) -> Packed:
    """The matrix of a linear layer without bias; rows and columns that fill up panels and steps are zero."""
    weight = weight_NK.detach().cpu()
    num_columns, size = weight.shape
    dtype = torch.bfloat16 if arithmetic == "bfloat16" else torch.float32
    whole = torch.zeros(-(-num_columns // COLUMNS) * COLUMNS, -(-size // ALIGNED) * ALIGNED, dtype=dtype)
    whole[:num_columns, :size] = weight
    scales, sums = np.zeros(0, np.float32), np.zeros(0, np.int32)
    if arithmetic == "int8":
        scales_N = whole.abs().amax(1) / LARGEST
        whole = (whole / scales_N.clamp(min=torch.finfo(torch.float32).tiny)[:, None]).round().to(torch.int8)
        scales, sums = scales_N.numpy(), (whole.sum(1, dtype=torch.int32) * (LARGEST + 1)).numpy()
    steps = whole.view(torch.int32)  # a step has four bytes in every arithmetic
    panels = steps.view(-1, COLUMNS, steps.shape[1]).transpose(1, 2).contiguous()
    return Packed(panels.numpy().view(WEIGHTS[arithmetic]), scales, sums)


def room_for(num_rows: int, size: int, arithmetic: str) -> Rows:
    """For so many rows of so many numbers."""
    whole = -(-num_rows // ROWS) * ROWS
    numbers = np.empty((whole, -(-size // ALIGNED) * ALIGNED), DTYPES[arithmetic])
    numbers[:, size:] = 0
    numbers[num_rows:] = 0  # what happens to lie there might be numbers so small that they are multiplied slowly
    return Rows(numbers, np.empty(whole, np.float32))


@njit(**FAST)  # type: ignore[untyped-decorator]
def product(rows: Any, packed: Any, out_RN: Any, add: bool) -> None:
    """The product of the first R rows with the weights, into ``out_RN`` or onto it; for kernels and for one thread."""
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
