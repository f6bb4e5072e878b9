"""Causal self-attention for training on processors: matrix products in bfloat16, the softmax between them in numba.

The library's fused attention is made for long texts; at the few hundred positions of a small model its backward pass
takes six times its forward pass, a quarter of a training step. Here the scores of a block of queries are one batched
product, and only the keys that the block may see are multiplied at all.

H heads · G heads of keys · N rows times heads · S positions · D features of a head
Q queries of a block · K keys that a block sees
"""

import math
from typing import Any

import numpy as np
import torch
from numba import njit
from torch import Tensor
from torch.nn import functional as F

BLOCK = 128  # queries
LONGEST = 1024  # beyond, the scores of all positions would fill the memory, and the library's way is the faster one


def causal_attention(query_BHSD: Tensor, key_BGSD: Tensor, value_BGSD: Tensor, scale: float | None = None) -> Tensor:
    """softmax(q k' · scale) v over the positions up to each query's own; ``scale`` is 1 / sqrt(D) by default.

    Each of the G heads of keys and values serves H / G heads of queries. Takes the kernels of this file in bfloat16 on
    one thread of a processor, where a gradient is wanted; else the library's.
    """
    groups = query_BHSD.shape[1] // key_BGSD.shape[1]
    scale = scale if scale is not None else 1 / math.sqrt(query_BHSD.shape[-1])
    if torch.is_autocast_enabled("cpu") and query_BHSD.device.type == "cpu":
        query_BHSD, key_BGSD, value_BGSD = (x.to(torch.bfloat16) for x in (query_BHSD, key_BGSD, value_BGSD))
    if not _suits(query_BHSD):
        return F.scaled_dot_product_attention(
            query_BHSD, key_BGSD, value_BGSD, is_causal=True, scale=scale, enable_gqa=groups > 1
        )
    if groups > 1:
        key_BGSD, value_BGSD = (x.repeat_interleave(groups, dim=1) for x in (key_BGSD, value_BGSD))
    flat = [x.flatten(0, 1) for x in (query_BHSD, key_BGSD, value_BGSD)]
    attended: Tensor = _CausalAttention.apply(*flat, scale)  # type: ignore[no-untyped-call]
    return attended.view_as(query_BHSD)


def _suits(query_BHSD: Tensor) -> bool:
    return (
        not torch.compiler.is_compiling()
        and query_BHSD.device.type == "cpu"
        and query_BHSD.dtype == torch.bfloat16
        and query_BHSD.requires_grad
        and query_BHSD.shape[2] <= LONGEST
        and torch.get_num_threads() == 1
    )


class _CausalAttention(torch.autograd.Function):
    """The probabilities P are kept from the forward pass; with O = P V the backward pass is
    dV = P' dO, dP = dO V', dS = P (dP - sum(P dP)), dQ = dS K, dK = dS' Q."""

    @staticmethod
    def forward(context: Any, query_NSD: Tensor, key_NSD: Tensor, value_NSD: Tensor, scale: float) -> Tensor:
        blocks = _blocks(query_NSD.shape[1])
        attended_NSD = torch.empty_like(query_NSD)
        kept = []
        for first, last in blocks:
            weights_NQK = torch.bmm(query_NSD[:, first:last], key_NSD[:, :last].transpose(1, 2))
            _softmax(_bits(weights_NQK), first, scale)
            attended_NSD[:, first:last] = torch.bmm(weights_NQK, value_NSD[:, :last])
            kept.append(weights_NQK)
        context.save_for_backward(query_NSD, key_NSD, value_NSD, *kept)
        context.scale = scale
        return attended_NSD

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        query_NSD, key_NSD, value_NSD, *kept = context.saved_tensors
        gradient_NSD = gradients[0].contiguous()
        d_query, d_key, d_value = torch.empty_like(query_NSD), None, None
        for (first, last), weights_NQK in zip(reversed(_blocks(query_NSD.shape[1])), reversed(kept), strict=True):
            block_NQD = gradient_NSD[:, first:last]
            d_scores_NQK = torch.bmm(block_NQD, value_NSD[:, :last].transpose(1, 2))
            _softmax_backward(_bits(weights_NQK), _bits(d_scores_NQK), first, context.scale)
            d_query[:, first:last] = torch.bmm(d_scores_NQK, key_NSD[:, :last])
            d_key = _summed(d_key, torch.bmm(d_scores_NQK.transpose(1, 2), query_NSD[:, first:last]))
            d_value = _summed(d_value, torch.bmm(weights_NQK.transpose(1, 2), block_NQD))
        assert d_key is not None
        assert d_value is not None
        return d_query, d_key.to(query_NSD.dtype), d_value.to(query_NSD.dtype), None


