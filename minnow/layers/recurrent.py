"""Recurrent encoders: RNN (Elman 1990), LSTM (Hochreiter & Schmidhuber 1997), GRU (Cho et al. 2014); stacked, one- or
two-way, with the variational dropout of Gal & Ghahramani (2016).

B rows · S positions · I inputs · H units of one direction · D outputs, H or 2 H
"""

from typing import Any

import torch
from torch import Tensor, nn

from minnow.errors import UnknownNameError
from minnow.layers.dropout import RecurrentDropout, StateDropout, VariationalDropout
from minnow.layers.lstm import lstm, suits_lstm
from minnow.layers.masks import reverse_rows

KINDS: dict[str, Any] = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}


Memory = tuple[Tensor, ...]  # of one layer: the state [B, H], and the cell [B, H] of an LSTM


class RecurrentLayer(nn.Module):
    """One layer in one direction, [B, S, I] to [B, S, H].

    ``dropout`` masks the recurrent weights, with one mask for all rows and positions of a batch, so that the fused
    kernels of the library still apply: ``StateDropout`` masks their columns, which is masking the previous state
    wherever it enters the cell (equation 7 of Gal & Ghahramani), ``WeightDropout`` each weight by itself.
    """

    def __init__(
        self, kind: str, input_size: int, hidden_size: int, dropout: RecurrentDropout, remembering: bool = False
    ):
        super().__init__()
        if kind not in KINDS:
            raise UnknownNameError("recurrent kind", kind, KINDS)
        self.cell: Any = KINDS[kind](input_size, hidden_size, batch_first=True)
        self.dropout = dropout
        if remembering:
            start_remembering(self.cell)

    def forward(self, x_BSI: Tensor) -> Tensor:
        return self.carry(x_BSI, None)[0]

    def carry(self, x_BSI: Tensor, memory: Memory | None) -> tuple[Tensor, Memory]:
        """The outputs, and what the layer remembers after the last position; ``memory`` is of what came before."""
        recurrent = self.cell.weight_hh_l0
        if self.dropout.active:
            recurrent = recurrent * self.dropout.mask(recurrent)
        if isinstance(self.cell, nn.LSTM) and suits_lstm(x_BSI, recurrent):
            return self._by_kernels(x_BSI, memory, recurrent)
        inputs = (x_BSI,) if memory is None else (x_BSI, self._as_library(memory, x_BSI))
        if self.dropout.active:
            output_BSH, last = torch.func.functional_call(self.cell, {"weight_hh_l0": recurrent}, inputs)
        else:
            output_BSH, last = self.cell(*inputs)
        return output_BSH, tuple(part[0] for part in (last if isinstance(last, tuple) else (last,)))

    def _by_kernels(self, x_BSI: Tensor, memory: Memory | None, recurrent_GH: Tensor) -> tuple[Tensor, Memory]:
        cell, dtype = self.cell, torch.get_autocast_dtype("cpu")
        nothing = x_BSI.new_zeros(len(x_BSI), cell.hidden_size)
        state_BH, cell_BH = (nothing, nothing) if memory is None else memory
        bias_G = cell.bias_ih_l0 + cell.bias_hh_l0
        input_GI, recurrent_GH = cell.weight_ih_l0.to(dtype), recurrent_GH.to(dtype)
        x_SBI = x_BSI.to(dtype).transpose(0, 1)
        output_SBH, cell_BH = lstm(x_SBI, state_BH.to(dtype), cell_BH.float(), input_GI, recurrent_GH, bias_G)
        return output_SBH.transpose(0, 1), (output_SBH[-1], cell_BH)

    def _as_library(self, memory: Memory, like: Tensor) -> Tensor | tuple[Tensor, ...]:
        """[1, B, H], and in the type of the input: under autocast the memory comes back in bfloat16.

        What was made in inference mode is copied outside it, where gradients could not go past it.
        """
        outside = not torch.is_inference_mode_enabled()
        memory = tuple(part.clone() if outside and part.is_inference() else part for part in memory)
        parts = tuple(part[None].to(like.dtype) for part in memory)
        return parts if isinstance(self.cell, nn.LSTM) else parts[0]


class RecurrentEncoder(nn.Module):
    """A stack of layers, [B, S, I] to [B, S, D]; what stands behind a row's length does not change what is before.

    Two-way layers read each row forwards and, from its last token, backwards; both outputs are joined.
    ``dropout`` masks what goes from layer to layer with one mask a sequence, ``recurrent_dropout`` the states.
    ``remembering`` says how the weights start.
    """

    def __init__(
        self,
        kind: str,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bidirectional: bool = False,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        remembering: bool = False,
    ):
        super().__init__()
        self.output_size = hidden_size * (2 if bidirectional else 1)
        sizes = [input_size] + [self.output_size] * (num_layers - 1)

        def layer(size: int) -> RecurrentLayer:
            return RecurrentLayer(kind, size, hidden_size, StateDropout(recurrent_dropout), remembering)

        self.forwards = nn.ModuleList(layer(size) for size in sizes)
        self.backwards = nn.ModuleList(layer(size) for size in sizes if bidirectional)
        self.dropout = VariationalDropout(dropout)

    def forward(self, x_BSI: Tensor, lengths_B: Tensor) -> Tensor:
        for layer in range(len(self.forwards)):
            if layer > 0:
                x_BSI = self.dropout(x_BSI)
            output = self.forwards[layer](x_BSI)
            if len(self.backwards):
                reverse = self.backwards[layer](reverse_rows(x_BSI, lengths_B))
                output = torch.cat([output, reverse_rows(reverse, lengths_B)], dim=-1)
            x_BSI = output
        return x_BSI


def start_remembering(cell: Any) -> None:
    """Weights to start from that keep what was read: orthogonal from state to state (Saxe et al. 2014), as Glorot &
    Bengio (2010) from the input, biases zero but one for the forget gate of an LSTM (Jozefowicz et al. 2015).

    Each gate's matrix is drawn by itself. The library's small uniform numbers let the beginning of a text fade, which
    suits a net that looks at all its states and hinders one that answers from the last.
    """
    hidden_size = cell.hidden_size
    for name, parameter in cell.named_parameters():
        if name.startswith("bias"):
            nn.init.zeros_(parameter)
            continue
        for gate in torch.split(parameter.detach(), hidden_size):
            (nn.init.orthogonal_ if name.startswith("weight_hh") else nn.init.xavier_uniform_)(gate)
    open_forget_gate(cell)


def open_forget_gate(cell: Any) -> None:
    """The forget gate of an LSTM starts open (Jozefowicz et al. 2015, section 2.2): of its two biases one is one."""
    if isinstance(cell, nn.LSTM):
        gate = slice(cell.hidden_size, 2 * cell.hidden_size)  # the library's order is input, forget, cell, output
        nn.init.ones_(cell.get_parameter("bias_ih_l0").detach()[gate])
        nn.init.zeros_(cell.get_parameter("bias_hh_l0").detach()[gate])
