"""Causal self-attention for training on processors: matrix products, and the softmax between them in numba.

The library's fused attention is made for long texts; at the few hundred positions of a small model its backward pass
takes six times its forward pass, a quarter of a training step. Here the scores of a block of queries are one batched
product, and only the keys that the block may see are multiplied at all.

B rows · H heads · G heads of keys · S positions · D features of a head
Q queries of a block · K keys that a block sees
"""

import math
from typing import Any

import numpy as np
import torch
from numba import njit
from torch import Tensor
from torch.nn import functional as F

from minnow.layers.vector_math import FAST, LOG2_E, array_of, powers_in_place, put, suits_kernels, wide

BLOCK = 128  # queries
LONGEST = 1024  # beyond, the scores of all positions would fill the memory, and the library's way is the faster one


def causal_attention(query_BHSD: Tensor, key_BGSD: Tensor, value_BGSD: Tensor, scale: float | None = None) -> Tensor:
    """softmax(q k' · scale) v over the positions up to each query's own; ``scale`` is 1 / sqrt(D) by default.

    Each of the G heads of keys and values serves H / G heads of queries. Takes the kernels of this file in a training
    step of one thread on a processor, else the library's.
    """
    groups = query_BHSD.shape[1] // key_BGSD.shape[1]
    scale = scale if scale is not None else 1 / math.sqrt(query_BHSD.shape[-1])
    if torch.is_autocast_enabled("cpu") and query_BHSD.device.type == "cpu":
        query_BHSD, key_BGSD, value_BGSD = (x.to(torch.bfloat16) for x in (query_BHSD, key_BGSD, value_BGSD))
    if query_BHSD.shape[2] > LONGEST or not suits_kernels(query_BHSD):
        return F.scaled_dot_product_attention(
            query_BHSD, key_BGSD, value_BGSD, is_causal=True, scale=scale, enable_gqa=groups > 1
        )
    if groups > 1:
        key_BGSD, value_BGSD = (x.repeat_interleave(groups, dim=1) for x in (key_BGSD, value_BGSD))
    attended: Tensor = _CausalAttention.apply(query_BHSD, key_BGSD, value_BGSD, scale)  # type: ignore[no-untyped-call]
    return attended


class _CausalAttention(torch.autograd.Function):
    """The probabilities P are kept from the forward pass; with O = P V the backward pass is
    dV = P' dO, dP = dO V', dS = P (dP - sum(P dP)), dQ = dS K, dK = dS' Q.

    One row after the other, so that what a row needs stays in the cache. The heads of a row are read and written where
    they lie, which is side by side at each position.
    """

    @staticmethod
    def forward(context: Any, query_BHSD: Tensor, key_BHSD: Tensor, value_BHSD: Tensor, scale: float) -> Tensor:
        attended_BHSD = _like(query_BHSD)
        kept = []
        for row, query_HSD in enumerate(query_BHSD):
            for first, last in _blocks(query_BHSD.shape[2]):
                seen = key_BHSD[row, :, :last], value_BHSD[row, :, :last]
                weights_HQK = torch.bmm(query_HSD[:, first:last], seen[0].transpose(1, 2))
                _softmax(array_of(weights_HQK), first, scale)
                torch.bmm(weights_HQK, seen[1], out=attended_BHSD[row, :, first:last])
                kept.append(weights_HQK)
        context.save_for_backward(query_BHSD, key_BHSD, value_BHSD, *kept)
        context.scale = scale
        return attended_BHSD

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        query_BHSD, key_BHSD, value_BHSD, *kept = context.saved_tensors
        d_query, d_key, d_value = _like(query_BHSD), _like(key_BHSD), _like(value_BHSD)
        blocks = _blocks(query_BHSD.shape[2])
        for row, gradient_HSD in enumerate(gradients[0]):
            for block in reversed(range(len(blocks))):
                first, last = blocks[block]
                weights_HQK = kept[row * len(blocks) + block]
                query_HQD, gradient_HQD = query_BHSD[row, :, first:last], gradient_HSD[:, first:last]
                d_scores_HQK = torch.bmm(gradient_HQD, value_BHSD[row, :, :last].transpose(1, 2))
                _softmax_backward(array_of(weights_HQK), array_of(d_scores_HQK), first, context.scale)
                torch.bmm(d_scores_HQK, key_BHSD[row, :, :last], out=d_query[row, :, first:last])
                # Blocks come last first, so the first is as long as the row and the others are added to it.
                begun = block < len(blocks) - 1
                _into(d_key[row, :, :last], d_scores_HQK, query_HQD, begun)
                _into(d_value[row, :, :last], weights_HQK, gradient_HQD, begun)
        return d_query, d_key, d_value, None


def _into(total_HKD: Tensor, weights_HQK: Tensor, part_HQD: Tensor, begun: bool) -> None:
    """weights' part, written to ``total_HKD`` or added to what it holds."""
    if begun:
        total_HKD += torch.bmm(weights_HQK.transpose(1, 2), part_HQD)
    else:
        torch.bmm(weights_HQK.transpose(1, 2), part_HQD, out=total_HKD)


def _like(x_BHSD: Tensor) -> Tensor:
    """Room for as much, the heads of a position side by side."""
    num_rows, num_heads, num_positions, head_size = x_BHSD.shape
    return x_BHSD.new_empty(num_rows, num_positions, num_heads, head_size).transpose(1, 2)


def _blocks(num_positions: int) -> list[tuple[int, int]]:
    return [(first, min(first + BLOCK, num_positions)) for first in range(0, num_positions, BLOCK)]


_NOTHING = np.float32(-3e38)


@njit(inline="always", **FAST)  # type: ignore[untyped-decorator]
def _whole_vectors(length: Any) -> Any:
    """``length`` rounded up to what the vector instructions take at once: what is left over goes number by number."""
    return (length + 31) & ~31


@njit(**FAST)  # type: ignore[untyped-decorator]
def _softmax(scores_HQK: Any, first: int, scale: float) -> None:
    """Softmax of each query's scores up to its own position, in place; behind it zeros. ``first`` is where the queries
    begin."""
    num_keys = scores_HQK.shape[2]
    x = np.empty(num_keys, np.float32)
    to_base_2 = np.float32(scale * LOG2_E)
    for n in range(scores_HQK.shape[0]):
        for q in range(scores_HQK.shape[1]):
            row = scores_HQK[n, q]
            seen = first + q + 1
            end = min(num_keys, _whole_vectors(seen))
            for k in range(end):
                x[k] = wide(row[k])
            for k in range(seen, end):
                x[k] = _NOTHING
            _, total = powers_in_place(x, end, to_base_2)
            share = np.float32(1) / total
            for k in range(end):
                put(row, k, x[k] * share)
            for k in range(seen, num_keys):
                row[k] = 0


@njit(**FAST)  # type: ignore[untyped-decorator]
def _softmax_backward(weights_HQK: Any, gradient_HQK: Any, first: int, scale: float) -> None:
    """The gradient of the scores from that of the weights, in place."""
    num_keys = weights_HQK.shape[2]
    factor = np.float32(scale)
    for n in range(weights_HQK.shape[0]):
        for q in range(weights_HQK.shape[1]):
            weights, gradient = weights_HQK[n, q], gradient_HQK[n, q]
            end = min(num_keys, _whole_vectors(first + q + 1))  # behind what is seen the weights are zero
            mean = np.float32(0)
            for k in range(end):
                mean += wide(weights[k]) * wide(gradient[k])
            for k in range(end):
                put(gradient, k, wide(weights[k]) * (wide(gradient[k]) - mean) * factor)
            for k in range(end, num_keys):
                gradient[k] = 0
