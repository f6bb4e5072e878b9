"""Rows of scores as weights and back, against numpy in double precision."""

from typing import Any

import numpy as np
import pytest
from numba import njit

from minnow.layers.softmax_rows import softmax_row, softmax_row_backward

END = 48
SEES = [1, 15, 16, 17, 31, END]
FACTOR, SCALE = np.float32(0.7), np.float32(0.5)
BEHIND = [np.nan, np.inf, -np.inf, 3e38]  # what may lie behind what a query sees


@njit
def forward(scores: Any, row: int, sees: int, end: int, factor: Any, weights: Any) -> Any:
    return softmax_row(scores, row, sees, end, factor, weights)


@njit
def backward(scores: Any, of_weights: Any, row: int, sees: int, numbers: Any, weights: Any, of_scores: Any) -> None:
    factor, norm, scale = numbers
    softmax_row_backward(scores, of_weights, row, sees, weights.shape[1], factor, norm, scale, weights, of_scores)


def as_float(halves: Any) -> Any:
    return (halves.astype(np.uint32) << 16).view(np.float32).astype(np.float64)


def scores(sees: int, behind: float) -> Any:
    found = np.random.default_rng(sees).normal(0, 20, (3, END)).astype(np.float32)
    found[:, sees:] = behind
    return found


@pytest.mark.parametrize("behind", BEHIND)
@pytest.mark.parametrize("sees", SEES)
def test_weights_are_a_softmax_of_what_is_seen_and_nothing_behind(sees: int, behind: float) -> None:
    given, weights = scores(sees, behind), np.full((3, END), 7, np.uint16)
    highest, total = forward(given, 1, sees, END, FACTOR, weights)
    seen = given[1, :sees].astype(np.float64)
    right = 2 ** ((seen - seen.max()) * float(FACTOR))
    assert highest == np.float32(seen.max())
    assert total == pytest.approx(right.sum(), rel=1e-5)
    np.testing.assert_allclose(as_float(weights[1, :sees]), right, rtol=0.005, atol=1e-25)
    assert not weights[1, sees:].any()
    assert (weights[[0, 2]] == 7).all(), "the rows beside it are none of its own"


@pytest.mark.parametrize("behind", BEHIND)
@pytest.mark.parametrize("sees", [0, *SEES])
def test_the_way_back_is_that_of_a_softmax(sees: int, behind: float) -> None:
    given, upstream = scores(sees, behind), np.random.default_rng(9).normal(size=(3, END)).astype(np.float32)
    weights, of_scores = (np.full((3, END), 7, np.uint16) for _ in range(2))
    seen = given[2, :sees].astype(np.float64) * float(FACTOR)
    norm = np.log2((2 ** (seen - seen.max())).sum()) + seen.max() if sees else 0.0
    backward(given, upstream, 2, sees, (FACTOR, np.float32(norm), SCALE), weights, of_scores)
    right = 2 ** (seen - norm)
    np.testing.assert_allclose(as_float(weights[2, :sees]), right, rtol=0.005, atol=1e-25)
    mean = right @ upstream[2, :sees]
    wanted = right * (upstream[2, :sees] - mean) * float(SCALE)
    np.testing.assert_allclose(as_float(of_scores[2, :sees]), wanted, rtol=0.006, atol=1e-5)
    assert not as_float(weights[2, sees:]).any()
    assert not as_float(of_scores[2, sees:]).any()
    assert (weights[:2] == 7).all()
    assert (of_scores[:2] == 7).all()
