"""BERT: an encoder that reads both ways, with a head that says what stands under a mask.

Devlin et al. (2019), "BERT: Pre-training of Deep Bidirectional Transformers for Language Understanding". MiniLM is of
this type, without the head. Weights and configuration have Hugging Face's names.
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


@dataclass(frozen=True, kw_only=True)
class BertConfig(ForeignConfig):
    """The shape of an encoder; keys and defaults are those of ``config.json`` at Hugging Face, but for the last two.

    Attributes:
        hidden_size: D, features of a position.
        intermediate_size: features inside the feed-forward layers; 4 · D is usual.
        num_hidden_layers: blocks.
        num_attention_heads: heads of attention.
        max_position_embeddings: the most positions a text may have; each has an embedding of its own.
        type_vocab_size: kinds of segments; a text alone is all of kind 0.
        hidden_dropout_prob: dropout of what each layer adds, and of the embeddings.
        attention_probs_dropout_prob: of attention weights.
        initializer_range: standard deviation of the weights at the start.
        masked_head: whether there is the head that gives logits; an encoder alone has none.
        pooler: whether the weights have BERT's pooler over the first position, which is kept for others who use it.
    """

    model_type: ClassVar[str] = "bert"
    architecture: ClassVar[str] = "BertForMaskedLM"

    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    max_position_embeddings: int = 512
    type_vocab_size: int = 2
    hidden_act: str = "gelu"
    hidden_dropout_prob: float = 0.1
    attention_probs_dropout_prob: float = 0.1
    layer_norm_eps: float = 1e-12
    initializer_range: float = 0.02
    masked_head: bool = True
    pooler: bool = False
    pad_token_id: int | None = 0

    def __post_init__(self) -> None:
        self.check_sizes("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads")
        self.check_sizes("max_position_embeddings", "type_vocab_size")
        self.check_layers("num_hidden_layers")
        check_heads("hidden_size", self.hidden_size, "num_attention_heads", self.num_attention_heads)
        activation(self.hidden_act)
        self.check_rates("hidden_dropout_prob", "attention_probs_dropout_prob")

    def to_dict(self) -> dict[str, Any]:
        architecture = self.architecture if self.masked_head else "BertModel"
        return {**super().to_dict(), "architectures": [architecture]}


class BertEmbeddings(nn.Module):
    def __init__(self, config: BertConfig):
        super().__init__()
        self.word_embeddings = nn.Embedding(config.vocab_size, config.hidden_size)
        self.position_embeddings = nn.Embedding(config.max_position_embeddings, config.hidden_size)
        self.token_type_embeddings = nn.Embedding(config.type_vocab_size, config.hidden_size)
        self.LayerNorm = nn.LayerNorm(config.hidden_size, config.layer_norm_eps)
        self.dropout = FeatureDropout(config.hidden_dropout_prob)

    def forward(self, token_ids_BS: Tensor) -> Tensor:
        positions_S = torch.arange(token_ids_BS.shape[1], device=token_ids_BS.device)
        places_SD = self.position_embeddings(positions_S) + self.token_type_embeddings.weight[0]
        embedded_BSD: Tensor = self.dropout(self.LayerNorm(self.word_embeddings(token_ids_BS) + places_SD))
        return embedded_BSD


class BertSelfAttention(nn.Module):
    def __init__(self, config: BertConfig):
        super().__init__()
        self.query = Linear(config.hidden_size, config.hidden_size)
        self.key = Linear(config.hidden_size, config.hidden_size)
        self.value = Linear(config.hidden_size, config.hidden_size)
        heads = config.num_attention_heads
        self.attend = HeadedAttention(heads, heads, config.attention_probs_dropout_prob)

    def forward(self, x_BSD: Tensor, sight: Sight) -> Tensor:
        parts = (self.query(x_BSD), self.key(x_BSD), self.value(x_BSD))
        queries, keys, values = (self.attend.heads(part, self.attend.num_heads) for part in parts)
        taken_BSD: Tensor = self.attend(queries, keys, values, sight)[0]
        return taken_BSD


class BertOutput(nn.Module):
    """What a layer found is added to what it read, and the sum is normed."""

    def __init__(self, num_inputs: int, config: BertConfig):
        super().__init__()
        self.dense = Linear(num_inputs, config.hidden_size)
        self.LayerNorm = nn.LayerNorm(config.hidden_size, config.layer_norm_eps)
        self.dropout = FeatureDropout(config.hidden_dropout_prob)

    def forward(self, found: Tensor, read_BSD: Tensor) -> Tensor:
        normed_BSD: Tensor = self.LayerNorm(read_BSD + self.dropout(self.dense(found)))
        return normed_BSD


class BertAttention(nn.Module):
    def __init__(self, config: BertConfig):
        super().__init__()
        self.self = BertSelfAttention(config)
        self.output = BertOutput(config.hidden_size, config)

    def forward(self, x_BSD: Tensor, sight: Sight) -> Tensor:
        output_BSD: Tensor = self.output(self.self(x_BSD, sight), x_BSD)
        return output_BSD


class BertIntermediate(nn.Module):
    def __init__(self, config: BertConfig):
        super().__init__()
        self.dense = Linear(config.hidden_size, config.intermediate_size)
        self.activation = activation(config.hidden_act)

    def forward(self, x_BSD: Tensor) -> Tensor:
        return self.activation(self.dense(x_BSD))


class BertBlock(nn.Module):
    def __init__(self, config: BertConfig):
        super().__init__()
        self.attention = BertAttention(config)
        self.intermediate = BertIntermediate(config)
        self.output = BertOutput(config.intermediate_size, config)

    def forward(self, x_BSD: Tensor, sight: Sight) -> Tensor:
        x_BSD = self.attention(x_BSD, sight)
        output_BSD: Tensor = self.output(self.intermediate(x_BSD), x_BSD)
        return output_BSD


class BertEncoder(nn.Module):
    def __init__(self, config: BertConfig):
        super().__init__()
        self.layer = nn.ModuleList(BertBlock(config) for _ in range(config.num_hidden_layers))


class BertPooler(nn.Module):
    """tanh(W x + b) of the first position [B, D]."""

    def __init__(self, config: BertConfig):
        super().__init__()
        self.dense = Linear(config.hidden_size, config.hidden_size)

    def forward(self, states_BSD: Tensor) -> Tensor:
        return torch.tanh(self.dense(states_BSD[:, 0]))


class BertBody(nn.Module):
    """What stands under ``bert.`` in the weights' names."""

    def __init__(self, config: BertConfig):
        super().__init__()
        self.embeddings = BertEmbeddings(config)
        self.encoder = BertEncoder(config)
        self.pooler = BertPooler(config) if config.pooler else None


