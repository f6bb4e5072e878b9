"""Linear layers, whose training step on a processor with matrix units has a way back of its own.

A library takes the product of a gradient with the weights at the full speed of such units, and the gradient of the
weights at half of it; see ``weight_gradient``. That comes in single precision here, as weights and optimisers have it.
N positions · I features in · O features out
"""

from typing import Any

import torch
from numba import njit
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from minnow.layers.matrix_units import has_units_for
from minnow.layers.vector_math import FAST, array_of, suits_kernels, wide
from minnow.layers.weight_gradient import sum_of_products


class Linear(nn.Linear):
    """x W' + b, with W [O, I]."""

    def forward(self, x: Tensor) -> Tensor:
        return linear(x, self.weight, self.bias)


class TransposedLinear(nn.Module):
    """x W + b, with W [I, O] as GPT-2's weights lie on disk."""

    transposed = True

    def __init__(self, num_inputs: int, num_outputs: int):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(num_inputs, num_outputs))
        self.bias = nn.Parameter(torch.empty(num_outputs))

    def forward(self, x: Tensor) -> Tensor:
        return linear(x, self.weight, self.bias, transposed=True)


def linear(x: Tensor, weight: Tensor, bias_O: Tensor | None, transposed: bool = False) -> Tensor:
    """``torch.nn.functional.linear``; weights are [O, I], or [I, O] where they are ``transposed``."""
    if _suits(x, weight):
        return _Linear.apply(x, weight, bias_O, transposed)  # type: ignore[no-any-return, no-untyped-call]
    return F.linear(x, weight.t() if transposed else weight, bias_O)


def _suits(x: Tensor, weight: Tensor) -> bool:
    narrow = torch.is_autocast_enabled("cpu") and torch.get_autocast_dtype("cpu") == torch.bfloat16
    trained = torch.is_grad_enabled() and weight.requires_grad
    return narrow and suits_kernels(x, trained) and weight.dtype == torch.float32 and has_units_for(torch.bfloat16)


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, x: Tensor, weight: Tensor, bias_O: Tensor | None, transposed: bool) -> Tensor:
        x, weight = x.to(torch.bfloat16), weight.to(torch.bfloat16)
        context.save_for_backward(x, weight)
        context.transposed = transposed
        bias_O = None if bias_O is None else bias_O.to(torch.bfloat16)
        return F.linear(x, weight.t() if transposed else weight, bias_O)

    @staticmethod
    @once_differentiable
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = context.saved_tensors
        of_x, of_weight, of_bias = context.needs_input_grad[:3]
        given_NO, x_NI = (one.reshape(-1, one.shape[-1]) for one in (gradients[0], x))
        back = given_NO @ (weight.t() if context.transposed else weight) if of_x else None
        sides = (x_NI, given_NO) if context.transposed else (given_NO, x_NI)
        return (
            None if back is None else back.view(x.shape),
            sum_of_products(*sides) if of_weight else None,
            _sum_of_positions(given_NO) if of_bias else None,
            None,
        )


def _sum_of_positions(given_NO: Tensor) -> Tensor:
    """[O] in single precision."""
    total_O = torch.zeros(given_NO.shape[1])
    _add_positions(array_of(given_NO.contiguous()), array_of(total_O))
    return total_O


@njit(**FAST)  # type: ignore[untyped-decorator]
def _add_positions(given_NO: Any, total_O: Any) -> None:
    for n in range(given_NO.shape[0]):
        given = given_NO[n]
        for o in range(total_O.size):
            total_O[o] += wide(given[o])
