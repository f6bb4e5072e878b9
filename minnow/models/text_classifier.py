"""A neural text classifier: embeddings, an encoder, a pooling, a linear head.

B rows · S positions · D features · K labels · V vocabulary
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from minnow.errors import RecipeError, UnknownNameError
from minnow.layers import pooling, recurrent
from minnow.layers.bigrams import BigramEmbedding
from minnow.layers.convolution import ConvolutionalEncoder
from minnow.layers.dropout import FeatureDropout, TokenDropout, VariationalDropout
from minnow.layers.masks import padding_mask
from minnow.layers.recurrent import RecurrentEncoder
from minnow.models.base import ModelConfig
from minnow.models.module import TorchModel

ENCODERS = (*recurrent.KINDS, "convolution", "none")
STARTS = ("auto", "library", "remembering")
RATES = ("dropout", "token_dropout", "embedding_dropout", "recurrent_dropout", "bigram_dropout")


@dataclass(frozen=True)
class TextClassifierConfig(ModelConfig):
    """The shape of the classifier.

    Attributes:
        encoder: rnn, lstm, gru, convolution, or none, which pools the embeddings themselves.
        pooling: first, last, mean, max, concat (last, max and mean), additive, dot, general or self_attention.
        hidden_size: units of a layer and direction, or channels of each width.
        widths: of the convolutions, in tokens.
        dropout: before the head.
        token_dropout: share of the token types of a text that are left out.
        embedding_dropout: of embedding features, one mask a text; also between layers.
        recurrent_dropout: of the recurrent state, one mask a batch.
        start: of recurrent weights: library, remembering, or auto: remembering under the pooling last.
        bigrams: word pairs that have vectors of their own; 0 for none.
        bigram_size: numbers a pair, beside the embedding of its second word.
        bigram_dropout: share of the pairs of a text that are left out.
    """

    model_type: ClassVar[str] = "text_classifier"

    vocab_size: int
    num_labels: int
    embedding_size: int = 100
    encoder: str = "lstm"
    hidden_size: int = 128
    num_layers: int = 1
    bidirectional: bool = True
    pooling: str = "max"
    widths: tuple[int, ...] = (2, 3, 4)
    dropout: float = 0.3
    token_dropout: float = 0.1
    embedding_dropout: float = 0.2
    recurrent_dropout: float = 0.0
    start: str = "auto"
    bigrams: int = 0
    bigram_size: int = 16
    bigram_dropout: float = 0.7

    def __post_init__(self) -> None:
        if self.encoder not in ENCODERS:
            raise UnknownNameError("encoder", self.encoder, ENCODERS)
        if self.pooling not in pooling.KINDS:
            raise UnknownNameError("pooling", self.pooling, pooling.KINDS)
        if self.start not in STARTS:
            raise UnknownNameError("start", self.start, STARTS)
        self.check_sizes("vocab_size", "num_labels", "embedding_size", "hidden_size", "bigram_size")
        self.check_layers("num_layers")
        if self.bigrams < 0:
            raise RecipeError(f"bigrams must be at least 0, but got bigrams={self.bigrams}; try 30000")
        self.check_rates(*RATES)
        if not self.widths or min(self.widths) < 1:
            raise RecipeError(f"widths must be positive, but got widths={list(self.widths)}; try [2, 3, 4]")

    @property
    def remembering(self) -> bool:
        """Whether recurrent weights start by keeping what was read."""
        return self.start == "remembering" or (self.start == "auto" and self.pooling == "last")

    @property
    def input_size(self) -> int:
        """D of what the encoder reads."""
        return self.embedding_size + (self.bigram_size if self.bigrams else 0)


class TextClassifier(TorchModel):
    """Token ids to logits; ``reads`` tells a task what kind of input the model takes."""

    reads = "tokens"
    config: TextClassifierConfig

    def __init__(self, config: TextClassifierConfig):
        super().__init__(config)
        self.embedding = nn.Embedding(config.vocab_size, config.embedding_size, padding_idx=0)
        nn.init.normal_(self.embedding.weight[1:], std=0.1)
        self.token_dropout = TokenDropout(config.token_dropout)
        self.bigrams = (
            BigramEmbedding(config.bigrams, config.bigram_size, config.bigram_dropout) if config.bigrams else None
        )
        self.embedding_dropout = VariationalDropout(config.embedding_dropout)
        self.encoder = _encoder(config)
        size = config.input_size if self.encoder is None else self.encoder.output_size
        two_way = isinstance(self.encoder, RecurrentEncoder) and config.bidirectional
        self.pooling = pooling.pooling(config.pooling, size, two_way)
        self.dropout = FeatureDropout(config.dropout)
        self.head = nn.Linear(pooling.pooled_size(config.pooling, size), config.num_labels)

    @property
    def output_matrix(self) -> Tensor:
        return self.head.weight

    def forward(self, token_ids_BS: Tensor, lengths_B: Tensor) -> Tensor:
        """Logits [B, K]."""
        return self.attend(token_ids_BS, lengths_B)[0]

    def attend(self, token_ids_BS: Tensor, lengths_B: Tensor) -> tuple[Tensor, Tensor | None]:
        """Logits [B, K] and the attention weights [B, S], None where the pooling has none."""
        mask_BS = padding_mask(lengths_B, token_ids_BS.shape[1])
        states_BSD = self.token_dropout(self.embedding(token_ids_BS), token_ids_BS)
        if self.bigrams is not None:
            states_BSD = torch.cat([states_BSD, self.bigrams(token_ids_BS)], dim=-1)
        states_BSD = self.embedding_dropout(states_BSD)
        if self.encoder is not None:
            states_BSD = self.encoder(states_BSD, lengths_B)
        pooled_BD, weights_BS = self.pooling(states_BSD, lengths_B, mask_BS)
        return self.head(self.dropout(pooled_BD)), weights_BS


def _encoder(config: TextClassifierConfig) -> RecurrentEncoder | ConvolutionalEncoder | None:
    if config.encoder == "none":
        return None
    if config.encoder == "convolution":
        return ConvolutionalEncoder(config.input_size, config.hidden_size, config.widths)
    return RecurrentEncoder(
        config.encoder,
        config.input_size,
        config.hidden_size,
        config.num_layers,
        config.bidirectional,
        config.embedding_dropout,
        config.recurrent_dropout,
        config.remembering,
    )
