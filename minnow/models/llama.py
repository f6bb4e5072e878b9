"""The Llama family: decoders with rotary positions, gated feed-forward layers and grouped-query attention.

Touvron et al. (2023), "Llama 2"; Jiang et al. (2023), "Mistral 7B"; Yang et al. (2024), "Qwen2 Technical Report"; Yang
et al. (2025), "Qwen3 Technical Report". SmolLM and SmolLM2 are of type llama. Weights and configuration have Hugging
Face's names.
B rows · S positions · D features · H heads · G heads of keys · E features of a head · V vocabulary
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from minnow.errors import BundleError, RecipeError
from minnow.layers.activations import activation
from minnow.layers.cache import Pair
from minnow.layers.linear import Linear
from minnow.layers.norm import RMSNorm
from minnow.layers.positions import RopeScaling, Rotary
from minnow.layers.transformer import GatedFeedForward, HeadedAttention, Sight, start_weights
from minnow.models.decoder import Decoder
from minnow.models.foreign import ForeignConfig, check_heads

LAYER_TYPES = ("full_attention", "sliding_attention")


@dataclass(frozen=True, kw_only=True)
class LlamaConfig(ForeignConfig):
    """The shape of a decoder; keys and defaults are those of ``config.json`` at Hugging Face.

    Attributes:
        hidden_size: D, features of a position.
        intermediate_size: features inside the feed-forward layers; 8/3 of ``hidden_size`` is usual.
        num_hidden_layers: blocks.
        num_attention_heads: H, of the queries.
        num_key_value_heads: G, of keys and values; None for as many as of the queries.
        head_dim: E, features of a head; None for hidden_size / num_attention_heads.
        max_position_embeddings: positions that the model is made for.
        rope_theta: base of the rotary frequencies.
        rope_scaling: how the rotation was slowed down for longer texts.
        tie_word_embeddings: the output layer is the embedding.
        attention_bias: biases in the four projections of the attention.
        mlp_bias: biases in the feed-forward layers.
        sliding_window: positions that a layer looks back, itself included; None for all.
        use_sliding_window: Qwen's switch, without which ``sliding_window`` says nothing.
        max_window_layers: Qwen's first layers, which look back without a window.
        layer_types: full_attention or sliding_attention for each layer; None for what follows from the others.
        attention_dropout: of attention weights, in training.
        initializer_range: standard deviation of the weights at the start.
    """

    model_type: ClassVar[str] = "llama"
    architecture: ClassVar[str] = "LlamaForCausalLM"
    # Keys that this type does not have in transformers, which would pass over them in silence.
    lacks: ClassVar[frozenset[str]] = frozenset(
        ("sliding_window", "use_sliding_window", "max_window_layers", "layer_types")
    )
    biased_inputs: ClassVar[bool] = False  # biases of queries, keys and values, though not of the output
    normed_heads: ClassVar[bool] = False  # norms over each head of queries and keys

    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int | None = None
    head_dim: int | None = None
    hidden_act: str = "silu"
    max_position_embeddings: int = 2048
    rms_norm_eps: float = 1e-6
    rope_theta: float = 10000.0
    rope_scaling: RopeScaling | None = None
    tie_word_embeddings: bool = False
    attention_bias: bool = False
    mlp_bias: bool = False
    sliding_window: int | None = None
    use_sliding_window: bool = False
    max_window_layers: int = 0
    layer_types: tuple[str, ...] | None = None
    attention_dropout: float = 0.0
    initializer_range: float = 0.02

    def __post_init__(self) -> None:
        self.check_sizes("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads")
        self.check_sizes("max_position_embeddings")
        self.check_layers("num_hidden_layers")
        check_heads("hidden_size", self.hidden_size, "num_attention_heads", self.num_attention_heads)
        if self.num_key_value_heads is None:
            object.__setattr__(self, "num_key_value_heads", self.num_attention_heads)
        if self.head_dim is None:
            object.__setattr__(self, "head_dim", self.hidden_size // self.num_attention_heads)
        self.check_sizes("num_key_value_heads", "head_dim")
        check_heads("num_attention_heads", self.num_attention_heads, "num_key_value_heads", self.key_heads)
        if self.head_size % 2:
            raise RecipeError(f"head_dim must be even to be rotated in pairs, but got head_dim={self.head_size}")
        if self.rope_scaling is not None:
            self.rope_scaling.check_head(self.head_size)
        if not self.rope_theta > 0:
            raise RecipeError(f"rope_theta must be positive, but got rope_theta={self.rope_theta}; try 10000.0")
        activation(self.hidden_act)
        self.check_rates("attention_dropout")
        self._check_windows()

    def _check_windows(self) -> None:
        for f in fields(self):
            if f.name in self.lacks and getattr(self, f.name) != f.default:
                raise RecipeError(
                    f"model_type {self.model_type} has no {f.name}, but got {f.name}={getattr(self, f.name)!r}; "
                    f"leave it out, or take another model_type"
                )
        if self.sliding_window is not None:
            self.check_sizes("sliding_window")
        for kind in self.layer_types or ():
            if kind not in LAYER_TYPES:
                raise RecipeError(f"layer_types must be of {', '.join(LAYER_TYPES)}, but got {kind!r}")
        if self.layer_types is not None and len(self.layer_types) != self.num_hidden_layers:
            raise RecipeError(
                f"layer_types must name each layer, but got {len(self.layer_types)} for "
                f"num_hidden_layers={self.num_hidden_layers}"
            )

    @property
    def key_heads(self) -> int:
        return self.num_key_value_heads or self.num_attention_heads

    @property
    def head_size(self) -> int:
        return self.head_dim or self.hidden_size // self.num_attention_heads

    @property
    def windows(self) -> tuple[int | None, ...]:
        """How many positions each layer looks back, itself included; None for all."""
        if self.layer_types is not None:
            return tuple(self.sliding_window if kind == LAYER_TYPES[1] else None for kind in self.layer_types)
        return (self.sliding_window,) * self.num_hidden_layers

    def to_dict(self) -> dict[str, Any]:
        return {key: value for key, value in super().to_dict().items() if key not in self.lacks}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        return super().from_dict(_with_rope({"max_position_embeddings": cls.max_position_embeddings, **values}))


@dataclass(frozen=True, kw_only=True)
class MistralConfig(LlamaConfig):
    """Mistral: every layer looks back ``sliding_window`` positions, unless it is None."""

    model_type: ClassVar[str] = "mistral"
    architecture: ClassVar[str] = "MistralForCausalLM"
    lacks: ClassVar[frozenset[str]] = frozenset(
        ("attention_bias", "mlp_bias", "use_sliding_window", "max_window_layers", "layer_types")
    )

    max_position_embeddings: int = 131072
    sliding_window: int | None = 4096


@dataclass(frozen=True, kw_only=True)
class Qwen2Config(LlamaConfig):
    """Qwen2 and Qwen2.5: biases on queries, keys and values; with ``use_sliding_window`` the layers from
    ``max_window_layers`` on look back ``sliding_window`` positions."""

    model_type: ClassVar[str] = "qwen2"
    architecture: ClassVar[str] = "Qwen2ForCausalLM"
    lacks: ClassVar[frozenset[str]] = frozenset(("attention_bias", "mlp_bias"))
    biased_inputs: ClassVar[bool] = True

    max_position_embeddings: int = 32768
    sliding_window: int | None = 4096
    max_window_layers: int = 28

    @property
    def windows(self) -> tuple[int | None, ...]:
        if not self.use_sliding_window:
            return (None,) * self.num_hidden_layers
        if self.layer_types is not None:
            return super().windows
        return tuple(
            None if layer < self.max_window_layers else self.sliding_window for layer in range(self.num_hidden_layers)
        )


@dataclass(frozen=True, kw_only=True)
class Qwen3Config(Qwen2Config):
    """Qwen3: norms over each head of queries and keys, no biases unless ``attention_bias`` asks for them."""

    model_type: ClassVar[str] = "qwen3"
    architecture: ClassVar[str] = "Qwen3ForCausalLM"
    lacks: ClassVar[frozenset[str]] = frozenset(("mlp_bias",))
    biased_inputs: ClassVar[bool] = False
    normed_heads: ClassVar[bool] = True

    head_dim: int | None = 128


class LlamaAttention(nn.Module):
    def __init__(self, config: LlamaConfig):
        super().__init__()
        size, inner, outer = config.hidden_size, config.num_attention_heads, config.key_heads
        bias = config.attention_bias or config.biased_inputs
        self.q_proj = Linear(size, inner * config.head_size, bias=bias)
        self.k_proj = Linear(size, outer * config.head_size, bias=bias)
        self.v_proj = Linear(size, outer * config.head_size, bias=bias)
        self.o_proj = Linear(inner * config.head_size, size, bias=config.attention_bias)
        self.q_norm = RMSNorm(config.head_size, config.rms_norm_eps) if config.normed_heads else nn.Identity()
        self.k_norm = RMSNorm(config.head_size, config.rms_norm_eps) if config.normed_heads else nn.Identity()
        self.attend = HeadedAttention(inner, outer, config.attention_dropout)

    def forward(self, x_BSD: Tensor, sight: Sight, layer: int) -> tuple[Tensor, Pair]:
        queries_BSHE = self.q_norm(self.attend.heads(self.q_proj(x_BSD), self.attend.num_heads))
        keys_BSGE = self.k_norm(self.attend.heads(self.k_proj(x_BSD), self.attend.num_key_heads))
        values_BSGE = self.attend.heads(self.v_proj(x_BSD), self.attend.num_key_heads)
        taken_BSD, pair = self.attend(queries_BSHE, keys_BSGE, values_BSGE, sight, layer)
        return self.o_proj(taken_BSD), pair


class LlamaBlock(nn.Module):
    """Attention, then feed-forward; each reads the normed stream and adds to it."""

    def __init__(self, config: LlamaConfig):
        super().__init__()
        self.self_attn = LlamaAttention(config)
        self.mlp = GatedFeedForward(config.hidden_size, config.intermediate_size, config.hidden_act, config.mlp_bias)
        self.input_layernorm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.post_attention_layernorm = RMSNorm(config.hidden_size, config.rms_norm_eps)

    def forward(self, x_BSD: Tensor, sight: Sight, layer: int) -> tuple[Tensor, Pair]:
        taken_BSD, pair = self.self_attn(self.input_layernorm(x_BSD), sight, layer)
        x_BSD, normed_BSD = self.post_attention_layernorm.after(x_BSD, taken_BSD)
        return x_BSD + self.mlp(normed_BSD), pair


class LlamaBody(nn.Module):
    """What stands under ``model.`` in the weights' names."""

    def __init__(self, config: LlamaConfig):
        super().__init__()
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(LlamaBlock(config) for _ in range(config.num_hidden_layers))
        self.norm = RMSNorm(config.hidden_size, config.rms_norm_eps)


