"""Sums of products over all positions, against double precision."""

import numpy as np
import pytest
import torch
from numba import njit

from minnow.layers.matrix_units import SHAPE_BYTES, has_units_for, keep_shape
from minnow.layers.weight_gradient import DEEP, PANELS, sum_of_products

pytestmark = pytest.mark.skipif(not has_units_for(torch.bfloat16), reason="this processor has no matrix units")
SIZES = [
    (1, 1, 1),
    (2, 16, 32),
    (33, 16, 32),
    (70, 50, 33),
    (256, 32 * PANELS + 1, 64),
    (DEEP + 1, 40, 65),
    (2 * DEEP + 37, 290, 31),
]


def sides(num_positions: int, size: int, other: int) -> tuple[torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(num_positions)
    return tuple(torch.randn(num_positions, one, generator=random).bfloat16() for one in (size, other))


@pytest.mark.parametrize("sizes", SIZES)
def test_sums_are_exact_but_for_single_precision(sizes: tuple[int, int, int]) -> None:
    a, b = sides(*sizes)
    right = a.double().T @ b.double()
    found = sum_of_products(a, b)
    assert found.dtype == torch.float32
    assert (found - right).norm() < 1e-6 * right.norm()


@pytest.mark.parametrize("sizes", SIZES)
def test_they_may_be_added_to_what_is_there(sizes: tuple[int, int, int]) -> None:
    a, b = sides(*sizes)
    onto = torch.randn(*sizes[1:])
    right = onto.double() + a.double().T @ b.double()
    assert sum_of_products(a, b, onto) is onto
    assert (onto - right).norm() < 1e-6 * right.norm()


def test_of_no_positions_the_sum_is_nothing() -> None:
    nothing, onto = torch.zeros(0, 3).bfloat16(), torch.ones(3, 3)
    assert not sum_of_products(nothing, nothing).any()
    assert torch.equal(sum_of_products(nothing, nothing, onto), torch.ones(3, 3))


def test_sides_may_lie_across_in_memory() -> None:
    a, b = sides(50, 40, 30)
    assert torch.equal(sum_of_products(a.T.contiguous().T, b[:, ::2]), sum_of_products(a, b[:, ::2].contiguous()))


def test_the_units_are_left_as_they_were() -> None:
    before, after = np.zeros(SHAPE_BYTES, np.uint8), np.zeros(SHAPE_BYTES, np.uint8)
    _kept_shape(before)
    sum_of_products(*sides(70, 50, 33))
    _kept_shape(after)
    assert np.array_equal(before, after)


@njit
def _kept_shape(shape: np.ndarray) -> None:
    keep_shape(shape)
