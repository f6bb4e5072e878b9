"""Beam search, greedy search and drawing for many sources at once, in tensors: no step looks at single rows.

B sources that go on · K beams · V vocabulary · N tokens written so far · M the most that may be written
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from minnow.decoding.leading import leading, log_probabilities
from minnow.decoding.pool import Pool, attainable, cut, ended
from minnow.decoding.rows import LENGTH
from minnow.decoding.sampling import MINUS_INFINITY, SamplingSettings, drawn, filtered
from minnow.decoding.search import BeamSettings, Hypothesis, Stepper

MOST_BEAMS = 64  # of one source
Found = list[list[Hypothesis]]  # of each source, best first
# From logits [B, V], the sources [B] and a place: the log-probability of a token for each [B], and the tokens [B].
Choose = Callable[[Tensor, Tensor, int], tuple[Tensor, Tensor]]


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
        max_tokens_B: tokens that each may get; whoever has them all ends there, by ``length``, whether or not the model
            would have ended there too.
        end_id: the token that ends a text and is no part of it.
        banned_ids: tokens that are never written.
        vocab_size: of the tokenizer; some models have rows for tokens that there are not.
    """
    if len(max_tokens_B) == 0:
        return []
    forbidden_V = forbidden(logits_BV, banned_ids, vocab_size)
    if settings.num_beams > 1:
        return _beams(model, logits_BV, state, max_tokens_B, settings, end_id, forbidden_V)

    def likeliest(logits_BV: Tensor, _: Tensor, __: int) -> tuple[Tensor, Tensor]:
        found_B1, token_ids_B1 = leading(logits_BV, forbidden_V, 1)
        return found_B1.squeeze(1), token_ids_B1.squeeze(1)

    return _singly(model, logits_BV, state, max_tokens_B, settings, end_id, likeliest)


@torch.no_grad()
def sample(
    model: Stepper,
    logits_BV: Tensor,
    state: Any,
    max_tokens_B: Tensor,
    settings: SamplingSettings,
    numbers_BM: Tensor,
    end_id: int,
    banned_ids: Tensor | None = None,
    vocab_size: int | None = None,
) -> Found:
    """One text for each source, drawn token by token; temperature, top k, top p and min p of ``settings`` count.

    Args:
        numbers_BM: random numbers between 0 and 1, one for each token. What a source gets depends on its own numbers
            alone.
        max_tokens_B, end_id, banned_ids, vocab_size: as in ``search``.
    """
    if len(max_tokens_B) == 0:
        return []

    forbidden_V = forbidden(logits_BV, banned_ids, vocab_size)

    def choose(logits_BV: Tensor, going: Tensor, place: int) -> tuple[Tensor, Tensor]:
        own_BV = log_probabilities(logits_BV, forbidden_V)
        token_ids_B = (
            drawn(filtered(own_BV, settings), numbers_BM[going, place]) if settings.draws else own_BV.argmax(1)
        )
        return own_BV.gather(1, token_ids_B[:, None])[:, 0], token_ids_B

    return _singly(model, logits_BV, state, max_tokens_B, BeamSettings(1), end_id, choose)


def _singly(
    model: Stepper,
    logits_BV: Tensor,
    state: Any,
    max_tokens_B: Tensor,
    settings: BeamSettings,
    end_id: int,
    choose: Choose,
) -> Found:
    """One text a source, of tokens that are chosen one by one."""
    num_sources, most = len(max_tokens_B), int(max_tokens_B.max())
    pool = Pool.empty(num_sources, 1, most, logits_BV.device)
    going = max_tokens_B.nonzero().squeeze(1)
    logits_BV, state = logits_BV[going], state.select(going)
    for place in range(most):
        pool.found[going, 0, place], token_ids_B = choose(logits_BV, going, place)
        pool.tokens[going, 0, place] = token_ids_B
        ends_B = token_ids_B == end_id
        stops_B = ends_B | (max_tokens_B[going] == place + 1)
        if bool(stops_B.any()):
            lengths_B1 = place + (~ends_B[stops_B, None]).long()
            pool.lengths[going[stops_B]], pool.ended[going[stops_B], 0] = lengths_B1, ends_B[stops_B]
            rows = (~stops_B).nonzero().squeeze(1)
            if len(rows) == 0:
                break
            going, token_ids_B, state = going[rows], token_ids_B[rows], state.select(rows)
        logits_BV, state = model.step(token_ids_B, state)
    found, counted_B1 = pool.found.squeeze(1).cumsum(1), pool.lengths + pool.ended.long()
    totals_B1 = torch.where(counted_B1 > 0, found.gather(1, (counted_B1 - 1).clamp(min=0)), 0.0)
    pool.scores = totals_B1 / counted_B1.clamp(min=1).float() ** settings.length_penalty
    return [pool.hypotheses(row) for row in range(num_sources)]