class Llama(Decoder):
    """Token ids to logits, for llama, mistral, qwen2 and qwen3."""

    config: LlamaConfig
    head_names = ("lm_head",)

    def __init__(self, config: LlamaConfig):
        super().__init__(config)
        self.model = LlamaBody(config)
        self.lm_head = (
            None if config.tie_word_embeddings else nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        )
        self.rotary = Rotary(config.head_size, config.rope_theta, config.rope_scaling)
        start_weights(self, config.initializer_range, config.num_hidden_layers, ("o_proj", "down_proj"))

    @property
    def context_size(self) -> int:
        scaling, learnt = self.config.rope_scaling, self.config.max_position_embeddings
        if scaling is not None and scaling.rope_type == "dynamic":  # there the factor says how much further it goes
            return int(scaling.factor * learnt)
        if scaling is not None and scaling.rope_type == "yarn":  # some name what it had learnt with in both places
            return max(learnt, int(scaling.factor * (scaling.original_max_position_embeddings or 0)))
        return learnt

    @property
    def output_size(self) -> int:
        return self.config.hidden_size

    @property
    def output_weight_VD(self) -> Tensor:
        return self.model.embed_tokens.weight if self.lm_head is None else self.lm_head.weight

    @property
    def blocks(self) -> Iterable[nn.Module]:
        return self.model.layers

    @property
    def windows(self) -> Sequence[int | None]:
        return self.config.windows

    def embed(self, token_ids_BS: Tensor, positions: Tensor, num_positions: int) -> Tensor:  # noqa: ARG002 - see rotation
        embedded_BSD: Tensor = self.model.embed_tokens(token_ids_BS)
        return embedded_BSD

    def rotation(self, positions: Tensor, dtype: torch.dtype, lengths_B: Tensor | None = None) -> Pair:
        cosines, sines = self.rotary(positions, dtype, lengths_B)
        return cosines, sines

    def finish(self, states_BSD: Tensor) -> Tensor:
        normed_BSD: Tensor = self.model.norm(states_BSD)
        return normed_BSD