class BertTransform(nn.Module):
    def __init__(self, config: BertConfig):
        super().__init__()
        self.dense = Linear(config.hidden_size, config.hidden_size)
        self.LayerNorm = nn.LayerNorm(config.hidden_size, config.layer_norm_eps)
        self.activation = activation(config.hidden_act)

    def forward(self, states: Tensor) -> Tensor:
        normed: Tensor = self.LayerNorm(self.activation(self.dense(states)))
        return normed


class BertPredictions(nn.Module):
    def __init__(self, config: BertConfig):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(config.vocab_size))
        self.transform = BertTransform(config)


class BertHead(nn.Module):
    """What stands under ``cls.``."""

    def __init__(self, config: BertConfig):
        super().__init__()
        self.predictions = BertPredictions(config)


class Bert(MaskedModel):
    """Token ids and lengths to logits; without ``masked_head`` to the states of ``encode`` alone."""

    config: BertConfig
    head_names = ("cls", "bert.pooler")

    def __init__(self, config: BertConfig):
        super().__init__(config)
        self.bert = BertBody(config)
        self.cls = BertHead(config) if config.masked_head else None
        start_weights(self, config.initializer_range, config.num_hidden_layers, ())

    @property
    def context_size(self) -> int:
        return self.config.max_position_embeddings

    @property
    def output_size(self) -> int:
        return self.config.hidden_size

    @property
    def blocks(self) -> Iterable[nn.Module]:
        return self.bert.encoder.layer

    def embed(self, token_ids_BS: Tensor) -> Tensor:
        embedded_BSD: Tensor = self.bert.embeddings(token_ids_BS)
        return embedded_BSD

    def transform(self, states_BSD: Tensor) -> Tensor:
        transformed: Tensor = self._head.transform(states_BSD)
        return transformed

    @property
    def output_weight_VD(self) -> Tensor:
        return self.bert.embeddings.word_embeddings.weight

    @property
    def output_bias_V(self) -> Tensor:
        return self._head.bias

    @property
    def _head(self) -> BertPredictions:
        return needed_head(self.cls).predictions
