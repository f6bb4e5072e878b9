"""Pairs of texts with a known answer, and models that are small enough to see through.

B rows · S positions · V vocabulary
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from minnow.models.registry import architecture
from minnow.text.tokenizer import Tokenizer, TokenizerSettings

WORDS = ["one", "two", "three", "four", "five", "six", "seven", "eight"]
# A net of every kind; all of them learn to turn a sequence round.
SHAPES: dict[str, dict[str, Any]] = {
    "transformer": {"hidden_size": 48, "encoder_layers": 2, "decoder_layers": 2, "num_heads": 2, "inner_size": 48},
    "additive": {"embedding_size": 24, "hidden_size": 32, "attention": "additive"},
    "dot": {"embedding_size": 24, "hidden_size": 32, "attention": "dot"},
    "general": {"embedding_size": 24, "hidden_size": 32, "attention": "general"},
}

# Settings under which the command learns to turn sequences round, well enough for most of them, in a moment.
TURNING: dict[str, object] = {
    "model.name": "rnn_seq2seq",
    "tokenizer.kind": "word",
    "tokenizer.min_frequency": 1,
    **{f"shape.{key}": value for key, value in SHAPES["general"].items()},
    "shape.dropout": 0.0,
    "training.epochs": 6,
    "training.tokens_per_batch": 160,
    "training.learning_rate": 0.015,
    "training.average": 0.9,
    "training.label_smoothing": 0.0,
    "training.precision": "float32",
    "training.device": "cpu",
}


def architecture_of(kind: str) -> str:
    """Of a key of ``SHAPES``."""
    return "transformer_seq2seq" if kind == "transformer" else "rnn_seq2seq"


def tokenizer(kind: str = "bpe", texts: Sequence[str] = ("Hello there, world. Good day!", "你好。")) -> Tokenizer:
    """One that can spell every text, if it is of bytes."""
    settings = TokenizerSettings(kind=kind, vocab_size=300, lowercase=False, normalization="none", min_frequency=1)
    return Tokenizer.train(texts, settings)


def net(kind: str, vocab_size: int, target_vocab_size: int = 0, seed: int = 0, **shape: Any) -> Any:
    """An untrained model of ``SHAPES``: it writes nonsense, but always the same."""
    torch.manual_seed(seed)
    config_class, model_class = architecture(architecture_of(kind))
    sizes = {"vocab_size": vocab_size, "target_vocab_size": target_vocab_size, "start_id": 2, "dropout": 0.0}
    model = model_class(config_class.from_dict({**sizes, **SHAPES[kind], **shape})).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.3)
    return model


@dataclass(frozen=True)
class Place:
    """How far each source has been copied."""

    source_ids_BS: Tensor
    place: int

    def select(self, rows: Tensor) -> Self:
        return type(self)(self.source_ids_BS[rows], self.place)


class Echo(nn.Module):
    """A model that writes what it reads, behind the first ``skipped`` tokens; its second choice is the token before.

    Attributes:
        read: every row that it was given, without padding.
    """

    reads = "pairs"

    def __init__(self, vocab_size: int, skipped: int = 0, target_vocab_size: int = 0):
        super().__init__()
        self.anchor = nn.Parameter(torch.zeros(1))
        self.skipped = skipped
        self.config = SimpleNamespace(
            model_type="echo",
            vocab_size=vocab_size,
            target_vocab_size=target_vocab_size,
            output_vocab_size=target_vocab_size or vocab_size,
        )
        self.read: list[list[int]] = []

    def prefill(self, token_ids_BS: Tensor, lengths_B: Tensor) -> tuple[Tensor, Place]:
        self.read += [row[:length] for row, length in zip(token_ids_BS.tolist(), lengths_B.tolist(), strict=True)]
        state = Place(token_ids_BS, self.skipped)
        return self.logits(state), state

    def step(self, token_ids_B: Tensor, state: Place) -> tuple[Tensor, Place]:
        assert len(token_ids_B) == len(state.source_ids_BS)
        state = Place(state.source_ids_BS, state.place + 1)
        return self.logits(state), state

    def logits(self, state: Place) -> Tensor:
        next_B = state.source_ids_BS[:, min(state.place, state.source_ids_BS.shape[1] - 1)]
        size = self.config.output_vocab_size
        return 9.0 * F.one_hot(next_B, size) + 5.0 * F.one_hot((next_B - 1).clamp(min=4), size)


def sequences(num_rows: int, seed: int = 0, words: Sequence[str] = WORDS, longest: int = 6) -> list[str]:
    """Some of the words in some order, none twice."""
    random_ = random.Random(seed)
    return [" ".join(random_.sample(words, random_.randint(2, longest))) for _ in range(num_rows)]


def turned(text: str) -> str:
    """The words in reverse order: the known answer."""
    return " ".join(text.split()[::-1])


def files(folder: Path, num_rows: int, seed: int = 0, name: str = "train") -> tuple[Path, Path]:
    """Two files of which line i of one is line i of the other turned round."""
    folder.mkdir(parents=True, exist_ok=True)
    sources = sequences(num_rows, seed)
    paths = folder / f"{name}.sources", folder / f"{name}.targets"
    paths[0].write_text("\n".join(sources) + "\n", encoding="utf-8")
    paths[1].write_text("\n".join(map(turned, sources)) + "\n", encoding="utf-8")
    return paths
