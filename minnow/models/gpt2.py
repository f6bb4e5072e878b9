"""GPT-2: a decoder with learnt positions; Radford et al. (2019), "Language Models are Unsupervised Multitask Learners".

Weights and configuration have Hugging Face's names.
B rows · S positions · D features · V vocabulary
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from minnow.errors import InputError
from minnow.layers.activations import activation
from minnow.layers.cache import Pair
from minnow.layers.dropout import FeatureDropout
from minnow.layers.linear import TransposedLinear
from minnow.layers.norm import LayerNorm
from minnow.layers.transformer import HeadedAttention, Sight, start_weights
from minnow.models.decoder import Decoder
from minnow.models.foreign import ForeignConfig, check_heads


@dataclass(frozen=True, kw_only=True)
class GPT2Config(ForeignConfig):
    """The shape of a decoder; keys and defaults are those of ``config.json`` at Hugging Face.

    Attributes:
        n_embd: D, features of a position.
        n_layer: blocks.
        n_head: heads of attention.
        n_positions: the most positions a text may have; each has an embedding of its own.
        n_inner: features inside the feed-forward layers; None for 4 · D.
        resid_pdrop: dropout of what each layer adds.
        embd_pdrop: of the embeddings.
        attn_pdrop: of attention weights.
        scale_attn_by_inverse_layer_idx: scores of layer i are divided by i + 1 besides.
        tie_word_embeddings: the output layer is the embedding.
        initializer_range: standard deviation of the weights at the start.
    """

    model_type: ClassVar[str] = "gpt2"
    architecture: ClassVar[str] = "GPT2LMHeadModel"

    vocab_size: int
    n_embd: int
    n_layer: int
    n_head: int
    n_positions: int = 1024
    n_inner: int | None = None
    activation_function: str = "gelu_new"
    resid_pdrop: float = 0.1
    embd_pdrop: float = 0.1
    attn_pdrop: float = 0.1
    layer_norm_epsilon: float = 1e-5
    scale_attn_by_inverse_layer_idx: bool = False
    tie_word_embeddings: bool = True
    initializer_range: float = 0.02

    def __post_init__(self) -> None:
        self.check_sizes("vocab_size", "n_embd", "n_layer", "n_head", "n_positions")
        self.check_layers("n_layer")
        check_heads("n_embd", self.n_embd, "n_head", self.n_head)
        if self.n_inner is not None:
            self.check_sizes("n_inner")
        activation(self.activation_function)
        self.check_rates("resid_pdrop", "embd_pdrop", "attn_pdrop")


class GPT2Attention(nn.Module):
    def __init__(self, config: GPT2Config, layer: int):
        super().__init__()
        self.c_attn = TransposedLinear(config.n_embd, 3 * config.n_embd)
        self.c_proj = TransposedLinear(config.n_embd, config.n_embd)
        scale = (config.n_embd // config.n_head) ** -0.5
        if config.scale_attn_by_inverse_layer_idx:
            scale /= layer + 1
        self.attend = HeadedAttention(config.n_head, config.n_head, config.attn_pdrop, scale)
        self.dropout = FeatureDropout(config.resid_pdrop)

    def forward(self, x_BSD: Tensor, sight: Sight, layer: int) -> tuple[Tensor, Pair]:
        parts = self.c_attn(x_BSD).chunk(3, dim=-1)
        queries, keys, values = (self.attend.heads(part, self.attend.num_heads) for part in parts)
        taken_BSD, pair = self.attend(queries, keys, values, sight, layer)
        return self.dropout(self.c_proj(taken_BSD)), pair


class GPT2FeedForward(nn.Module):
    def __init__(self, config: GPT2Config):
        super().__init__()
        inner_size = config.n_inner or 4 * config.n_embd
        self.c_fc = TransposedLinear(config.n_embd, inner_size)
        self.c_proj = TransposedLinear(inner_size, config.n_embd)
        self.activation = activation(config.activation_function)
        self.dropout = FeatureDropout(config.resid_pdrop)

    def forward(self, x_BSD: Tensor) -> Tensor:
        output_BSD: Tensor = self.dropout(self.c_proj(self.activation(self.c_fc(x_BSD))))
        return output_BSD


class GPT2Block(nn.Module):
    """Attention, then feed-forward; each reads the normed stream and adds to it."""

    def __init__(self, config: GPT2Config, layer: int):
        super().__init__()
        self.ln_1 = LayerNorm(config.n_embd, config.layer_norm_epsilon)
        self.attn = GPT2Attention(config, layer)
        self.ln_2 = LayerNorm(config.n_embd, config.layer_norm_epsilon)
        self.mlp = GPT2FeedForward(config)

    def forward(self, x_BSD: Tensor, sight: Sight, layer: int) -> tuple[Tensor, Pair]:
        taken_BSD, pair = self.attn(self.ln_1(x_BSD), sight, layer)
        x_BSD, normed_BSD = self.ln_2.after(x_BSD, taken_BSD)
        return x_BSD + self.mlp(normed_BSD), pair


class GPT2Body(nn.Module):
    """What stands under ``transformer.`` in the weights' names."""

    def __init__(self, config: GPT2Config):
        super().__init__()
        self.wte = nn.Embedding(config.vocab_size, config.n_embd)
        self.wpe = nn.Embedding(config.n_positions, config.n_embd)
        self.drop = FeatureDropout(config.embd_pdrop)
        self.h = nn.ModuleList(GPT2Block(config, layer) for layer in range(config.n_layer))
        self.ln_f = LayerNorm(config.n_embd, config.layer_norm_epsilon)


class GPT2(Decoder):
    """Token ids to logits."""

    config: GPT2Config
    head_names = ("lm_head",)

    def __init__(self, config: GPT2Config):
        super().__init__(config)
        self.transformer = GPT2Body(config)
        self.lm_head = None if config.tie_word_embeddings else nn.Linear(config.n_embd, config.vocab_size, bias=False)
        start_weights(self, config.initializer_range, config.n_layer, ("c_proj",))

    @property
    def context_size(self) -> int:
        return self.config.n_positions

    @property
    def output_size(self) -> int:
        return self.config.n_embd

    @property
    def output_weight_VD(self) -> Tensor:
        return self.transformer.wte.weight if self.lm_head is None else self.lm_head.weight

    @property
    def blocks(self) -> Iterable[nn.Module]:
        return self.transformer.h

    def embed(self, token_ids_BS: Tensor, positions: Tensor, num_positions: int) -> Tensor:
        if num_positions > self.config.n_positions:
            raise InputError(
                f"a text may have at most {self.config.n_positions} positions, but got {num_positions}; give less of it"
            )
        embedded_BSD: Tensor = self.transformer.drop(
            self.transformer.wte(token_ids_BS) + self.transformer.wpe(positions)
        )
        return embedded_BSD

    def finish(self, states_BSD: Tensor) -> Tensor:
        normed_BSD: Tensor = self.transformer.ln_f(states_BSD)
        return normed_BSD
