"""Beam search and greedy search over many sources at once, in tensors: no step looks at single rows.

B sources that go on · K beams · V vocabulary · N tokens written so far · M the most that may be written
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from minnow.decoding.rows import LENGTH, STOP
from minnow.decoding.sampling import MINUS_INFINITY
from minnow.decoding.search import BeamSettings, Hypothesis, Stepper

Found = list[list[Hypothesis]]  # of each source, best first


@torch.no_grad()
def search(
    model: Stepper,
    logits_BV: Tensor,
    state: Any,
    max_tokens_B: Tensor,
    settings: BeamSettings,
    end_id: int,
    banned_ids: Tensor | None = None,
    vocab_size: int | None = None,
) -> Found:
    """The best texts for each source, at most ``num_beams`` of them; with one beam the likeliest token at each step.

    A source is done when no text that it still follows can come before the worst of its finished ones.

    Args:
        logits_BV, state: after the sources were read.
        max_tokens_B: tokens that each may get; whoever has them all ends there.
        end_id: the token that ends a text and is no part of it.
        banned_ids: tokens that are never written.
        vocab_size: of the tokenizer; some models have rows for tokens that there are not.
    """
    if len(max_tokens_B) == 0:
        return []
    forbidden_V = torch.zeros(logits_BV.shape[1], dtype=torch.bool, device=logits_BV.device)
    forbidden_V[vocab_size or logits_BV.shape[1] :] = True
    if banned_ids is not None:
        forbidden_V[banned_ids] = True
    way = _greedy if settings.num_beams == 1 else _beams
    return way(model, logits_BV, state, max_tokens_B, settings, end_id, forbidden_V)


def _greedy(
    model: Stepper,
    logits_BV: Tensor,
    state: Any,
    max_tokens_B: Tensor,
    settings: BeamSettings,
    end_id: int,
    forbidden_V: Tensor,
) -> Found:
    num_sources, most = len(max_tokens_B), int(max_tokens_B.max())
    pool = _Pool.empty(num_sources, 1, most, logits_BV.device)
    going = torch.arange(num_sources, device=logits_BV.device)
    for place in range(most + 1):
        found_B, token_ids_B = _log_probabilities(logits_BV, forbidden_V).max(dim=1)
        pool.tokens[going, 0, place], pool.found[going, 0, place] = token_ids_B, found_B
        ends_B = token_ids_B == end_id
        stops_B = ends_B | (max_tokens_B[going] <= place)
        if bool(stops_B.any()):
            pool.lengths[going[stops_B]], pool.ended[going[stops_B], 0] = place, ends_B[stops_B]
            rows = (~stops_B).nonzero().squeeze(1)
            if len(rows) == 0:
                break
            going, token_ids_B, state = going[rows], token_ids_B[rows], state.select(rows)
        logits_BV, state = model.step(token_ids_B, state)
    found, counted_B1 = pool.found.squeeze(1).cumsum(1), pool.lengths + pool.ended.long()
    totals_B1 = torch.where(counted_B1 > 0, found.gather(1, (counted_B1 - 1).clamp(min=0)), 0.0)
    pool.scores = totals_B1 / counted_B1.clamp(min=1).float() ** settings.length_penalty
    return [_hypotheses(pool, row) for row in range(num_sources)]


@dataclass
class _Pool:
    """The best finished texts of each source.

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
    def empty(cls, num_sources: int, num_beams: int, most: int, device: torch.device) -> "_Pool":
        shape = (num_sources, num_beams)
        return cls(
            torch.full(shape, MINUS_INFINITY, device=device),
            torch.zeros((*shape, most + 1), dtype=torch.long, device=device),
            torch.zeros((*shape, most + 1), device=device),
            torch.zeros(shape, dtype=torch.long, device=device),
            torch.zeros(shape, dtype=torch.bool, device=device),
        )

    def merge(self, other: "_Pool") -> "_Pool":
        """The best of both, as many as this one holds."""
        num_beams = self.scores.shape[1]
        scores, places = torch.cat([self.scores, other.scores], 1).topk(num_beams, dim=1)
        wide = places[:, :, None].expand(-1, -1, self.tokens.shape[2])
        return _Pool(
            scores,
            torch.cat([self.tokens, other.tokens], 1).gather(1, wide),
            torch.cat([self.found, other.found], 1).gather(1, wide),
            torch.cat([self.lengths, other.lengths], 1).gather(1, places),
            torch.cat([self.ended, other.ended], 1).gather(1, places),
        )

    def select(self, rows: Tensor) -> "_Pool":
        return _Pool(*(x[rows] for x in vars(self).values()))


