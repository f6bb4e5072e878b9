"""Products with packed weights are the products; in eight bits, of what the rounded numbers stand for.

R rows · K features in · N features out
"""

from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from numba import njit
from torch import Tensor

from minnow.layers.matrix_units import has_units, keep_shape, set_shape, shape_for
from minnow.layers.packed import Packed, pack, room_for
from minnow.layers.packed_transformer import give
from minnow.layers.tiles import arithmetics_here

SHAPES = [(8, 32, 32), (1, 1, 1), (7, 5, 33), (9, 30, 31), (16, 64, 70), (3, 101, 64), (32, 129, 96), (81, 20, 40)]


class Products(NamedTuple):
    """How they are made here."""

    arithmetic: str
    in_units: bool

    def packed(self, weight_NK: Tensor) -> Packed:
        return pack(weight_NK, self.arithmetic)._replace(in_units=self.in_units)

    def of(self, rows_RK: Tensor, weight_NK: Tensor, onto: float = 0) -> Tensor:
        out_RN = np.full((len(rows_RK), len(weight_NK)), onto, np.float32)
        give(rows_RK.numpy(), self.packed(weight_NK), room_for(len(rows_RK), rows_RK.shape[1], self.arithmetic), out_RN)
        return torch.from_numpy(out_RN)


def numbers(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def narrow(x: Tensor, arithmetic: str) -> Tensor:
    """What stays of numbers; in eight bits 255 steps between the largest of a row and its negative."""
    if arithmetic == "int8":
        step = x.abs().amax(1, keepdim=True) / 127
        return (x / step).round() * step
    return x.bfloat16().float() if arithmetic == "bfloat16" else x


@pytest.fixture(params=[("float32", False), ("bfloat16", False), ("bfloat16", True), ("int8", False), ("int8", True)])
def products(request: pytest.FixtureRequest) -> Any:
    found = Products(*request.param)
    if found.arithmetic not in arithmetics_here():
        pytest.skip(f"this processor multiplies no tiles in {found.arithmetic}")
    if found.in_units and not has_units(found.arithmetic):
        pytest.skip(f"this processor has no matrix units for {found.arithmetic}")
    return found


@pytest.mark.parametrize("shape", SHAPES)
def test_rows_of_any_number_and_size_are_multiplied(shape: tuple[int, int, int], products: Products) -> None:
    num_rows, size, num_columns = shape
    rows_RK, weight_NK = numbers(num_rows, size, seed=1), numbers(num_columns, size, seed=2)
    wanted_RN = narrow(rows_RK, products.arithmetic).double() @ narrow(weight_NK, products.arithmetic).double().T
    torch.testing.assert_close(products.of(rows_RK, weight_NK).double(), wanted_RN, atol=2e-4, rtol=1e-4)
    onto = products.of(rows_RK, weight_NK, onto=3)
    torch.testing.assert_close(onto.double(), wanted_RN + 3, atol=2e-4, rtol=1e-4)


def test_a_row_alone_is_the_row_in_a_batch(products: Products) -> None:
    rows_RK, weight_NK = numbers(41, 40, seed=3), numbers(50, 40, seed=4)
    together = products.of(rows_RK, weight_NK)
    for r in range(41):
        assert torch.equal(products.of(rows_RK[r : r + 1], weight_NK)[0], together[r])


def test_rows_and_columns_of_nothing_give_nothing(products: Products) -> None:
    rows_RK, weight_NK = numbers(3, 9, seed=5), numbers(4, 9, seed=6)
    rows_RK[1], weight_NK[2] = 0, 0
    found = products.of(rows_RK, weight_NK)
    assert not found[1].any()
    assert not found[:, 2].any()
    assert found[0, 0] != 0


def test_a_library_finds_the_tiles_as_it_left_them(products: Products) -> None:
    """A product in bfloat16 of torch's, which takes the same units, before and after is one and the same."""
    rows_RK, weight_NK = numbers(70, 64, seed=7), numbers(96, 64, seed=8)
    left, right = numbers(90, 80, seed=9).bfloat16(), numbers(80, 50, seed=10).bfloat16()
    wanted, ours = left @ right, products.of(rows_RK, weight_NK)
    for _ in range(3):
        assert torch.equal(left @ right, wanted)
        assert torch.equal(products.of(rows_RK, weight_NK), ours)


def test_tiles_keep_the_shape_that_they_had(products: Products) -> None:
    if not products.in_units:
        pytest.skip("vector units have no tiles")
    had, left = np.zeros(64, np.uint8), np.ones(64, np.uint8)
    _set_shape(5, had)
    products.of(numbers(40, 64, seed=7), numbers(96, 64, seed=8))
    _kept_shape(left)
    _unset_shape(np.zeros(64, np.uint8))
    assert had.any()
    assert (left == had).all()


@njit
def _set_shape(num_rows: int, shape: Any) -> None:
    shape_for(num_rows, shape)
    set_shape(shape)


@njit
def _unset_shape(shape: Any) -> None:
    set_shape(shape)


@njit
def _kept_shape(shape: Any) -> None:
    keep_shape(shape)
