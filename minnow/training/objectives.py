"""What a language model is asked while it trains: the next token of each, or the tokens that were hidden from it.

R rows · B rows of a part · S positions · D features · V vocabulary
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from minnow.layers.cross_entropy import IGNORED, chunked_cross_entropy, token_losses
from minnow.layers.sampled_cross_entropy import SampledCrossEntropy
from minnow.models.language_model import LanguageModel

Ints = NDArray[np.int64]
SHOWN_MASK, SHOWN_RANDOM = (
    0.8,
    0.1,
)  # of the hidden tokens; the rest is shown as it is (Devlin et al. 2019, section 3.1)


@dataclass(frozen=True)
class Asked:
    """What the model sees [R, S] and what it must say [R, S], ``IGNORED`` where it is not asked."""

    inputs: Ints
    targets: Ints

    @property
    def count(self) -> int:
        """Targets that count."""
        return int((self.targets != IGNORED).sum())


class Objective(Protocol):
    """From token ids [R, S + 1] to questions. ``key`` names the step and ``first_row`` the rows of this process among
    all of the step, so that the questions depend on neither the number of processes nor on what was asked before."""

    def __call__(self, token_ids: Ints, key: tuple[int, ...], first_row: int) -> Asked: ...


def causal(token_ids: Ints, key: tuple[int, ...], first_row: int) -> Asked:  # noqa: ARG001 - nothing is drawn
    """Each position's target is the next token."""
    return Asked(token_ids[:, :-1], token_ids[:, 1:])


def answers(token_ids: Ints, key: tuple[int, ...], first_row: int) -> Asked:  # noqa: ARG001 - nothing is drawn
    """Each position's target is the next token where that is part of an answer; other tokens come as complements."""
    ids = np.where(token_ids < 0, ~token_ids, token_ids)
    return Asked(ids[:, :-1], np.where(token_ids < 0, IGNORED, token_ids)[:, 1:])


@dataclass(frozen=True)
class Masked:
    """Hides a share of each row's tokens: of those 80 % become the mask token, 10 % another token, 10 % stay.

    Attributes:
        special: ids that are never hidden and never put in another's place.
    """

    vocab_size: int
    mask_id: int
    special: tuple[int, ...]
    share: float = 0.15

    def __call__(self, token_ids: Ints, key: tuple[int, ...], first_row: int) -> Asked:
        inputs = token_ids[:, :-1].copy()
        targets = np.full_like(inputs, IGNORED)
        ordinary = np.setdiff1d(np.arange(self.vocab_size), self.special)
        for row, ids in enumerate(inputs):
            random = np.random.default_rng((*key, first_row + row))
            may = np.flatnonzero(~np.isin(ids, self.special))
            hidden = may[random.permutation(len(may))[: max(1, round(self.share * len(may)))]]
            targets[row, hidden] = ids[hidden]
            drawn = random.random(len(hidden))
            ids[hidden[drawn < SHOWN_MASK]] = self.mask_id
            swapped = hidden[(drawn >= SHOWN_MASK) & (drawn < SHOWN_MASK + SHOWN_RANDOM)]
            ids[swapped] = random.choice(ordinary, len(swapped))
        return Asked(inputs, targets)


class LossSum(nn.Module):
    """A language model and its loss as one module, which is what torch's parallel wrappers take.

    ``forward`` gives the sum of nats over the targets that count, and the memory after the last position.
    With ``sampled`` a target is told from a part of the vocabulary while training; measuring takes it all.
    Everything goes through it, measuring too: FSDP gathers weights when it is called and at no other time.
    """

    def __init__(self, model: Any, compiled: bool = False, sampled: SampledCrossEntropy | None = None):
        super().__init__()
        self.model = model
        self.sampled = sampled
        self.carries = model_carries(model)
        if not is_causal(model):
            _hold_pooler(model)
        self._hidden: Callable[..., Any] = torch.compile(self._states) if compiled else self._states

    def forward(
        self, inputs_BS: Tensor, targets_BS: Tensor, state: Any = None, measure: bool = False
    ) -> tuple[Tensor, Any]:
        """``measure``: in float64 and without a gradient."""
        hidden_ND, targets_N, state = self._asked(inputs_BS, targets_BS, state)
        weight_VD, bias_V = self.model.output_weight_VD, self.model.output_bias_V
        if measure:
            return token_losses(hidden_ND, weight_VD, targets_N, bias_V).double().sum(), state
        loss = self.sampled or chunked_cross_entropy
        return loss(hidden_ND, weight_VD, targets_N, bias_V, reduction="sum"), state

    def _asked(self, inputs_BS: Tensor, targets_BS: Tensor, state: Any) -> tuple[Tensor, Tensor, Any]:
        """States [N, D] of the positions that count, and their targets [N]."""
        hidden_BSD, state = self._hidden(inputs_BS, state)
        hidden_ND, targets_N = hidden_BSD.flatten(0, 1), targets_BS.flatten()
        if not is_causal(self.model):
            asked = targets_N != IGNORED
            hidden_ND, targets_N = self.model.transform(hidden_ND[asked]), targets_N[asked]
        return hidden_ND, targets_N, state if self.carries else None

    def _states(self, inputs_BS: Tensor, state: Any) -> tuple[Tensor, Any]:
        # Without a gradient a transformer's ``hidden`` would keep the keys and values of all layers, for nobody.
        if self.carries or (is_causal(self.model) and torch.is_grad_enabled()):
            return self.model.hidden(inputs_BS, state)  # type: ignore[no-any-return]
        lengths_B = torch.full((len(inputs_BS),), inputs_BS.shape[1], device=inputs_BS.device)
        return self.model.encode(inputs_BS, lengths_B), None


def is_causal(model: Any) -> bool:
    """Whether the model goes on with the text that it reads, from left to right."""
    return isinstance(model, LanguageModel)


def model_carries(model: Any) -> bool:
    """Whether the memory is of one size however long the text, so that training carries it over windows."""
    return is_causal(model) and model.context_size is None


def _hold_pooler(model: Any) -> None:
    """What BERT keeps over its first position, for others who use it, learns nothing from hidden tokens."""
    pooler = getattr(getattr(model, "bert", None), "pooler", None)
    if pooler is not None:
        pooler.requires_grad_(False)
