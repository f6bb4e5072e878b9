"""The root-mean-square norm, with a kernel for training on processors.

The library puts it together from six operations, each of which goes through all numbers. Here forward and backward are
one pass each, and under autocast the result comes in the type that the next product wants.
N rows · D features
"""

from typing import Any

import numpy as np
import torch
from numba import njit
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from minnow.layers.vector_math import FAST, array_of, put, suits_kernels, wide


class RMSNorm(nn.Module):
    """x / sqrt(mean(x²) + eps) · weight; Zhang & Sennrich (2019), "Root Mean Square Layer Normalization"."""

    def __init__(self, size: int, eps: float):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        if suits_kernels(x) and self.weight.dtype == torch.float32:
            dtype = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else x.dtype
            normed: Tensor = _Normed.apply(x, self.weight, self.eps, dtype)  # type: ignore[no-untyped-call]
            return normed
        return F.rms_norm(x, self.weight.shape, self.weight, self.eps)


class _Normed(torch.autograd.Function):
    """With r = 1 / sqrt(mean(x²) + eps) and u = weight · gradient, the gradient of x is r u - x r³ mean(u x)."""

    @staticmethod
    def forward(context: Any, x: Tensor, weight_D: Tensor, eps: float, dtype: torch.dtype) -> Tensor:
        x_ND = x.contiguous().view(-1, x.shape[-1])
        weight_D = weight_D.detach().clone()  # FSDP frees the memory of parameters, but none that numpy has seen
        normed_ND = torch.empty_like(x_ND, dtype=dtype)
        scales_N = torch.empty(len(x_ND))
        _norm(array_of(x_ND), array_of(weight_D), eps, array_of(normed_ND), array_of(scales_N))
        context.save_for_backward(x_ND, weight_D, scales_N)
        return normed_ND.view_as(x)

    @staticmethod
    @once_differentiable
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x_ND, weight_D, scales_N = context.saved_tensors
        given_ND = gradients[0].contiguous().view_as(x_ND)
        gradient_ND, weight_gradient_D = torch.empty_like(x_ND), torch.zeros_like(weight_D)
        arrays = (array_of(one) for one in (x_ND, weight_D, scales_N, given_ND, gradient_ND, weight_gradient_D))
        _norm_backward(*arrays)
        return gradient_ND.view_as(gradients[0]), weight_gradient_D, None, None


@njit(**FAST)  # type: ignore[untyped-decorator]
def _norm(x_ND: Any, weight_D: Any, eps: float, normed_ND: Any, scales_N: Any) -> None:
    num_rows, size = x_ND.shape
    for n in range(num_rows):
        x, normed = x_ND[n], normed_ND[n]
        total = np.float32(0)
        for d in range(size):
            total += wide(x[d]) * wide(x[d])
        scale = np.float32(1) / np.sqrt(total / np.float32(size) + np.float32(eps))
        scales_N[n] = scale
        for d in range(size):
            put(normed, d, wide(x[d]) * scale * weight_D[d])


@njit(**FAST)  # type: ignore[untyped-decorator]
def _norm_backward(
    x_ND: Any, weight_D: Any, scales_N: Any, given_ND: Any, gradient_ND: Any, weight_gradient_D: Any
) -> None:
    num_rows, size = x_ND.shape
    for n in range(num_rows):
        x, given, gradient, scale = x_ND[n], given_ND[n], gradient_ND[n], scales_N[n]
        total = np.float32(0)
        for d in range(size):
            product = wide(x[d]) * wide(given[d])
            total += product * weight_D[d]
            weight_gradient_D[d] += product * scale
        shared = total * scale * scale * scale / np.float32(size)
        for d in range(size):
            put(gradient, d, wide(given[d]) * weight_D[d] * scale - wide(x[d]) * shared)
