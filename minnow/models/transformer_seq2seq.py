"""A transformer that turns one text into another: Vaswani et al. (2017), "Attention Is All You Need", as it is built
today: norms before the layers (Xiong et al. 2020), root-mean-square norms, rotary positions, gated feed-forward layers.

B rows · K rows of a source · S positions of the source · T of the target · H heads · E features of a head
D features · V target vocabulary
"""

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Self, cast

import torch
from torch import Tensor, nn

from minnow.errors import RecipeError
from minnow.layers.cache import KeyValueState, Pair
from minnow.layers.dropout import FeatureDropout
from minnow.layers.linear import Linear
from minnow.layers.masks import padding_mask
from minnow.layers.norm import RMSNorm
from minnow.layers.positions import Rotary
from minnow.layers.transformer import GatedFeedForward, HeadedAttention, Sight
from minnow.models.seq2seq import Seq2Seq, Seq2SeqConfig, grouped_sources


@dataclass(frozen=True)
class TransformerSeq2SeqConfig(Seq2SeqConfig):
    """The shape of the model.

    Attributes:
        hidden_size: D.
        encoder_layers, decoder_layers: how many.
        num_heads: of every attention.
        inner_size: features inside the feed-forward layers.
        dropout: of what each layer adds, and of the embeddings.
        attention_dropout: of single attention weights.
        rope_theta: the slowest rotation of positions takes about this many of them.
        norm_eps: keeps the norms from dividing by zero.
    """

    model_type: ClassVar[str] = "transformer_seq2seq"

    hidden_size: int = 256
    encoder_layers: int = 3
    decoder_layers: int = 3
    num_heads: int = 4
    inner_size: int = 512
    dropout: float = 0.1
    attention_dropout: float = 0.0
    rope_theta: float = 10_000.0
    norm_eps: float = 1e-6

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_sizes("hidden_size", "num_heads", "inner_size")
        self.check_layers("encoder_layers", "decoder_layers")
        self.check_rates("dropout", "attention_dropout")
        for name, usual in (("rope_theta", 10_000.0), ("norm_eps", 1e-6)):
            if not getattr(self, name) > 0:
                raise RecipeError(f"{name} must be above 0, but got {name}={getattr(self, name)}; try {usual:g}")
        if self.hidden_size % (2 * self.num_heads):
            raise RecipeError(
                f"hidden_size must be an even multiple of num_heads, but got hidden_size={self.hidden_size} and "
                f"num_heads={self.num_heads}; try num_heads={max(1, self.hidden_size // 64)}"
            )


@dataclass(frozen=True, eq=False)
class TransformerSeq2SeqState:
    """What the decoder remembers.

    Attributes:
        written: keys and values of what was written, a row each.
        memory: of every layer, keys and values of the sources [B, H, S, E].
        lengths_B: of the sources.
        group: how many rows that follow one another belong to one source.
    """

    written: KeyValueState
    memory: tuple[Pair, ...]
    lengths_B: Tensor
    group: int = 1

    @property
    def num_rows(self) -> int:
        return self.written.num_rows

    def select(self, rows: Tensor) -> Self:
        memory, lengths_B = self.memory, self.lengths_B
        sources, group = grouped_sources(rows, self.group, len(lengths_B))
        if sources is not None:
            memory = tuple((keys[sources], values[sources]) for keys, values in memory)
            lengths_B = lengths_B[sources]
        return type(self)(self.written.select(rows), memory, lengths_B, group)


class SelfAttention(nn.Module):
    """Attention of a text to itself."""

    def __init__(self, config: TransformerSeq2SeqConfig):
        super().__init__()
        self.inputs = Linear(config.hidden_size, 3 * config.hidden_size, bias=False)
        self.attend = HeadedAttention(config.num_heads, config.num_heads, config.attention_dropout)
        self.output = Linear(config.hidden_size, config.hidden_size, bias=False)

    def forward(self, x_BSD: Tensor, sight: Sight, layer: int) -> tuple[Tensor, Pair]:
        parts = self.inputs(x_BSD).chunk(3, dim=-1)
        taken_BSD, pair = self.attend(*(self.attend.heads(x, self.attend.num_heads) for x in parts), sight, layer)
        return self.output(taken_BSD), pair


