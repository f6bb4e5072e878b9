"""A language model small enough to see through: the next token depends on the last two alone.

B rows · S positions · V vocabulary
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from minnow.decoding.rows import LENGTH, STOP
from minnow.decoding.search import BeamSettings, Hypothesis
from minnow.models.base import ModelConfig
from minnow.models.language_model import LanguageModel


@dataclass(frozen=True)
class TableConfig(ModelConfig):
    model_type: ClassVar[str] = "table"
    vocab_size: int = 7
    context_size: int | None = None
    seed: int = 0


@dataclass(frozen=True)
class Pair:
    """The last two tokens of each row [B]."""

    before: Tensor
    last: Tensor

    @property
    def num_rows(self) -> int:
        return len(self.last)

    def select(self, rows: Tensor) -> Self:
        return type(self)(self.before[rows], self.last[rows])


class Table(LanguageModel):
    """``weight[before, last]`` are the logits of what comes next; token 0 stands before a text."""

    def __init__(self, config: TableConfig):
        super().__init__(config)
        size = config.vocab_size
        generator = torch.Generator().manual_seed(config.seed)
        self.weight = torch.nn.Parameter(torch.randn(size, size, size, generator=generator) * 2)
        self.num_steps = 0
        self.most_rows: list[int] = []

    @property
    def context_size(self) -> int | None:
        return self.config.context_size  # type: ignore[attr-defined, no-any-return]

    @property
    def output_size(self) -> int:
        raise NotImplementedError

    @property
    def output_weight_VD(self) -> Tensor:
        raise NotImplementedError

    def hidden(self, token_ids_BS: Tensor, state: Any | None = None) -> tuple[Tensor, Any]:
        raise NotImplementedError

    def prefill(self, token_ids_BS: Tensor, lengths_B: Tensor) -> tuple[Tensor, Pair]:
        rows_B = torch.arange(len(lengths_B))
        last_B = token_ids_BS[rows_B, lengths_B - 1]
        before_B = torch.where(lengths_B > 1, token_ids_BS[rows_B, (lengths_B - 2).clamp(min=0)], 0)
        return self.weight[before_B, last_B], Pair(before_B, last_B)

    def step(self, token_ids_B: Tensor, state: Pair) -> tuple[Tensor, Pair]:
        assert state.num_rows == len(token_ids_B)
        self.num_steps += 1
        self.most_rows.append(len(token_ids_B))
        return self.weight[state.last, token_ids_B], Pair(state.last, token_ids_B)

    def next_logits(self, text: list[int]) -> Tensor:
        """[V] after a whole text; what the rest is checked against."""
        before, last = ([0, *text])[-2:]
        return self.weight[before, last].detach()


def every_text(model: Table, prompt: list[int], max_tokens: int, settings: BeamSettings) -> Iterator[Hypothesis]:
    """All texts that can be written, with their scores, counted out."""
    size = model.config.vocab_size  # type: ignore[attr-defined]
    for length in range(max_tokens + 1):
        for text in itertools.product(range(1, size), repeat=length):
            steps = [float(model.next_logits([*prompt, *text[:i]]).log_softmax(0)[one]) for i, one in enumerate(text)]
            if length == max_tokens:
                yield Hypothesis(text, tuple(steps), sum(steps), settings.normalized(sum(steps), length), LENGTH)
            else:
                end = float(model.next_logits([*prompt, *text]).log_softmax(0)[0])
                score = settings.normalized(sum(steps) + end, length + 1)
                yield Hypothesis(text, tuple(steps), sum(steps) + end, score, STOP)