def _summed(total_NSD: Tensor | None, part_NKD: Tensor) -> Tensor:
    """Blocks come last first, so the first part is the longest; several are added in single precision."""
    if total_NSD is None:
        return part_NKD
    total_NSD = total_NSD.float()
    total_NSD[:, : part_NKD.shape[1]] += part_NKD
    return total_NSD


def _blocks(num_positions: int) -> list[tuple[int, int]]:
    return [(first, min(first + BLOCK, num_positions)) for first in range(0, num_positions, BLOCK)]


def _bits(x: Tensor) -> Any:
    """The same memory as an array of uint16: numpy has no bfloat16."""
    return x.detach().view(torch.int16).numpy().view(np.uint16)


# A bfloat16 is the upper half of a float32. The loops are short and plain, so that each becomes vector instructions.
_FAST: dict[str, Any] = {"cache": True, "fastmath": True, "nogil": True, "error_model": "numpy"}


@njit(**_FAST)  # type: ignore[untyped-decorator]
def _softmax(scores_NQK: Any, first: int, scale: float) -> None:
    """Softmax of each row up to its own position, in place; behind it zeros. ``first`` is the first query's position.

    exp(x) is 2^(floor z) 2^(z - floor z) with z = x log2 e: the first by adding to the exponent's bits, the second by
    a polynomial that is good to six digits.
    """
    num_keys = scores_NQK.shape[2]
    x = np.empty(num_keys, np.float32)
    signed, unsigned = x.view(np.int32), x.view(np.uint32)
    to_base_2 = np.float32(scale * 1.4426950408889634)
    for n in range(scores_NQK.shape[0]):
        for q in range(scores_NQK.shape[1]):
            row = scores_NQK[n, q]
            seen = first + q + 1
            for k in range(seen):
                unsigned[k] = np.uint32(row[k]) << np.uint32(16)
            highest = np.float32(-3e38)
            for k in range(seen):
                highest = max(highest, x[k])
            for k in range(seen):
                z = max((x[k] - highest) * to_base_2, np.float32(-126))
                whole = np.floor(z)
                rest = z - whole
                power = np.float32(1.8775767e-3)
                power = power * rest + np.float32(8.9893397e-3)
                power = power * rest + np.float32(5.5826318e-2)
                power = power * rest + np.float32(2.4015361e-1)
                power = power * rest + np.float32(6.9315308e-1)
                power = power * rest + np.float32(9.9999994e-1)
                x[k] = power
                signed[k] += np.int32(whole) << np.int32(23)
            total = np.float32(0)
            for k in range(seen):
                total += x[k]
            share = np.float32(1) / total
            for k in range(seen):
                x[k] *= share
            for k in range(seen):
                row[k] = np.uint16((unsigned[k] + np.uint32(0x8000)) >> np.uint32(16))
            for k in range(seen, num_keys):
                row[k] = np.uint16(0)


@njit(**_FAST)  # type: ignore[untyped-decorator]
def _softmax_backward(weights_NQK: Any, gradient_NQK: Any, first: int, scale: float) -> None:
    """The gradient of the scores from that of the weights, in place."""
    num_keys = weights_NQK.shape[2]
    weight, gradient = np.empty(num_keys, np.float32), np.empty(num_keys, np.float32)
    weight_bits, gradient_bits = weight.view(np.uint32), gradient.view(np.uint32)
    factor = np.float32(scale)
    for n in range(weights_NQK.shape[0]):
        for q in range(weights_NQK.shape[1]):
            weight_row, gradient_row = weights_NQK[n, q], gradient_NQK[n, q]
            seen = first + q + 1
            for k in range(seen):
                weight_bits[k] = np.uint32(weight_row[k]) << np.uint32(16)
                gradient_bits[k] = np.uint32(gradient_row[k]) << np.uint32(16)
            mean = np.float32(0)
            for k in range(seen):
                mean += weight[k] * gradient[k]
            for k in range(seen):
                gradient[k] = weight[k] * (gradient[k] - mean) * factor
            for k in range(seen):
                gradient_row[k] = np.uint16((gradient_bits[k] + np.uint32(0x8000)) >> np.uint32(16))
            for k in range(seen, num_keys):
                gradient_row[k] = np.uint16(0)