class CrossAttention(nn.Module):
    """Attention of the target to the source."""

    def __init__(self, config: TransformerSeq2SeqConfig):
        super().__init__()
        self.query = Linear(config.hidden_size, config.hidden_size, bias=False)
        self.memory = Linear(config.hidden_size, 2 * config.hidden_size, bias=False)
        self.attend = HeadedAttention(config.num_heads, config.num_heads, config.attention_dropout)
        self.output = Linear(config.hidden_size, config.hidden_size, bias=False)

    def remember(self, source_BSD: Tensor) -> Pair:
        """Keys and values of the source [B, H, S, E]."""
        keys, values = self.memory(source_BSD).chunk(2, dim=-1)
        heads = self.attend.num_heads
        return self.attend.heads(keys, heads).transpose(1, 2), self.attend.heads(values, heads).transpose(1, 2)

    def forward(self, x_BTD: Tensor, memory: Pair, sight: Sight) -> Tensor:
        """Rows of one source stand in the place of positions while one token of each is written [B K, 1, D]."""
        keys, values = (x.transpose(1, 2) for x in memory)
        queries = self.attend.heads(self.query(x_BTD).view(len(keys), -1, x_BTD.shape[-1]), self.attend.num_heads)
        taken, _ = self.attend(queries, keys, values, sight)
        output_BTD: Tensor = self.output(taken.reshape(x_BTD.shape))
        return output_BTD

    def weights(self, x_BTD: Tensor, memory: Pair, mask: Tensor) -> Tensor:
        """The mean over the heads of how much each position looks at the source [B, T, S]."""
        queries = self.attend.heads(self.query(x_BTD), self.attend.num_heads).transpose(1, 2)
        scores = queries @ memory[0].transpose(-1, -2) / math.sqrt(queries.shape[-1])
        return torch.softmax(scores.masked_fill(~mask, -torch.inf), dim=-1).mean(1)


class EncoderBlock(nn.Module):
    """Self-attention, then feed-forward; each reads the normed stream and adds to it."""

    def __init__(self, config: TransformerSeq2SeqConfig):
        super().__init__()
        self.attention_norm = RMSNorm(config.hidden_size, config.norm_eps)
        self.attention = SelfAttention(config)
        self.feed_forward_norm = RMSNorm(config.hidden_size, config.norm_eps)
        self.feed_forward = GatedFeedForward(config.hidden_size, config.inner_size, "silu", bias=False)
        self.dropout = FeatureDropout(config.dropout)

    def forward(self, x_BSD: Tensor, sight: Sight) -> Tensor:
        taken_BSD, _ = self.attention(self.attention_norm(x_BSD), sight, 0)
        x_BSD, normed_BSD = self.feed_forward_norm.after(x_BSD, self.dropout(taken_BSD))
        output_BSD: Tensor = x_BSD + self.dropout(self.feed_forward(normed_BSD))
        return output_BSD


