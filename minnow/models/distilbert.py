"""DistilBERT: half of BERT's layers, without segments; Sanh et al. (2019), "DistilBERT, a distilled version of BERT".

Weights and configuration have Hugging Face's names.
B rows · S positions · D features · V vocabulary
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from minnow.layers.activations import activation
from minnow.layers.dropout import FeatureDropout
from minnow.layers.linear import Linear
from minnow.layers.transformer import HeadedAttention, Sight, start_weights
from minnow.models.foreign import ForeignConfig, check_heads
from minnow.models.masked_model import MaskedModel, needed_head

EPS = 1e-12  # of every norm; no configuration has it


@dataclass(frozen=True, kw_only=True)
class DistilBertConfig(ForeignConfig):
    """The shape of an encoder; keys and defaults are those of ``config.json`` at Hugging Face.

    Attributes:
        dim: D, features of a position.
        hidden_dim: features inside the feed-forward layers; 4 · D is usual.
        n_layers: blocks.
        n_heads: heads of attention.
        max_position_embeddings: the most positions a text may have; each has an embedding of its own.
        dropout: of the embeddings and of the feed-forward layers.
        attention_dropout: of attention weights.
        initializer_range: standard deviation of the weights at the start.
        masked_head: whether there is the head that gives logits; an encoder alone has none.
    """

    model_type: ClassVar[str] = "distilbert"
    architecture: ClassVar[str] = "DistilBertForMaskedLM"

    vocab_size: int
    dim: int
    hidden_dim: int
    n_layers: int
    n_heads: int
    max_position_embeddings: int = 512
    activation: str = "gelu"
    dropout: float = 0.1
    attention_dropout: float = 0.1
    initializer_range: float = 0.02
    masked_head: bool = True
    pad_token_id: int | None = 0

    def __post_init__(self) -> None:
        self.check_sizes("vocab_size", "dim", "hidden_dim", "n_layers", "n_heads", "max_position_embeddings")
        self.check_layers("n_layers")
        check_heads("dim", self.dim, "n_heads", self.n_heads)
        activation(self.activation)
        self.check_rates("dropout", "attention_dropout")

    def to_dict(self) -> dict[str, Any]:
        architecture = self.architecture if self.masked_head else "DistilBertModel"
        return {**super().to_dict(), "architectures": [architecture]}


class DistilBertEmbeddings(nn.Module):
    def __init__(self, config: DistilBertConfig):
        super().__init__()
        self.word_embeddings = nn.Embedding(config.vocab_size, config.dim)
        self.position_embeddings = nn.Embedding(config.max_position_embeddings, config.dim)
        self.LayerNorm = nn.LayerNorm(config.dim, EPS)
        self.dropout = FeatureDropout(config.dropout)

    def forward(self, token_ids_BS: Tensor) -> Tensor:
        positions_S = torch.arange(token_ids_BS.shape[1], device=token_ids_BS.device)
        embedded_BSD = self.word_embeddings(token_ids_BS) + self.position_embeddings(positions_S)
        normed_BSD: Tensor = self.dropout(self.LayerNorm(embedded_BSD))
        return normed_BSD


class DistilBertAttention(nn.Module):
    def __init__(self, config: DistilBertConfig):
        super().__init__()
        self.q_lin = Linear(config.dim, config.dim)
        self.k_lin = Linear(config.dim, config.dim)
        self.v_lin = Linear(config.dim, config.dim)
        self.out_lin = Linear(config.dim, config.dim)
        self.attend = HeadedAttention(config.n_heads, config.n_heads, config.attention_dropout)

    def forward(self, x_BSD: Tensor, sight: Sight) -> Tensor:
        parts = (self.q_lin(x_BSD), self.k_lin(x_BSD), self.v_lin(x_BSD))
        queries, keys, values = (self.attend.heads(part, self.attend.num_heads) for part in parts)
        output_BSD: Tensor = self.out_lin(self.attend(queries, keys, values, sight)[0])
        return output_BSD


class DistilBertFeedForward(nn.Module):
    def __init__(self, config: DistilBertConfig):
        super().__init__()
        self.lin1 = Linear(config.dim, config.hidden_dim)
        self.lin2 = Linear(config.hidden_dim, config.dim)
        self.activation = activation(config.activation)
        self.dropout = FeatureDropout(config.dropout)

    def forward(self, x_BSD: Tensor) -> Tensor:
        output_BSD: Tensor = self.dropout(self.lin2(self.activation(self.lin1(x_BSD))))
        return output_BSD


class DistilBertBlock(nn.Module):
    """Attention, then feed-forward; each adds to what it reads, and the sum is normed."""

    def __init__(self, config: DistilBertConfig):
        super().__init__()
        self.attention = DistilBertAttention(config)
        self.sa_layer_norm = nn.LayerNorm(config.dim, EPS)
        self.ffn = DistilBertFeedForward(config)
        self.output_layer_norm = nn.LayerNorm(config.dim, EPS)

    def forward(self, x_BSD: Tensor, sight: Sight) -> Tensor:
        x_BSD = self.sa_layer_norm(x_BSD + self.attention(x_BSD, sight))
        output_BSD: Tensor = self.output_layer_norm(x_BSD + self.ffn(x_BSD))
        return output_BSD


class DistilBertEncoder(nn.Module):
    def __init__(self, config: DistilBertConfig):
        super().__init__()
        self.layer = nn.ModuleList(DistilBertBlock(config) for _ in range(config.n_layers))


class DistilBertBody(nn.Module):
    """What stands under ``distilbert.`` in the weights' names."""

    def __init__(self, config: DistilBertConfig):
        super().__init__()
        self.embeddings = DistilBertEmbeddings(config)
        self.transformer = DistilBertEncoder(config)


class VocabularyBias(nn.Module):
    """What is left of the output layer, whose weights are the embedding's."""

    def __init__(self, vocab_size: int):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(vocab_size))


class DistilBert(MaskedModel):
    """Token ids and lengths to logits; without ``masked_head`` to the states of ``encode`` alone."""

    config: DistilBertConfig
    head_names = ("vocab_transform", "vocab_layer_norm", "vocab_projector")

    def __init__(self, config: DistilBertConfig):
        super().__init__(config)
        self.distilbert = DistilBertBody(config)
        headed = config.masked_head
        self.vocab_transform = nn.Linear(config.dim, config.dim) if headed else None
        self.vocab_layer_norm = nn.LayerNorm(config.dim, EPS) if headed else None
        self.vocab_projector = VocabularyBias(config.vocab_size) if headed else None
        self.activation = activation(config.activation)
        start_weights(self, config.initializer_range, config.n_layers, ())

    @property
    def context_size(self) -> int:
        return self.config.max_position_embeddings

    @property
    def output_size(self) -> int:
        return self.config.dim

    @property
    def blocks(self) -> Iterable[nn.Module]:
        return self.distilbert.transformer.layer

    def embed(self, token_ids_BS: Tensor) -> Tensor:
        embedded_BSD: Tensor = self.distilbert.embeddings(token_ids_BS)
        return embedded_BSD

    def transform(self, states_BSD: Tensor) -> Tensor:
        transformed_BSD = self.activation(needed_head(self.vocab_transform)(states_BSD))
        normed: Tensor = needed_head(self.vocab_layer_norm)(transformed_BSD)
        return normed

    @property
    def output_weight_VD(self) -> Tensor:
        return self.distilbert.embeddings.word_embeddings.weight

    @property
    def output_bias_V(self) -> Tensor:
        return needed_head(self.vocab_projector).bias
