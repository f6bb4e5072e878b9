"""Products with packed weights are the products; in eight bits, of what the rounded numbers stand for.

R rows · K features in · N features out
"""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from minnow.layers.packed import pack, room_for
from minnow.layers.packed_transformer import give
from minnow.layers.tiles import arithmetics_here

SHAPES = [(8, 32, 32), (1, 1, 1), (7, 5, 33), (9, 30, 31), (16, 64, 70), (3, 101, 64)]


def product(rows_RK: Tensor, weight_NK: Tensor, arithmetic: str, onto: float = 0) -> Tensor:
    out_RN = np.full((len(rows_RK), len(weight_NK)), onto, np.float32)
    give(rows_RK.numpy(), pack(weight_NK, arithmetic), room_for(*rows_RK.shape, arithmetic), out_RN)
    return torch.from_numpy(out_RN)


def numbers(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def narrow(x: Tensor, arithmetic: str) -> Tensor:
    """What stays of numbers; in eight bits 255 steps between the largest of a row and its negative."""
    if arithmetic == "int8":
        step = x.abs().amax(1, keepdim=True) / 127
        return (x / step).round() * step
    return x.bfloat16().float() if arithmetic == "bfloat16" else x


@pytest.fixture(params=["float32", "bfloat16", "int8"])
def arithmetic(request: pytest.FixtureRequest) -> Any:
    if request.param not in arithmetics_here():
        pytest.skip(f"this processor multiplies no tiles in {request.param}")
    return request.param


@pytest.mark.parametrize("shape", SHAPES)
def test_rows_of_any_number_and_size_are_multiplied(shape: tuple[int, int, int], arithmetic: str) -> None:
    num_rows, size, num_columns = shape
    rows_RK, weight_NK = numbers(num_rows, size, seed=1), numbers(num_columns, size, seed=2)
    wanted_RN = narrow(rows_RK, arithmetic).double() @ narrow(weight_NK, arithmetic).double().T
    torch.testing.assert_close(product(rows_RK, weight_NK, arithmetic).double(), wanted_RN, atol=2e-4, rtol=1e-4)
    onto = product(rows_RK, weight_NK, arithmetic, onto=3)
    torch.testing.assert_close(onto.double(), wanted_RN + 3, atol=2e-4, rtol=1e-4)


def test_a_row_alone_is_the_row_in_a_batch(arithmetic: str) -> None:
    rows_RK, weight_NK = numbers(11, 40, seed=3), numbers(50, 40, seed=4)
    together = product(rows_RK, weight_NK, arithmetic)
    for r in range(11):
        assert torch.equal(product(rows_RK[r : r + 1], weight_NK, arithmetic)[0], together[r])


def test_rows_and_columns_of_nothing_give_nothing(arithmetic: str) -> None:
    rows_RK, weight_NK = numbers(3, 9, seed=5), numbers(4, 9, seed=6)
    rows_RK[1], weight_NK[2] = 0, 0
    found = product(rows_RK, weight_NK, arithmetic)
    assert not found[1].any()
    assert not found[:, 2].any()
    assert found[0, 0] != 0
