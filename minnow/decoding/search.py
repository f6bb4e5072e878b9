"""From a prompt to a text: drawing token by token, and beam search, over ``prefill``, ``step`` and ``state.select``.

Nothing here asks what kind of model it is; whatever has a step and a state that can be selected from goes.

B rows · K beams · V vocabulary
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from minnow.decoding.constraints import Constraint
from minnow.decoding.rows import LENGTH, STOP, Going, Row
from minnow.decoding.sampling import MINUS_INFINITY, SamplingSettings, choose, log_probabilities_of, penalized
from minnow.errors import InputError, MinnowError

MOST_PENALTY = 10  # for the length of a text
DEAD_END = (
    "the constraint leads to a place where the model's tokenizer can write nothing that goes on; does it ask for "
    "characters that the training text did not have, or for capitals of a model in lower case?"
)
NO_NUMBERS = (
    "the model gives no numbers (NaN) as log-probabilities; its training may have diverged: train it anew with a "
    "smaller learning rate, or fetch it anew"
)


class Stepper(Protocol):
    """What the search needs of a model."""

    def step(self, token_ids_B: Tensor, state: Any) -> tuple[Tensor, Any]: ...


class Reader(Stepper, Protocol):
    """A model that reads prompts."""

    def prefill(self, token_ids_BS: Tensor, lengths_B: Tensor) -> tuple[Tensor, Any]: ...


@dataclass(frozen=True)
class Written:
    """One token that a row has got."""

    row: Row
    token_id: int
    log_probability: float


def read_prompts(model: Reader, prompts: Sequence[Sequence[int]], device: torch.device) -> tuple[Tensor, Any]:
    """The logits after each prompt [B, V] and the state; prompts that are equal are read once."""
    different = list(dict.fromkeys(tuple(prompt) for prompt in prompts))
    lengths_B = torch.tensor([len(prompt) for prompt in different])
    token_ids_BS = torch.zeros(len(different), int(lengths_B.max()), dtype=torch.long)
    for number, prompt in enumerate(different):
        token_ids_BS[number, : len(prompt)] = torch.tensor(prompt)
    logits_BV, state = model.prefill(token_ids_BS.to(device), lengths_B.to(device))
    if len(different) == len(prompts):
        return logits_BV, state
    places = {prompt: number for number, prompt in enumerate(different)}
    rows_B = torch.tensor([places[tuple(prompt)] for prompt in prompts], device=device)
    return logits_BV[rows_B], state.select(rows_B)


def sample(
    model: Stepper,
    logits_BV: Tensor,
    state: Any,
    rows: Sequence[Row],
    settings: SamplingSettings,
    end_ids: frozenset[int] = frozenset(),
    vocab_size: int | None = None,
) -> Iterator[list[Written]]:
    """Write all rows on, a token each at a time, until every row has a ``finish_reason``.

    Args:
        logits_BV, state: after the prompts.
        end_ids: tokens that end a text and are no part of it.
        vocab_size: of the tokenizer; some models have rows for tokens that there are not.

    Yields:
        What came in this step. Between two steps the caller may set ``finish_reason`` of a row, which ends it.

    Raises:
        MinnowError: the model gives no numbers.
    """
    going = Going(list(rows), state)
    logits_BV = going.compact(logits_BV)
    while going.rows:
        token_ids_B, found_B = _next_tokens(logits_BV, going.rows, settings, vocab_size)
        yield [
            Written(row, token_id, found)
            for row, token_id, found in zip(going.rows, token_ids_B.tolist(), found_B.tolist(), strict=True)
            if row.take(token_id, found, end_ids)
        ]
        token_ids_B = going.compact(token_ids_B)
        if going.rows:
            logits_BV, going.state = model.step(token_ids_B, going.state)


def _next_tokens(
    logits_BV: Tensor, rows: Sequence[Row], settings: SamplingSettings, vocab_size: int | None
) -> tuple[Tensor, Tensor]:
    """The next token ids [B] and the model's own log-probabilities of them [B], over all its rows."""
    own_BV = logits_BV.float()
    known_BV = own_BV[:, :vocab_size]
    allowed_BV = _constrained(known_BV, [row.constraint for row in rows])
    if allowed_BV is not known_BV and bool(allowed_BV.isneginf().all(dim=1).any()):
        raise InputError(DEAD_END)
    weighed_BV = penalized(allowed_BV, [row.prompt for row in rows], [row.token_ids for row in rows], settings)
    token_ids_B = choose(weighed_BV, settings, [row.generator for row in rows])
    found_B = log_probabilities_of(own_BV, token_ids_B)
    if bool(found_B.isnan().any()):
        raise MinnowError(NO_NUMBERS)
    return token_ids_B, found_B


def _constrained(logits_BV: Tensor, constraints: Sequence[Constraint | None]) -> Tensor:
    if all(constraint is None for constraint in constraints):
        return logits_BV
    allowed_BV = torch.ones(logits_BV.shape, dtype=torch.bool)
    for number, constraint in enumerate(constraints):
        if constraint is not None:
            allowed_BV[number] = torch.from_numpy(constraint.allowed(logits_BV.shape[1]))
    return logits_BV.masked_fill(~allowed_BV.to(logits_BV.device), MINUS_INFINITY)


@dataclass(frozen=True)
class BeamSettings:
    """How wide the search is.

    Attributes:
        num_beams: how many texts are followed at once.
        length_penalty: a text's log-probability is divided by its length in tokens to this power (Wu et al. 2016 with
            their α, without their constant 5); 0 prefers short texts, 1 compares per token.
    """

    num_beams: int = 4
    length_penalty: float = 1.0

    def normalized(self, log_probability: float, num_tokens: int) -> float:
        score: float = log_probability / max(1, num_tokens) ** self.length_penalty
        return score

    def attainable(self, log_probability: float, num_tokens: int, max_tokens: int) -> float:
        """No text that goes on from here can score more, for a log-probability only falls."""
        return max(self.normalized(log_probability, num_tokens), self.normalized(log_probability, max_tokens))


