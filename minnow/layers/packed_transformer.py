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
    features = size // num_heads
    for b in range(starts_B1.size - 1):
        start, end = starts_B1[b], starts_B1[b + 1]
        scores = np.empty(end - start, np.float32)
        for t in range(start, end):
            _turn(mixed_TD[t], 2 * num_heads, cosines_SE[t - start], sines_SE[t - start])
        for t in range(start, end):
            for h in range(num_heads):
                first, last = h * features, (h + 1) * features
                query, taken = mixed_TD[t, first:last], taken_TD[t, first:last]
                for s in range(scores.size):
                    scores[s] = _dot(query, mixed_TD[start + s, size + first : size + last])
                _weigh(scores, features)
                taken[:] = 0
                for s in range(scores.size):
                    _add(taken, scores[s], mixed_TD[start + s, 2 * size + first : 2 * size + last])


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
    features, newest = size // num_heads, columns_RN.shape[1] - 1
    scores = np.empty(newest + 1, np.float32)
    for r in range(num_rows):
        _turn(mixed_RD[r], 2 * num_heads, cosine_E, sine_E)
        written_NRD[newest, columns_RN[r, newest], :] = mixed_RD[r, size:]
        for h in range(num_heads):
            first, last = h * features, (h + 1) * features
            query, taken = mixed_RD[r, first:last], taken_RD[r, first:last]
            for n in range(newest + 1):
                scores[n] = _dot(query, written_NRD[n, columns_RN[r, n], first:last])
            _weigh(scores, features)
            taken[:] = 0
            for n in range(newest + 1):
                _add(taken, scores[n], written_NRD[n, columns_RN[r, n], size + first : size + last])


@njit(**FAST)  # type: ignore[untyped-decorator]
def look_across(asked_RD: Any, memory_TD: Any, starts_B1: Any, sources_R: Any, num_heads: int, taken_RD: Any) -> None:
    """Attention of each row to its source, of whose tokens ``memory_TD`` has keys and then values."""
    num_rows, size = taken_RD.shape
    features = size // num_heads
    for r in range(num_rows):
        start, end = starts_B1[sources_R[r]], starts_B1[sources_R[r] + 1]
        scores = np.empty(end - start, np.float32)
        for h in range(num_heads):
            first, last = h * features, (h + 1) * features
            query, taken = asked_RD[r, first:last], taken_RD[r, first:last]
            for s in range(scores.size):
                scores[s] = _dot(query, memory_TD[start + s, first:last])
            _weigh(scores, features)
            taken[:] = 0
            for s in range(scores.size):
                _add(taken, scores[s], memory_TD[start + s, size + first : size + last])


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
def _dot(first: Any, second: Any) -> Any:
    total = np.float32(0)
    for e in range(first.size):
        total += first[e] * second[e]
    return total


@njit(**FAST)  # type: ignore[untyped-decorator]
def _add(out: Any, share: Any, x: Any) -> None:
    for e in range(out.size):
        out[e] += share * x[e]


@njit(**FAST)  # type: ignore[untyped-decorator]
def _weigh(scores: Any, features: int) -> None:
    """The softmax of the scores over sqrt(E)."""
    _, total = powers_in_place(scores, scores.size, np.float32(LOG2_E) / np.sqrt(np.float32(features)))
    for s in range(scores.size):
        scores[s] /= total
