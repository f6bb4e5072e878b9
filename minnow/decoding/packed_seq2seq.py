"""A ``transformer_seq2seq`` as a search reads it on a processor: weights packed once, and kernels for all else.

It gives what the model gives, but for rounding. A step adds to what was written in place, and a beam that moves takes
along no keys and values, but the list of where they stand.

B sources · S positions of a source · T tokens of all sources · R rows that are written · N tokens written so far
D features · V vocabulary
"""

from dataclasses import dataclass
from typing import Any, NamedTuple, Self
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor

from minnow.layers.lora import adapters
from minnow.layers.packed import Packed, Rows, pack, room_for
from minnow.layers.packed_transformer import embed, gate, give, look_across, look_around, look_back, read
from minnow.layers.tiles import arithmetics_here
from minnow.layers.vector_math import array_of
from minnow.models.transformer_seq2seq import TransformerSeq2Seq

FEWEST_PLACES = 16  # tokens that there is room for at first
PORTION = 64  # rows of a feed-forward layer, so that what is inside stays in the cache

# What was packed of a model, and of which weights, for as long as the model is there.
_PACKED: WeakKeyDictionary[TransformerSeq2Seq, tuple[Any, "PackedSeq2Seq"]] = WeakKeyDictionary()


def packed_for(model: Any) -> Any:
    """The model packed, where it is one for which that is known, on a processor that can; else the model itself."""
    if not isinstance(model, TransformerSeq2Seq) or model.training or adapters(model):
        return model
    weight = model.output_weight_VD
    arithmetic = "int8" if model.eight_bits else str(weight.dtype).removeprefix("torch.")
    if weight.device.type != "cpu" or arithmetic not in arithmetics_here():
        return model
    # Counted up by whatever changes a tensor in place, as an optimizer does; but one that was made in inference mode
    # counts nothing and is like none before, so that the model is packed anew.
    changes = tuple((one.data_ptr(), object() if one.is_inference() else one._version) for one in model.parameters())
    mark = (arithmetic, changes)
    if model not in _PACKED or _PACKED[model][0] != mark:
        _PACKED[model] = (mark, PackedSeq2Seq(model, arithmetic))
    return _PACKED[model][1]


@dataclass
class Written:
    """Keys and values of what was written, which states that follow one another share.

    Attributes:
        layers: of every block [places, rows, 2 D].
        turn: that of the state that wrote last; an older one must not write here again.
    """

    layers: list[Any]
    turn: int = 0

    def after(self, turn: int, place: int, num_rows: int) -> "Written":
        """These for the state of that turn to write on at this place; copied where it is not the last or needs more
        room."""
        places, rows, width = self.layers[0].shape
        if turn == self.turn and place < places and num_rows <= rows:
            return self
        shape = (2 * place if place >= places else places, max(rows, num_rows), width)
        return Written([_copied(layer, place, shape) for layer in self.layers], turn)


def _copied(layer: Any, place: int, shape: tuple[int, int, int]) -> Any:
    larger = np.empty(shape, np.float32)
    larger[:place, : layer.shape[1]] = layer[:place]
    return larger


@dataclass(frozen=True, eq=False)
class PackedState:
    """What is remembered between two tokens.

    Attributes:
        written: shared with the states before.
        turn: see ``Written``.
        columns_RN: in which of the rows of ``written`` the keys and values of each place stand.
        memory: of every block, keys and values of the sources [T, 2 D].
        starts_B1: where each source begins among these, and where the last ends.
        sources_R: which source a row belongs to.
    """

    written: Written
    turn: int
    columns_RN: Any
    memory: tuple[Any, ...]
    starts_B1: Any
    sources_R: Any

    @property
    def num_rows(self) -> int:
        return len(self.sources_R)

    def select(self, rows: Tensor) -> Self:
        chosen = rows.numpy()
        columns_RN, sources_R = self.columns_RN[chosen], self.sources_R[chosen]
        return type(self)(self.written, self.turn, columns_RN, self.memory, self.starts_B1, sources_R)


class FeedForward(NamedTuple):
    """A norm [D], the gate and what it lets through as one matrix, and the way back."""

    norm: Any
    inside: Packed
    back: Packed


class EncoderBlock(NamedTuple):
    """``mixed`` gives queries, keys and values."""

    norm: Any
    mixed: Packed
    output: Packed
    feed_forward: FeedForward


