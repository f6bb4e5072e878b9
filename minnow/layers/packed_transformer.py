"""What stands between the products of a transformer that translates, in kernels for one thread.

A library takes a dozen calls for it in every block, which at a step of a search cost more than the products.

T tokens of all sources, one source behind the other · B sources · R rows that are written · N tokens of a row so far
S positions of a source · H heads · E features of a head · D features · I inner features
"""

from typing import Any

import numpy as np
from numba import njit

from minnow.layers.packed import product, take
from minnow.layers.vector_math import FAST, LOG2_E, exp2, powers_in_place, wide


@njit(**FAST)  # type: ignore[untyped-decorator]
def embed(token_ids_R: Any, table_VD: Any, scale: float, out_RD: Any) -> None:
    """The vectors of tokens times ``scale``."""
    factor = np.float32(scale)
    for r in range(token_ids_R.size):
        row, out = table_VD[token_ids_R[r]], out_RD[r]
        for d in range(out.size):
            out[d] = wide(row[d]) * factor


@njit(**FAST)  # type: ignore[untyped-decorator]
def read(x_RD: Any, norm_D: Any, eps: float, packed: Any, room: Any, out_RN: Any) -> None:
    """The product of x / sqrt(mean(x²) + eps) · norm with a matrix."""
    size = x_RD.shape[1]
    normed = np.empty(size, np.float32)
    for r in range(x_RD.shape[0]):
        x = x_RD[r]
        total = np.float32(0)
        for d in range(size):
            total += x[d] * x[d]
        scale = np.float32(1) / np.sqrt(total / np.float32(size) + np.float32(eps))
        for d in range(size):
            normed[d] = x[d] * scale * norm_D[d]
        take(normed, room.numbers, room.scales, r)
    product(room, packed, out_RN, False)


@njit(**FAST)  # type: ignore[untyped-decorator]
def give(taken_RK: Any, packed: Any, room: Any, x_RD: Any) -> None:
    """The product of what was taken with a matrix, onto ``x_RD``."""
    for r in range(taken_RK.shape[0]):
        take(taken_RK[r], room.numbers, room.scales, r)
    product(room, packed, x_RD, True)


@njit(**FAST)  # type: ignore[untyped-decorator]
def gate(both_RI: Any, gated_RI: Any) -> None:
    """The first half of the features, under SiLU, times the second."""
    size = gated_RI.shape[1]
    for r in range(gated_RI.shape[0]):
        both, gated = both_RI[r], gated_RI[r]
        for i in range(size):
            share = np.float32(1) / (np.float32(1) + exp2(-both[i] * np.float32(LOG2_E)))
            gated[i] = both[i] * share * both[size + i]


@njit(**FAST)  # type: ignore[untyped-decorator]
def look_around(mixed_TD: Any, starts_B1: Any, cosines_SE: Any, sines_SE: Any, num_heads: int, taken_TD: Any) -> None:
    """Attention of each source to itself; ``mixed_TD`` has queries, keys and values, which are turned in place, and
    source b the tokens from ``starts_B1[b]`` to the next start."""
    size = taken_TD.shape[1]
    for b in range(starts_B1.size - 1):
        start, end = starts_B1[b], starts_B1[b + 1]
        scores_HS = np.empty((num_heads, end - start), np.float32)
        for t in range(start, end):
            _turn(mixed_TD[t], 2 * num_heads, cosines_SE[t - start], sines_SE[t - start])
        for t in range(start, end):
            for s in range(end - start):
                _score(mixed_TD[t], mixed_TD[start + s, size:], size, scores_HS, s)
            _weigh(scores_HS, size)
            taken = taken_TD[t]
            taken[:] = 0
            for s in range(end - start):
                _add(taken, scores_HS, s, mixed_TD[start + s, 2 * size :])