def _beams(
    model: Stepper,
    logits_BV: Tensor,
    state: Any,
    max_tokens_B: Tensor,
    settings: BeamSettings,
    end_id: int,
    forbidden_V: Tensor,
) -> Found:
    num_beams, most = settings.num_beams, int(max_tokens_B.max())
    # No beam has more than so many of a source's best continuations.
    num_leading = min(2 * num_beams, logits_BV.shape[1])
    device = logits_BV.device
    results = without_room(max_tokens_B)
    going = max_tokens_B.nonzero().squeeze(1)
    # All beams of a source begin alike, so only the first may be gone on from.
    totals_BK = torch.full((len(going), num_beams), MINUS_INFINITY, device=device)
    totals_BK[:, 0] = 0
    tokens_BKN = torch.zeros(len(going), num_beams, most + 1, dtype=torch.long, device=device)
    found_BKN = torch.zeros(len(going), num_beams, most + 1, device=device)
    pool = Pool.empty(len(going), num_beams, most, device)
    rows_R = going.repeat_interleave(num_beams)
    logits_BV, state = logits_BV[rows_R], state.select(rows_R)
    for place in range(most):
        own, token_ids = (x.view(len(going), -1) for x in leading(logits_BV, forbidden_V, num_leading))
        totals = totals_BK.repeat_interleave(num_leading, dim=1) + own
        best_BC, places_BC = totals.topk(2 * num_beams, dim=1)
        parents_BC = places_BC.div(num_leading, rounding_mode="floor")
        token_ids_BC, step_BC = token_ids.gather(1, places_BC), own.gather(1, places_BC)
        ends_BC = token_ids_BC == end_id
        # An unlikely end would crowd out likelier texts.
        may_end_BC = ends_BC & (torch.arange(2 * num_beams, device=device) < num_beams)
        if bool(may_end_BC.any()):
            scores_BC = best_BC / float(place + 1) ** settings.length_penalty
            scores_BC = scores_BC.masked_fill(~may_end_BC, MINUS_INFINITY)
            pool = pool.merge(ended(scores_BC, parents_BC, step_BC, tokens_BKN, found_BKN, place))
        # The best that go on; ends rank behind everything else.
        totals_BK, chosen_BK = best_BC.masked_fill(ends_BC, MINUS_INFINITY).topk(num_beams, dim=1)
        parents_BK, token_ids_BK = parents_BC.gather(1, chosen_BK), token_ids_BC.gather(1, chosen_BK)
        wide_BKN = parents_BK[:, :, None].expand_as(tokens_BKN)
        tokens_BKN, found_BKN = tokens_BKN.gather(1, wide_BKN), found_BKN.gather(1, wide_BKN)
        tokens_BKN[:, :, place], found_BKN[:, :, place] = token_ids_BK, step_BC.gather(1, chosen_BK)
        first_B = num_beams * torch.arange(len(going), device=device)
        rows_BK = first_B[:, None] + parents_BK
        full_B = max_tokens_B[going] == place + 1
        if bool(full_B.any()):
            cut_BK = totals_BK / float(place + 1) ** settings.length_penalty
            cut_BK = cut_BK.masked_fill(~full_B[:, None], MINUS_INFINITY)
            pool = pool.merge(cut(cut_BK, tokens_BKN, found_BKN, place + 1))
        hoped_BK = attainable(totals_BK, place + 2, max_tokens_B[going], settings)
        done_B = full_B | (hoped_BK.amax(1) <= pool.scores.amin(1))
        if bool(done_B.any()):
            for row in done_B.nonzero().squeeze(1).tolist():
                results[int(going[row])] = pool.hypotheses(row)
            rows = (~done_B).nonzero().squeeze(1)
            if len(rows) == 0:
                break
            going, pool, totals_BK, rows_BK = going[rows], pool.select(rows), totals_BK[rows], rows_BK[rows]
            tokens_BKN, found_BKN, token_ids_BK = tokens_BKN[rows], found_BKN[rows], token_ids_BK[rows]
        logits_BV, state = model.step(token_ids_BK.flatten(), state.select(rows_BK.flatten()))
    return [results[number] for number in range(len(max_tokens_B))]


def without_room(max_tokens_B: Tensor) -> dict[int, list[Hypothesis]]:
    """The empty text of each source that may get no token at all."""
    return {row: [Hypothesis(finish_reason=LENGTH)] for row in (max_tokens_B == 0).nonzero().squeeze(1).tolist()}


def forbidden(logits_BV: Tensor, banned_ids: Tensor | None, vocab_size: int | None) -> Tensor:
    """Which tokens are never written [V]."""
    forbidden_V = torch.zeros(logits_BV.shape[1], dtype=torch.bool, device=logits_BV.device)
    forbidden_V[vocab_size or logits_BV.shape[1] :] = True
    if banned_ids is not None:
        forbidden_V[banned_ids] = True
    return forbidden_V
