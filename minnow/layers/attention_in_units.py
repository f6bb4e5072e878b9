"""Attention for training in the matrix units of a processor, head by head.

All of a head of a small model lies in a core's cache, so its scores never leave it: forward keeps for each query the
logarithm of what its weights were divided by, and backward makes the weights again from it (Dao et al. 2022,
"FlashAttention"). Queries and keys are read where the layer before wrote them.

B rows · H heads · T queries · S keys · E features of a head · blocks of 32 queries and of 32 keys
"""

from typing import Any, NamedTuple

import numpy as np
import torch
from numba import njit
from torch import Tensor
from torch.autograd.function import once_differentiable

from minnow.layers.matrix_units import SHAPE_BYTES, set_shape, set_whole_shape, stacked_tiles, tiles
from minnow.layers.softmax_rows import softmax_row, softmax_row_backward
from minnow.layers.turning import PAIRS, WIDTH, copy_row, crossed, filled, interleaved, put_row, turned
from minnow.layers.vector_code import LANES
from minnow.layers.vector_math import FAST, LOG2_E, array_of, put


class _Side(NamedTuple):
    """Queries, keys or values [B, H, S, E] as they lie in memory.

    Attributes:
        numbers: all of them, as uint16.
        row, head, position: how many numbers lie between two.
    """

    numbers: Any
    row: int
    head: int
    position: int


def attention_in_units(
    query_BHTE: Tensor, key_BHSE: Tensor, value_BHSE: Tensor, scale: float, queries_B: Any, keys_B: Any, causal: bool
) -> Tensor:
    """softmax(q k' · scale) v [B, H, T, E] in bfloat16; for one thread.

    Args:
        queries_B, keys_B: how many of each row count, from its first; the others are 0 in what comes out, and learn
            nothing.
        causal: a query sees the keys up to its own place.
    """
    given = query_BHTE, key_BHSE, value_BHSE, scale, queries_B, keys_B, causal
    return _Attention.apply(*given)  # type: ignore[no-any-return, no-untyped-call]


class _Room(NamedTuple):
    """Where a head is worked on; K keys and T queries that fill up blocks, E features that fill up steps.

    Attributes:
        rows, given: queries and what came back for them [T, E].
        positions: keys or values [K, E].
        key_columns, value_columns: the same as columns of features; see ``_as_columns``.
        query_steps, given_steps, key_steps, value_steps: features as columns of positions; see ``_as_steps``.
        scores, of_weights: of a block of queries [32, K]; single precision.
        weights, of_scores: the same [32, K].
        turned_weights, turned_scores: of all blocks, keys in the place of queries [K T].
        sums: of a product [32, 32].
        shares: what the weights of each query were divided by, as a factor [32]; ones in backward.
    """

    rows: Any
    given: Any
    positions: Any
    key_columns: Any
    value_columns: Any
    query_steps: Any
    given_steps: Any
    key_steps: Any
    value_steps: Any
    scores: Any
    of_weights: Any
    weights: Any
    of_scores: Any
    turned_weights: Any
    turned_scores: Any
    sums: Any
    shares: Any


class _Attention(torch.autograd.Function):
    @staticmethod
    def forward(
        context: Any,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        scale: float,
        queries_B: Any,
        keys_B: Any,
        causal: bool,
    ) -> Tensor:
        attended = _room_for(query)
        norms_BHT = torch.empty(query.shape[:3])
        rest = scale, queries_B, keys_B, causal
        _forward(_side(query), _side(key), _side(value), _lying(attended), array_of(norms_BHT), *rest)
        context.save_for_backward(query, key, value, norms_BHT)
        context.rest = rest
        return attended

    @staticmethod
    @once_differentiable
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, norms_BHT = context.saved_tensors
        found = [_room_for(one) for one in (query, key, value)]
        sides = (_side(one) for one in (query, key, value, gradients[0]))
        _backward(*sides, array_of(norms_BHT), *map(_lying, found), *context.rest)
        return *found, None, None, None, None


def _side(x_BHSE: Tensor) -> _Side:
    if x_BHSE.stride(3) != 1:
        x_BHSE = x_BHSE.contiguous()
    row, head, position, _ = x_BHSE.stride()
    span = 1 + sum((size - 1) * step for size, step in zip(x_BHSE.shape, x_BHSE.stride(), strict=True))
    return _Side(array_of(x_BHSE.as_strided((max(0, span),), (1,))), row, head, position)


def _room_for(x_BHSE: Tensor) -> Tensor:
    """For as much, the heads of a position side by side, which is where the next layer wants them."""
    num_rows, num_heads, num_positions, size = x_BHSE.shape
    return x_BHSE.new_empty(num_rows, num_positions, num_heads, size).transpose(1, 2)


def _lying(x_BHSE: Tensor) -> Any:
    return array_of(x_BHSE.transpose(1, 2))


