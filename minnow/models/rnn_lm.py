"""A recurrent language model: embeddings, a stack of RNN, LSTM or GRU layers, an output layer that may be the
embeddings again; regularised as the AWD-LSTM of Merity et al. (2018), "Regularizing and Optimizing LSTM Language
Models".

B rows · S positions · E embedding · H units of a layer · D states, the last layer's units · V vocabulary
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self, cast

import torch
from torch import Tensor, nn

from minnow.errors import RecipeError, UnknownNameError
from minnow.layers.bigrams import BigramEmbedding
from minnow.layers.dropout import TokenDropout, VariationalDropout, WeightDropout
from minnow.layers.recurrent import KINDS, Memory, RecurrentLayer, open_forget_gate
from minnow.models.base import ModelConfig
from minnow.models.language_model import LanguageModel

RATES = (
    "embedding_dropout",
    "input_dropout",
    "hidden_dropout",
    "output_dropout",
    "weight_dropout",
    "bigram_dropout",
)


@dataclass(frozen=True)
class RnnLMConfig(ModelConfig):
    """The shape of the model.

    Attributes:
        cell: rnn, lstm or gru.
        hidden_size: units of a layer; where the embeddings are tied, the last layer has embedding_size.
        tied: the output layer's weights are the embeddings.
        embedding_dropout: share of a row's word types that are left out.
        input_dropout: of embedding features, one mask a row.
        hidden_dropout: of what goes from layer to layer, likewise.
        output_dropout: of what the last layer gives, likewise.
        weight_dropout: of the recurrent weights, one mask a batch.
        bigrams: pairs of tokens that have vectors of their own, read beside the embedding of the second; 0 for none.
        bigram_size: numbers a pair.
        bigram_dropout: share of a row's pairs that are left out.
    """

    model_type: ClassVar[str] = "rnn_lm"

    vocab_size: int
    embedding_size: int = 256
    hidden_size: int = 512
    num_layers: int = 1
    cell: str = "lstm"
    tied: bool = True
    embedding_dropout: float = 0.0
    input_dropout: float = 0.1
    hidden_dropout: float = 0.1
    output_dropout: float = 0.1
    weight_dropout: float = 0.0
    bigrams: int = 0
    bigram_size: int = 32
    bigram_dropout: float = 0.0

    def __post_init__(self) -> None:
        if self.cell not in KINDS:
            raise UnknownNameError("cell", self.cell, KINDS)
        self.check_sizes("vocab_size", "embedding_size", "hidden_size", "bigram_size")
        self.check_layers("num_layers")
        if self.bigrams < 0:
            raise RecipeError(f"bigrams must be at least 0, but got bigrams={self.bigrams}; try 30000")
        self.check_rates(*RATES)

    @property
    def layer_sizes(self) -> tuple[int, ...]:
        """Units of each layer."""
        last = self.embedding_size if self.tied else self.hidden_size
        return (self.hidden_size,) * (self.num_layers - 1) + (last,)

    @property
    def input_size(self) -> int:
        """Of what the first layer reads."""
        return self.embedding_size + (self.bigram_size if self.bigrams else 0)


@dataclass(frozen=True)
class RnnState:
    """What each layer remembers: its state [B, H], and the cell [B, H] of an LSTM; and the last token [B], with which
    a model that reads pairs goes on."""

    layers: tuple[Memory, ...]
    last_B: Tensor

    @property
    def num_rows(self) -> int:
        return len(self.layers[0][0])

    def select(self, rows: Tensor) -> Self:
        return type(self)(tuple(tuple(part[rows] for part in memory) for memory in self.layers), self.last_B[rows])

    def detach(self) -> Self:
        """The same numbers, through which no gradient flows: where back-propagation through time is cut off."""
        return type(self)(tuple(tuple(part.detach() for part in memory) for memory in self.layers), self.last_B)

    def tensors(self) -> dict[str, Tensor]:
        """The parts under the names ``LAYER.PART`` and ``last``, for a checkpoint."""
        parts = {f"{i}.{j}": part for i, memory in enumerate(self.layers) for j, part in enumerate(memory)}
        return parts | {"last": self.last_B}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor]) -> Self:
        """What ``tensors`` took apart."""
        layers: dict[int, list[Tensor]] = {}
        parts = {tuple(map(int, name.split("."))): part for name, part in tensors.items() if name != "last"}
        for place in sorted(parts):
            layers.setdefault(place[0], []).append(parts[place])
        return cls(tuple(tuple(memory) for memory in layers.values()), tensors["last"])


class RnnLM(LanguageModel):
    """Token ids to the logits of each position's next token; its memory does not grow with the text."""

    config: RnnLMConfig
    head_names = ("output_weight", "output_bias")

    def __init__(self, config: RnnLMConfig):
        super().__init__(config)
        sizes = config.layer_sizes
        self.embedding = nn.Embedding(config.vocab_size, config.embedding_size)
        nn.init.uniform_(self.embedding.weight, -0.1, 0.1)
        self.embedding_dropout = TokenDropout(config.embedding_dropout)
        self.bigrams = (
            BigramEmbedding(config.bigrams, config.bigram_size, config.bigram_dropout) if config.bigrams else None
        )
        self.input_dropout = VariationalDropout(config.input_dropout)
        self.hidden_dropout = VariationalDropout(config.hidden_dropout)
        self.output_dropout = VariationalDropout(config.output_dropout)
        self.layers = nn.ModuleList(
            RecurrentLayer(config.cell, before, size, WeightDropout(config.weight_dropout), remembering=True)
            for before, size in zip((config.input_size, *sizes), sizes, strict=False)
        )
        for layer in self.layers:
            open_forget_gate(cast(RecurrentLayer, layer).cell)
        weight_VD = torch.empty(config.vocab_size, sizes[-1]).uniform_(-0.1, 0.1)
        self.output_weight: nn.Parameter | None
        self.register_parameter("output_weight", None if config.tied else nn.Parameter(weight_VD))
        self.output_bias: nn.Parameter | None = nn.Parameter(torch.zeros(config.vocab_size))

    @property
    def context_size(self) -> int | None:
        return None

    @property
    def output_size(self) -> int:
        return self.config.layer_sizes[-1]

    @property
    def output_weight_VD(self) -> Tensor:
        untied: Tensor | None = self.output_weight
        return self.embedding.weight if untied is None else untied

    @property
    def output_bias_V(self) -> Tensor | None:
        return self.output_bias

    def hidden(self, token_ids_BS: Tensor, state: RnnState | None = None) -> tuple[Tensor, RnnState]:
        x = self.embedding_dropout(self.embedding(token_ids_BS), token_ids_BS)
        if self.bigrams is not None:
            x = torch.cat([x, self.bigrams(token_ids_BS, None if state is None else state.last_B)], dim=-1)
        x = self.input_dropout(x)
        memories: list[Memory] = []
        for i, layer in enumerate(self.layers):
            if i > 0:
                x = self.hidden_dropout(x)
            x, memory = cast(RecurrentLayer, layer).carry(x, None if state is None else state.layers[i])
            memories.append(memory)
        return self.output_dropout(x), RnnState(tuple(memories), token_ids_BS[:, -1])

    def prefill(self, token_ids_BS: Tensor, lengths_B: Tensor) -> tuple[Tensor, RnnState]:
        """All rows are read to the end of the shortest, the longer ones go on: no row's memory sees padding."""
        going = torch.arange(len(lengths_B), device=token_ids_BS.device)
        ended, hidden_parts, states = [], [], []
        state, start = None, 0
        for length in sorted(set(lengths_B.tolist())):
            hidden_BSD, state = self.hidden(token_ids_BS[going, start:length], state)
            ends = lengths_B[going] == length
            ended.append(going[ends])
            hidden_parts.append(hidden_BSD[ends, -1])
            states.append(state.select(ends))
            going, state, start = going[~ends], state.select(~ends), length
        order = torch.cat(ended).argsort()
        memories = tuple(
            tuple(torch.cat(parts)[order] for parts in zip(*same_layer, strict=True))
            for same_layer in zip(*(part.layers for part in states), strict=True)
        )
        last_B = torch.cat([part.last_B for part in states])[order]
        return self.logits(torch.cat(hidden_parts)[order]), RnnState(memories, last_B)

    def step(self, token_ids_B: Tensor, state: RnnState) -> tuple[Tensor, RnnState]:
        hidden_B1D, state = self.hidden(token_ids_B[:, None], state)
        return self.logits(hidden_B1D[:, 0]), state
