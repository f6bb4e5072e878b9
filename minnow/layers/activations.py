"""Activations by name, and their kernels for training on processors.

The library computes tanh to the last digit; at the sizes of a small model that is a tenth of a training step. Here each
activation and its derivative are one pass of vector instructions over the numbers.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numba import njit
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from minnow.errors import UnknownNameError
from minnow.layers.vector_math import FAST, LOG2_E, array_of, exp2, put, suits_kernels, wide

Activation = Callable[[Tensor], Tensor]


def activation(name: str) -> Activation:
    """The function of that name.

    Raises:
        UnknownNameError: there is none.
    """
    if name not in ACTIVATIONS:
        raise UnknownNameError("activation", name, ACTIVATIONS)
    return ACTIVATIONS[name]


def gelu_tanh(x: Tensor) -> Tensor:
    """x / 2 (1 + tanh(√(2/π) (x + 0.044715 x³))); Hendrycks & Gimpel (2016), "Gaussian Error Linear Units"."""
    return _applied(_gelu_tanh, _gelu_tanh_backward, x) if suits_kernels(x) else F.gelu(x, approximate="tanh")


def silu(x: Tensor) -> Tensor:
    """x / (1 + exp(-x))."""
    return _applied(_silu, _silu_backward, x) if suits_kernels(x) else F.silu(x)


def gated(function: Activation, gate: Tensor, x: Tensor) -> Tensor:
    """``function(gate) * x``, of one shape and type, in one pass where there is a kernel for it."""
    if function is silu and suits_kernels(gate) and x.dtype == gate.dtype:
        return _Gated.apply(gate, x)  # type: ignore[no-any-return, no-untyped-call]
    return function(gate) * x


ACTIVATIONS: dict[str, Activation] = {
    "gelu": F.gelu,
    "gelu_new": gelu_tanh,
    "gelu_pytorch_tanh": gelu_tanh,
    "relu": F.relu,
    "silu": silu,
    "swish": silu,
}


def _applied(forward: Any, backward: Any, x: Tensor) -> Tensor:
    return _Activation.apply(x, forward, backward)  # type: ignore[no-any-return, no-untyped-call]


class _Activation(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, x: Tensor, forward: Any, backward: Any) -> Tensor:
        x = x.contiguous()
        output = torch.empty_like(x)
        forward(_flat(x), _flat(output))
        context.save_for_backward(x)
        context.kernel = backward
        return output

    @staticmethod
    @once_differentiable
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (x,) = context.saved_tensors
        gradient = torch.empty_like(x)
        context.kernel(_flat(x), _flat(gradients[0].contiguous()), _flat(gradient))
        return gradient, None, None


class _Gated(torch.autograd.Function):
    """silu(gate) · x."""

    @staticmethod
    def forward(context: Any, gate: Tensor, x: Tensor) -> Tensor:
        gate, x = gate.contiguous(), x.contiguous()
        output = torch.empty_like(x)
        _silu_gate(_flat(gate), _flat(x), _flat(output))
        context.save_for_backward(gate, x)
        return output

    @staticmethod
    @once_differentiable
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        gate, x = context.saved_tensors
        gradient_gate, gradient_x = torch.empty_like(gate), torch.empty_like(x)
        given = _flat(gradients[0].contiguous())
        _silu_gate_backward(_flat(gate), _flat(x), given, _flat(gradient_gate), _flat(gradient_x))
        return gradient_gate, gradient_x


def _flat(x: Tensor) -> Any:
    return array_of(x.view(-1))


# Kernels: arrays of one length, float32 or bfloat16. One loop each, without a branch.
# power · share is 1 - share without the rounding error that large numbers would multiply.

_TANH_SCALE = np.float32(-2 * np.sqrt(2 / np.pi) * LOG2_E)  # 1 + tanh(z) = 2 / (1 + 2^(-2 z log2 e))
_TANH_SLOPE = np.float32(2 * np.sqrt(2 / np.pi))
_CUBE = np.float32(0.044715)
_LOG2_E = np.float32(LOG2_E)
_ONE = np.float32(1)


@njit(**FAST)  # type: ignore[untyped-decorator]
def _gelu_tanh(x: Any, output: Any) -> None:
    for i in range(x.size):
        v = wide(x[i])
        put(output, i, v / (_ONE + exp2(v * (_ONE + _CUBE * v * v) * _TANH_SCALE)))


@njit(**FAST)  # type: ignore[untyped-decorator]
def _gelu_tanh_backward(x: Any, given: Any, gradient: Any) -> None:
    for i in range(x.size):
        v = wide(x[i])
        square = v * v
        power = exp2(v * (_ONE + _CUBE * square) * _TANH_SCALE)
        share = _ONE / (_ONE + power)
        slope = share * share * power * (_ONE + np.float32(3) * _CUBE * square) * _TANH_SLOPE
        put(gradient, i, wide(given[i]) * (share + v * slope))


@njit(**FAST)  # type: ignore[untyped-decorator]
def _silu(x: Any, output: Any) -> None:
    for i in range(x.size):
        v = wide(x[i])
        put(output, i, v / (_ONE + exp2(-v * _LOG2_E)))


@njit(**FAST)  # type: ignore[untyped-decorator]
def _silu_backward(x: Any, given: Any, gradient: Any) -> None:
    for i in range(x.size):
        v = wide(x[i])
        power = exp2(-v * _LOG2_E)
        share = _ONE / (_ONE + power)
        put(gradient, i, wide(given[i]) * share * (_ONE + v * share * power))


@njit(**FAST)  # type: ignore[untyped-decorator]
def _silu_gate(gate: Any, x: Any, output: Any) -> None:
    for i in range(x.size):
        v = wide(gate[i])
        put(output, i, v / (_ONE + exp2(-v * _LOG2_E)) * wide(x[i]))


@njit(**FAST)  # type: ignore[untyped-decorator]
def _silu_gate_backward(gate: Any, x: Any, given: Any, gradient_gate: Any, gradient_x: Any) -> None:
    for i in range(x.size):
        v, g = wide(gate[i]), wide(given[i])
        power = exp2(-v * _LOG2_E)
        share = _ONE / (_ONE + power)
        put(gradient_gate, i, g * wide(x[i]) * share * (_ONE + v * share * power))
        put(gradient_x, i, g * v * share)