@njit(**FAST)  # type: ignore[untyped-decorator]
def _forward(
    query: Any,
    key: Any,
    value: Any,
    attended_BTHE: Any,
    norms_BHT: Any,
    scale: float,
    queries_B: Any,
    keys_B: Any,
    causal: bool,
) -> None:
    num_rows, num_queries, num_heads, size = attended_BTHE.shape
    room = _room(num_queries, keys_B.max(), size)
    before = np.empty(SHAPE_BYTES, np.uint8)
    set_whole_shape(before)
    for b in range(num_rows):
        count, length = min(num_queries, queries_B[b]), keys_B[b]
        attended_BTHE[b, count:] = 0
        for h in range(num_heads):
            _gather(query, b, h, count, size, room.rows)
            _gather(key, b, h, length, size, room.positions)
            _as_columns(room.positions, length, room.key_columns)
            _gather(value, b, h, length, size, room.positions)
            _as_steps(room.positions, length, room.value_steps)
            _attend(room, count, length, np.float32(scale), causal, attended_BTHE[b, :, h], norms_BHT[b, h])
    set_shape(before)


@njit(**FAST)  # type: ignore[untyped-decorator]
def _attend(room: Any, count: int, length: int, scale: Any, causal: bool, attended_TE: Any, norms_T: Any) -> None:
    """What the queries of a head take."""
    size = attended_TE.shape[1]
    to_base_2 = scale * np.float32(LOG2_E)
    for first in range(0, count, WIDTH):
        end = filled(min(length, first + WIDTH) if causal else length)
        _products(room.rows, first, room.key_columns, end, room.scores)
        for i in range(min(WIDTH, count - first)):
            sees = min(length, first + i + 1) if causal else length
            if sees:
                highest, total = softmax_row(room.scores, i, sees, end, to_base_2, room.weights)
                room.shares[i], norms_T[first + i] = np.float32(1) / total, highest * to_base_2 + np.log2(total)
            else:
                room.shares[i], norms_T[first + i] = 0, 0
        for c in range(0, size, WIDTH):
            tiles(room.weights, 0, room.weights.shape[1], room.value_steps, c * filled(length), end // 2, room.sums)
            _put_rows(room.sums, room.shares, attended_TE, first, count, c)


@njit(**FAST)  # type: ignore[untyped-decorator]
def _backward(
    query: Any,
    key: Any,
    value: Any,
    given: Any,
    norms_BHT: Any,
    of_query_BTHE: Any,
    of_key_BSHE: Any,
    of_value_BSHE: Any,
    scale: float,
    queries_B: Any,
    keys_B: Any,
    causal: bool,
) -> None:
    """With P the weights and G the gradient of what was taken: dV = P' G, dS = P (G V' - sum(P G V')), dQ = dS K,
    dK = dS' Q."""
    num_rows, num_queries, num_heads, size = of_query_BTHE.shape
    room = _room(num_queries, keys_B.max(), size)
    before = np.empty(SHAPE_BYTES, np.uint8)
    set_whole_shape(before)
    for b in range(num_rows):
        count, length = min(num_queries, queries_B[b]), keys_B[b]
        of_query_BTHE[b, count:] = 0
        of_key_BSHE[b, length:] = 0
        of_value_BSHE[b, length:] = 0
        for h in range(num_heads):
            _gather(query, b, h, count, size, room.rows)
            _as_steps(room.rows, count, room.query_steps)
            _gather(given, b, h, count, size, room.given)
            _as_steps(room.given, count, room.given_steps)
            _gather(key, b, h, length, size, room.positions)
            _as_columns(room.positions, length, room.key_columns)
            _as_steps(room.positions, length, room.key_steps)
            _gather(value, b, h, length, size, room.positions)
            _as_columns(room.positions, length, room.value_columns)
            _to_queries(room, count, length, np.float32(scale), causal, norms_BHT[b, h], of_query_BTHE[b, :, h])
            _to_keys(room, count, length, causal, of_key_BSHE[b, :, h], of_value_BSHE[b, :, h])
    set_shape(before)


@njit(**FAST)  # type: ignore[untyped-decorator]
def _to_queries(room: Any, count: int, length: int, scale: Any, causal: bool, norms_T: Any, of_query_TE: Any) -> None:
    """The gradient of a head's queries; its weights, and the gradient of its scores, are kept for that of the keys."""
    size, high, width = of_query_TE.shape[1], filled(count), room.weights.shape[1]
    to_base_2 = scale * np.float32(LOG2_E)
    for first in range(0, count, WIDTH):
        end = filled(min(length, first + WIDTH) if causal else length)
        _products(room.rows, first, room.key_columns, end, room.scores)
        _products(room.given, first, room.value_columns, end, room.of_weights)
        for i in range(WIDTH):
            sees, norm = 0, np.float32(0)  # a query that only fills up a block sees nothing
            if first + i < count:
                sees, norm = min(length, first + i + 1) if causal else length, norms_T[first + i]
            given, found = (room.scores, room.of_weights), (room.weights, room.of_scores)
            softmax_row_backward(*given, i, sees, end, to_base_2, norm, scale, *found)
        for c in range(0, size, WIDTH):
            tiles(room.of_scores, 0, width, room.key_steps, c * filled(length), end // 2, room.sums)
            _put_rows(room.sums, room.shares, of_query_TE, first, count, c)
        for k in range(0, end, PAIRS):
            panel = k // WIDTH * WIDTH
            at = panel * high + first * WIDTH + (k - panel) * WIDTH
            turned(room.weights, k, width, room.turned_weights, at)
            turned(room.of_scores, k, width, room.turned_scores, at)


@njit(**FAST)  # type: ignore[untyped-decorator]
def _to_keys(room: Any, count: int, length: int, causal: bool, of_key_SE: Any, of_value_SE: Any) -> None:
    size, high = of_key_SE.shape[1], filled(count)
    for k in range(0, length, WIDTH):
        first = k if causal else 0  # before it no query sees any of these keys
        if first >= high:
            of_key_SE[k:] = 0
            of_value_SE[k:] = 0
            break
        at, steps = k * high + first * WIDTH, (high - first) // 2
        for c in range(0, size, WIDTH):
            column = c * high + first * WIDTH
            stacked_tiles(room.turned_weights, at, WIDTH, room.given_steps, column, steps, room.sums)
            _put_rows(room.sums, room.shares, of_value_SE, k, length, c)
            stacked_tiles(room.turned_scores, at, WIDTH, room.query_steps, column, steps, room.sums)
            _put_rows(room.sums, room.shares, of_key_SE, k, length, c)


@njit(**FAST)  # type: ignore[untyped-decorator]
def _room(num_queries: int, num_keys: int, size: int) -> Any:
    high, long, wide_size = filled(num_queries), filled(max(1, num_keys)), filled(size)
    return _Room(
        np.empty((high, wide_size), np.uint16),
        np.empty((high, wide_size), np.uint16),
        np.empty((long, wide_size), np.uint16),
        np.empty(long * wide_size, np.uint16),
        np.empty(long * wide_size, np.uint16),
        np.empty(high * wide_size, np.uint16),
        np.empty(high * wide_size, np.uint16),
        np.empty(long * wide_size, np.uint16),
        np.empty(long * wide_size, np.uint16),
        np.empty((WIDTH, long), np.float32),
        np.empty((WIDTH, long), np.float32),
        np.zeros((WIDTH, long), np.uint16),  # of rows that only fill up a block what lies there must be numbers
        np.zeros((WIDTH, long), np.uint16),
        np.empty(long * high, np.uint16),
        np.empty(long * high, np.uint16),
        np.empty((WIDTH, WIDTH), np.float32),
        np.ones(WIDTH, np.float32),
    )


@njit(**FAST)  # type: ignore[untyped-decorator]
def _products(rows: Any, first: int, columns: Any, end: int, to: Any) -> None:
    """Of 32 rows from the first with so many columns."""
    size = rows.shape[1]
    for n in range(0, end, WIDTH):
        tiles(rows, first * size, size, columns, n * size, size // 2, to[:, n : n + WIDTH])


@njit(**FAST)  # type: ignore[untyped-decorator]
def _put_rows(sums: Any, factors: Any, out: Any, first: int, end: int, c: int) -> None:
    """Sums, each row times its factor, as rows from the first, and as features from ``c``."""
    features = min(WIDTH, out.shape[1] - c)
    whole = features // LANES
    for i in range(min(WIDTH, end - first)):
        put_row(sums, i, factors[i], out, first + i, c, whole)
        for e in range(whole * LANES, features):
            put(out, (first + i, c + e), sums[i, e] * factors[i])


@njit(**FAST)  # type: ignore[untyped-decorator]
def _gather(side: Any, b: int, h: int, count: int, size: int, to: Any) -> None:
    """A head of a row; zeros where a block has more positions or features."""
    start, whole, wide = b * side.row + h * side.head, size // LANES, to.shape[1]
    for n in range(count):
        at = start + n * side.position
        copy_row(side.numbers, at, to, n, whole)
        for e in range(whole * LANES, size):
            to[n, e] = side.numbers[at + e]
        for e in range(size, wide):
            to[n, e] = 0
    to[count : filled(count)] = 0


@njit(**FAST)  # type: ignore[untyped-decorator]
def _as_columns(x: Any, count: int, to: Any) -> None:
    """Positions as columns of features, 32 columns after the other."""
    size = x.shape[1]
    for n in range(0, filled(count), PAIRS):
        panel = n // WIDTH * WIDTH
        for e in range(0, size, WIDTH):
            crossed(x, n * size + e, size, to, panel * size + e * WIDTH + (n - panel) * 2)


@njit(**FAST)  # type: ignore[untyped-decorator]
def _as_steps(x: Any, count: int, to: Any) -> None:
    """Features as columns of positions, 32 columns after the other."""
    size, deep = x.shape[1], filled(count)
    for n in range(0, deep, 2):
        for e in range(0, size, WIDTH):
            interleaved(x, n * size + e, size, to, e * deep + n * WIDTH)