class DecoderBlock(nn.Module):
    """The same with attention to the source in between."""

    def __init__(self, config: TransformerSeq2SeqConfig):
        super().__init__()
        self.attention_norm = RMSNorm(config.hidden_size, config.norm_eps)
        self.attention = SelfAttention(config)
        self.cross_norm = RMSNorm(config.hidden_size, config.norm_eps)
        self.cross = CrossAttention(config)
        self.feed_forward_norm = RMSNorm(config.hidden_size, config.norm_eps)
        self.feed_forward = GatedFeedForward(config.hidden_size, config.inner_size, "silu", bias=False)
        self.dropout = FeatureDropout(config.dropout)

    def look_back(self, x_BTD: Tensor, sight: Sight, layer: int) -> tuple[Tensor, Pair]:
        """The stream after attention to what was written."""
        taken_BTD, pair = self.attention(self.attention_norm(x_BTD), sight, layer)
        return x_BTD + self.dropout(taken_BTD), pair

    def look_across(self, x_BTD: Tensor, memory: Pair, sight: Sight) -> Tensor:
        """The stream after attention to the source and the feed-forward layer."""
        taken_BTD = self.cross(self.cross_norm(x_BTD), memory, sight)
        x_BTD, normed_BTD = self.feed_forward_norm.after(x_BTD, self.dropout(taken_BTD))
        output_BTD: Tensor = x_BTD + self.dropout(self.feed_forward(normed_BTD))
        return output_BTD


