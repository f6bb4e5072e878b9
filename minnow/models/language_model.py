"""What every language model can do.

B rows · S positions · D features · V vocabulary
"""

from abc import abstractmethod
from typing import Any

import torch
from torch import Tensor

from minnow.models.writer import Writer


class LanguageModel(Writer):
    """Token ids to the logits of each position's next token.

    ``prefill`` reads whole prompts, ``step`` goes on by one token a row; both give what ``forward`` gives at the same
    place of the same text.
    """

    reads = "tokens"

    @property
    @abstractmethod
    def context_size(self) -> int | None:
        """The most positions that a text may have, None where there is no bound."""

    @abstractmethod
    def hidden(self, token_ids_BS: Tensor, state: Any | None = None) -> tuple[Tensor, Any]:
        """States before the output layer [B, S, D], and the memory after the last position.

        All positions count as text; ``state`` is the memory of what came before, None for the beginning of a text.
        """

    def forward(self, token_ids_BS: Tensor) -> Tensor:
        """Logits [B, S, V]; those at a position see it and what stands before it."""
        return self.logits(self.hidden(token_ids_BS)[0])

    def encode(self, token_ids_BS: Tensor, lengths_B: Tensor) -> Tensor:  # noqa: ARG002 - what is padded stands behind
        """States [B, S, D] for a model that goes on from there; rows are padded on the right."""
        return self.hidden(token_ids_BS)[0]


def last_positions(hidden_BSD: Tensor, lengths_B: Tensor) -> Tensor:
    """[B, D] at each row's last token."""
    rows = torch.arange(len(lengths_B), device=lengths_B.device)
    return hidden_BSD[rows, lengths_B - 1]
