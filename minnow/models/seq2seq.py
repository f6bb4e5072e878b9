"""What every model that turns one text into another has: an encoder that reads the source, a decoder that writes.

B rows · S positions of the source · T positions of the target · D features · V target vocabulary
"""

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from minnow.errors import RecipeError
from minnow.models.base import ModelConfig
from minnow.models.writer import DecodeState, Writer


@dataclass(frozen=True)
class Seq2SeqConfig(ModelConfig):
    """What the shapes of all of them say; subclassed in the architectures' own files.

    Attributes:
        vocab_size: of the source.
        target_vocab_size: of the target; 0 where both sides have one vocabulary, whose embeddings they then share.
        start_id: the token that the decoder reads first.
        tied: the output layer's weights are the target's embeddings.
    """

    vocab_size: int
    target_vocab_size: int = 0
    start_id: int = 2
    tied: bool = True

    def __post_init__(self) -> None:
        self.check_sizes("vocab_size")
        if self.target_vocab_size < 0:
            raise RecipeError(f"target_vocab_size must be at least 0, but got {self.target_vocab_size}")
        if not 0 <= self.start_id < self.output_vocab_size:
            raise RecipeError(
                f"start_id must be one of {self.output_vocab_size} tokens, but got start_id={self.start_id}"
            )

    @property
    def output_vocab_size(self) -> int:
        """V of what is written."""
        return self.target_vocab_size or self.vocab_size


class Seq2Seq(Writer):
    """Token ids of a source to the logits of each next token of its target.

    The decoder reads ``start_id`` and then what has been written; rows are padded on the right on both sides.
    """

    reads = "pairs"
    config: Seq2SeqConfig
    source_embedding: nn.Embedding
    own_target_embedding: nn.Embedding | None
    output_weight: nn.Parameter | None

    @property
    def target_embedding(self) -> nn.Embedding:
        """Of what is written; the source's where both sides have one vocabulary."""
        own: nn.Embedding | None = self.own_target_embedding
        return self.source_embedding if own is None else own

    @property
    def output_weight_VD(self) -> Tensor:
        untied: Tensor | None = self.output_weight
        return self.target_embedding.weight if untied is None else untied

    def embeddings(self, size: int, std: float) -> None:
        """Make the embeddings of both sides and, where it is not tied, the output layer."""
        config = self.config
        self.source_embedding = nn.Embedding(config.vocab_size, size)
        nn.init.normal_(self.source_embedding.weight, std=std)
        self.own_target_embedding = nn.Embedding(config.target_vocab_size, size) if config.target_vocab_size else None
        if self.own_target_embedding is not None:
            nn.init.normal_(self.own_target_embedding.weight, std=std)
        weight_VD = torch.empty(config.output_vocab_size, self.output_size).normal_(std=std)
        self.register_parameter("output_weight", None if config.tied else nn.Parameter(weight_VD))

    def shifted(self, target_ids_BT: Tensor) -> Tensor:
        """What the decoder reads while it learns to write these: the start, and all but the last of them."""
        start_B1 = torch.full_like(target_ids_BT[:, :1], self.config.start_id)
        return torch.cat([start_B1, target_ids_BT[:, :-1]], dim=1)

    @property
    @abstractmethod
    def encoded_size(self) -> int:
        """D of the states of the source, which may have another size than those of the target."""

    @abstractmethod
    def encode(self, source_ids_BS: Tensor, lengths_B: Tensor) -> Tensor:
        """States of the source [B, S, D]."""

    @abstractmethod
    def hidden(self, source_ids_BS: Tensor, lengths_B: Tensor, target_ids_BT: Tensor) -> Tensor:
        """States before the output layer at each position of the target [B, T, D]."""

    def forward(self, source_ids_BS: Tensor, lengths_B: Tensor, target_ids_BT: Tensor) -> Tensor:
        """Logits [B, T, V]; those at a position see the source and the target before it, which the position writes."""
        return self.logits(self.hidden(source_ids_BS, lengths_B, target_ids_BT))

    @abstractmethod
    def attention(self, source_ids_BS: Tensor, lengths_B: Tensor, target_ids_BT: Tensor) -> Tensor:
        """How much each position of the target looked at each of the source while it was written [B, T, S]; the
        weights of a position add up to one."""

    @abstractmethod
    def look(self, token_ids_B: Tensor, state: Any) -> tuple[Tensor, Tensor, DecodeState]:
        """A ``step``, and how much the model looked at each position of the sources as it took it [B, S]."""

    @abstractmethod
    def prefill(self, token_ids_BS: Tensor, lengths_B: Tensor) -> tuple[Tensor, DecodeState]:
        """Read sources: the logits of each target's first token [B, V], and the memory."""


def grouped_sources(rows_R: Tensor, group: int, num_sources: int) -> tuple[Tensor | None, int]:
    """``grouped_rows``, and None for the sources where they are all there are, in their order: nothing moves."""
    sources, group = grouped_rows(rows_R, group)
    every = torch.arange(num_sources, device=rows_R.device)
    return None if len(sources) == num_sources and torch.equal(sources, every) else sources, group


def grouped_rows(rows_R: Tensor, group: int) -> tuple[Tensor, int]:
    """Which sources these rows belong to, and how many rows each has now.

    Rows that follow one another and belong to one source share what is remembered of it, so that a beam search moves
    no more than what was written.

    Args:
        rows_R: of a state in which ``group`` rows that follow one another belong to one source.

    Returns:
        The sources, each once [R / group], and the new group; where the rows do not fall into groups of one size, a
        source for every row [R], and 1.
    """
    sources_R = rows_R.div(group, rounding_mode="floor")
    changes = (sources_R[1:] != sources_R[:-1]).nonzero()
    run = int(changes[0]) + 1 if len(changes) else len(sources_R)
    if run > 1 and len(sources_R) % run == 0:
        blocks = sources_R.view(-1, run)
        if bool((blocks == blocks[:, :1]).all()):
            return blocks[:, 0].contiguous(), run
    return sources_R, 1