@njit(**FAST)  # type: ignore[untyped-decorator]
def look_back(
    mixed_RD: Any, written_NRD: Any, columns_RN: Any, cosine_E: Any, sine_E: Any, num_heads: int, taken_RD: Any
) -> None:
    """Attention of the newest token of each row to what the row has written, itself included.

    Args:
        mixed_RD: queries, keys and values of that token.
        written_NRD: keys and then values of all tokens [N, rows, 2 D]; those of the newest go in.
        columns_RN: in which of the rows of ``written_NRD`` those of row r at place n stand.
    """
    num_rows, size = taken_RD.shape
    newest = columns_RN.shape[1] - 1
    scores_HN = np.empty((num_heads, newest + 1), np.float32)
    for r in range(num_rows):
        _turn(mixed_RD[r], 2 * num_heads, cosine_E, sine_E)
        written_NRD[newest, columns_RN[r, newest], :] = mixed_RD[r, size:]
        for n in range(newest + 1):
            _score(mixed_RD[r], written_NRD[n, columns_RN[r, n]], size, scores_HN, n)
        _weigh(scores_HN, size)
        taken = taken_RD[r]
        taken[:] = 0
        for n in range(newest + 1):
            _add(taken, scores_HN, n, written_NRD[n, columns_RN[r, n], size:])


@njit(**FAST)  # type: ignore[untyped-decorator]
def look_across(asked_RD: Any, memory_TD: Any, starts_B1: Any, sources_R: Any, num_heads: int, taken_RD: Any) -> None:
    """Attention of each row to its source, of whose tokens ``memory_TD`` has keys and then values."""
    num_rows, size = taken_RD.shape
    for r in range(num_rows):
        start, end = starts_B1[sources_R[r]], starts_B1[sources_R[r] + 1]
        scores_HS = np.empty((num_heads, end - start), np.float32)
        for s in range(end - start):
            _score(asked_RD[r], memory_TD[start + s], size, scores_HS, s)
        _weigh(scores_HS, size)
        taken = taken_RD[r]
        taken[:] = 0
        for s in range(end - start):
            _add(taken, scores_HS, s, memory_TD[start + s, size:])


@njit(**FAST)  # type: ignore[untyped-decorator]
def _turn(x: Any, num_heads: int, cosine_E: Any, sine_E: Any) -> None:
    """Feature d of each head with d + E/2, by their angle; E/2 cosines and sines."""
    half = cosine_E.size
    for h in range(num_heads):
        at = 2 * h * half
        for d in range(half):
            first, second = x[at + d], x[at + half + d]
            x[at + d] = first * cosine_E[d] - second * sine_E[d]
            x[at + half + d] = second * cosine_E[d] + first * sine_E[d]


@njit(**FAST)  # type: ignore[untyped-decorator]
def _score(query_D: Any, key_D: Any, size: int, scores_HS: Any, s: int) -> None:
    """A query against one key in all heads, which lie side by side: memory is read in its order, as it must be where
    keys do not fit into the cache."""
    num_heads = scores_HS.shape[0]
    features = size // num_heads
    for h in range(num_heads):
        first, last = h * features, (h + 1) * features
        query, key, total = query_D[first:last], key_D[first:last], np.float32(0)
        for e in range(query.size):
            total += query[e] * key[e]
        scores_HS[h, s] = total


@njit(**FAST)  # type: ignore[untyped-decorator]
def _weigh(scores_HS: Any, size: int) -> None:
    """The softmax of the scores over sqrt(E)."""
    num_heads = scores_HS.shape[0]
    to_base_2 = np.float32(LOG2_E) / np.sqrt(np.float32(size // num_heads))
    for h in range(num_heads):
        scores = scores_HS[h]
        _, total = powers_in_place(scores, scores.size, to_base_2)
        for s in range(scores.size):
            scores[s] /= total


@njit(**FAST)  # type: ignore[untyped-decorator]
def _add(taken_D: Any, shares_HS: Any, s: int, value_D: Any) -> None:
    """A value times each head's share of it."""
    num_heads = shares_HS.shape[0]
    features = taken_D.size // num_heads
    for h in range(num_heads):
        first, last = h * features, (h + 1) * features
        taken, value, share = taken_D[first:last], value_D[first:last], shares_HS[h, s]
        for e in range(taken.size):
            taken[e] += share * value[e]
