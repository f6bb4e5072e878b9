"""From logits to the next token: what may come, how likely it is, and the draw; pure functions.

Every row draws from a generator of its own, so a seed gives the same text whatever other rows stand in the batch.

B rows · V vocabulary
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from minnow.errors import InputError

MINUS_INFINITY = float("-inf")
COLDEST = 1e-4
MAX_SEED = 2**63 - 1


@dataclass(frozen=True)
class SamplingSettings:
    """How the next token is chosen; the defaults draw from the model's own distribution.

    Attributes:
        temperature: by which logits are divided; 0 takes the likeliest token always.
        top_k: how many of the likeliest tokens stay; 0 for all.
        top_p: the fewest likeliest tokens whose probabilities reach this sum stay (Holtzman et al. 2020).
        min_p: tokens stay that are at least this share as likely as the likeliest (Nguyen et al. 2024).
        repetition_penalty: divides the positive and multiplies the negative logits of tokens that stand in the prompt
            or the answer (Keskar et al. 2019); 1 for none.
        frequency_penalty: taken from a token's logit for each time it stands in the answer.
        presence_penalty: taken from a token's logit once it stands in the answer.

    Raises:
        InputError: a value that cannot be.
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0

    def __post_init__(self) -> None:
        check_within("temperature", self.temperature, 0.0, 100.0, "0 takes the likeliest token, 1 is the model's own")
        check_whole("top_k", self.top_k, 0, 2**31, "0 keeps all tokens")
        check_within("top_p", self.top_p, 0.0, 1.0, "1 keeps all tokens, 0.9 is usual")
        check_within("min_p", self.min_p, 0.0, 1.0, "0 keeps all tokens, 0.05 is usual")
        check_within("repetition_penalty", self.repetition_penalty, 0.01, 100.0, "1 is none, 1.1 is usual")
        check_within("frequency_penalty", self.frequency_penalty, -100.0, 100.0, "0 is none")
        check_within("presence_penalty", self.presence_penalty, -100.0, 100.0, "0 is none")

    @property
    def draws(self) -> bool:
        """Whether chance has a part in the choice; so little warmth that logits would overflow is none."""
        return self.temperature > COLDEST

    @property
    def penalizes(self) -> bool:
        return (self.repetition_penalty, self.frequency_penalty, self.presence_penalty) != (1.0, 0.0, 0.0)


def penalized(
    logits_BV: Tensor, prompts: Sequence[Sequence[int]], answers: Sequence[Sequence[int]], settings: SamplingSettings
) -> Tensor:
    """Logits lowered for what has been written: one prompt and one answer, as token ids, a row."""
    if not settings.penalizes:
        return logits_BV
    counts_BV = _counts(answers, logits_BV)
    seen_BV = (counts_BV > 0) | (_counts(prompts, logits_BV) > 0)
    factor = settings.repetition_penalty
    repeated_BV = torch.where(logits_BV > 0, logits_BV / factor, logits_BV * factor)
    logits_BV = torch.where(seen_BV, repeated_BV, logits_BV)
    return logits_BV - settings.frequency_penalty * counts_BV - settings.presence_penalty * (counts_BV > 0)


def filtered(logits_BV: Tensor, settings: SamplingSettings) -> Tensor:
    """Logits after the temperature, those of tokens that must not come at minus infinity; the likeliest always stays.

    The order is temperature, top k, top p, min p, as it is elsewhere.
    """
    logits_BV = logits_BV / settings.temperature if settings.draws else logits_BV
    if 0 < settings.top_k < logits_BV.shape[1]:
        lowest_B1 = logits_BV.topk(settings.top_k).values[:, -1:]
        logits_BV = logits_BV.masked_fill(logits_BV < lowest_B1, MINUS_INFINITY)
    if settings.top_p < 1:
        logits_BV = _nucleus(logits_BV, settings.top_p)
    if settings.min_p > 0:
        probabilities_BV = logits_BV.softmax(dim=1)
        lowest_B1 = settings.min_p * probabilities_BV.amax(dim=1, keepdim=True)
        logits_BV = logits_BV.masked_fill(probabilities_BV < lowest_B1, MINUS_INFINITY)
    return logits_BV


