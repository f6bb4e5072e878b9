"""What transformers that read both ways share: states of every position, and logits of what stands under a mask.

B rows · S positions · D features · V vocabulary
"""

from abc import abstractmethod
from collections.abc import Iterable
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from minnow.errors import InputError
from minnow.layers.checkpointing import checkpointed
from minnow.layers.masks import padding_mask
from minnow.layers.transformer import Sight
from minnow.models.module import TorchModel

Part = TypeVar("Part", bound=nn.Module)


def needed_head(part: Part | None) -> Part:
    """A part of the masked-LM head.

    Raises:
        InputError: the model is an encoder without that head.
    """
    if part is None:
        raise InputError(
            "this model is an encoder without a masked-LM head, so it cannot say what stands under a mask; "
            "fine-tune it with minnow train DATA --from MODEL, or take one whose config.json has masked_head"
        )
    return part


class MaskedModel(TorchModel):
    """Token ids to the logits of the token at each position; rows are padded on the right.

    Set ``gradient_checkpointing`` to keep the blocks' inputs alone in training: less memory, a third more time.
    """

    reads = "tokens"
    gradient_checkpointing = False

    @property
    @abstractmethod
    def context_size(self) -> int:
        """The most positions that a text may have."""

    @property
    @abstractmethod
    def output_size(self) -> int:
        """D of what ``encode`` and ``hidden`` give."""

    @property
    @abstractmethod
    def blocks(self) -> Iterable[nn.Module]:
        """The layers, in order, each ``(states_BSD, sight) -> states_BSD``."""

    @abstractmethod
    def embed(self, token_ids_BS: Tensor) -> Tensor:
        """What goes into the first block [B, S, D]."""

    @abstractmethod
    def transform(self, states_BSD: Tensor) -> Tensor:
        """The head before its output layer, position by position [..., D] to the same."""

    @property
    @abstractmethod
    def output_weight_VD(self) -> Tensor:
        """Weights of the output layer, those of the embedding."""

    @property
    def output_matrix(self) -> Tensor:
        return self.output_weight_VD

    @property
    @abstractmethod
    def output_bias_V(self) -> Tensor:
        """Biases of the output layer."""

    def encode(self, token_ids_BS: Tensor, lengths_B: Tensor) -> Tensor:
        """States [B, S, D] for a model that goes on from there.

        Raises:
            InputError: a text is longer than ``context_size``.
        """
        num_positions = token_ids_BS.shape[1]
        if num_positions > self.context_size:
            raise InputError(
                f"a text may have at most {self.context_size} positions, but got {num_positions}; give less of it"
            )
        # A row without text would see nothing, whose mean is not a number; its first place is as good as none.
        lengths_B = lengths_B.clamp(min=1)
        sight = Sight(mask=padding_mask(lengths_B, num_positions)[:, None, None, :], lengths=lengths_B)
        states_BSD = self.embed(token_ids_BS)
        lean = self.gradient_checkpointing and torch.is_grad_enabled()
        for block in self.blocks:
            states_BSD = checkpointed(block, states_BSD, sight) if lean else block(states_BSD, sight)
        return states_BSD

    def hidden(self, token_ids_BS: Tensor, lengths_B: Tensor) -> Tensor:
        """States before the output layer [B, S, D]."""
        return self.transform(self.encode(token_ids_BS, lengths_B))

    def logits(self, hidden: Tensor) -> Tensor:
        """[..., D] to [..., V]."""
        return F.linear(hidden, self.output_weight_VD, self.output_bias_V)

    def forward(self, token_ids_BS: Tensor, lengths_B: Tensor) -> Tensor:
        """Logits [B, S, V]; those at a position see the whole row."""
        return self.logits(self.hidden(token_ids_BS, lengths_B))
