"""Self-attention for training on processors: matrix products, and the softmax between them in numba.

The library's fused attention is made for long texts; at the few hundred positions of a small model its backward pass
takes six times its forward pass, a quarter of a training step. Here the scores of a block of queries are one batched
product, and only the keys that some query of the block may see are multiplied at all. Where texts are read from left to
right a block is of all rows at once, for every call costs more than what it computes; where rows are padded they come
one after the other, so that padding costs nothing, unless they are as short as sentences. Where a processor has matrix
units, ``attention_in_units`` takes what is longer than that.

B rows · H heads · G heads of keys · S positions · D features of a head
Q queries of a block · K keys that a block sees · N heads of all rows · T queries where they are not the keys' positions
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numba import njit
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from minnow.layers.attention_in_units import attention_in_units
from minnow.layers.matrix_units import has_units_for
from minnow.layers.vector_code import NOTHING
from minnow.layers.vector_math import FAST, LOG2_E, array_of, powers_in_place, put, suits_kernels, wide

BLOCK = 128  # queries
SHORT = 64  # positions; up to here all rows are one product
LONGEST = 1024  # beyond, the scores of all positions would fill the memory, and the library's way is the faster one


def causal_attention(query_BHSD: Tensor, key_BGSD: Tensor, value_BGSD: Tensor, scale: float | None = None) -> Tensor:
    """softmax(q k' · scale) v over the positions up to each query's own; ``scale`` is 1 / sqrt(D) by default.

    Each of the G heads of keys and values serves H / G heads of queries. Takes the kernels of this file in a training
    step of one thread on a processor, else the library's.
    """
    groups = query_BHSD.shape[1] // key_BGSD.shape[1]
    scale = scale if scale is not None else 1 / math.sqrt(query_BHSD.shape[-1])
    query_BHSD, key_BGSD, value_BGSD = _cast(query_BHSD, key_BGSD, value_BGSD)
    if query_BHSD.shape[2] > LONGEST or not suits_kernels(query_BHSD):
        return F.scaled_dot_product_attention(
            query_BHSD, key_BGSD, value_BGSD, is_causal=True, scale=scale, enable_gqa=groups > 1
        )
    if groups > 1:
        key_BGSD, value_BGSD = (x.repeat_interleave(groups, dim=1) for x in (key_BGSD, value_BGSD))
    num_rows, num_heads, num_positions, _ = query_BHSD.shape
    if num_positions > SHORT and has_units_for(query_BHSD.dtype):
        counts_B = np.full(num_rows, num_positions)
        return attention_in_units(query_BHSD, key_BGSD, value_BGSD, scale, counts_B, counts_B, causal=True)
    blocks = _causal_blocks(num_positions, num_rows * num_heads)
    attended: Tensor = _AtOnce.apply(query_BHSD, key_BGSD, value_BGSD, scale, blocks)  # type: ignore[no-untyped-call]
    return attended


def padded_attention(
    query_BHTD: Tensor,
    key_BHSD: Tensor,
    value_BHSD: Tensor,
    lengths_B: Tensor,
    mask: Tensor,
    scale: float | None = None,
    *,
    across: bool = False,
) -> Tensor:
    """softmax(q k' · scale) v over the keys of each row that are text, in both directions.

    Args:
        lengths_B: how many keys of each row are text, which stand at its beginning.
        mask: the same as True [B, 1, 1, S], for the library. In a training step of one thread on a processor what comes
            behind a row may be 0; else it is as the library leaves it.
        across: the queries are another text's than the keys, whatever their number, so that ``lengths_B`` says nothing
            of them; else they stand at the same positions.
    """
    scale = scale if scale is not None else 1 / math.sqrt(query_BHTD.shape[-1])
    query_BHTD, key_BHSD, value_BHSD = _cast(query_BHTD, key_BHSD, value_BHSD)
    longest = max(query_BHTD.shape[2], key_BHSD.shape[2])
    in_units = longest > SHORT and has_units_for(query_BHTD.dtype)
    if longest > (SHORT if across and not in_units else LONGEST) or not suits_kernels(query_BHTD):
        return F.scaled_dot_product_attention(query_BHTD, key_BHSD, value_BHSD, mask, scale=scale)
    if in_units:
        keys_B = lengths_B.numpy()
        queries_B = np.full(len(keys_B), query_BHTD.shape[2]) if across else keys_B
        return attention_in_units(query_BHTD, key_BHSD, value_BHSD, scale, queries_B, keys_B, causal=False)
    given, lengths = (query_BHTD, key_BHSD, value_BHSD, scale), lengths_B.tolist()
    if longest > SHORT:
        return _RowByRow.apply(*given, lengths)  # type: ignore[no-any-return, no-untyped-call]
    sees_N = np.repeat(np.array(lengths), query_BHTD.shape[1])
    block = _Block(slice(0, query_BHTD.shape[2]), slice(0, key_BHSD.shape[2]), sees_N, 0)
    return _AtOnce.apply(*given, [block])  # type: ignore[no-any-return, no-untyped-call]


def _cast(*tensors: Tensor) -> Sequence[Tensor]:
    """As autocast does it for the library's attention."""
    narrow = torch.is_autocast_enabled("cpu") and tensors[0].device.type == "cpu"
    return [x.to(torch.bfloat16) for x in tensors] if narrow else tensors


@dataclass(frozen=True, eq=False)
class _Block:
    """Queries that are taken together, the keys that they see, and how many of these the first query sees in each head;
    each further query sees ``more`` of them."""

    queries: slice
    keys: slice
    first_sees_N: Any
    more: int


class _AtOnce(torch.autograd.Function):
    """All heads of all rows in one product a block.

    The probabilities P are kept from the forward pass; with O = P V the backward pass is
    dV = P' dO, dP = dO V', dS = P (dP - sum(P dP)), dQ = dS K, dK = dS' Q.
    """

    @staticmethod
    def forward(
        context: Any, query_BHTD: Tensor, key_BHSD: Tensor, value_BHSD: Tensor, scale: float, blocks: list[_Block]
    ) -> Tensor:
        query, key, value = (x.flatten(0, 1) for x in (query_BHTD, key_BHSD, value_BHSD))
        attended_NTD = torch.empty_like(query)
        kept = []
        for block in blocks:
            weights_NQK = torch.bmm(query[:, block.queries], key[:, block.keys].transpose(1, 2))
            _softmax(array_of(weights_NQK), block.first_sees_N, block.more, scale)
            torch.bmm(weights_NQK, value[:, block.keys], out=attended_NTD[:, block.queries])
            kept.append(weights_NQK)
        context.save_for_backward(query, key, value, *kept)
        context.scale, context.blocks = scale, blocks
        return attended_NTD.view(query_BHTD.shape)

    @staticmethod
    @once_differentiable
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, *kept = context.saved_tensors
        given_NTD = gradients[0].flatten(0, 1)
        d_query, d_key, d_value = (torch.empty_like(x) for x in (query, key, value))
        blocks = context.blocks
        # The last block sees all keys, so it begins their sums and the others are added.
        for block, weights_NQK in reversed(list(zip(blocks, kept, strict=True))):
            keys, queries, begun = block.keys, block.queries, block is not blocks[-1]
            d_scores_NQK = torch.bmm(given_NTD[:, queries], value[:, keys].transpose(1, 2))
            arrays = array_of(weights_NQK), array_of(d_scores_NQK)
            _softmax_backward(*arrays, block.first_sees_N, block.more, context.scale)
            torch.bmm(d_scores_NQK, key[:, keys], out=d_query[:, queries])
            _into(d_key[:, keys], d_scores_NQK, query[:, queries], begun)
            _into(d_value[:, keys], weights_NQK, given_NTD[:, queries], begun)
        shape = gradients[0].shape[:2]
        return *(x.view(*shape, *x.shape[1:]) for x in (d_query, d_key, d_value)), None, None


class _RowByRow(torch.autograd.Function):
    """Over padded rows, one after the other. The heads of a row are read and written where they lie, which is side by
    side at each position."""

    @staticmethod
    def forward(
        context: Any, query_BHSD: Tensor, key_BHSD: Tensor, value_BHSD: Tensor, scale: float, lengths: list[int]
    ) -> Tensor:
        attended_BHSD = _like(query_BHSD)
        kept = []
        for row, query_HSD in enumerate(query_BHSD):
            for block in _blocks(lengths[row], len(query_HSD)):
                weights_HQK = torch.bmm(query_HSD[:, block.queries], key_BHSD[row, :, block.keys].transpose(1, 2))
                _softmax(array_of(weights_HQK), block.first_sees_N, block.more, scale)
                torch.bmm(weights_HQK, value_BHSD[row, :, block.keys], out=attended_BHSD[row, :, block.queries])
                kept.append(weights_HQK)
        _clear_padding(lengths, attended_BHSD)
        context.save_for_backward(query_BHSD, key_BHSD, value_BHSD, *kept)
        context.scale, context.lengths = scale, lengths
        return attended_BHSD

    @staticmethod
    @once_differentiable
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        query_BHSD, key_BHSD, value_BHSD, *kept = context.saved_tensors
        d_query, d_key, d_value = _like(query_BHSD), _like(key_BHSD), _like(value_BHSD)
        weights = iter(kept)
        for row, gradient_HSD in enumerate(gradients[0]):
            for block in (blocks := _blocks(context.lengths[row], len(gradient_HSD))):
                weights_HQK, keys, queries, begun = next(weights), block.keys, block.queries, block is not blocks[0]
                query_HQD, gradient_HQD = query_BHSD[row, :, queries], gradient_HSD[:, queries]
                d_scores_HQK = torch.bmm(gradient_HQD, value_BHSD[row, :, keys].transpose(1, 2))
                arrays = array_of(weights_HQK), array_of(d_scores_HQK)
                _softmax_backward(*arrays, block.first_sees_N, block.more, context.scale)
                torch.bmm(d_scores_HQK, key_BHSD[row, :, keys], out=d_query[row, :, queries])
                _into(d_key[row, :, keys], d_scores_HQK, query_HQD, begun)
                _into(d_value[row, :, keys], weights_HQK, gradient_HQD, begun)
        _clear_padding(context.lengths, d_query, d_key, d_value)
        return d_query, d_key, d_value, None, None


def _blocks(length: int, num_heads: int) -> list[_Block]:
    """Blocks of a row whose queries see all of its ``length`` keys."""
    sees_N = np.full(num_heads, length)
    return [_Block(slice(i, min(i + BLOCK, length)), slice(0, length), sees_N, 0) for i in range(0, length, BLOCK)]


def _causal_blocks(num_positions: int, num_heads: int) -> list[_Block]:
    """Blocks whose queries see the keys up to their own positions."""
    ends = [(first, min(first + BLOCK, num_positions)) for first in range(0, num_positions, BLOCK)]
    return [_Block(slice(*both), slice(0, both[1]), np.full(num_heads, both[0] + 1), 1) for both in ends]


def _clear_padding(lengths: list[int], *tensors_BHSD: Tensor) -> None:
    for row, length in enumerate(lengths):
        for x_BHSD in tensors_BHSD:
            x_BHSD[row, :, length:] = 0


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


@njit(inline="always", **FAST)  # type: ignore[untyped-decorator]
def _whole_vectors(length: Any) -> Any:
    """``length`` rounded up to what the vector instructions take at once: what is left over goes number by number."""
    return (length + 31) & ~31


@njit(**FAST)  # type: ignore[untyped-decorator]
def _softmax(scores_NQK: Any, first_sees_N: Any, more: int, scale: float) -> None:
    """Softmax over the keys that each query sees, in place; behind them zeros, as where a query sees none."""
    num_keys = scores_NQK.shape[2]
    x = np.empty(num_keys, np.float32)
    to_base_2 = np.float32(scale * LOG2_E)
    for n in range(scores_NQK.shape[0]):
        for q in range(scores_NQK.shape[1]):
            row = scores_NQK[n, q]
            seen = min(num_keys, first_sees_N[n] + more * q)
            end = min(num_keys, _whole_vectors(seen))
            for k in range(end):
                x[k] = wide(row[k])
            for k in range(seen, end):
                x[k] = NOTHING
            _, total = powers_in_place(x, end, to_base_2)
            share = np.float32(1) / total
            for k in range(end):
                put(row, k, x[k] * share)
            for k in range(seen, num_keys):
                row[k] = 0


@njit(**FAST)  # type: ignore[untyped-decorator]
def _softmax_backward(weights_NQK: Any, gradient_NQK: Any, first_sees_N: Any, more: int, scale: float) -> None:
    """The gradient of the scores from that of the weights, in place."""
    num_keys = weights_NQK.shape[2]
    factor = np.float32(scale)
    for n in range(weights_NQK.shape[0]):
        for q in range(weights_NQK.shape[1]):
            weights, gradient = weights_NQK[n, q], gradient_NQK[n, q]
            end = min(num_keys, _whole_vectors(first_sees_N[n] + more * q))  # behind what is seen the weights are zero
            mean = np.float32(0)
            for k in range(end):
                mean += wide(weights[k]) * wide(gradient[k])
            for k in range(end):
                put(gradient, k, wide(weights[k]) * (wide(gradient[k]) - mean) * factor)
            for k in range(end, num_keys):
                gradient[k] = 0
