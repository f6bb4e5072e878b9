"""Recurrent encoders: RNN (Elman 1990), LSTM (Hochreiter & Schmidhuber 1997), GRU (Cho et al. 2014); stacked, one- or
two-way, with the variational dropout of Gal & Ghahramani (2016).

B rows · S positions · I inputs · H units of one direction · D outputs, H or 2 H
"""

from typing import Any

import torch
from torch import Tensor, nn

from minnow.errors import UnknownNameError
from minnow.layers.dropout import StateDropout, VariationalDropout
from minnow.layers.masks import reverse_rows

KINDS: dict[str, Any] = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}


class RecurrentLayer(nn.Module):
    """One layer in one direction, [B, S, I] to [B, S, H].

    ``recurrent_dropout`` masks the previous state wherever it enters the cell, with one mask for all positions
    (equation 7 of the paper). The mask is drawn a batch rather than a row: masking the state is then masking the
    columns of the recurrent weights, and the fused kernels of the library still apply.
    """

    def __init__(self, kind: str, input_size: int, hidden_size: int, recurrent_dropout: float):
        super().__init__()
        if kind not in KINDS:
            raise UnknownNameError("recurrent kind", kind, KINDS)
        self.cell: Any = KINDS[kind](input_size, hidden_size, batch_first=True)
        self.dropout = StateDropout(recurrent_dropout)

    def forward(self, x_BSI: Tensor) -> Tensor:
        if not self.dropout.active:
            return self._output(self.cell(x_BSI))
        recurrent = self.cell.weight_hh_l0
        masked = {"weight_hh_l0": recurrent * self.dropout.mask(recurrent)}
        return self._output(torch.func.functional_call(self.cell, masked, (x_BSI,)))

    @staticmethod
    def _output(result: tuple[Tensor, object]) -> Tensor:
        return result[0]


class RecurrentEncoder(nn.Module):
    """A stack of layers, [B, S, I] to [B, S, D]; what stands behind a row's length does not change what is before.

    Two-way layers read each row forwards and, from its last token, backwards; both outputs are joined.
    ``dropout`` masks what goes from layer to layer with one mask a sequence, ``recurrent_dropout`` the states.
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
    ):
        super().__init__()
        self.output_size = hidden_size * (2 if bidirectional else 1)
        sizes = [input_size] + [self.output_size] * (num_layers - 1)
        self.forwards = nn.ModuleList(RecurrentLayer(kind, size, hidden_size, recurrent_dropout) for size in sizes)
        self.backwards = nn.ModuleList(
            RecurrentLayer(kind, size, hidden_size, recurrent_dropout) for size in sizes if bidirectional
        )
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
