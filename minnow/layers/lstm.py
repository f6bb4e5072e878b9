"""An LSTM's training step on a processor: one product for the inputs of all positions, one a position for the states,
and one for the gradient of each weight.

Hochreiter & Schmidhuber (1997) with the forget gate of Gers et al. (2000), in the library's order of gates. The
library adds to the gradient of the recurrent weights at each position, which reads and writes a matrix of their size
for a handful of rows; here all positions are multiplied at once when they are known. The walk over the positions is
one kernel, with recurrent weights that are packed once for it.

S positions · B rows · I inputs · H units · G gates, 4 H: input, forget, cell, output
"""

from typing import Any

import numpy as np
import torch
from numba import njit
from torch import Tensor
from torch.autograd.function import once_differentiable

from minnow.layers.packed import Packed, Rows, pack, product, room_for
from minnow.layers.tiles import arithmetics_here
from minnow.layers.vector_math import FAST, LOG2_E, array_of, exp2, put, suits_kernels, wide

SMALLEST = 256  # units from which this pays; with fewer the library is as fast
ARITHMETICS = {torch.float32: "float32", torch.bfloat16: "bfloat16"}


def suits_lstm(x: Tensor, weight_GH: Tensor) -> bool:
    """Whether ``lstm`` is the faster one: in a training step in bfloat16, on a processor that multiplies it in tiles.

    In single precision the library's own way back costs no more.
    """
    bfloat16 = torch.is_autocast_enabled("cpu") and torch.get_autocast_dtype("cpu") == torch.bfloat16
    trained = weight_GH.requires_grad and torch.is_grad_enabled()
    large = weight_GH.shape[-1] >= SMALLEST
    return bfloat16 and large and suits_kernels(x, trained) and "bfloat16" in arithmetics_here()


def lstm(
    x_SBI: Tensor, state_BH: Tensor, cell_BH: Tensor, input_GI: Tensor, recurrent_GH: Tensor, bias_G: Tensor
) -> tuple[Tensor, Tensor]:
    """The states [S, B, H] and the cell after the last position [B, H].

    Args:
        x_SBI: in float32 or bfloat16, and so the state and the weights.
        state_BH: before the first position.
        cell_BH: likewise, in float32, as it adds up over the positions.
        bias_G: in float32: a forget gate's of 1 would swallow what words say, which is a hundredth of it at first.
    """
    found: tuple[Tensor, Tensor] = _LSTM.apply(  # type: ignore[no-untyped-call]
        x_SBI, state_BH, cell_BH, input_GI, recurrent_GH, bias_G
    )
    return found


class _LSTM(torch.autograd.Function):
    @staticmethod
    def forward(
        context: Any, x: Tensor, state: Tensor, cell: Tensor, input_GI: Tensor, recurrent_GH: Tensor, bias: Tensor
    ) -> tuple[Tensor, Tensor]:
        num_positions, num_rows, _ = x.shape
        size = state.shape[-1]
        x = x.contiguous()
        gates = torch.mm(x.view(-1, x.shape[-1]), input_GI.t()).view(num_positions, num_rows, 4 * size)
        states = x.new_empty(num_positions + 1, num_rows, size)
        cells = x.new_empty(num_positions + 1, num_rows, size, dtype=torch.float32)
        states[0], cells[0] = state, cell
        weights, rows = _prepared(recurrent_GH, num_rows)
        _walk(array_of(gates), array_of(bias), weights, rows, array_of(states), array_of(cells))
        context.save_for_backward(x, gates, states, cells, input_GI, recurrent_GH, bias)
        return states[1:], cells[-1].clone()

    @staticmethod
    @once_differentiable
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, ...]:
        x, gates, states, cells, input_GI, recurrent_GH, bias = context.saved_tensors
        given = gradients[0].to(x.dtype).contiguous()
        of_cell, of_gates = gradients[1].float().clone(), torch.empty_like(gates)
        of_state = torch.zeros_like(of_cell)
        weights, rows = _prepared(recurrent_GH.t(), len(of_cell))
        arrays = map(array_of, (gates, bias, cells, given, of_state, of_cell, of_gates))
        _walk_back(weights, rows, *arrays)
        flat = of_gates.view(-1, gates.shape[-1])
        return (
            torch.mm(flat, input_GI).view_as(x),
            of_state,
            of_cell,
            torch.mm(flat.t(), x.view(-1, x.shape[-1])),
            torch.mm(flat.t(), states[:-1].view(-1, states.shape[-1])),
            flat.sum(0, dtype=torch.float32),
        )


def _prepared(weight: Tensor, num_rows: int) -> tuple[Packed, Rows]:
    """A weight [outputs, inputs] for ``product``, and room for the rows that it multiplies."""
    arithmetic = ARITHMETICS[weight.dtype]
    return pack(weight, arithmetic), room_for(num_rows, weight.shape[1], arithmetic)


