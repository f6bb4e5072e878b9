"""The best finished texts of each source of a search, as tensors.

B sources · K texts of each · W texts that are followed · C candidates · N tokens written so far · M the most that may
be written
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from minnow.decoding.rows import LENGTH, STOP
from minnow.decoding.sampling import MINUS_INFINITY
from minnow.decoding.search import NO_NUMBERS, BeamSettings, Hypothesis
from minnow.errors import MinnowError


@dataclass
class Pool:
    """What is finished.

    Attributes:
        scores: [B, K], by which they are ranked; minus infinity where there is none.
        tokens, found: what was written, and its log-probabilities [B, K, M + 1].
        lengths: tokens of each [B, K].
        ended: whether a token ended it, whose log-probability then stands behind the last [B, K].
    """

    scores: Tensor
    tokens: Tensor
    found: Tensor
    lengths: Tensor
    ended: Tensor

    @classmethod
    def empty(cls, num_sources: int, num_texts: int, most: int, device: torch.device) -> "Pool":
        shape = (num_sources, num_texts)
        return cls(
            torch.full(shape, MINUS_INFINITY, device=device),
            torch.zeros((*shape, most + 1), dtype=torch.long, device=device),
            torch.zeros((*shape, most + 1), device=device),
            torch.zeros(shape, dtype=torch.long, device=device),
            torch.zeros(shape, dtype=torch.bool, device=device),
        )

    def merge(self, other: "Pool") -> "Pool":
        """The best of both, as many as this one holds."""
        num_texts = self.scores.shape[1]
        scores, places = torch.cat([self.scores, other.scores], 1).topk(num_texts, dim=1)
        wide = places[:, :, None].expand(-1, -1, self.tokens.shape[2])
        return Pool(
            scores,
            torch.cat([self.tokens, other.tokens], 1).gather(1, wide),
            torch.cat([self.found, other.found], 1).gather(1, wide),
            torch.cat([self.lengths, other.lengths], 1).gather(1, places),
            torch.cat([self.ended, other.ended], 1).gather(1, places),
        )

    def select(self, rows: Tensor) -> "Pool":
        return Pool(*(x[rows] for x in vars(self).values()))

    def hypotheses(self, row: int) -> list[Hypothesis]:
        """Those of one source, best first; never none.

        Raises:
            MinnowError: the model gave no numbers.
        """
        if not bool(self.scores[row, 0] > MINUS_INFINITY):  # as of NaN, which is ranked above all numbers
            raise MinnowError(NO_NUMBERS)
        parts = (self.scores[row], self.tokens[row], self.found[row], self.lengths[row], self.ended[row])
        return [
            Hypothesis(
                tuple(tokens[:length]),
                tuple(found[:length]),
                sum(found[: length + 1]) if ended else sum(found[:length]),
                score,
                STOP if ended else LENGTH,
            )
            for score, tokens, found, length, ended in zip(*(part.tolist() for part in parts), strict=True)
            if score > MINUS_INFINITY
        ]


def ended(
    scores_BC: Tensor, parents_BC: Tensor, step_BC: Tensor, tokens_BWN: Tensor, found_BWN: Tensor, place: int
) -> Pool:
    """The candidates that end here; one that does not has no score. The end's own log-probability stands last."""
    scores_BW, chosen_BW = scores_BC.topk(tokens_BWN.shape[1], dim=1)
    parents_BW = parents_BC.gather(1, chosen_BW)
    wide_BWN = parents_BW[:, :, None].expand_as(tokens_BWN)
    found = found_BWN.gather(1, wide_BWN)
    found[:, :, place] = step_BC.gather(1, chosen_BW)
    return Pool(
        scores_BW,
        tokens_BWN.gather(1, wide_BWN),
        found,
        torch.full_like(parents_BW, place),
        torch.ones_like(parents_BW, dtype=torch.bool),
    )


def cut(scores_BW: Tensor, tokens_BWN: Tensor, found_BWN: Tensor, place: int) -> Pool:
    """Texts that have all the tokens they may have."""
    lengths = torch.full(scores_BW.shape, place, device=scores_BW.device)
    return Pool(scores_BW, tokens_BWN, found_BWN, lengths, torch.zeros_like(lengths, dtype=torch.bool))


def attainable(totals_BW: Tensor, shortest: int, longest_B: Tensor, settings: BeamSettings) -> Tensor:
    """The best scores that texts may still come to [B, W]: a log-probability only falls, so the best to hope for is
    what it is now, shared among as few or as many tokens as suits it."""
    soon_BW = totals_BW / float(shortest) ** settings.length_penalty
    late_BW = totals_BW / longest_B[:, None].float() ** settings.length_penalty
    return torch.maximum(soon_BW, late_BW)
