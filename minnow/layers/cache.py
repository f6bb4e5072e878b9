"""The keys and values that a transformer has computed, kept for the tokens to come: a value that the caller holds.

B rows · H heads · C positions that there is room for · N positions in use · S new positions · D features of a head
"""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

MIN_ROOM = 16  # positions that are added at least, so that short texts do not copy at every other step

Pair = tuple[Tensor, Tensor]


@dataclass
class Tail:
    """Who has written last into buffers that several states share."""

    turn: int = 0


@dataclass(frozen=True, eq=False)
class KeyValueState:
    """Keys and values of every layer, and how much of each row is text; position p of a row stands in column p.

    States that follow one another share their buffers: the newer writes behind the older, which looks at its own
    columns alone and so stays as it was. Going on from an older state a second time copies: the room behind is taken.

    Attributes:
        layers: keys and values of each layer, [B, H, C, D] each.
        lengths_B: positions of each row.
        num_positions: those of the longest row, N.
        ragged: whether the rows' lengths differ.
    """

    layers: tuple[Pair, ...]
    lengths_B: Tensor
    num_positions: int
    ragged: bool
    tail: Tail
    turn: int

    @classmethod
    def of(cls, layers: list[Pair], lengths_B: Tensor, num_positions: int, ragged: bool) -> Self:
        """The state after a beginning whose keys and values are these; nothing is copied."""
        return cls(tuple(layers), lengths_B, num_positions, ragged, Tail(), 0)

    @property
    def num_rows(self) -> int:
        return len(self.lengths_B)

    def select(self, rows: Tensor) -> Self:
        """The state of these rows [R], in this order; a row may be named several times."""
        rows = rows.to(self.lengths_B.device)
        lengths_B = self.lengths_B[rows]
        num_positions, ragged = self.num_positions, self.ragged and len(rows) > 0
        if ragged:  # what is left may be shorter and even again
            shortest, longest = torch.stack(lengths_B.aminmax()).tolist()
            num_positions, ragged = longest, shortest != longest
        # With the room behind, that a search which selects at every step does not copy a second time to write.
        layers = [(keys.index_select(0, rows), values.index_select(0, rows)) for keys, values in self.layers]
        return type(self).of(layers, lengths_B, num_positions, ragged)

    def extended(self, num_new: int) -> Self:
        """The state after ``num_new`` more positions a row, which ``write`` fills layer by layer."""
        num_positions = self.num_positions + num_new
        layers, tail = self.layers, self.tail
        if not self._may_write(num_positions):
            layers, tail = tuple(self._copied(pair, num_positions) for pair in layers), Tail()
        tail.turn += 1
        lengths_B = self.lengths_B + num_new
        return type(self)(layers, lengths_B, num_positions, self.ragged, tail, tail.turn)

    def write(self, layer: int, keys_BHSD: Tensor, values_BHSD: Tensor) -> Pair:
        """Put in the newest positions; returns all keys and values of the layer [B, H, N, D].

        Columns beyond a shorter row's length hold what is no text; who attends masks them.
        """
        for buffer, new_BHSD in zip(self.layers[layer], (keys_BHSD, values_BHSD), strict=True):
            self._put(buffer, new_BHSD)
        keys, values = self.layers[layer]
        return keys[:, :, : self.num_positions], values[:, :, : self.num_positions]

    def _put(self, buffer_BHCD: Tensor, new_BHSD: Tensor) -> None:
        num_new = new_BHSD.shape[2]
        if not self.ragged:
            buffer_BHCD[:, :, self.num_positions - num_new : self.num_positions] = new_BHSD
            return
        rows_B1 = torch.arange(self.num_rows, device=buffer_BHCD.device)[:, None]
        columns_BS = self.lengths_B[:, None] - num_new + torch.arange(num_new, device=buffer_BHCD.device)
        buffer_BHCD[rows_B1, :, columns_BS] = new_BHSD.transpose(1, 2).to(buffer_BHCD.dtype)

    def _may_write(self, num_positions: int) -> bool:
        keys = self.layers[0][0]
        # torch lets nobody write into what was made in inference mode, once outside of it
        locked = keys.is_inference() and not torch.is_inference_mode_enabled()
        return self.turn == self.tail.turn and num_positions <= keys.shape[2] and not locked

    def _copied(self, pair: Pair, num_positions: int) -> Pair:
        keys, values = (self._roomier(buffer, num_positions) for buffer in pair)
        return keys, values

    def _roomier(self, buffer_BHCD: Tensor, num_positions: int) -> Tensor:
        """The columns in use, with room for as many again: a token costs one copied column in the long run."""
        num_rows, num_heads, _, size = buffer_BHCD.shape
        room = max(2 * self.num_positions, num_positions) + MIN_ROOM
        # Zeros and not whatever lies there: a masked column that is not a number would still spoil the sum.
        copied = buffer_BHCD.new_zeros(num_rows, num_heads, room, size)
        copied[:, :, : self.num_positions] = buffer_BHCD[:, :, : self.num_positions]
        return copied
