"""What a model that translates learns from and is measured by: rows of tokens on both sides.

N rows · B rows of a batch · S positions of the source · T of the target · D features
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from minnow.data.pairs import Pairs
from minnow.decoding.translating import TranslationSettings
from minnow.evaluation.translation import translation_values
from minnow.layers.cross_entropy import chunked_cross_entropy, token_losses
from minnow.layers.every_core import on_every_core
from minnow.layers.masks import padding_mask
from minnow.tasks.batching import TokenRows, bucketed, padded
from minnow.tasks.translation import Translation
from minnow.text.subword_dropout import SubwordDropout
from minnow.text.tokenizer import Tokenizer

Rows = NDArray[np.int64]
DrawPairs = Callable[[np.random.Generator], Pairs]
MOST_TOKENS = 256  # of a side; longer pairs are left out, for a sentence is what is learnt
MEASURED = ("bleu", "chrf", "exact_match")


@dataclass(frozen=True)
class PairRows:
    """Token ids of both sides of N pairs: what the model reads, and what it learns to write."""

    sources: TokenRows
    targets: TokenRows

    def __len__(self) -> int:
        return len(self.sources)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Of the longer side [N], by which rows are put together."""
        return np.maximum(self.sources.lengths, self.targets.lengths)

    def followed_by(self, other: "PairRows") -> "PairRows":
        return PairRows(self.sources.followed_by(other.sources), self.targets.followed_by(other.targets))

    def within(self, most: int) -> "PairRows":
        """Those that have at most so many tokens on each side."""
        fitting = np.flatnonzero(self.lengths <= most)
        return self if len(fitting) == len(self) else self.chosen(fitting)

    def chosen(self, rows: Sequence[int] | Rows) -> "PairRows":
        return PairRows(*(TokenRows.of([side.row(row) for row in rows]) for side in (self.sources, self.targets)))


def pair_rows(task: Translation, tokenizer: Tokenizer, pairs: Pairs) -> PairRows:
    """Pairs as what the training loop reads."""
    sources = TokenRows.of(task.source_ids(tokenizer, pairs.sources, pairs.into))
    return PairRows(sources, TokenRows.of(task.target_ids(tokenizer, pairs.targets)))


class Translating:
    """The lesson of a model that translates; see ``trainer.Lesson``.

    It is measured by the loss on the validation pairs, and by BLEU, chrF and exact match of greedy
    translations of them.

    Args:
        train: rows of the training pairs.
        validation: pairs whose targets are the references.
        smoothing: share of each target token that goes to all tokens evenly.
        translates: how many validation pairs are translated at each measuring, evenly spaced; 0 for none.
        bpe_dropout: share of the merges that are left out of the training pairs, others at each epoch.
        r_drop: weight of the divergence between two readings of each batch; 0 reads it once.
        draw_more: draws pairs that are read besides, others at each epoch.
    """

    fewest_rows = 1

    def __init__(
        self,
        task: Translation,
        tokenizer: Tokenizer,
        train: PairRows,
        validation: Pairs,
        smoothing: float,
        translates: int = 1000,
        bpe_dropout: float = 0.0,
        r_drop: float = 0.0,
        draw_more: DrawPairs | None = None,
    ):
        self.task, self.tokenizer, self.given, self.train = task, tokenizer, train, train
        self.held = pair_rows(task, tokenizer, validation)
        self.smoothing, self.r_drop = smoothing, r_drop
        count = min(translates, len(validation))
        self.asked = validation.chosen(np.linspace(0, len(validation) - 1, count).round().astype(int))
        self.references = tokenizer.writing.in_its_script(self.asked.targets)
        self.num_tokens = len(train.targets.ids)
        self.bpe_dropout, self.draw_more = bpe_dropout, draw_more
        self.cuts = _cuts(tokenizer, train, bpe_dropout) if bpe_dropout else None

    def batches(self, tokens_per_batch: int, random: np.random.Generator) -> list[Rows]:
        self.train = _cut_anew(self.cuts, random) if self.cuts else self.given
        if self.draw_more:
            self.train = self.train.followed_by(self._rows_of(self.draw_more(random), random))
        return bucketed(self.train.lengths, tokens_per_batch, random)

    def weight(self, rows: Rows) -> int:
        """Every target token counts alike."""
        return self.tokens(rows)

    def tokens(self, rows: Rows) -> int:
        return int(self.train.targets.lengths[rows].sum())

    def loss(self, model: Any, rows: Rows, device: torch.device) -> Tensor:
        hidden_ND, targets_N = _written(model, self.train, rows, device, readings=2 if self.r_drop else 1)
        return chunked_cross_entropy(
            hidden_ND,
            model.output_weight_VD,
            targets_N,
            model.output_bias_V,
            smoothing=self.smoothing,
            consistency=self.r_drop,
        )

    def _rows_of(self, pairs: Pairs, random: np.random.Generator) -> PairRows:
        rows = pair_rows(self.task, self.tokenizer, pairs).within(MOST_TOKENS)
        return _cut_anew(_cuts(self.tokenizer, rows, self.bpe_dropout), random) if self.bpe_dropout else rows

    def measure(self, model: nn.Module) -> dict[str, float]:
        training = model.training
        model.eval()
        scores = {"loss": self._held_loss(model)}
        if len(self.asked):
            into = self.asked.into
            settings = replace(TranslationSettings(), beam=1)
            found = self.task.translate(model, self.tokenizer, self.asked.sources, settings, into)
            hypotheses = [best[0].text for best in found]
            scores |= translation_values(hypotheses, self.references, into, MEASURED)
        model.train(training)
        return scores

    def _held_loss(self, model: Any) -> float:
        """Nats a target token."""
        device = next(model.parameters()).device
        totals: list[float] = []

        def add(rows: Rows) -> None:
            with torch.inference_mode():
                hidden_ND, targets_N = _written(model, self.held, rows, device)
                losses_N = token_losses(hidden_ND, model.output_weight_VD, targets_N, model.output_bias_V)
                totals.append(float(losses_N.sum()))

        on_every_core(add, bucketed(self.held.lengths, 4096), device)
        return sum(totals) / len(self.held.targets.ids)


def _cuts(tokenizer: Tokenizer, pairs: PairRows, rate: float) -> tuple[SubwordDropout, SubwordDropout]:
    """Both sides, to be cut anew."""
    sources, targets = ([side.row(row).tolist() for row in range(len(side))] for side in (pairs.sources, pairs.targets))
    return SubwordDropout(tokenizer, sources, rate), SubwordDropout(tokenizer.writing, targets, rate)


def _cut_anew(cuts: Sequence[SubwordDropout], random: np.random.Generator) -> PairRows:
    return PairRows(*(TokenRows(*side.draw(random)) for side in cuts))


def _written(model: Any, pairs: PairRows, rows: Rows, device: torch.device, readings: int = 1) -> tuple[Tensor, Tensor]:
    """States before the output layer at every token of the targets [N, D], without padding, and the tokens [N]; each
    token as many times in a row as it is read."""
    rows = np.tile(rows, readings)
    source_ids_BS, source_lengths_B = (x.to(device) for x in padded(pairs.sources, rows))
    target_ids_BT, target_lengths_B = (x.to(device) for x in padded(pairs.targets, rows))
    hidden_BTD = model.hidden(source_ids_BS, source_lengths_B, target_ids_BT)
    places = padding_mask(target_lengths_B, target_ids_BT.shape[1]).flatten().nonzero().squeeze(1)
    places = places.view(readings, -1).T.flatten()
    return hidden_BTD.flatten(0, 1).index_select(0, places), target_ids_BT.flatten()[places]
