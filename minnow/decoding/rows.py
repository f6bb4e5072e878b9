"""The texts of one call that are being written, and which of them still go on."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from minnow.decoding.constraints import Constraint

STOP, LENGTH = "stop", "length"  # OpenAI's names


@dataclass
class Row:
    """One text.

    Attributes:
        prompt: its token ids; one at least.
        max_tokens: the most that may be written.
        generator: its random stream.
        constraint: what its text must match.
        token_ids: what has been written, without the token that ended it.
        log_probabilities: the model's own, in nats, one for each of ``token_ids``.
        finish_reason: ``stop`` or ``length``, None while it goes on. A caller that has read enough sets it.
    """

    prompt: Sequence[int]
    max_tokens: int
    generator: torch.Generator
    constraint: Constraint | None = None
    token_ids: list[int] = field(default_factory=list)
    log_probabilities: list[float] = field(default_factory=list)
    finish_reason: str | None = None

    def take(self, token_id: int, log_probability: float, end_ids: frozenset[int]) -> bool:
        """Write one more token; True where it is text, False where it only ends the text."""
        if token_id in end_ids:
            self.finish_reason = STOP
            return False
        self.token_ids.append(token_id)
        self.log_probabilities.append(log_probability)
        if self.constraint is not None:
            self.constraint.accept(token_id)
            if self.constraint.finished:
                self.finish_reason = STOP
        if self.finish_reason is None and len(self.token_ids) >= self.max_tokens:
            self.finish_reason = LENGTH
        return True


@dataclass
class Going:
    """The rows that still go on, in the order of the state's rows."""

    rows: list[Row]
    state: Any

    def compact(self, beside: torch.Tensor) -> torch.Tensor:
        """Drop the rows that have finished from the list, the state, and a tensor whose axis 0 is theirs."""
        keep = [number for number, row in enumerate(self.rows) if row.finish_reason is None]
        if len(keep) == len(self.rows):
            return beside
        self.rows = [self.rows[number] for number in keep]
        rows_R = torch.tensor(keep, dtype=torch.long, device=beside.device)
        if keep:
            self.state = self.state.select(rows_R)
        return beside[rows_R]