class DecoderBlock(NamedTuple):
    """The same with attention to the source in between, whose keys and values ``memory`` gives."""

    norm: Any
    mixed: Packed
    output: Packed
    cross_norm: Any
    query: Packed
    memory: Packed
    cross_output: Packed
    feed_forward: FeedForward


class PackedSeq2Seq:
    """``prefill`` and ``step`` of the model, on one thread.

    Args:
        arithmetic: of the products, one of ``arithmetics_here``; everything else is float32.
    """

    def __init__(self, model: TransformerSeq2Seq, arithmetic: str):
        self.arithmetic = arithmetic
        self._config = model.config
        self._scale = model.embedding_scale
        self._rotary = model.rotary
        self._angles = self._angles_of(FEWEST_PLACES)
        tables = (model.source_embedding, model.target_embedding)
        self._source_table, self._target_table = (array_of(table.weight) for table in tables)
        self._encoder = [self._encoder_block(block) for block in model.encoder]
        self._encoder_norm = _vector(model.encoder_norm)
        self._decoder = [self._decoder_block(block) for block in model.decoder]
        self._decoder_norm = _vector(model.decoder_norm)
        self._output = pack(model.output_weight_VD, arithmetic)

    def prefill(self, token_ids_BS: Tensor, lengths_B: Tensor) -> tuple[Tensor, PackedState]:
        """Read sources: the logits of each target's first token [B, V], and the state."""
        lengths_B = lengths_B.clamp(min=1)
        inside_BS = torch.arange(token_ids_BS.shape[1]) < lengths_B[:, None]
        starts_B1 = np.concatenate([np.zeros(1, np.int64), lengths_B.cumsum(0).numpy()])
        source_TD = self._encoded(token_ids_BS[inside_BS].numpy(), starts_B1, token_ids_BS.shape[1])
        room, width = self._room(len(source_TD)), 2 * self._config.hidden_size
        memory = [np.empty((len(source_TD), width), np.float32) for _ in self._decoder]
        for block, pairs_TD in zip(self._decoder, memory, strict=True):
            read(source_TD, self._encoder_norm, self._config.norm_eps, block.memory, room, pairs_TD)
        num_rows = len(lengths_B)
        written = Written([np.empty((FEWEST_PLACES, num_rows, width), np.float32) for _ in self._decoder])
        nothing, sources_R = np.empty((num_rows, 0), np.int32), np.arange(num_rows, dtype=np.int32)
        state = PackedState(written, 0, nothing, tuple(memory), starts_B1, sources_R)
        return self.step(torch.full((num_rows,), self._config.start_id), state)

    def step(self, token_ids_R: Tensor, state: PackedState) -> tuple[Tensor, PackedState]:
        """The logits after one more token a row [R, V], and the state."""
        config, num_rows, place = self._config, state.num_rows, state.columns_RN.shape[1]
        written = state.written.after(state.turn, place, num_rows)
        written.turn += 1
        newest_R1 = np.arange(num_rows, dtype=np.int32)[:, None]
        columns_RN = np.concatenate([state.columns_RN, newest_R1], axis=1)
        after = PackedState(written, written.turn, columns_RN, state.memory, state.starts_B1, state.sources_R)
        x_RD = np.empty((num_rows, config.hidden_size), np.float32)
        embed(token_ids_R.numpy(), self._target_table, self._scale, x_RD)
        room = self._room(num_rows)
        for layer, block in enumerate(self._decoder):
            self._decode(x_RD, block, layer, after, room)
        logits_RV = np.empty((num_rows, config.output_vocab_size), np.float32)
        read(x_RD, self._decoder_norm, config.norm_eps, self._output, room, logits_RV)
        return torch.from_numpy(logits_RV), after

    def _encoded(self, token_ids_T: Any, starts_B1: Any, most: int) -> Any:
        """The encoder's states of all tokens [T, D], before its last norm."""
        config = self._config
        x_TD = np.empty((len(token_ids_T), config.hidden_size), np.float32)
        embed(token_ids_T, self._source_table, self._scale, x_TD)
        room, taken_TD = self._room(len(x_TD)), np.empty_like(x_TD)
        mixed_TD = np.empty((len(x_TD), 3 * config.hidden_size), np.float32)
        cosines, sines = self._angles_of(most)
        for block in self._encoder:
            read(x_TD, block.norm, config.norm_eps, block.mixed, room, mixed_TD)
            look_around(mixed_TD, starts_B1, cosines, sines, config.num_heads, taken_TD)
            give(taken_TD, block.output, room, x_TD)
            self._feed_forward(x_TD, block.feed_forward, room)
        return x_TD

    def _decode(self, x_RD: Any, block: DecoderBlock, layer: int, state: PackedState, room: Rows) -> None:
        """A block of the decoder for the newest token of each row, onto ``x_RD``."""
        config, taken_RD = self._config, np.empty_like(x_RD)
        mixed_RD = np.empty((len(x_RD), 3 * config.hidden_size), np.float32)
        cosine_E, sine_E = self._angle(state.columns_RN.shape[1] - 1)
        read(x_RD, block.norm, config.norm_eps, block.mixed, room, mixed_RD)
        written_NRD = state.written.layers[layer]
        look_back(mixed_RD, written_NRD, state.columns_RN, cosine_E, sine_E, config.num_heads, taken_RD)
        give(taken_RD, block.output, room, x_RD)
        asked_RD = np.empty_like(x_RD)
        read(x_RD, block.cross_norm, config.norm_eps, block.query, room, asked_RD)
        look_across(asked_RD, state.memory[layer], state.starts_B1, state.sources_R, config.num_heads, taken_RD)
        give(taken_RD, block.cross_output, room, x_RD)
        self._feed_forward(x_RD, block.feed_forward, room)

    def _feed_forward(self, x_RD: Any, block: FeedForward, room: Rows) -> None:
        size = self._config.inner_size
        inner = room_for(min(PORTION, len(x_RD)), size, self.arithmetic)
        both_RI = np.empty((min(PORTION, len(x_RD)), 2 * size), np.float32)
        gated_RI = np.empty((len(both_RI), size), np.float32)
        for first in range(0, len(x_RD), PORTION):
            x = x_RD[first : first + PORTION]
            both, gated = both_RI[: len(x)], gated_RI[: len(x)]
            read(x, block.norm, self._config.norm_eps, block.inside, room, both)
            gate(both, gated)
            give(gated, block.back, inner, x)

    def _room(self, num_rows: int) -> Rows:
        return room_for(num_rows, self._config.hidden_size, self.arithmetic)

    def _angle(self, place: int) -> tuple[Any, Any]:
        """Cosine and sine of one position [E / 2]; those of all up to twice the furthest are kept."""
        angles = self._angles  # which another thread may replace at any moment
        if place >= len(angles[0]):
            self._angles = angles = self._angles_of(2 * place)
        cosines, sines = angles
        return cosines[place], sines[place]

    def _angles_of(self, count: int) -> tuple[Any, Any]:
        """Cosines and sines of so many positions [count, E / 2]."""
        cosines, sines = self._rotary(torch.arange(count), torch.float32)
        return cosines[0, 0].numpy(), sines[0, 0].numpy()

    def _encoder_block(self, block: Any) -> EncoderBlock:
        return EncoderBlock(
            _vector(block.attention_norm),
            pack(block.attention.inputs.weight, self.arithmetic),
            pack(block.attention.output.weight, self.arithmetic),
            self._packed_feed_forward(block),
        )

    def _decoder_block(self, block: Any) -> DecoderBlock:
        return DecoderBlock(
            _vector(block.attention_norm),
            pack(block.attention.inputs.weight, self.arithmetic),
            pack(block.attention.output.weight, self.arithmetic),
            _vector(block.cross_norm),
            pack(block.cross.query.weight, self.arithmetic),
            pack(block.cross.memory.weight, self.arithmetic),
            pack(block.cross.output.weight, self.arithmetic),
            self._packed_feed_forward(block),
        )

    def _packed_feed_forward(self, block: Any) -> FeedForward:
        layer = block.feed_forward
        inside = pack(torch.cat([layer.gate_proj.weight, layer.up_proj.weight]), self.arithmetic)
        return FeedForward(_vector(block.feed_forward_norm), inside, pack(layer.down_proj.weight, self.arithmetic))


def _vector(norm: Any) -> Any:
    return norm.weight.detach().float().numpy()
