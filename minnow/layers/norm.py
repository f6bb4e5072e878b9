"""Norms that stand before a layer, with kernels for training on processors.

The library puts the root-mean-square norm together from six operations, each of which goes through all numbers, and its
norms give single precision where the next product wants bfloat16. Here forward and backward are one pass each, the
addition to the residual stream before a norm goes along, and under autocast the result comes in the type that the next
product wants.
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


class _BeforeLayer:
    """What both norms are: a kernel in a training step of one thread on a processor, else the library's function."""

    weight: Any
    bias: Any
    eps: Any

    def by_library(self, x: Tensor) -> Tensor:
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        if not _suits(self.weight, x):
            return self.by_library(x)
        given = (self.weight, self.bias, self.eps, _wanted(x))
        return _Normed.apply(x, None, *given)  # type: ignore[no-any-return, no-untyped-call]

    def after(self, x: Tensor, added: Tensor) -> tuple[Tensor, Tensor]:
        """x + added, and the norm of that."""
        if not (_suits(self.weight, x) and suits_kernels(added)):
            total = x + added
            return total, self.by_library(total)
        given = (self.weight, self.bias, self.eps, _wanted(x))
        return _Normed.apply(x, added, *given)  # type: ignore[no-any-return, no-untyped-call]


class RMSNorm(_BeforeLayer, nn.Module):
    """x / sqrt(mean(x²) + eps) · weight; Zhang & Sennrich (2019), "Root Mean Square Layer Normalization"."""

    bias = None

    def __init__(self, size: int, eps: float):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps

    def by_library(self, x: Tensor) -> Tensor:
        return F.rms_norm(x, self.weight.shape, self.weight, self.eps)


class LayerNorm(_BeforeLayer, nn.LayerNorm):
    """(x - mean(x)) / sqrt(var(x) + eps) · weight + bias; Ba et al. (2016), "Layer Normalization"."""

    def __init__(self, size: int, eps: float):
        super().__init__(size, eps)

    def by_library(self, x: Tensor) -> Tensor:
        return F.layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)


def _suits(weight_D: Tensor, x: Tensor) -> bool:
    return suits_kernels(x) and weight_D.dtype == torch.float32


def _wanted(x: Tensor) -> torch.dtype:
    return torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else x.dtype


class _Normed(torch.autograd.Function):
    """With m the mean, r = 1 / sqrt(var + eps), z = (x - m) r and u = weight · gradient, the gradient of x is
    r (u - mean(u) - z mean(u z)). The root-mean-square norm has m = 0 and no mean(u).

    With ``added`` the sum comes first, then its norm; the gradient of the one is added to that through the other.
    """

    @staticmethod
    def forward(
        context: Any,
        x: Tensor,
        added: Tensor | None,
        weight_D: Tensor,
        bias_D: Tensor | None,
        eps: float,
        dtype: torch.dtype,
    ) -> Any:
        x_ND = x.contiguous().view(-1, x.shape[-1])
        centred = bias_D is not None
        weight_D = weight_D.detach().clone()  # FSDP frees the memory of parameters, but none that numpy has seen
        shift_D = weight_D if bias_D is None else bias_D.detach().clone()
        if added is not None:
            added_ND = added.contiguous().view(x_ND.shape)
            total_ND = torch.empty_like(x_ND, dtype=torch.promote_types(x.dtype, added.dtype))
            _add(array_of(x_ND), array_of(added_ND), array_of(total_ND))
            x_ND = total_ND
        normed_ND = torch.empty_like(x_ND, dtype=dtype)
        means_N, scales_N = torch.empty(len(x_ND)), torch.empty(len(x_ND))
        arrays = (array_of(one) for one in (x_ND, weight_D, shift_D, normed_ND, means_N, scales_N))
        _norm(*arrays, eps, centred)
        context.save_for_backward(x_ND, weight_D, means_N, scales_N)
        context.types = x.dtype, None if added is None else added.dtype
        context.centred = centred
        normed = normed_ND.view(x.shape)
        return normed if added is None else (x_ND.view(x.shape), normed)

    @staticmethod
    @once_differentiable
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x_ND, weight_D, means_N, scales_N = context.saved_tensors
        shape = gradients[-1].shape
        given_ND = gradients[-1].contiguous().view(x_ND.shape)
        of_weight_D, of_bias_D = torch.zeros_like(weight_D), torch.zeros_like(weight_D)
        of_x_ND = torch.empty_like(x_ND)
        beside = len(gradients) == 2
        of_total_ND = gradients[0].contiguous().view(x_ND.shape) if beside else of_x_ND
        arrays = (array_of(one) for one in (x_ND, weight_D, means_N, scales_N, given_ND, of_total_ND, of_x_ND))
        _norm_backward(*arrays, array_of(of_weight_D), array_of(of_bias_D), context.centred, beside)
        of_x = of_x_ND.view(shape)
        of_both = [None if one is None else of_x.to(one) for one in context.types]
        return *of_both, of_weight_D, of_bias_D if context.centred else None, None, None


