"""What every model that writes token by token has: an output layer, a step, and the memory that it carries from one
token to the next.

B rows · D features · V vocabulary
"""

from abc import abstractmethod
from typing import Any, Protocol, Self, runtime_checkable

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


class Writer(TorchModel):
    """``prefill`` reads what is asked, ``step`` goes on by one token a row; both give the logits of the next token."""

    @property
    @abstractmethod
    def output_size(self) -> int:
        """D of the states that the output layer reads."""

    @property
    @abstractmethod
    def output_weight_VD(self) -> Tensor:
        """Weights of the output layer; where they are tied, those of the embedding."""

    @property
    def output_matrix(self) -> Tensor:
        return self.output_weight_VD

    @property
    def output_bias_V(self) -> Tensor | None:
        return None

    def logits(self, hidden: Tensor) -> Tensor:
        """[..., D] to [..., V]."""
        return F.linear(hidden, self.output_weight_VD, self.output_bias_V)

    @abstractmethod
    def prefill(self, token_ids_BS: Tensor, lengths_B: Tensor) -> tuple[Tensor, DecodeState]:
        """The logits of each row's first token to write [B, V], and the memory; rows are padded on the right."""

    @abstractmethod
    def step(self, token_ids_B: Tensor, state: Any) -> tuple[Tensor, DecodeState]:
        """The logits after one more token a row [B, V], and the memory."""
