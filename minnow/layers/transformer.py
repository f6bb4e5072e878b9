"""What transformers are made of: attention over heads, feed-forward layers.

Vaswani et al. (2017), "Attention Is All You Need". Projections stand in the architectures, whose weights go by other
people's names; what is here has no names of its own to keep.
B rows · S positions · N keys · H heads · G heads of keys · D features · E features of a head · F inner features
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from minnow.layers.activations import activation, gated
from minnow.layers.cache import KeyValueState, Pair
from minnow.layers.dropout import Dropping
from minnow.layers.fused_attention import causal_attention, padded_attention
from minnow.layers.linear import Linear
from minnow.layers.positions import rotate


class GatedFeedForward(nn.Module):
    """down(activation(gate(x)) · up(x)), [B, S, D] to the same; Shazeer (2020), "GLU Variants Improve Transformer"."""

    def __init__(self, size: int, inner_size: int, activation_name: str, bias: bool):
        super().__init__()
        self.gate_proj = Linear(size, inner_size, bias=bias)
        self.up_proj = Linear(size, inner_size, bias=bias)
        self.down_proj = Linear(inner_size, size, bias=bias)
        self.activation = activation(activation_name)

    def forward(self, x_BSD: Tensor) -> Tensor:
        output_BSD: Tensor = self.down_proj(gated(self.activation, self.gate_proj(x_BSD), self.up_proj(x_BSD)))
        return output_BSD


@dataclass(frozen=True)
class Sight:
    """What the queries of a pass may look at, the same for all layers that see equally far.

    Attributes:
        mask: True [1 or B, 1, S, N] where a query sees a key; None where nothing but ``causal`` hides anything.
        causal: a query sees the keys up to its own place; only without a mask.
        lengths: keys of each row [B] that are text, where ``mask`` [B, 1, 1, N] says no more than that and every head
            has keys of its own; a hint for the kernels.
        across: the keys are another text's than the queries.
        rotation: cosines and sines by which queries and keys are turned, None without rotary positions.
        state: what came before, with room for this pass; None where the pass is all there is.
    """

    mask: Tensor | None = None
    causal: bool = False
    lengths: Tensor | None = None
    across: bool = False
    rotation: Pair | None = None
    state: KeyValueState | None = None


class HeadedAttention(Dropping):
    """softmax(q k' · scale) v in every head; ``rate`` drops single weights in training.

    Queries have ``num_heads`` heads; keys and values may have fewer, each for a group of queries (Ainslie et al. 2023,
    "GQA: Training Generalized Multi-Query Transformer Models from Multi-Head Checkpoints").
    """

    def __init__(self, num_heads: int, num_key_heads: int, rate: float, scale: float | None = None):
        super().__init__(rate)
        self.num_heads = num_heads
        self.num_key_heads = num_key_heads
        self.scale = scale

    def heads(self, x_BSD: Tensor, num_heads: int) -> Tensor:
        """[B, S, H · E] to [B, S, H, E]."""
        return x_BSD.view(*x_BSD.shape[:-1], num_heads, -1)

    def forward(
        self, queries_BSHE: Tensor, keys_BSGE: Tensor, values_BSGE: Tensor, sight: Sight, layer: int = 0
    ) -> tuple[Tensor, Pair]:
        """What each position takes from those it sees [B, S, H · E], and the keys and values of this pass, turned to
        their positions [B, G, S, E]."""
        queries_BHSE, keys_BGSE, values_BGSE = (x.transpose(1, 2) for x in (queries_BSHE, keys_BSGE, values_BSGE))
        if sight.rotation is not None:
            queries_BHSE, keys_BGSE = rotate(queries_BHSE, *sight.rotation), rotate(keys_BGSE, *sight.rotation)
        keys, values = keys_BGSE, values_BGSE
        if sight.state is not None:
            keys, values = sight.state.write(layer, keys, values)
        taken_BHSE = self._attend(queries_BHSE, keys, values, sight)
        return taken_BHSE.transpose(1, 2).flatten(2), (keys_BGSE, values_BGSE)

    def _attend(self, queries_BHSE: Tensor, keys_BGNE: Tensor, values_BGNE: Tensor, sight: Sight) -> Tensor:
        grouped = self.num_key_heads != self.num_heads
        if self.active and self.generator is not None:
            return self._attend_dropping(queries_BHSE, keys_BGNE, values_BGNE, sight)
        if sight.causal and not self.active:
            return causal_attention(queries_BHSE, keys_BGNE, values_BGNE, self.scale)
        if sight.lengths is not None and sight.mask is not None and not self.active:
            given = queries_BHSE, keys_BGNE, values_BGNE, sight.lengths, sight.mask, self.scale
            return padded_attention(*given, across=sight.across)
        if grouped and queries_BHSE.shape[2] == 1 and not sight.causal:
            # The queries of a group as so many positions: each key is read once for all of them.
            folded = queries_BHSE.reshape(len(queries_BHSE), self.num_key_heads, -1, queries_BHSE.shape[-1])
            taken = F.scaled_dot_product_attention(folded, keys_BGNE, values_BGNE, sight.mask, scale=self.scale)
            return taken.reshape(queries_BHSE.shape)
        return F.scaled_dot_product_attention(
            queries_BHSE,
            keys_BGNE,
            values_BGNE,
            sight.mask,
            dropout_p=self.rate if self.active else 0.0,
            is_causal=sight.causal,
            scale=self.scale,
            enable_gqa=grouped,
        )

    def _attend_dropping(self, queries: Tensor, keys: Tensor, values: Tensor, sight: Sight) -> Tensor:
        """The same step by step, for the library's own would not draw from a stream that was handed in."""
        groups = self.num_heads // self.num_key_heads
        keys, values = (x.repeat_interleave(groups, dim=1) for x in (keys, values))
        scale = self.scale if self.scale is not None else 1 / math.sqrt(queries.shape[-1])
        scores_BHSN = queries @ keys.transpose(-1, -2) * scale
        visible = sight.mask
        if sight.causal:
            visible = torch.ones(scores_BHSN.shape[-2:], dtype=torch.bool, device=queries.device).tril()
        if visible is not None:
            scores_BHSN = scores_BHSN.masked_fill(~visible, -torch.inf)
        weights_BHSN = torch.softmax(scores_BHSN.float(), dim=-1).to(values.dtype)
        return (weights_BHSN * self.keep(tuple(weights_BHSN.shape), weights_BHSN)) @ values


def start_weights(module: nn.Module, std: float, num_layers: int, residual: tuple[str, ...]) -> None:
    """Weights to start training from: normal with ``std``, biases zero, norms one.

    Matrices whose names end with one of ``residual`` write into the residual stream and start smaller, by the square
    root of how many do, so that the stream does not grow with depth (Radford et al. 2019, section 2.3).
    """
    for name, parameter in module.named_parameters():
        if parameter.dim() < 2:
            nn.init.constant_(parameter, 1.0 if name.endswith("weight") else 0.0)
            continue
        smaller = math.sqrt(2 * num_layers) if name.removesuffix(".weight").endswith(residual) else 1.0
        nn.init.normal_(parameter, std=std / smaller)
