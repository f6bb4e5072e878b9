"""A recurrent encoder and decoder with attention: Bahdanau et al. (2015), "Neural Machine Translation by Jointly
Learning to Align and Translate" (additive), and Luong et al. (2015), "Effective Approaches to Attention-based Neural
Machine Translation" (dot and general, with input feeding).

B rows · K rows of a source · R rows in all, B K · S positions of the source · T of the target · E embedding
H units of a decoder layer, and features of the source · D features of the readout · V target vocabulary
"""

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from minnow.errors import RecipeError, UnknownNameError
from minnow.layers.attention import SCORES, attention_score, attention_weights
from minnow.layers.dropout import FeatureDropout, VariationalDropout
from minnow.layers.masks import padding_mask
from minnow.layers.recurrent import KINDS, Memory, RecurrentEncoder
from minnow.models.seq2seq import Seq2Seq, Seq2SeqConfig, grouped_sources

CELLS: dict[str, Any] = {"rnn": nn.RNNCell, "lstm": nn.LSTMCell, "gru": nn.GRUCell}


@dataclass(frozen=True)
class RnnSeq2SeqConfig(Seq2SeqConfig):
    """The shape of the model.

    Attributes:
        cell: rnn, lstm or gru.
        embedding_size: E; where the output layer is tied, the readout has this size too.
        hidden_size: H; the encoder has half as many units in each direction.
        encoder_layers, decoder_layers: how many.
        attention: additive (looks before it steps, and steps with what it saw), dot or general (step, then look; what
            came of it is fed into the next step).
        dropout: of embeddings and of what goes from layer to layer, one mask a row; and of the readout.
        recurrent_dropout: of the encoder's recurrent state, one mask a batch.
    """

    model_type: ClassVar[str] = "rnn_seq2seq"

    cell: str = "gru"
    embedding_size: int = 256
    hidden_size: int = 512
    encoder_layers: int = 1
    decoder_layers: int = 1
    attention: str = "additive"
    dropout: float = 0.3
    recurrent_dropout: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.cell not in KINDS:
            raise UnknownNameError("cell", self.cell, KINDS)
        if self.attention not in SCORES:
            raise UnknownNameError("attention", self.attention, SCORES)
        self.check_sizes("embedding_size", "hidden_size")
        self.check_layers("encoder_layers", "decoder_layers")
        self.check_rates("dropout", "recurrent_dropout")
        if self.hidden_size % 2:
            raise RecipeError(
                f"hidden_size must be even, for half of it reads from either end, but got {self.hidden_size}"
            )

    @property
    def readout_size(self) -> int:
        return self.embedding_size if self.tied else self.hidden_size


@dataclass(frozen=True, eq=False)
class RnnSeq2SeqState:
    """What the decoder remembers.

    Attributes:
        layers: of each layer its state [R, H], and the cell [R, H] of an LSTM.
        fed: the last readout [R, D], which dot and general attention feed in.
        source_BSH, keys_BSA: what the encoder gave, and what queries are held against.
        mask_BS: where sources have text.
        group: how many rows that follow one another belong to one source.
    """

    layers: tuple[Memory, ...]
    fed: Tensor
    source_BSH: Tensor
    keys_BSA: Tensor
    mask_BS: Tensor
    group: int = 1

    @property
    def num_rows(self) -> int:
        return len(self.fed)

    def select(self, rows: Tensor) -> Self:
        kept = self.source_BSH, self.keys_BSA, self.mask_BS
        sources, group = grouped_sources(rows, self.group, len(self.mask_BS))
        if sources is not None:
            kept = tuple(x[sources] for x in kept)  # type: ignore[assignment]
        layers = tuple(tuple(part[rows] for part in memory) for memory in self.layers)
        return type(self)(layers, self.fed[rows], *kept, group)


