"""A whole request: prompts as token ids in, texts out, piece by piece.

B rows · V vocabulary
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import torch

from minnow.decoding.constraints import Constraint, constraint_for
from minnow.decoding.rows import STOP, Row
from minnow.decoding.sampling import MAX_SEED, SamplingSettings, check_whole, check_within, generator_for
from minnow.decoding.search import MOST_PENALTY, BeamSettings, Hypothesis, Written, beam_search, read_prompts, sample
from minnow.decoding.settings import settings_of
from minnow.decoding.stopping import StopStrings
from minnow.errors import ContextError, InputError
from minnow.text.foreign import ForeignTokenizer
from minnow.text.streaming import TextStream
from minnow.text.tokenizer import Tokenizer

MAX_TOKENS = 1_000_000
MAX_ROWS = 1_024


@dataclass(frozen=True)
class GenerationSettings(SamplingSettings):
    """What a request says beside its prompt; the settings of the draw come first.

    Attributes:
        max_tokens: the most tokens to write; the model's context bounds them too.
        stop: strings that end the text, which they are no part of.
        seed: the same one gives the same text.
        num_samples: texts for each prompt, each drawn on its own; with ``beam`` the best ones, fewer where no more were
            found.
        beam: how many texts are followed at once by beam search; 1 draws token by token.
        length_penalty: of beam search: log-probabilities are divided by the length to this power.
        schema: a JSON schema that the text must match, as a table or as JSON.
        regex: an expression that the whole text must match.
        choices: the text is one of these.
        truncate: a prompt that is too long loses its beginning, instead of being refused.
        ignore_end: the token that ends a text is written over.

    Raises:
        InputError: a value that cannot be.
    """

    temperature: float = 0.8
    max_tokens: int = 256
    stop: tuple[str, ...] = ()
    seed: int = 0
    num_samples: int = 1
    beam: int = 1
    length_penalty: float = 1.0
    schema: Mapping[str, Any] | str | None = field(default=None, hash=False)
    regex: str | None = None
    choices: tuple[str, ...] = ()
    truncate: bool = False
    ignore_end: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_whole("max_tokens", self.max_tokens, 1, MAX_TOKENS, "try 256")
        check_whole("seed", self.seed, 0, MAX_SEED, "try 0")
        check_whole("num_samples", self.num_samples, 1, MAX_ROWS, "try 1")
        check_whole("beam", self.beam, 1, MAX_ROWS, "try 1")
        check_within("length_penalty", self.length_penalty, 0, MOST_PENALTY, "try 1.0")
        if self.beam > 1 and self.penalizes:
            raise InputError("beam search knows no penalties for repetition; leave them out, or the beam")
        if self.beam > 1 and (self.top_k, self.top_p, self.min_p) != (0, 1.0, 0.0):
            raise InputError("beam search draws nothing, so top_k, top_p and min_p mean nothing; leave them out")
        if self.beam == 1 and self.length_penalty != 1.0:
            raise InputError("length_penalty weighs the texts of a beam search; ask for a beam, or leave it out")
        if 1 < self.beam < self.num_samples:
            raise InputError(f"a beam of {self.beam} has no {self.num_samples} best texts; widen it or ask for fewer")
        for name, texts in (("stop", self.stop), ("choices", self.choices), ("regex", (self.regex or "",))):
            if not all(isinstance(text, str) for text in texts):
                raise InputError(f"{name} must be text, but got {getattr(self, name)!r}; put it in quotes")
        StopStrings(self.stop)

    @classmethod
    def of(cls, **said: Any) -> GenerationSettings:
        """The settings that were said; None stands for the default, lists become tuples.

        Raises:
            InputError: a name that is no setting, with the nearest, or a value that cannot be; or a temperature for
                beam search, which draws nothing.
        """
        for name in ("stop", "choices"):
            if said.get(name) is not None:
                given = said[name]
                several = isinstance(given, Iterable) and not isinstance(given, str)
                said[name] = tuple(given) if several else (given,)
        settings = settings_of(cls, said)
        if settings.beam > 1 and said.get("temperature") is not None:
            raise InputError("beam search draws nothing, so temperature means nothing; leave it out, or the beam")
        return settings


@dataclass(frozen=True)
class Piece:
    """More text of one of the texts; ``number`` counts texts, all of the first prompt before those of the second."""

    number: int
    text: str


@dataclass(frozen=True)
class Finished:
    """A text that is whole.

    Attributes:
        token_ids, log_probabilities: of every token written, those of a stop string too; nats under the model itself.
        finish_reason: ``stop`` or ``length``.
        end, score: of a beam search, what ended the text and by which it was ranked; see ``Hypothesis``.
    """

    number: int
    token_ids: tuple[int, ...]
    log_probabilities: tuple[float, ...]
    finish_reason: str
    end: float = 0.0
    score: float | None = None


class Lines:
    """A decoder for tokens that hold no white space: the end token stands for the end of a line."""

    def __init__(self, tokenizer: Tokenizer):
        self._tokenizer = tokenizer
        self._line = tokenizer.stream()

    def push(self, token_id: int) -> str:
        if token_id not in self._tokenizer.eos_ids:
            return self._line.push(token_id)
        end = self._line.flush() + "\n"
        self._line = self._tokenizer.stream()
        return end

    def flush(self) -> str:
        return self._line.flush()


def text_stream(tokenizer: Tokenizer) -> TextStream:
    """A decoder for one text."""
    return Lines(tokenizer) if ends_lines(tokenizer) else tokenizer.stream()


def ends_lines(tokenizer: Tokenizer) -> bool:
    """Whether the end token stands for the end of a line, as in corpora whose tokens hold no white space."""
    return not tokenizer.keeps_spaces and not isinstance(tokenizer, ForeignTokenizer)


def decoded(tokenizer: Tokenizer, token_ids: Sequence[int]) -> str:
    """The text of these ids."""
    stream = text_stream(tokenizer)
    return "".join(map(stream.push, token_ids)) + stream.flush()


class Script:
    """The text of one row: decoded behind its prompt, so that spaces are right, stop strings cut off."""

    def __init__(self, tokenizer: Tokenizer, prompt: Sequence[int], stop: Sequence[str]):
        self._tokenizer = tokenizer
        self._stops = StopStrings([tokenizer.as_written(text) for text in stop])
        self._stream = text_stream(tokenizer)
        given = "".join(map(self._stream.push, prompt))
        # What the decoder still holds of the prompt comes out with the first tokens of the answer.
        self._surplus = len(decoded(tokenizer, prompt)) - len(given)

    @property
    def stopped(self) -> bool:
        return self._stops.stopped

    def push(self, token_id: int) -> str:
        return self._stops.push(self._own(self._stream.push(token_id)))

    def flush(self) -> str:
        return self._stops.push(self._own(self._stream.flush())) + self._stops.flush()

    def copy(self) -> Script:
        """One that goes on by itself from here."""
        return deepcopy(self, {id(self._tokenizer): self._tokenizer})

    def _own(self, text: str) -> str:
        cut = min(self._surplus, len(text))
        self._surplus -= cut
        return text[cut:]


class Watch:
    """Whether texts behind a prompt hold a stop string, while a beam search writes them, a token more at each step."""

    def __init__(self, begun: Script):
        self._length = 0
        self._before: dict[tuple[int, ...], Script] = {}
        self._now: dict[tuple[int, ...], Script] = {(): begun}

    def __call__(self, token_ids: Sequence[int]) -> bool:
        if len(token_ids) > self._length:
            self._before, self._now, self._length = self._now, {}, len(token_ids)
        script = self._before[tuple(token_ids[:-1])].copy()
        script.push(token_ids[-1])
        self._now[tuple(token_ids)] = script
        return script.stopped


@torch.inference_mode()
def write(
    model: Any, tokenizer: Tokenizer, prompts: Sequence[Sequence[int]], settings: GenerationSettings
) -> Iterator[Piece | Finished]:
    """Write ``num_samples`` texts behind each prompt; pieces come as soon as they are certain.

    A text depends on its prompt, the settings and its number among the samples of its prompt, not on what else is
    written beside it.

    Args:
        model: in evaluation mode.
        prompts: token ids, one at least in each; see ``fitted``.

    Raises:
        InputError: a prompt leaves no room in the model's context, or the constraint cannot be followed.
    """
    constraint = constraint_for(tokenizer, schema=settings.schema, regex=settings.regex, choices=settings.choices)
    goes_on = settings.ignore_end or ends_lines(tokenizer)
    end_ids = frozenset[int]() if goes_on else frozenset(tokenizer.eos_ids)
    fitting = [fitted(prompt, model.context_size, settings, tokenizer.prefix_ids) for prompt in prompts]
    room = [_room(prompt, model.context_size, settings) for prompt in fitting]
    if settings.beam > 1:
        for first, (prompt, most) in enumerate(zip(fitting, room, strict=True)):
            begun = Script(tokenizer, prompt, settings.stop)
            found = _search(model, tokenizer, prompt, most, settings, end_ids, constraint, begun)
            texts = _different(found, begun)
            for place, (text, one) in enumerate(list(texts.items())[: settings.num_samples]):
                number = first * settings.num_samples + place
                yield Piece(number, text)
                yield Finished(number, one.token_ids, one.log_probabilities, one.finish_reason, one.end, one.score)
        return
    rows = [
        Row(prompt, most, generator_for(settings.seed, place), constraint.copy() if constraint else None)
        for prompt, most in zip(fitting, room, strict=True)
        for place in range(settings.num_samples)
    ]
    logits_BV, state = read_prompts(model, [row.prompt for row in rows], _device(model))
    size = tokenizer.vocab_size
    yield from _read_aloud(
        sample(model, logits_BV, state, rows, settings, end_ids, size), rows, tokenizer, settings.stop
    )


def fitted(
    prompt: Sequence[int], context_size: int | None, settings: GenerationSettings, prefix_ids: Sequence[int] = ()
) -> Sequence[int]:
    """The prompt, where it leaves room to write; with ``truncate`` its end, where it leaves too little.

    Enough is room for ``max_tokens``, or half the context where that is less. If the prompt begins with ``prefix_ids``,
    which stand before every text that the model knows, so does what is left.

    Raises:
        ContextError: it leaves no room and ``truncate`` was not said.
    """
    if context_size is None:
        return prompt
    kept = max(1, context_size - min(settings.max_tokens, context_size // 2))
    if len(prompt) <= (kept if settings.truncate else context_size - 1):
        return prompt
    if not settings.truncate:
        raise ContextError(
            f"the prompt has {len(prompt):,} tokens, but the model reads and writes {context_size:,} in all and one "
            "must be left to write; shorten the prompt, or lose its beginning with --truncate (in Python truncate=True)"
        )
    first = len(prefix_ids)
    if tuple(prompt[:first]) == tuple(prefix_ids) and first < kept:
        return [*prefix_ids, *prompt[first - kept :]]
    return prompt[-kept:]


def _room(prompt: Sequence[int], context_size: int | None, settings: GenerationSettings) -> int:
    return settings.max_tokens if context_size is None else min(settings.max_tokens, context_size - len(prompt))


def _read_aloud(
    steps: Iterator[list[Written]], rows: Sequence[Row], tokenizer: Tokenizer, stop: Sequence[str]
) -> Iterator[Piece | Finished]:
    """The steps of a search as text; a row that has written a stop string is told to end."""
    scripts = [Script(tokenizer, row.prompt, stop) for row in rows]
    unfinished = list(range(len(rows)))
    for written in steps:
        arrived = {id(one.row): one.token_id for one in written}
        for number in unfinished:
            row, script = rows[number], scripts[number]
            text = script.push(arrived[id(row)]) if id(row) in arrived else ""
            if row.finish_reason is not None and not script.stopped:
                text += script.flush()
            if script.stopped:
                row.finish_reason = STOP
            if text:
                yield Piece(number, text)
            if row.finish_reason is not None:
                yield Finished(number, tuple(row.token_ids), tuple(row.log_probabilities), row.finish_reason)
        unfinished = [number for number in unfinished if rows[number].finish_reason is None]


def _search(
    model: Any,
    tokenizer: Tokenizer,
    prompt: Sequence[int],
    max_tokens: int,
    settings: GenerationSettings,
    end_ids: frozenset[int],
    constraint: Constraint | None,
    begun: Script,
) -> list[Hypothesis]:
    logits_1V, state = read_prompts(model, [prompt], _device(model))
    width = BeamSettings(settings.beam, settings.length_penalty)
    hook = Watch(begun) if settings.stop else _never
    return beam_search(model, logits_1V, state, max_tokens, width, end_ids, tokenizer.vocab_size, constraint, hook)


def _different(found: Sequence[Hypothesis], begun: Script) -> dict[str, Hypothesis]:
    """The texts, best first, each with the best of the token sequences that spell it."""
    texts: dict[str, Hypothesis] = {}
    for one in found:
        script = begun.copy()
        text = "".join(map(script.push, one.token_ids))
        texts.setdefault(text if script.stopped else text + script.flush(), one)
    return texts


def _never(token_ids: Sequence[int]) -> bool:  # noqa: ARG001
    return False


def _device(model: Any) -> torch.device:
    return next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
