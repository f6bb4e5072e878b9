"""Many sources to their targets: rows of like length together, each core with batches of its own.

B sources at once · S positions of a source
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from minnow.decoding.batched import search
from minnow.decoding.search import BeamSettings, Hypothesis
from minnow.errors import InputError
from minnow.layers.every_core import on_every_core

MOST_BEAMS = 64


@dataclass(frozen=True)
class TranslationSettings:
    """How a target is searched for.

    Attributes:
        beam: how many texts are followed at once; 1 takes the likeliest token at each step.
        length_penalty: a text's log-probability is divided by its length in tokens to this power (Wu et al. 2016); 0
            prefers short texts, 1 compares per token.
        n_best: how many texts are given for each source, best first; at most ``beam``.
        max_ratio: a target has at most this many times the tokens of its source, and ``max_extra`` more.
        max_extra: see ``max_ratio``.

    Raises:
        InputError: a value that cannot be.
    """

    beam: int = 4
    length_penalty: float = 1.0
    n_best: int = 1
    max_ratio: float = 2.0
    max_extra: int = 10

    def __post_init__(self) -> None:
        if not 1 <= self.beam <= MOST_BEAMS:
            raise InputError(f"beam must lie between 1 and {MOST_BEAMS}, but got {self.beam}; try 4")
        if not 1 <= self.n_best <= self.beam:
            raise InputError(f"n_best must lie between 1 and beam={self.beam}, but got {self.n_best}")
        if not 0 <= self.length_penalty <= 10:
            raise InputError(f"length_penalty must lie between 0 and 10, but got {self.length_penalty}; try 1.0")
        if not self.max_ratio > 0 or self.max_extra < 0:
            raise InputError(f"a target needs room, but got max_ratio={self.max_ratio}, max_extra={self.max_extra}")

    def most_tokens(self, num_source: int) -> int:
        """That a target of such a source may have."""
        return int(self.max_ratio * num_source) + self.max_extra


def translate_rows(
    model: Any,
    rows: Sequence[Sequence[int]],
    settings: TranslationSettings,
    end_id: int,
    banned_ids: Sequence[int] = (),
    vocab_size: int | None = None,
    rows_at_once: int = 0,
    advance: Callable[[int], None] = lambda _: None,
) -> list[list[Hypothesis]]:
    """The best targets of each row of source ids, in the order of the rows.

    Args:
        model: a ``Seq2Seq`` in evaluation mode.
        rows: none of them empty.
        end_id, banned_ids, vocab_size: as in ``batched.search``.
        rows_at_once: sources of a batch; 0 for what suits the beams.
        advance: told how many rows more are done, from whichever thread.
    """
    device = next(model.parameters()).device
    size = rows_at_once or max(1, 256 // settings.beam)
    order = sorted(range(len(rows)), key=lambda row: len(rows[row]))
    batches = [order[first : first + size] for first in range(0, len(order), size)]
    found: list[list[Hypothesis]] = [[] for _ in rows]
    banned = torch.tensor(sorted(banned_ids), dtype=torch.long, device=device) if banned_ids else None
    beams = BeamSettings(settings.beam, settings.length_penalty)

    def answer(batch: list[int]) -> None:
        lengths = [len(rows[row]) for row in batch]
        token_ids_BS = torch.zeros(len(batch), max(lengths), dtype=torch.long)
        for number, row in enumerate(batch):
            token_ids_BS[number, : lengths[number]] = torch.tensor(rows[row])
        most = [settings.most_tokens(length) for length in lengths]
        with torch.inference_mode():
            logits_BV, state = model.prefill(token_ids_BS.to(device), torch.tensor(lengths, device=device))
            texts = search(
                model, logits_BV, state, torch.tensor(most, device=device), beams, end_id, banned, vocab_size
            )
        for row, hypotheses in zip(batch, texts, strict=True):
            found[row] = hypotheses[: settings.n_best]
        advance(len(batch))

    on_every_core(answer, batches, device)
    return found
