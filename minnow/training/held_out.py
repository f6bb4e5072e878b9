"""What a language model is measured on while it trains: questions over a held-out text.

R rows of a question · S positions
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np

from minnow.data.shards import TokenShards
from minnow.data.windows import StreamWindows
from minnow.metrics.perplexity import bits_per_byte, perplexity
from minnow.training.distributed import World
from minnow.training.objectives import Asked, Objective, causal
from minnow.training.pretraining_recipe import PretrainingSettings

Group = TypeVar("Group")
STREAMS = 16  # read side by side by a model that carries its memory on


@dataclass(frozen=True)
class Question:
    """What is asked [R, S].

    Attributes:
        weight: 0 where it is asked only so that every process asks equally often.
        begins: whether the model has read nothing before it.
    """

    asked: Asked
    weight: float = 1.0
    begins: bool = True


class HeldOut(Protocol):
    """What ``LanguageTrainer`` measures its model on."""

    @property
    def num_tokens(self) -> int:
        """That can be asked for."""
        ...

    @property
    def shared(self) -> bool:
        """Whether each process asks a part of its own, so that only their sum says something."""
        ...

    def questions(self, num_tokens: int) -> Iterator[Question]:
        """About so many tokens. Every process asks equally often, since FSDP gathers weights at every call."""
        ...

    def scores(self, loss: float) -> dict[str, float]:
        """What is told of a loss in nats a token."""
        ...


@dataclass(frozen=True)
class HeldOutText:
    """A text, of which a part is taken from all over it.

    Attributes:
        settings: of which context, rows and seed count.
        carries: whether the model's memory goes from window to window; every process then reads the whole.
    """

    text: TokenShards
    objective: Objective
    settings: PretrainingSettings
    world: World
    carries: bool

    @property
    def num_tokens(self) -> int:
        return self.text.num_tokens - 1

    @property
    def shared(self) -> bool:
        return not self.carries

    def questions(self, num_tokens: int) -> Iterator[Question]:
        return self._streams(num_tokens) if self.carries else self._windows(num_tokens)

    def scores(self, loss: float) -> dict[str, float]:
        scores = scores_of(loss)
        if self.objective is causal:
            counts = self.text.counts
            total = loss * counts.tokens
            scores["word_perplexity"] = perplexity(total, counts.words)
            scores["bits_per_byte"] = bits_per_byte(total, counts.bytes)
        return scores

    def _streams(self, num_tokens: int) -> Iterator[Question]:
        length = self.settings.context
        streams = min(STREAMS, max(1, num_tokens // length))
        windows = StreamWindows(self.text, length, streams, vary=False)
        for step in range(-(-num_tokens // (streams * length))):
            window = windows.batch(step)
            if window.epoch > 0:
                return
            yield Question(causal(window.token_ids, (), 0), begins=step == 0)

    def _windows(self, num_tokens: int) -> Iterator[Question]:
        length, rows = self.settings.context, rows_at_once(self.settings, self.world)
        every = range(0, self.text.num_tokens - length, length) or [0]
        wanted = min(len(every), max(1, num_tokens // length))
        span = min(length, self.num_tokens)
        numbers = range(wanted)
        for group, weight in turns([numbers[first : first + rows] for first in range(0, wanted, rows)], self.world):
            starts = [every[number * len(every) // wanted] for number in group]
            ids = np.stack([self.text.read(start, span + 1) for start in starts])
            yield Question(self.objective(ids, (self.settings.seed, 0), group[0]), weight)


class _Rows(Protocol):
    @property
    def batch_rows(self) -> int: ...

    @property
    def accumulation(self) -> int: ...


def rows_at_once(settings: _Rows, world: World) -> int:
    """As many as go through the model together in training: more would take more memory."""
    return max(1, settings.batch_rows // (world.size * settings.accumulation))


def turns(groups: Sequence[Group], world: World) -> Iterator[tuple[Group, float]]:
    """The groups that are this process's, as many as every other's, and what each counts."""
    for first in range(0, len(groups), world.size):
        number = first + world.rank
        yield groups[number if number < len(groups) else 0], float(number < len(groups))


def scores_of(loss: float) -> dict[str, float]:
    """The loss in nats a token, and the perplexity."""
    return {"loss": loss, "perplexity": perplexity(loss)}
