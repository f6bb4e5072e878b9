"""What every language model can do, and the memory that it carries from one token to the next.

B rows · S positions · D features · V vocabulary
"""

from abc import abstractmethod
from typing import Any, Protocol, Self, runtime_checkable

import torch
from torch import Tensor
from torch.nn import functional as F

from minnow.models.module import TorchModel


@runtime_checkable
class DecodeState(Protocol):
    """All that a model remembers between two tokens, rows on axis 0 of every tensor: a value that the caller holds.

    A step returns a new state and leaves the one it was given as it was, so a search may go on from a state twice.
    """

    @property
    def num_rows(self) -> int: ...

    def select(self, rows: Tensor) -> Self:
        """The state of these rows [R], in this order; a row may be named several times."""
        ...


class LanguageModel(TorchModel):
    """Token ids to the logits of each position's next token.

    ``prefill`` reads whole prompts, ``step`` goes on by one token a row; both give what ``forward`` gives at the same
    place of the same text.
    """

    reads = "tokens"

    @property
    @abstractmethod
    def context_size(self) -> int | None:
        """The most positions that a text may have, None where there is no bound."""

    @property
    @abstractmethod
    def output_size(self) -> int:
        """D of what ``hidden`` and ``encode`` give."""

    @abstractmethod
    def hidden(self, token_ids_BS: Tensor, state: Any | None = None) -> tuple[Tensor, Any]:
        """States before the output layer [B, S, D], and the memory after the last position.

        All positions count as text; ``state`` is the memory of what came before, None for the beginning of a text.
        """

    @property
    @abstractmethod
    def output_weight_VD(self) -> Tensor:
        """Weights of the output layer; where they are tied, those of the embedding."""

    @property
    def output_bias_V(self) -> Tensor | None:
        return None

    def logits(self, hidden: Tensor) -> Tensor:
        """[..., D] to [..., V]."""
        return F.linear(hidden, self.output_weight_VD, self.output_bias_V)

    def forward(self, token_ids_BS: Tensor) -> Tensor:
        """Logits [B, S, V]; those at a position see it and what stands before it."""
        return self.logits(self.hidden(token_ids_BS)[0])

    def encode(self, token_ids_BS: Tensor, lengths_B: Tensor) -> Tensor:  # noqa: ARG002 - what is padded stands behind
        """States [B, S, D] for a model that goes on from there; rows are padded on the right."""
        return self.hidden(token_ids_BS)[0]

    @abstractmethod
    def prefill(self, token_ids_BS: Tensor, lengths_B: Tensor) -> tuple[Tensor, DecodeState]:
        """The logits after each row's last token [B, V], and the memory; rows are padded on the right."""

    @abstractmethod
    def step(self, token_ids_B: Tensor, state: Any) -> tuple[Tensor, DecodeState]:
        """The logits after one more token a row [B, V], and the memory."""


def last_positions(hidden_BSD: Tensor, lengths_B: Tensor) -> Tensor:
    """[B, D] at each row's last token."""
    rows = torch.arange(len(lengths_B), device=lengths_B.device)
    return hidden_BSD[rows, lengths_B - 1]