_ONE, _TWO = np.float32(1), np.float32(2)
_SIGMOID, _TANH = np.float32(-LOG2_E), np.float32(-2 * LOG2_E)


@njit(**FAST)  # type: ignore[untyped-decorator]
def _walk(gates: Any, bias: Any, weights: Any, rows: Any, states: Any, cells: Any) -> None:
    """From the first position to the last. What the gates were given, but for the bias, replaces the
    inputs' share, for the way back."""
    recurrent = np.empty(gates.shape[1:], np.float32)
    for t in range(gates.shape[0]):
        _enter(states[t], rows.numbers)
        product(rows, weights, recurrent, False)
        _step(gates[t], bias, recurrent, cells[t], cells[t + 1], states[t + 1])


@njit(**FAST)  # type: ignore[untyped-decorator]
def _walk_back(
    weights: Any, rows: Any, gates: Any, bias: Any, cells: Any, given: Any, of_state: Any, of_cell: Any, of_gates: Any
) -> None:
    """From the last position to the first; ``of_state`` and ``of_cell`` go along, and are of the start at the end."""
    for t in range(gates.shape[0] - 1, -1, -1):
        _step_back(gates[t], bias, cells[t], cells[t + 1], given[t], of_state, of_cell, of_gates[t])
        _enter(of_gates[t], rows.numbers)
        product(rows, weights, of_state, False)


@njit(**FAST)  # type: ignore[untyped-decorator]
def _enter(x: Any, numbers: Any) -> None:
    for b in range(x.shape[0]):
        for j in range(x.shape[1]):
            numbers[b, j] = x[b, j]


@njit(inline="always", **FAST)  # type: ignore[untyped-decorator]
def _sigmoid(z: Any) -> Any:
    return _ONE / (_ONE + exp2(z * _SIGMOID))


@njit(inline="always", **FAST)  # type: ignore[untyped-decorator]
def _tanh(z: Any) -> Any:
    return _TWO / (_ONE + exp2(z * _TANH)) - _ONE


# A gate is a view of its own: an index with an offset could be one from the end, and the loop no vector instructions.


@njit(**FAST)  # type: ignore[untyped-decorator]
def _step(gates: Any, bias: Any, recurrent: Any, cells: Any, next_cells: Any, next_states: Any) -> None:
    size = cells.shape[1]
    bias_i, bias_f, bias_g, bias_o = bias[:size], bias[size : 2 * size], bias[2 * size : 3 * size], bias[3 * size :]
    for b in range(cells.shape[0]):
        z, more = gates[b], recurrent[b]
        for j in range(4 * size):
            put(z, j, wide(z[j]) + more[j])
        i, f, g, o = z[:size], z[size : 2 * size], z[2 * size : 3 * size], z[3 * size :]
        before, after, state = cells[b], next_cells[b], next_states[b]
        for j in range(size):
            c = _sigmoid(wide(f[j]) + bias_f[j]) * before[j] + _sigmoid(wide(i[j]) + bias_i[j]) * _tanh(
                wide(g[j]) + bias_g[j]
            )
            after[j] = c
            put(state, j, _sigmoid(wide(o[j]) + bias_o[j]) * _tanh(c))


@njit(**FAST)  # type: ignore[untyped-decorator]
def _step_back(
    gates: Any, bias: Any, cells: Any, next_cells: Any, given: Any, of_state: Any, of_cell: Any, of_gates: Any
) -> None:
    """``of_cell`` goes in as the gradient of the cell after this position and comes out as that of the one before."""
    size = cells.shape[1]
    bias_i, bias_f, bias_g, bias_o = bias[:size], bias[size : 2 * size], bias[2 * size : 3 * size], bias[3 * size :]
    for b in range(cells.shape[0]):
        z, of_z = gates[b], of_gates[b]
        i, f, g, o = z[:size], z[size : 2 * size], z[2 * size : 3 * size], z[3 * size :]
        of_i, of_f, of_g, of_o = of_z[:size], of_z[size : 2 * size], of_z[2 * size : 3 * size], of_z[3 * size :]
        above, later, of_c = given[b], of_state[b], of_cell[b]
        before, after = cells[b], next_cells[b]
        for j in range(size):
            kept, added = _sigmoid(wide(f[j]) + bias_f[j]), _sigmoid(wide(i[j]) + bias_i[j])
            let_out, new, bent = _sigmoid(wide(o[j]) + bias_o[j]), _tanh(wide(g[j]) + bias_g[j]), _tanh(after[j])
            total = wide(above[j]) + later[j]
            d = of_c[j] + total * let_out * (_ONE - bent * bent)
            put(of_i, j, d * new * added * (_ONE - added))
            put(of_f, j, d * before[j] * kept * (_ONE - kept))
            put(of_g, j, d * added * (_ONE - new * new))
            put(of_o, j, total * bent * let_out * (_ONE - let_out))
            of_c[j] = d * kept