def draw(logits_BV: Tensor, generators: Sequence[torch.Generator]) -> Tensor:
    """One token id a row [B] from softmax(logits), each with one number of its row's generator (on the processor)."""
    numbers_B = torch.cat([torch.rand(1, generator=one, dtype=torch.float64) for one in generators])
    return drawn(logits_BV, numbers_B.to(logits_BV.device))


def drawn(logits_BV: Tensor, numbers_B: Tensor) -> Tensor:
    """One token id a row [B] from softmax(logits), for a random number between 0 and 1 each.

    The number is looked up among the summed probabilities, in float64: a draw for each token, as the Gumbel trick
    wants, would cost more than the rest of a small model's step.
    """
    summed_BV = logits_BV.double().softmax(dim=1).cumsum(dim=1)
    found_B = torch.searchsorted(summed_BV, numbers_B[:, None] * summed_BV[:, -1:], right=True)[:, 0]
    last_B = logits_BV.shape[1] - 1 - (logits_BV > MINUS_INFINITY).flip(1).int().argmax(dim=1)
    return torch.minimum(found_B, last_B)  # rounding may reach behind the last token that may come


def choose(logits_BV: Tensor, settings: SamplingSettings, generators: Sequence[torch.Generator]) -> Tensor:
    """The next token id of each row [B], from penalized logits."""
    if not settings.draws:
        return logits_BV.argmax(dim=1)
    return draw(filtered(logits_BV, settings), generators)


def log_probabilities_of(logits_BV: Tensor, token_ids_B: Tensor) -> Tensor:
    """What the model itself gave for each row's token, in nats [B]."""
    return logits_BV.float().log_softmax(dim=1).gather(1, token_ids_B[:, None])[:, 0]


def generator_for(seed: int, number: int = 0) -> torch.Generator:
    """The random stream of text ``number`` of a request, both not below 0; the first is that of the seed alone.

    torch heeds 32 bits of what its generator is given, so all bits of both are mixed into these.
    """
    if seed < 2**32 and number == 0:
        return torch.Generator().manual_seed(seed)
    mixed = np.random.SeedSequence(seed, spawn_key=(number,))
    return torch.Generator().manual_seed(int(mixed.generate_state(1)[0]))


def _nucleus(logits_BV: Tensor, top_p: float) -> Tensor:
    ranked_BV, order_BV = logits_BV.sort(dim=1, descending=True)
    probabilities_BV = ranked_BV.softmax(dim=1)
    before_BV = probabilities_BV.cumsum(dim=1) - probabilities_BV
    surplus_BV = before_BV >= top_p
    surplus_BV[:, 0] = False
    return logits_BV.masked_fill(surplus_BV.scatter(1, order_BV, surplus_BV), MINUS_INFINITY)


def _counts(texts: Sequence[Sequence[int]], like_BV: Tensor) -> Tensor:
    """How often each token stands in each text [B, V]."""
    counts_BV = torch.zeros(like_BV.shape)
    for row, token_ids in enumerate(texts):
        if token_ids:
            counts_BV[row] = torch.bincount(torch.tensor(token_ids), minlength=like_BV.shape[1])
    return counts_BV.to(like_BV)


def check_within(name: str, value: object, low: float, high: float, hint: str) -> None:
    """That a setting is a number between these.

    Raises:
        InputError: it is not; ``hint`` says what would do.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise InputError(f"{name} must lie between {low:g} and {high:g}, but got {name}={value!r}; {hint}")


def check_whole(name: str, value: object, low: int, high: int, hint: str) -> None:
    """The same of a whole number."""
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise InputError(f"{name} must be a whole number from {low} to {high:,}, but got {value!r}; {hint}")