@njit(**FAST)  # type: ignore[untyped-decorator]
def _add(x_ND: Any, added_ND: Any, total_ND: Any) -> None:
    for n in range(x_ND.shape[0]):
        x, added, total = x_ND[n], added_ND[n], total_ND[n]
        for d in range(x_ND.shape[1]):
            put(total, d, wide(x[d]) + wide(added[d]))


@njit(**FAST)  # type: ignore[untyped-decorator]
def _norm(
    x_ND: Any, weight_D: Any, bias_D: Any, normed_ND: Any, means_N: Any, scales_N: Any, eps: float, centred: bool
) -> None:
    num_rows, size = x_ND.shape
    for n in range(num_rows):
        x, normed = x_ND[n], normed_ND[n]
        mean = np.float32(0)
        if centred:
            for d in range(size):
                mean += wide(x[d])
            mean /= np.float32(size)
        total = np.float32(0)
        for d in range(size):
            off = wide(x[d]) - mean
            total += off * off
        scale = np.float32(1) / np.sqrt(total / np.float32(size) + np.float32(eps))
        means_N[n], scales_N[n] = mean, scale
        if centred:
            for d in range(size):
                put(normed, d, (wide(x[d]) - mean) * scale * weight_D[d] + bias_D[d])
        else:
            for d in range(size):
                put(normed, d, wide(x[d]) * scale * weight_D[d])


@njit(**FAST)  # type: ignore[untyped-decorator]
def _norm_backward(
    x_ND: Any,
    weight_D: Any,
    means_N: Any,
    scales_N: Any,
    given_ND: Any,
    of_total_ND: Any,
    of_x_ND: Any,
    of_weight_D: Any,
    of_bias_D: Any,
    centred: bool,
    beside: bool,
) -> None:
    """``of_total_ND`` is added to the gradient where it is ``beside``."""
    num_rows, size = x_ND.shape
    for n in range(num_rows):
        x, given, of_total, of_x = x_ND[n], given_ND[n], of_total_ND[n], of_x_ND[n]
        mean, scale = means_N[n], scales_N[n]
        along = flat = np.float32(0)
        for d in range(size):
            g, z = wide(given[d]), (wide(x[d]) - mean) * scale
            along += g * z * weight_D[d]
            of_weight_D[d] += g * z
        if centred:
            for d in range(size):
                flat += wide(given[d]) * weight_D[d]
                of_bias_D[d] += wide(given[d])
        along, flat = along / np.float32(size), flat / np.float32(size)
        for d in range(size):
            z = (wide(x[d]) - mean) * scale
            through = (wide(given[d]) * weight_D[d] - flat - z * along) * scale
            if beside:
                through += wide(of_total[d])
            put(of_x, d, through)
