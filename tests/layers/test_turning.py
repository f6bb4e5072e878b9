"""Numbers on their way into matrix units and out of them, against numpy."""

from typing import Any

import numpy as np
import torch
from numba import njit

from minnow.layers.turning import PAIRS, WIDTH, copy_row, crossed, interleaved, put_row, turned
from minnow.layers.vector_math import array_of


@njit
def turn(x: Any, start: int, apart: int, out: Any, at: int) -> None:
    turned(x, start, apart, out, at)


@njit
def interleave(x: Any, start: int, apart: int, out: Any, at: int) -> None:
    interleaved(x, start, apart, out, at)


@njit
def cross(x: Any, start: int, apart: int, out: Any, at: int) -> None:
    crossed(x, start, apart, out, at)


@njit
def put(sums: Any, row: int, factor: Any, out: Any, to: int, column: int, count: int) -> None:
    put_row(sums, row, factor, out, to, column, count)


@njit
def copy(numbers: Any, start: int, out: Any, to: int, count: int) -> None:
    copy_row(numbers, start, out, to, count)


NUMBERS = np.random.default_rng(0).integers(0, 1 << 16, (40, 50)).astype(np.uint16)
ROW, COLUMN, AT = 3, 5, 7  # where to begin, and where it is put


def found(kernel: Any, count: int) -> Any:
    """So many numbers that a kernel put down; all around them stays."""
    out = np.zeros(count + 2 * AT, np.uint16)
    kernel(NUMBERS, ROW * NUMBERS.shape[1] + COLUMN, NUMBERS.shape[1], out, AT)
    assert not out[:AT].any()
    assert not out[AT + count :].any()
    return out[AT : AT + count]


def test_features_of_positions_are_turned_into_rows_of_positions() -> None:
    block = NUMBERS[ROW : ROW + WIDTH, COLUMN : COLUMN + PAIRS]
    assert (found(turn, PAIRS * WIDTH).reshape(PAIRS, WIDTH) == block.T).all()


def test_two_positions_are_interleaved() -> None:
    block = NUMBERS[ROW : ROW + 2, COLUMN : COLUMN + WIDTH]
    assert (found(interleave, 2 * WIDTH) == block.T.ravel()).all()


def test_positions_become_columns_of_pairs_of_features() -> None:
    """Half of each step: sixteen positions beside one another, two features of each."""
    block = NUMBERS[ROW : ROW + PAIRS, COLUMN : COLUMN + WIDTH]
    steps = found(cross, PAIRS * 2 * WIDTH - WIDTH)
    for n in range(PAIRS):
        assert (steps[n * 2 * WIDTH : n * 2 * WIDTH + WIDTH] == block[:, 2 * n : 2 * n + 2].ravel()).all()


def test_a_row_of_sums_goes_to_its_place_among_others() -> None:
    """Of an array whose rows lie apart, as the heads of a position do."""
    sums = np.random.default_rng(0).normal(size=(4, 32)).astype(np.float32)
    whole = np.zeros((5, 3, 80), np.uint16)
    put(sums, 2, np.float32(1.5), whole[:, 1], 3, 16, 2)
    right = torch.from_numpy(sums[2] * np.float32(1.5)).bfloat16()
    near = np.abs(whole[3, 1, 16:48].astype(np.int64) - array_of(right).astype(np.int64))
    assert near.max() <= 1, "a half may be rounded up"
    whole[3, 1, 16:48] = 0
    assert not whole.any()


def test_numbers_go_as_they_are_and_no_further_than_asked() -> None:
    numbers, out = np.arange(100, dtype=np.uint16), np.zeros((3, 64), np.uint16)
    copy(numbers, 7, out, 1, 2)
    assert (out[1, :32] == numbers[7:39]).all()
    out[1, :32] = 0
    assert not out.any()