def _with_rope(values: Mapping[str, Any]) -> dict[str, Any]:
    """The rotation by our names: newer files of transformers hold it all in ``rope_parameters``, of which it takes
    nothing where there is a ``rope_scaling`` as well."""
    read = dict(values)
    tables = {name: read.pop(name, None) or {} for name in ("rope_scaling", "rope_parameters")}
    for name, table in tables.items():
        if not isinstance(table, Mapping):
            raise BundleError(f"config.json.{name} must be a table of keys and values, but got {table!r}")
    scaling = tables["rope_scaling"] or tables["rope_parameters"]
    scaling = {key: value for key, value in scaling.items() if value is not None}
    theta = scaling.pop("rope_theta", None)
    if theta is not None:
        read["rope_theta"] = theta
    if scaling.get("partial_rotary_factor") == 1:
        del scaling["partial_rotary_factor"]
    kind = scaling.pop("type", "default")
    kind = scaling.pop("rope_type", kind)
    if kind != "default":
        scaling["rope_type"] = kind
        read["rope_scaling"] = _long(scaling, read, read.pop("original_max_position_embeddings", None))
    elif scaling:
        surplus = sorted(scaling)[0]
        raise BundleError(f"config.json has {surplus!r} in its rope parameters, which rope_type default lacks")
    else:
        read["rope_scaling"] = None
    return read


def _long(scaling: dict[str, Any], read: Mapping[str, Any], beside: Any) -> dict[str, Any]:
    """What follows from other keys; ``beside`` is an original length that stands outside the table, as Phi has it."""
    longest = read["max_position_embeddings"]
    if scaling["rope_type"] == "dynamic":  # whatever else is said, transformers counts from there
        return {**scaling, "original_max_position_embeddings": longest}
    if scaling["rope_type"] in ("llama3", "yarn", "longrope"):
        if beside is not None:
            scaling["original_max_position_embeddings"] = beside
        scaling.setdefault("original_max_position_embeddings", longest)
    original = scaling.get("original_max_position_embeddings")
    if scaling["rope_type"] == "longrope" and "factor" not in scaling and type(original) is type(longest) is int:
        scaling["factor"] = max(longest / original, 1.0) if original > 0 else 1.0
    return scaling