class TransformerSeq2Seq(Seq2Seq):
    """Token ids of a source and of a target to the target's logits."""

    config: TransformerSeq2SeqConfig
    eight_bits = False  # whether a search on a processor may round weights and states to eight bits

    def __init__(self, config: TransformerSeq2SeqConfig):
        super().__init__(config)
        size = config.hidden_size
        # Weights that also write are small; what is read of them is brought back to the stream's size.
        self.embeddings(size, std=size**-0.5)
        self.embedding_scale = math.sqrt(size)
        self.embedding_dropout = FeatureDropout(config.dropout)
        self.rotary = Rotary(size // config.num_heads, config.rope_theta)
        self.encoder = nn.ModuleList(EncoderBlock(config) for _ in range(config.encoder_layers))
        self.encoder_norm = RMSNorm(size, config.norm_eps)
        self.decoder = nn.ModuleList(DecoderBlock(config) for _ in range(config.decoder_layers))
        self.decoder_norm = RMSNorm(size, config.norm_eps)
        for part in (self.encoder, self.decoder):
            for parameter in part.parameters():
                if parameter.dim() > 1:
                    nn.init.xavier_uniform_(parameter)

    @property
    def output_size(self) -> int:
        return self.config.hidden_size

    @property
    def encoded_size(self) -> int:
        return self.config.hidden_size

    def encode(self, source_ids_BS: Tensor, lengths_B: Tensor) -> Tensor:
        states_BSD = self._embedded(self.source_embedding, source_ids_BS)
        sight = _of_source(lengths_B, source_ids_BS.shape[1], rotation=self._rotation(states_BSD, 0))
        for block in self.encoder:
            states_BSD = block(states_BSD, sight)
        normed_BSD: Tensor = self.encoder_norm(states_BSD)
        return normed_BSD

    def hidden(self, source_ids_BS: Tensor, lengths_B: Tensor, target_ids_BT: Tensor) -> Tensor:
        return self._decoded(source_ids_BS, lengths_B, target_ids_BT)

    @torch.no_grad()
    def attention(self, source_ids_BS: Tensor, lengths_B: Tensor, target_ids_BT: Tensor) -> Tensor:
        """The mean over the heads of all layers."""
        seen: list[Tensor] = []
        self._decoded(source_ids_BS, lengths_B, target_ids_BT, seen)
        return torch.stack(seen).mean(0)

    def _decoded(
        self, source_ids_BS: Tensor, lengths_B: Tensor, target_ids_BT: Tensor, seen: list[Tensor] | None = None
    ) -> Tensor:
        """States before the output layer; ``seen`` is told what each layer looks at [B, T, S]."""
        source_BSD = self.encode(source_ids_BS, lengths_B)
        states_BTD = self._embedded(self.target_embedding, self.shifted(target_ids_BT))
        back = Sight(causal=True, rotation=self._rotation(states_BTD, 0))
        across = _of_source(lengths_B, source_BSD.shape[1], across=True)
        for block in self._decoder:
            states_BTD, _ = block.look_back(states_BTD, back, 0)
            memory = block.cross.remember(source_BSD)
            if seen is not None:
                seen.append(block.cross.weights(block.cross_norm(states_BTD), memory, across.mask))
            states_BTD = block.look_across(states_BTD, memory, across)
        normed_BTD: Tensor = self.decoder_norm(states_BTD)
        return normed_BTD

    @torch.no_grad()
    def prefill(self, token_ids_BS: Tensor, lengths_B: Tensor) -> tuple[Tensor, TransformerSeq2SeqState]:
        source_BSD = self.encode(token_ids_BS, lengths_B)
        memory = tuple(block.cross.remember(source_BSD) for block in self._decoder)
        num_rows, heads = len(lengths_B), self.config.num_heads
        empty = source_BSD.new_zeros(num_rows, heads, 0, self.config.hidden_size // heads)
        nothing = [(empty, empty) for _ in self.decoder]
        written = KeyValueState.of(nothing, torch.zeros_like(lengths_B), 0, ragged=False)
        start_B = torch.full((num_rows,), self.config.start_id, device=token_ids_BS.device)
        return self.step(start_B, TransformerSeq2SeqState(written, memory, lengths_B))

    @torch.no_grad()
    def step(self, token_ids_B: Tensor, state: TransformerSeq2SeqState) -> tuple[Tensor, TransformerSeq2SeqState]:
        return self._step(token_ids_B, state)

    @torch.no_grad()
    def look(
        self, token_ids_B: Tensor, state: TransformerSeq2SeqState
    ) -> tuple[Tensor, Tensor, TransformerSeq2SeqState]:
        """A step with the mean over the heads of all layers."""
        seen: list[Tensor] = []
        logits_BV, state = self._step(token_ids_B, state, seen)
        return logits_BV, torch.stack(seen).mean(0).flatten(0, 1), state

    def _step(
        self, token_ids_B: Tensor, state: TransformerSeq2SeqState, seen: list[Tensor] | None = None
    ) -> tuple[Tensor, TransformerSeq2SeqState]:
        """The logits and the memory; ``seen`` is told what each layer looks at, rows by their sources [B, K, S]."""
        states_B1D = self._embedded(self.target_embedding, token_ids_B[:, None])
        rotation = self._rotation(states_B1D, state.written.num_positions)
        written = state.written.extended(1)
        back = Sight(rotation=rotation, state=written)
        across = _of_source(state.lengths_B, state.memory[0][0].shape[2], across=True)
        for layer, block in enumerate(self._decoder):
            states_B1D, _ = block.look_back(states_B1D, back, layer)
            if seen is not None:
                asked_BKD = block.cross_norm(states_B1D).view(len(state.lengths_B), state.group, -1)
                seen.append(block.cross.weights(asked_BKD, state.memory[layer], across.mask))
            states_B1D = block.look_across(states_B1D, state.memory[layer], across)
        after = TransformerSeq2SeqState(written, state.memory, state.lengths_B, state.group)
        return self.logits(self.decoder_norm(states_B1D[:, -1])), after

    @property
    def _decoder(self) -> Any:
        return self.decoder

    def _embedded(self, embedding: nn.Embedding, token_ids_BS: Tensor) -> Tensor:
        embedded_BSD: Tensor = self.embedding_dropout(embedding(token_ids_BS) * self.embedding_scale)
        return embedded_BSD

    def _rotation(self, states_BSD: Tensor, start: int) -> Pair:
        positions_S = torch.arange(start, start + states_BSD.shape[1], device=states_BSD.device)
        return cast(Pair, self.rotary(positions_S, states_BSD.dtype))


def _of_source(lengths_B: Tensor, num_positions: int, *, rotation: Pair | None = None, across: bool = False) -> Sight:
    """Every position of a source's row that is text is seen; the first one always, so that nobody sees nothing.
    ``across``: by another text, the target."""
    lengths_B = lengths_B.clamp(min=1)
    mask = padding_mask(lengths_B, num_positions)[:, None, None, :]
    return Sight(mask=mask, rotation=rotation, lengths=lengths_B, across=across)