@dataclass(frozen=True)
class Hypothesis:
    """One text of a beam search.

    Attributes:
        token_ids, log_probabilities: what was written, without the token that ended it.
        log_probability: the sum, the ending token's part in it.
        score: by which hypotheses are ranked.
        finish_reason: ``stop`` or ``length``; empty while it is followed.
    """

    token_ids: tuple[int, ...] = ()
    log_probabilities: tuple[float, ...] = ()
    log_probability: float = 0.0
    score: float = 0.0
    finish_reason: str = ""
    constraint: Constraint | None = None

    @property
    def end(self) -> float:
        """The log-probability of the token that ended it; 0 where none did, but for rounding."""
        return self.log_probability - sum(self.log_probabilities)

    def followed_by(self, token_id: int, log_probability: float, settings: BeamSettings) -> "Hypothesis":
        total = self.log_probability + log_probability
        constraint = None
        if self.constraint is not None:
            constraint = self.constraint.copy()
            constraint.accept(token_id)
        token_ids = (*self.token_ids, token_id)
        score = settings.normalized(total, len(token_ids))
        reason = STOP if constraint is not None and constraint.finished else ""
        return Hypothesis(token_ids, (*self.log_probabilities, log_probability), total, score, reason, constraint)

    def ended(self, reason: str, settings: BeamSettings, log_probability: float | None = None) -> "Hypothesis":
        """The text as it is; where a token of this log-probability ended it, the length counts that token."""
        total = self.log_probability + (log_probability or 0.0)
        length = len(self.token_ids) + (log_probability is not None)
        return Hypothesis(self.token_ids, self.log_probabilities, total, settings.normalized(total, length), reason)


def beam_search(
    model: Stepper,
    logits_1V: Tensor,
    state: Any,
    max_tokens: int,
    settings: BeamSettings,
    end_ids: frozenset[int] = frozenset(),
    vocab_size: int | None = None,
    constraint: Constraint | None = None,
    complete: Callable[[Sequence[int]], bool] = lambda _: False,
) -> list[Hypothesis]:
    """The best texts after one prompt, best first, at most as many as there are beams.

    The search ends when none that is still followed can come before the worst of ``num_beams`` finished ones.

    Args:
        logits_1V, state: of one row, after the prompt.
        vocab_size: as in ``sample``.
        complete: whether a text is finished for another reason, such as a stop string in it.

    Raises:
        MinnowError: the model gives no numbers.
    """
    beams = [Hypothesis(constraint=constraint)]
    finished: list[Hypothesis] = []
    logits_KV = logits_1V
    while beams:
        parents, followed, ended = _extend(logits_KV, beams, settings, end_ids, vocab_size)
        beams, rows = [], []
        for parent, hypothesis in zip(parents, followed, strict=True):
            if hypothesis.finish_reason or complete(hypothesis.token_ids):
                ended.append(hypothesis.ended(STOP, settings))
            elif len(hypothesis.token_ids) >= max_tokens:
                ended.append(hypothesis.ended(LENGTH, settings))
            else:
                beams.append(hypothesis)
                rows.append(parent)
        finished = sorted([*finished, *ended], key=lambda one: -one.score)[: settings.num_beams]
        if len(finished) == settings.num_beams:
            bar = finished[-1].score
            going = [
                number
                for number, one in enumerate(beams)
                if settings.attainable(one.log_probability, len(one.token_ids) + 1, max_tokens) > bar
            ]
            beams, rows = [beams[number] for number in going], [rows[number] for number in going]
        if beams:
            state = state.select(torch.tensor(rows, device=logits_KV.device))
            last_K = torch.tensor([one.token_ids[-1] for one in beams], device=logits_KV.device)
            logits_KV, state = model.step(last_K, state)
    if not finished:
        raise InputError(DEAD_END)
    return finished


def _extend(
    logits_KV: Tensor,
    beams: Sequence[Hypothesis],
    settings: BeamSettings,
    end_ids: frozenset[int],
    vocab_size: int | None,
) -> tuple[list[int], list[Hypothesis], list[Hypothesis]]:
    """The ``num_beams`` best continuations with the beams they come from, and the texts that end here."""
    own_KV = logits_KV.float().log_softmax(dim=1)[:, :vocab_size]
    allowed_KV = _constrained(own_KV, [one.constraint for one in beams])
    totals_KV = allowed_KV + torch.tensor([[one.log_probability] for one in beams], device=own_KV.device)
    num_tokens = totals_KV.shape[1]
    # Each beam may lose one candidate to every ending token.
    wanted = min(totals_KV.numel(), settings.num_beams * (1 + len(end_ids)))
    best, places = totals_KV.flatten().topk(wanted)
    if bool(best[:1].isnan()):  # which is ranked above all numbers
        raise MinnowError(NO_NUMBERS)
    parents: list[int] = []
    followed: list[Hypothesis] = []
    ended: list[Hypothesis] = []
    ranked = zip(best.tolist(), places.tolist(), own_KV.flatten()[places].tolist(), strict=True)
    for rank, (total, place, found) in enumerate(ranked):
        parent, token_id = divmod(place, num_tokens)
        if total == MINUS_INFINITY or len(followed) == settings.num_beams:
            break
        if token_id in end_ids:
            if rank < settings.num_beams:  # an unlikely end would crowd out likelier texts
                ended.append(beams[parent].ended(STOP, settings, found))
        else:
            parents.append(parent)
            followed.append(beams[parent].followed_by(token_id, found, settings))
    return parents, followed, ended