def _beams(
    model: Stepper,
    logits_BV: Tensor,
    state: Any,
    max_tokens_B: Tensor,
    settings: BeamSettings,
    end_id: int,
    forbidden_V: Tensor,
) -> Found:
    num_beams, vocab_size, most = settings.num_beams, logits_BV.shape[1], int(max_tokens_B.max())
    device = logits_BV.device
    results: dict[int, list[Hypothesis]] = {}
    going = torch.arange(len(max_tokens_B), device=device)
    # All beams of a source begin alike, so only the first may be gone on from.
    totals_BK = torch.full((len(going), num_beams), MINUS_INFINITY, device=device)
    totals_BK[:, 0] = 0
    tokens_BKN = torch.zeros(len(going), num_beams, most + 1, dtype=torch.long, device=device)
    found_BKN = torch.zeros(len(going), num_beams, most + 1, device=device)
    pool = _Pool.empty(len(going), num_beams, most, device)
    state = state.select(going.repeat_interleave(num_beams))
    logits_BV = logits_BV.repeat_interleave(num_beams, dim=0)
    for place in range(most + 1):
        own_BKV = _log_probabilities(logits_BV, forbidden_V).view(len(going), num_beams, vocab_size)
        full_B = max_tokens_B[going] <= place
        best_BC, flat_BC = (totals_BK[:, :, None] + own_BKV).flatten(1).topk(2 * num_beams, dim=1)
        parents_BC, token_ids_BC = flat_BC.div(vocab_size, rounding_mode="floor"), flat_BC % vocab_size
        step_BC = own_BKV.flatten(1).gather(1, flat_BC)
        ends_BC = token_ids_BC == end_id
        # An unlikely end would crowd out likelier texts.
        may_end = torch.arange(2 * num_beams, device=device) < num_beams
        scores_BC = best_BC / float(place + 1) ** settings.length_penalty
        scores_BC = scores_BC.masked_fill(~(ends_BC & may_end) | full_B[:, None], MINUS_INFINITY)
        pool = pool.merge(_ended(scores_BC, parents_BC, step_BC, tokens_BKN, found_BKN, place))
        if bool(full_B.any()):
            cut_BK = totals_BK / float(max(1, place)) ** settings.length_penalty
            cut_BK = cut_BK.masked_fill(~full_B[:, None], MINUS_INFINITY)
            pool = pool.merge(_cut(cut_BK, tokens_BKN, found_BKN, place))
        # The best that go on; ends rank behind everything else.
        totals_BK, chosen_BK = best_BC.masked_fill(ends_BC, MINUS_INFINITY).topk(num_beams, dim=1)
        parents_BK, token_ids_BK = parents_BC.gather(1, chosen_BK), token_ids_BC.gather(1, chosen_BK)
        wide_BKN = parents_BK[:, :, None].expand_as(tokens_BKN)
        tokens_BKN, found_BKN = tokens_BKN.gather(1, wide_BKN), found_BKN.gather(1, wide_BKN)
        tokens_BKN[:, :, place], found_BKN[:, :, place] = token_ids_BK, step_BC.gather(1, chosen_BK)
        first_B = num_beams * torch.arange(len(going), device=device)
        rows_BK = first_B[:, None] + parents_BK
        done_B = full_B | _settled(totals_BK, pool.scores, place + 2, max_tokens_B[going] + 1, settings)
        if bool(done_B.any()):
            for row in done_B.nonzero().squeeze(1).tolist():
                results[int(going[row])] = _hypotheses(pool, row)
            rows = (~done_B).nonzero().squeeze(1)
            if len(rows) == 0:
                break
            going, pool, totals_BK, rows_BK = going[rows], pool.select(rows), totals_BK[rows], rows_BK[rows]
            tokens_BKN, found_BKN, token_ids_BK = tokens_BKN[rows], found_BKN[rows], token_ids_BK[rows]
        logits_BV, state = model.step(token_ids_BK.flatten(), state.select(rows_BK.flatten()))
    return [results[number] for number in range(len(max_tokens_B))]


def _log_probabilities(logits_BV: Tensor, forbidden_V: Tensor) -> Tensor:
    """The model's own; what may not be written has none."""
    return logits_BV.float().log_softmax(dim=1).masked_fill_(forbidden_V, MINUS_INFINITY)


def _ended(
    scores_BC: Tensor, parents_BC: Tensor, step_BC: Tensor, tokens_BKN: Tensor, found_BKN: Tensor, place: int
) -> _Pool:
    """The candidates that end here; one that does not has no score. The end's own log-probability stands last."""
    scores_BK, chosen_BK = scores_BC.topk(tokens_BKN.shape[1], dim=1)
    parents_BK = parents_BC.gather(1, chosen_BK)
    wide_BKN = parents_BK[:, :, None].expand_as(tokens_BKN)
    found = found_BKN.gather(1, wide_BKN)
    found[:, :, place] = step_BC.gather(1, chosen_BK)
    return _Pool(
        scores_BK,
        tokens_BKN.gather(1, wide_BKN),
        found,
        torch.full_like(parents_BK, place),
        torch.ones_like(parents_BK, dtype=torch.bool),
    )


def _cut(scores_BK: Tensor, tokens_BKN: Tensor, found_BKN: Tensor, place: int) -> _Pool:
    """Texts that have all the tokens they may have."""
    lengths = torch.full(scores_BK.shape, place, device=scores_BK.device)
    return _Pool(scores_BK, tokens_BKN, found_BKN, lengths, torch.zeros_like(lengths, dtype=torch.bool))


def _settled(totals_BK: Tensor, pool_BK: Tensor, shortest: int, longest_B: Tensor, settings: BeamSettings) -> Tensor:
    """Whether no text that goes on can come before the worst finished one: its log-probability only falls, so the best
    it can hope for is what it has now, shared among as few or as many tokens as suits it."""
    best_B = totals_BK.amax(1)
    soon_B = best_B / float(shortest) ** settings.length_penalty
    late_B = best_B / longest_B.float() ** settings.length_penalty
    return torch.maximum(soon_B, late_B) <= pool_BK.amin(1)


def _hypotheses(pool: _Pool, row: int) -> list[Hypothesis]:
    parts = (pool.scores[row], pool.tokens[row], pool.found[row], pool.lengths[row], pool.ended[row])
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
