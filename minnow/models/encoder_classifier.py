"""A classifier over any encoder: what a language model has learnt, a pooling, and a head with one hidden layer.

Howard & Ruder (2018), "Universal Language Model Fine-tuning for Text Classification", section 3.3.
B rows · S positions · D features of the encoder · K labels
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from minnow.errors import BundleError, RecipeError, UnknownNameError
from minnow.layers import pooling
from minnow.layers.batch_norm import BatchNorm
from minnow.layers.dropout import FeatureDropout, TokenDropout
from minnow.layers.masks import padding_mask
from minnow.models.base import ModelConfig
from minnow.models.module import TorchModel
from minnow.models.registry import architecture

RATES = ("dropout", "head_dropout", "token_dropout")


@dataclass(frozen=True)
class EncoderClassifierConfig(ModelConfig):
    """The shape of the classifier.

    Attributes:
        encoder: the ``config.json`` of the encoder, with its model_type; of an architecture with ``encode``.
        pooling: first, last, mean, max, concat (last, max and mean), additive, dot, general or self_attention.
        head_size: units of the head's hidden layer; 0 for a head that is linear.
        dropout: of what the pooling gives.
        head_dropout: of the head's hidden layer.
        token_dropout: share of a text's token types that are read as the unknown token; it needs ``unk_id``.
        batch_norm: whether what the pooling gives is brought to mean 0 and variance 1 over the texts.
        first_id, last_id: tokens put before and after every text, None for none.
        unk_id: the unknown token, None where there is none.
    """

    model_type: ClassVar[str] = "encoder_classifier"

    encoder: Any
    num_labels: int
    pooling: str = "concat"
    head_size: int = 50
    dropout: float = 0.4
    head_dropout: float = 0.1
    token_dropout: float = 0.0
    batch_norm: bool = False
    first_id: int | None = None
    last_id: int | None = None
    unk_id: int | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.encoder, dict) or not isinstance(self.encoder.get("model_type"), str):
            raise RecipeError(f"encoder must be a table with a model_type, but got encoder={self.encoder!r}")
        if type(self.encoder.get("vocab_size", 0)) is not int:
            raise RecipeError(f"encoder.vocab_size must be a whole number, but got {self.encoder['vocab_size']!r}")
        if self.pooling not in pooling.KINDS:
            raise UnknownNameError("pooling", self.pooling, pooling.KINDS)
        self.check_sizes("num_labels")
        if self.head_size < 0:
            raise RecipeError(f"head_size must be at least 0, but got head_size={self.head_size}; try 50")
        self.check_rates(*RATES)
        for name in ("first_id", "last_id", "unk_id"):
            token_id = getattr(self, name)
            if token_id is not None and not 0 <= token_id < self.vocab_size:
                raise RecipeError(f"{name} must be one of {self.vocab_size} tokens, but got {name}={token_id}")
        if self.token_dropout and self.unk_id is None:
            raise RecipeError(
                f"token_dropout={self.token_dropout} needs an unknown token, which this tokenizer does not have; "
                "take token_dropout=0"
            )

    @property
    def vocab_size(self) -> int:
        """Of the encoder."""
        size: int = self.encoder.get("vocab_size", 0)
        return size


class EncoderClassifier(TorchModel):
    """Token ids to logits; without its own output layer, which the head stands in for, the encoder is the encoder of a
    language model, under the same names."""

    reads = "tokens"
    config: EncoderClassifierConfig

    def __init__(self, config: EncoderClassifierConfig):
        super().__init__(config)
        self.encoder = _encoder(config.encoder)
        self.token_dropout = TokenDropout(config.token_dropout)
        self.pooling = pooling.pooling(config.pooling, self.encoder.output_size)
        size = pooling.pooled_size(config.pooling, self.encoder.output_size)
        self.batch_norm = BatchNorm(size) if config.batch_norm else None
        self.dropout = FeatureDropout(config.dropout)
        self.hidden = nn.Linear(size, config.head_size) if config.head_size else None
        self.head_dropout = FeatureDropout(config.head_dropout)
        self.head = nn.Linear(config.head_size or size, config.num_labels)

    @property
    def output_matrix(self) -> Tensor:
        return self.head.weight

    def forward(self, token_ids_BS: Tensor, lengths_B: Tensor) -> Tensor:
        """Logits [B, K]."""
        return self.attend(token_ids_BS, lengths_B)[0]

    def attend(self, token_ids_BS: Tensor, lengths_B: Tensor) -> tuple[Tensor, Tensor | None]:
        """Logits [B, K] and the attention weights over the tokens given [B, S], None where the pooling has none."""
        num_positions = token_ids_BS.shape[1]
        hidden, weights_BS = self._pooled(token_ids_BS, lengths_B)
        if self.batch_norm is not None:
            hidden = self.batch_norm(hidden)
        hidden = self.dropout(hidden)
        if self.hidden is not None:
            hidden = self.head_dropout(F.relu(self.hidden(hidden)))
        if weights_BS is not None:
            first = 0 if self.config.first_id is None else 1
            weights_BS = F.pad(weights_BS, (0, num_positions))[:, first : first + num_positions]
        return self.head(hidden), weights_BS

    def features(self, token_ids_BS: Tensor, lengths_B: Tensor) -> Tensor:
        """What the pooling gives [B, D], which ``batch_norm`` is measured on."""
        return self._pooled(token_ids_BS, lengths_B)[0]

    def _pooled(self, token_ids_BS: Tensor, lengths_B: Tensor) -> pooling.Pooled:
        if self.token_dropout.active and self.config.unk_id is not None:
            token_ids_BS = token_ids_BS.masked_fill(~self.token_dropout.kept(token_ids_BS), self.config.unk_id)
        token_ids_BS, lengths_B = self._bordered(token_ids_BS, lengths_B)
        states_BSD = self.encoder.encode(token_ids_BS, lengths_B)
        pooled: pooling.Pooled = self.pooling(states_BSD, lengths_B, padding_mask(lengths_B, token_ids_BS.shape[1]))
        return pooled

    def _bordered(self, token_ids_BS: Tensor, lengths_B: Tensor) -> tuple[Tensor, Tensor]:
        """The rows with the tokens that stand before and after every text."""
        first_id, last_id = self.config.first_id, self.config.last_id
        if first_id is not None:
            token_ids_BS = F.pad(token_ids_BS, (1, 0), value=first_id)
            lengths_B = lengths_B + 1
        if last_id is not None:
            token_ids_BS = F.pad(token_ids_BS, (0, 1))
            places_B1 = lengths_B[:, None]
            token_ids_BS = token_ids_BS.scatter(1, places_B1, torch.full_like(places_B1, last_id))
            lengths_B = lengths_B + 1
        reach = getattr(self.encoder, "context_size", None)  # which padding must not pass either
        if reach is not None and int(lengths_B.max()) > reach:
            raise ValueError(f"a text has {int(lengths_B.max())} tokens, but the encoder reads {reach} at most")
        return token_ids_BS[:, :reach], lengths_B


def is_encoder(model_class: type) -> bool:
    """Whether a classifier can stand on such a model, as on one that reads a text from end to end."""
    return hasattr(model_class, "encode") and getattr(model_class, "reads", "") == "tokens"


def without_head(model: TorchModel) -> Any:
    """The model less the weights that only its output layer uses, which its class names in ``head_names``."""
    for path in type(model).head_names:
        place, _, name = path.rpartition(".")
        setattr(model.get_submodule(place), name, None)
    return model


def _encoder(values: dict[str, Any]) -> Any:
    """The architecture's model with new weights.

    Raises:
        UnknownNameError: there is no such architecture.
        BundleError: it has no ``encode``.
    """
    config_class, model_class = architecture(values["model_type"])
    if not is_encoder(model_class):
        raise BundleError(f"a {values['model_type']} is no encoder; take rnn_lm, llama, gpt2 or bert")
    return without_head(model_class(config_class.from_dict(values)))