class RnnSeq2Seq(Seq2Seq):
    """Token ids of a source and of a target to the target's logits."""

    config: RnnSeq2SeqConfig

    def __init__(self, config: RnnSeq2SeqConfig):
        super().__init__(config)
        size, units = config.embedding_size, config.hidden_size
        self.embeddings(size, std=size**-0.5)
        self.embedding_dropout = VariationalDropout(config.dropout)
        self.encoder = RecurrentEncoder(
            config.cell,
            size,
            units // 2,
            config.encoder_layers,
            bidirectional=True,
            dropout=config.dropout,
            recurrent_dropout=config.recurrent_dropout,
            remembering=True,
        )
        self.bridge = nn.Linear(units, units)
        seen = units if config.attention == "additive" else config.readout_size
        self.cells = nn.ModuleList(
            CELLS[config.cell](size + seen if layer == 0 else units, units) for layer in range(config.decoder_layers)
        )
        self.score = attention_score(config.attention, units, units)
        # Maxout halves what goes in; the deep output of Bahdanau reads the token before besides.
        additive = config.attention == "additive"
        self.readout = nn.Linear(2 * units + (size if additive else 0), config.readout_size * (2 if additive else 1))
        self.between_dropout = FeatureDropout(config.dropout)
        self.readout_dropout = FeatureDropout(config.dropout)

    @property
    def output_size(self) -> int:
        return self.config.readout_size

    @property
    def encoded_size(self) -> int:
        return self.config.hidden_size

    def encode(self, source_ids_BS: Tensor, lengths_B: Tensor) -> Tensor:
        embedded_BSE = self.embedding_dropout(self.source_embedding(source_ids_BS))
        return self.encoder(embedded_BSE, lengths_B)  # type: ignore[no-any-return]

    def hidden(self, source_ids_BS: Tensor, lengths_B: Tensor, target_ids_BT: Tensor) -> Tensor:
        return self._unrolled(source_ids_BS, lengths_B, target_ids_BT)[0]

    @torch.no_grad()
    def attention(self, source_ids_BS: Tensor, lengths_B: Tensor, target_ids_BT: Tensor) -> Tensor:
        return self._unrolled(source_ids_BS, lengths_B, target_ids_BT)[1]

    @torch.no_grad()
    def prefill(self, token_ids_BS: Tensor, lengths_B: Tensor) -> tuple[Tensor, RnnSeq2SeqState]:
        state = self._read(token_ids_BS, lengths_B)
        start_B = torch.full((len(lengths_B),), self.config.start_id, device=token_ids_BS.device)
        return self.step(start_B, state)

    @torch.no_grad()
    def step(self, token_ids_B: Tensor, state: RnnSeq2SeqState) -> tuple[Tensor, RnnSeq2SeqState]:
        logits_RV, _, state = self.look(token_ids_B, state)
        return logits_RV, state

    @torch.no_grad()
    def look(self, token_ids_B: Tensor, state: RnnSeq2SeqState) -> tuple[Tensor, Tensor, RnnSeq2SeqState]:
        readout_RD, weights_RS, state = self._step(self.target_embedding(token_ids_B), state)
        return self.logits(readout_RD), weights_RS, state

    def _unrolled(self, source_ids_BS: Tensor, lengths_B: Tensor, target_ids_BT: Tensor) -> tuple[Tensor, Tensor]:
        """Readouts [B, T, D] and attention weights [B, T, S]."""
        state = self._read(source_ids_BS, lengths_B)
        embedded_BTE = self.embedding_dropout(self.target_embedding(self.shifted(target_ids_BT)))
        readouts, weights = [], []
        for embedded_BE in embedded_BTE.unbind(1):
            readout_BD, weights_BS, state = self._step(embedded_BE, state)
            readouts.append(readout_BD)
            weights.append(weights_BS)
        return torch.stack(readouts, 1), torch.stack(weights, 1)

    def _read(self, source_ids_BS: Tensor, lengths_B: Tensor) -> RnnSeq2SeqState:
        """The decoder before its first step: every layer starts from the ends of the encoder's two directions
        (Bahdanau et al., appendix A.2.2, take the backward one)."""
        source_BSH = self.encode(source_ids_BS, lengths_B)
        half = self.config.hidden_size // 2
        last_B = (lengths_B - 1).clamp(min=0)
        ends_BH = torch.cat([source_BSH[torch.arange(len(last_B)), last_B, :half], source_BSH[:, 0, half:]], dim=-1)
        start_BH = torch.tanh(self.bridge(ends_BH))
        parts = (start_BH, torch.zeros_like(start_BH)) if self.config.cell == "lstm" else (start_BH,)
        return RnnSeq2SeqState(
            (parts,) * self.config.decoder_layers,
            source_BSH.new_zeros(len(lengths_B), self.config.readout_size),
            source_BSH,
            self.score.keys(source_BSH),
            padding_mask(lengths_B, source_BSH.shape[1]),
        )

    def _step(self, embedded_RE: Tensor, state: RnnSeq2SeqState) -> tuple[Tensor, Tensor, RnnSeq2SeqState]:
        """The readout [R, D], the attention weights [R, S], and the memory."""
        if self.config.attention == "additive":
            return self._look_then_step(embedded_RE, state)
        return self._step_then_look(embedded_RE, state)

    def _look_then_step(self, embedded_RE: Tensor, state: RnnSeq2SeqState) -> tuple[Tensor, Tensor, RnnSeq2SeqState]:
        """Bahdanau et al., appendix A.1.2 and A.2.2: the context goes into the cell; the deep output is a maxout over
        state, token before and context."""
        context_RH, weights_RS = self._look(state.layers[-1][0], state)
        layers = self._cells(torch.cat([embedded_RE, context_RH], dim=-1), state.layers)
        read_RD = self.readout(torch.cat([layers[-1][0], embedded_RE, context_RH], dim=-1))
        readout_RD = read_RD.unflatten(-1, (-1, 2)).amax(-1)
        return self.readout_dropout(readout_RD), weights_RS, replace(state, layers=layers)

    def _step_then_look(self, embedded_RE: Tensor, state: RnnSeq2SeqState) -> tuple[Tensor, Tensor, RnnSeq2SeqState]:
        """Luong et al., equation 5 and section 3.3: the readout is tanh(W [context; state]), and the next input."""
        layers = self._cells(torch.cat([embedded_RE, state.fed], dim=-1), state.layers)
        context_RH, weights_RS = self._look(layers[-1][0], state)
        readout_RD = torch.tanh(self.readout(torch.cat([context_RH, layers[-1][0]], dim=-1)))
        return self.readout_dropout(readout_RD), weights_RS, replace(state, layers=layers, fed=readout_RD)

    def _cells(self, input_RI: Tensor, memories: tuple[Memory, ...]) -> tuple[Memory, ...]:
        after: list[Memory] = []
        for layer, (cell, memory) in enumerate(zip(self.cells, memories, strict=True)):
            if layer > 0:
                input_RI = self.between_dropout(input_RI)
            found = cell(input_RI, memory if len(memory) > 1 else memory[0])
            after.append(found if isinstance(found, tuple) else (found,))
            input_RI = after[-1][0]
        return tuple(after)

    def _look(self, query_RH: Tensor, state: RnnSeq2SeqState) -> tuple[Tensor, Tensor]:
        """The context [R, H] and the weights [R, S]; the rows of a source ask together."""
        query_BKH = query_RH.view(len(state.mask_BS), state.group, -1)
        scores_BKS = self.score.against(query_BKH, state.keys_BSA)
        weights_BKS = attention_weights(scores_BKS, state.mask_BS[:, None])
        context_BKH = weights_BKS.to(state.source_BSH.dtype) @ state.source_BSH
        return context_BKH.flatten(0, 1), weights_BKS.flatten(0, 1)
