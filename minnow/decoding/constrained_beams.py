"""Beam search for texts that must hold given phrases, in tensors over many sources at once.

Post and Vilar (2018), "Fast Lexically Constrained Decoding with Dynamic Beam Allocation for Neural Machine
Translation": the beams are shared out among texts that have come equally far with their phrases. Here by rounds, which
needs no loop over them: the best of each such bank first, then the second of each, until the beams are full.

B sources that go on · W beams · C candidates · P phrases of a source · A spellings of all of them · L tokens of a
spelling · V vocabulary · N tokens written so far
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import log
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from minnow.decoding.batched import MOST_BEAMS, Found, forbidden, without_room
from minnow.decoding.leading import leading
from minnow.decoding.phrases import Borders, Phrase, size
from minnow.decoding.pool import Pool, attainable, cut, ended
from minnow.decoding.sampling import MINUS_INFINITY
from minnow.decoding.search import BeamSettings, Stepper

# What it costs to begin a phrase where the model looks elsewhere, and to write anything else where it looks at the
# phrase's source: so many times the log of the share of its attention that speaks for it, taken for this much at least.
PLACING, PASSING = 8.0, 3.0
LEAST_SHARE = 0.05


def beams_for(phrases: Sequence[Phrase], num_beams: int) -> int:
    """How many texts are followed: twice ``num_beams`` and one for each token of the phrases, at most ``MOST_BEAMS``.

    Measured in ``docs/translation.md``: ``num_beams`` for each number of tokens that are met takes half as long again
    and translates no better.
    """
    return max(num_beams, min(MOST_BEAMS, 2 * num_beams + needed(phrases))) if phrases else num_beams


def needed(phrases: Sequence[Phrase]) -> int:
    """Tokens that all of them take together."""
    return sum(map(size, phrases))


@dataclass(frozen=True)
class Sight:
    """What a model that looks at its sources looks at.

    Attributes:
        look: its step, with how much it looks at each position as it takes it [B, S].
        first_BS: the same of the first token.
        places_BPS: the positions that each phrase translates; none for a phrase that may stand anywhere.
    """

    look: Callable[[Tensor, Any], tuple[Tensor, Tensor, Any]]
    first_BS: Tensor
    places_BPS: Tensor


@torch.no_grad()
def search(
    model: Stepper,
    logits_BV: Tensor,
    state: Any,
    max_tokens_B: Tensor,
    usual_tokens_B: Tensor,
    settings: BeamSettings,
    end_id: int,
    phrases: Sequence[Sequence[Phrase]],
    borders: Borders,
    banned_ids: Tensor | None = None,
    vocab_size: int | None = None,
    sight: Sight | None = None,
) -> Found:
    """The best texts for each source that have all of its phrases, at most ``num_beams`` of them; never none.

    What a source gets does not depend on those beside it: each has as many beams as ``beams_for`` its own phrases.

    What phrases cost is shared among ``usual_tokens_B``, whatever the length of a text: else the longest would be the
    best, for a dear phrase weighs less in it.

    Args:
        phrases: of each source; without any, what it gets is what ``batched.search`` gives.
        max_tokens_B: at least what the phrases of each need.
        usual_tokens_B: a length that its target may well have, with the end.
        borders: of the vocabulary.
        sight: where in the sources the phrases belong; without it they begin wherever they cost least.
        logits_BV, state, end_id, banned_ids, vocab_size: as in ``batched.search``.
    """
    if len(max_tokens_B) == 0:
        return []
    device, vocabulary = logits_BV.device, logits_BV.shape[1]
    widths = [beams_for(one, settings.num_beams) for one in phrases]
    num_beams, widths_B = max(widths), torch.tensor(widths, device=device)
    forbidden_V = forbidden(logits_BV, banned_ids, vocab_size)
    going = max_tokens_B.nonzero().squeeze(1)
    asked = _Asked.of(phrases, borders, vocabulary, device, sight).select(going)
    beams = _Beams.fresh(asked, len(going), num_beams, int(max_tokens_B.max()), device)
    pool = Pool.empty(len(going), settings.num_beams, int(max_tokens_B.max()), device)
    rows_R = going.repeat_interleave(num_beams)
    logits_BV, state = logits_BV[rows_R], state.select(rows_R)
    looks_RS = sight.first_BS[rows_R] if sight is not None else None
    results = without_room(max_tokens_B)
    for place in range(int(max_tokens_B.max())):
        logits_BWV = logits_BV.float().view(len(going), num_beams, vocabulary)
        shares_B = usual_tokens_B[going].float() ** settings.length_penalty
        looks_BWS = None if looks_RS is None else looks_RS.view(len(going), num_beams, -1)
        found = _candidates(logits_BWV, looks_BWS, forbidden_V, beams, asked, settings.num_beams, end_id)
        ends_BC = found.token_ids == end_id
        # An unlikely end would crowd out likelier texts.
        may_end_BC = ends_BC & (_ranks(found) < settings.num_beams)
        scores_BC = _scores(found.totals, found.forced, place + 1, shares_B, settings)
        scores_BC = scores_BC.masked_fill(~may_end_BC, MINUS_INFINITY)
        pool = pool.merge(ended(scores_BC, found.parents, found.own, beams.tokens, beams.found, place))
        beams, parents_BW = _allocated(found.without(ends_BC), beams, asked, widths_B[going], place)
        full_B = max_tokens_B[going] == place + 1
        if bool(full_B.any()):
            whole_BW = full_B[:, None] & (beams.banks == asked.needed[:, None])
            scores_BW = _scores(beams.totals, beams.forced, place + 1, shares_B, settings)
            scores_BW = scores_BW.masked_fill(~whole_BW, MINUS_INFINITY)
            pool = pool.merge(cut(scores_BW, beams.tokens, beams.found, place + 1))
        rows_BW = num_beams * torch.arange(len(going), device=device)[:, None] + parents_BW
        hoped_BW = attainable(beams.totals - beams.forced, place + 2, max_tokens_B[going], settings)
        hoped_BW = hoped_BW + beams.forced / shares_B[:, None]
        done_B = full_B | (hoped_BW.amax(1) <= pool.scores.amin(1))
        if bool(done_B.any()):
            for row in done_B.nonzero().squeeze(1).tolist():
                results[int(going[row])] = pool.hypotheses(row)
            rows = (~done_B).nonzero().squeeze(1)
            if len(rows) == 0:
                break
            going, pool, rows_BW = going[rows], pool.select(rows), rows_BW[rows]
            asked, beams = asked.select(rows), beams.select(rows)
        last_R, state = beams.tokens[:, :, place].flatten(), state.select(rows_BW.flatten())
        if sight is None:
            logits_BV, state = model.step(last_R, state)
        else:
            logits_BV, looks_RS, state = sight.look(last_R, state)
    return [results[number] for number in range(len(max_tokens_B))]


def _scores(totals_BT: Tensor, forced_BT: Tensor, length: int, shares_B: Tensor, settings: BeamSettings) -> Tensor:
    free_BT = (totals_BT - forced_BT) / float(length) ** settings.length_penalty
    scores_BT: Tensor = free_BT + forced_BT / shares_B[:, None]
    return scores_BT


def _log_share(shares: Tensor) -> Tensor:
    return shares.clamp(min=LEAST_SHARE, max=1).log()


@dataclass(frozen=True)
class _Progress:
    """How far texts have come with their phrases; T of a source, beams or candidates.

    Attributes:
        matched: whether the last tokens of the text are so many of the first of the spelling [B, T, A, L].
        met: whether the phrase stands in the text, with what comes behind it [B, T, P].
        last: the last token, -1 at the beginning [B, T].
    """

    matched: Tensor
    met: Tensor
    last: Tensor

    def select(self, rows: Tensor) -> "_Progress":
        return _Progress(self.matched[rows], self.met[rows], self.last[rows])

    def gather(self, places_BT: Tensor) -> "_Progress":
        """The progress at these of each source."""
        rows_B1 = torch.arange(len(places_BT), device=places_BT.device)[:, None]
        return _Progress(*(x[rows_B1, places_BT] for x in vars(self).values()))


@dataclass(frozen=True)
class _Asked:
    """The phrases of a batch.

    Attributes:
        spelt: tokens of the spellings, -1 behind their ends and for those that there are not [B, A, L].
        lengths: of the spellings [B, A].
        belongs: to which phrase a spelling belongs [B, A, P].
        sizes: tokens of the longest spelling of each phrase, 0 for those that there are not [B, P].
        starts, ends: whether the spelling starts, and ends, a word [B, A].
        seen: the positions of the source that a spelling translates [B, A, S].
        goes_on, leaves_open: of each token, see ``Borders`` [V].
    """

    spelt: Tensor
    lengths: Tensor
    belongs: Tensor
    sizes: Tensor
    starts: Tensor
    ends: Tensor
    seen: Tensor
    goes_on: Tensor
    leaves_open: Tensor

    @classmethod
    def of(
        cls,
        phrases: Sequence[Sequence[Phrase]],
        borders: Borders,
        vocab_size: int,
        device: torch.device,
        sight: Sight | None,
    ) -> "_Asked":
        most_phrases = max(1, *map(len, phrases))
        flat = [[(at, one) for at, phrase in enumerate(row) for one in phrase] for row in phrases]
        most = max(1, *map(len, flat))
        longest = max([1, *(len(one.token_ids) for row in flat for _, one in row)])
        spelt_BAL = torch.full((len(flat), most, longest), -1)
        lengths_BA, belongs_BAP = torch.zeros(len(flat), most).long(), torch.zeros(len(flat), most, most_phrases).bool()
        sizes_BP = torch.zeros(len(flat), most_phrases).long()
        starts_BA, ends_BA = torch.zeros(2, len(flat), most).bool()
        for row, spellings in enumerate(flat):
            for number, (at, one) in enumerate(spellings):
                spelt_BAL[row, number, : len(one.token_ids)] = torch.tensor(one.token_ids)
                lengths_BA[row, number], belongs_BAP[row, number, at] = len(one.token_ids), True
                sizes_BP[row, at] = max(int(sizes_BP[row, at]), len(one.token_ids))
                starts_BA[row, number], ends_BA[row, number] = one.starts_word, one.ends_word
        masks = []
        for known in (borders.goes_on, borders.leaves_open):
            masks.append(functional.pad(torch.from_numpy(known), (0, vocab_size - len(known))))
        seen_BAS = torch.zeros(len(flat), most, 0)
        if sight is not None:
            seen_BAS = belongs_BAP.float() @ sight.places_BPS.to("cpu", torch.float)
        parts = (spelt_BAL, lengths_BA, belongs_BAP, sizes_BP, starts_BA, ends_BA, seen_BAS, *masks)
        return cls(*(part.to(device) for part in parts))

    def select(self, rows: Tensor) -> "_Asked":
        parts = {name: part if name in ("goes_on", "leaves_open") else part[rows] for name, part in vars(self).items()}
        return _Asked(**parts)

    @property
    def needed(self) -> Tensor:
        """Tokens of all phrases [B]."""
        return torch.sum(self.sizes, 1)

    def beginning(self, num_beams: int) -> _Progress:
        num_sources, num_spellings, longest = self.spelt.shape
        device = self.spelt.device
        return _Progress(
            torch.zeros(num_sources, num_beams, num_spellings, longest, dtype=torch.bool, device=device),
            torch.zeros(num_sources, num_beams, self.sizes.shape[1], dtype=torch.bool, device=device),
            torch.full((num_sources, num_beams), -1, device=device),
        )

    def after(self, before: _Progress, token_ids_BT: Tensor) -> _Progress:
        """The progress with one token more each: the last m tokens are the first m of a spelling where all but the last
        were the first m - 1, and it is the m-th (Baeza-Yates and Gonnet 1992, "A New Approach to Text Searching")."""
        confirmed_BTA = self._complete(before) & ~(self.ends[:, None] & self.goes_on[token_ids_BT][:, :, None])
        shifted_BTAL = functional.pad(before.matched[..., :-1], (1, 0))
        shifted_BTAL[..., 0] = self._may_start(before)
        matched_BTAL = shifted_BTAL & (self.spelt[:, None] == token_ids_BT[:, :, None, None])
        return _Progress(matched_BTAL, before.met | self._of_phrases(confirmed_BTA), token_ids_BT)

    def banks(self, progress: _Progress) -> Tensor:
        """Tokens of phrases that the texts have [B, T]: of whole phrases, and of the one that has come furthest."""
        have_BTP = self._have(progress)
        begun_BTA = self._begun(progress, have_BTP)
        return (have_BTP * self.sizes[:, None]).sum(2) + begun_BTA.amax(2)

    def next_tokens(self, progress: _Progress) -> Tensor:
        """The tokens by which texts come further, one for each spelling, -1 for those that would not do it [B, T, A].

        Where a phrase is begun it goes on; else one begins.
        """
        have_BTP = self._have(progress)
        begun_BTA = self._begun(progress, have_BTP)
        furthest_BT1 = begun_BTA.amax(2, keepdim=True)
        wanted_BTA = self._wanted(have_BTP) & ((furthest_BT1 > 0) | self._may_start(progress))
        places_BTA = torch.where(furthest_BT1 > 0, self._num_matched(progress), 0)
        next_BTA = self.spelt[:, None].expand(-1, places_BTA.shape[1], -1, -1).gather(3, places_BTA[..., None])[..., 0]
        return next_BTA.masked_fill(~wanted_BTA | (begun_BTA < furthest_BT1), -1)

    def misplaced(self, progress: _Progress, looks_BTS: Tensor | None) -> Tensor:
        """What it costs to begin each spelling here, where the model looks at other words [B, T, A]; 0 for a phrase
        that is begun or that belongs nowhere."""
        if looks_BTS is None:
            return torch.zeros(*progress.last.shape, self.spelt.shape[1], device=self.spelt.device)
        costs_BTA = PLACING * _log_share(looks_BTS.float() @ self.seen.transpose(1, 2))
        return costs_BTA.masked_fill(self._is_begun(progress)[..., None] | ~self.seen.any(2)[:, None], 0.0)

    def among_its_own(self, own_BTA: Tensor) -> Tensor:
        """Of the log-probabilities of tokens by which spellings go on, what is compared [B, T, A]: of a phrase that
        belongs somewhere how far each is behind the likeliest of that phrase, since how unlikely the model finds all of
        them says nothing of the place."""
        others_B1AP = ~self.belongs[:, None]
        best_BTP = own_BTA[..., None].masked_fill(others_B1AP, MINUS_INFINITY).amax(2)
        best_BTA = best_BTP[:, :, None].masked_fill(others_B1AP, MINUS_INFINITY).amax(3)
        placed_B1A = self.seen.any(2)[:, None]
        return torch.where(placed_B1A & (best_BTA > MINUS_INFINITY), own_BTA - best_BTA, own_BTA)

    def passed(self, progress: _Progress, looks_BTS: Tensor | None) -> Tensor:
        """What it costs to write here a token of no phrase, where the model looks at what one translates, whether it is
        still to come or would be said twice [B, T]; 0 behind a phrase that is begun."""
        if looks_BTS is None:
            return torch.zeros(progress.last.shape, device=self.spelt.device)
        seen_B1S = self.seen.amax(1, keepdim=True)
        costs_BT = PASSING * _log_share(1 - (looks_BTS.float() * seen_B1S).sum(2))
        return costs_BT.masked_fill(self._is_begun(progress), 0.0)

    def closes(self, progress: _Progress) -> Tensor:
        """Whether a word that ends a phrase stands last, so that a token that goes on with it would undo the phrase."""
        return (self._complete(progress) & self.ends[:, None]).any(2)

    def _complete(self, progress: _Progress) -> Tensor:
        """Spellings that stand last [B, T, A]."""
        last_BA1 = (self.lengths - 1).clamp(min=0)[:, None, :, None].expand(-1, progress.matched.shape[1], -1, -1)
        return progress.matched.gather(3, last_BA1)[..., 0]

    def _num_matched(self, progress: _Progress) -> Tensor:
        """Tokens of each spelling that stand last, without a whole one [B, T, A]."""
        lengths_L = torch.arange(1, self.spelt.shape[2] + 1, device=self.spelt.device)
        parts_BTAL = progress.matched & (lengths_L < self.lengths[:, None, :, None])
        return (parts_BTAL * lengths_L).amax(3)

    def _have(self, progress: _Progress) -> Tensor:
        """Whole phrases [B, T, P]."""
        return progress.met | self._of_phrases(self._complete(progress))

    def _begun(self, progress: _Progress, have_BTP: Tensor) -> Tensor:
        """Of each spelling how far its phrase has come with it: the phrase's size without what is to come [B, T, A]."""
        num_matched_BTA = self._num_matched(progress)
        sizes_BA = (self.belongs * self.sizes[:, None]).sum(2)
        far_BTA = sizes_BA[:, None] - (self.lengths[:, None] - num_matched_BTA)
        return torch.where((num_matched_BTA > 0) & self._wanted(have_BTP), far_BTA, 0)

    def is_placed(self, progress: _Progress) -> Tensor:
        """Whether a phrase is begun that belongs somewhere [B, T]."""
        begun_BTA = self._begun(progress, self._have(progress)) * self.seen.any(2)[:, None]
        return begun_BTA.amax(2) > 0

    def _is_begun(self, progress: _Progress) -> Tensor:
        """Whether a phrase is begun [B, T]."""
        return self._begun(progress, self._have(progress)).amax(2) > 0

    def _wanted(self, have_BTP: Tensor) -> Tensor:
        """Spellings of phrases that are still to come [B, T, A]."""
        return (self.belongs[:, None] & ~have_BTP[:, :, None]).any(3)

    def _of_phrases(self, spellings_BTA: Tensor) -> Tensor:
        return (self.belongs[:, None] & spellings_BTA[..., None]).any(2)

    def _may_start(self, progress: _Progress) -> Tensor:
        open_BT = self.leaves_open[progress.last] & (progress.last >= 0)
        return ~(self.starts[:, None] & open_BT[:, :, None])


@dataclass(frozen=True)
class _Beams:
    """The texts that are followed.

    Attributes:
        totals: log-probabilities, and what places have cost; minus infinity where there is no text [B, W].
        forced: of that, what the tokens of phrases and their places have cost [B, W].
        tokens, found: what was written, and its log-probabilities [B, W, M + 1].
        banks: tokens of phrases that they have [B, W].
    """

    totals: Tensor
    forced: Tensor
    tokens: Tensor
    found: Tensor
    progress: _Progress
    banks: Tensor

    @classmethod
    def fresh(cls, asked: _Asked, num_sources: int, num_beams: int, most: int, device: torch.device) -> "_Beams":
        # All beams of a source begin alike, so only the first may be gone on from.
        totals_BW = torch.full((num_sources, num_beams), MINUS_INFINITY, device=device)
        totals_BW[:, 0] = 0
        tokens_BWN = torch.zeros(num_sources, num_beams, most + 1, dtype=torch.long, device=device)
        found_BWN, forced_BW = torch.zeros_like(tokens_BWN, dtype=torch.float), torch.zeros_like(totals_BW)
        banks_BW = torch.zeros_like(totals_BW, dtype=torch.long)
        return cls(totals_BW, forced_BW, tokens_BWN, found_BWN, asked.beginning(num_beams), banks_BW)

    def select(self, rows: Tensor) -> "_Beams":
        parts = {name: part[rows] for name, part in vars(self).items() if name != "progress"}
        return _Beams(**parts, progress=self.progress.select(rows))


@dataclass(frozen=True)
class _Candidates:
    """Texts with one token more [B, C]: from which beam, by which token, and its log-probability; for the rest see
    ``_Beams``."""

    parents: Tensor
    token_ids: Tensor
    own: Tensor
    totals: Tensor
    forced: Tensor
    progress: _Progress
    banks: Tensor

    def without(self, which_BC: Tensor) -> "_Candidates":
        return replace(self, totals=self.totals.masked_fill(which_BC, MINUS_INFINITY))


def _candidates(
    logits_BWV: Tensor,
    looks_BWS: Tensor | None,
    forbidden_V: Tensor,
    beams: _Beams,
    asked: _Asked,
    width: int,
    end_id: int,
) -> _Candidates:
    """Of each beam the tokens of ``_proposed``, each once. A text ends only with all its phrases."""
    num_beams, vocabulary = logits_BWV.shape[1:]
    next_BWA, misplaced_BWA = asked.next_tokens(beams.progress), asked.misplaced(beams.progress, looks_BWS)
    token_ids_BWC, own_BWC, costs_BWA = _proposed(
        *(logits_BWV, forbidden_V, beams, asked, next_BWA, misplaced_BWA),
        *(min(width + 1, vocabulary), end_id),
    )
    first_W1 = vocabulary * torch.arange(num_beams, device=logits_BWV.device)[:, None]
    flat_BC, order_BC = (first_W1 + token_ids_BWC).flatten(1).sort(dim=1)
    parents_BC, token_ids_BC = flat_BC.div(vocabulary, rounding_mode="floor"), flat_BC % vocabulary
    own_BC = own_BWC.flatten(1).gather(1, order_BC)
    progress = asked.after(beams.progress.gather(parents_BC), token_ids_BC)
    banks_BC = asked.banks(progress)
    twice_BC = functional.pad(flat_BC[:, 1:] == flat_BC[:, :-1], (1, 0))
    early_BC = (token_ids_BC == end_id) & (banks_BC < asked.needed[:, None])
    further_BC = banks_BC > beams.banks.gather(1, parents_BC)
    dear_BC = _of_tokens(costs_BWA, next_BWA, parents_BC, token_ids_BC, own_BC)
    passed_BC = asked.passed(beams.progress, looks_BWS).gather(1, parents_BC).masked_fill(token_ids_BC == end_id, 0.0)
    placing_BC = torch.where(further_BC, dear_BC, passed_BC)
    if looks_BWS is not None:
        # Else a model that is fond of repeating what it wrote last would begin a phrase over and over.
        again_BC = (banks_BC == beams.banks.gather(1, parents_BC)) & asked.is_placed(progress)
        placing_BC = placing_BC.masked_fill(again_BC, PLACING * log(LEAST_SHARE))
    totals_BC = beams.totals.gather(1, parents_BC) + torch.where(further_BC, 0.0, own_BC) + placing_BC
    totals_BC = totals_BC.masked_fill(twice_BC | early_BC, MINUS_INFINITY)
    forced_BC = beams.forced.gather(1, parents_BC) + placing_BC
    return _Candidates(parents_BC, token_ids_BC, own_BC, totals_BC, forced_BC, progress, banks_BC)


def _of_tokens(
    costs_BWA: Tensor, next_BWA: Tensor, parents_BC: Tensor, token_ids_BC: Tensor, others_BC: Tensor
) -> Tensor:
    """The least cost of the spellings that come further by each of these tokens, else ``others_BC`` [B, C]."""
    rows_B1 = torch.arange(len(parents_BC), device=parents_BC.device)[:, None]
    others_BCA = next_BWA[rows_B1, parents_BC] != token_ids_BC[..., None]
    least_BC = costs_BWA[rows_B1, parents_BC].masked_fill(others_BCA, MINUS_INFINITY).amax(2)
    return torch.where(others_BCA.all(2), others_BC, least_BC)


def _proposed(
    logits_BWV: Tensor,
    forbidden_V: Tensor,
    beams: _Beams,
    asked: _Asked,
    next_BWA: Tensor,
    misplaced_BWA: Tensor,
    most: int,
    end_id: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """The tokens by which each text may go on, and their log-probabilities [B, W, C]: the likeliest, the cheapest that
    come further with a phrase, and one at least that keeps what the text has, so that no bank runs dry; and what it
    costs to come further with each spelling [B, W, A]."""
    found_RC, likely_RC = leading(logits_BWV.flatten(0, 1), forbidden_V, most)
    likely_BWC, found_BWC = (x.view(*logits_BWV.shape[:2], most) for x in (likely_RC, found_RC))
    norms_BW1 = logits_BWV.gather(2, likely_BWC[..., :1]) - found_BWC[..., :1]

    def own(token_ids_BWC: Tensor) -> Tensor:
        own_BWC = logits_BWV.gather(2, token_ids_BWC) - norms_BW1
        return own_BWC.masked_fill(forbidden_V[token_ids_BWC], MINUS_INFINITY)

    further_BWA = own(next_BWA.clamp(min=0)).masked_fill(next_BWA < 0, MINUS_INFINITY)
    costs_BWA = asked.among_its_own(further_BWA) + misplaced_BWA
    chosen_BWC = costs_BWA.topk(min(most, costs_BWA.shape[2]), dim=2).indices
    further_BWC = next_BWA.gather(2, chosen_BWC)
    more = [torch.where(further_BWC < 0, likely_BWC[..., :1], further_BWC)]
    closes_BW = asked.closes(beams.progress)
    keep_BWC = (likely_BWC != end_id) & ~(closes_BW[..., None] & asked.goes_on[likely_BWC])
    dry_BW = ~keep_BWC.any(2) & (beams.totals > MINUS_INFINITY)
    if bool(dry_BW.any()):
        undone_RV = forbidden_V | (closes_BW[dry_BW][:, None] & asked.goes_on)
        undone_RV[:, end_id] = True
        kept_BW1 = likely_BWC[..., :1].clone()
        kept_BW1[dry_BW] = logits_BWV[dry_BW].masked_fill(undone_RV, MINUS_INFINITY).argmax(1, keepdim=True)
        more.append(kept_BW1)
    more_BWC = torch.cat(more, dim=2)
    proposed_BWC, own_BWC = torch.cat([likely_BWC, more_BWC], dim=2), torch.cat([found_BWC, own(more_BWC)], dim=2)
    return proposed_BWC, own_BWC, costs_BWA


def _ranks(found: _Candidates) -> Tensor:
    """The place of each candidate among those of its bank, from 0 [B, C]."""
    order_BC = found.totals.argsort(dim=1, descending=True, stable=True)
    banks_BC1 = found.banks.gather(1, order_BC)[..., None]
    among_BCN = functional.one_hot(banks_BC1[..., 0], int(found.banks.max()) + 1).cumsum(1)
    return torch.zeros_like(order_BC).scatter(1, order_BC, among_BCN.gather(2, banks_BC1)[..., 0] - 1)


def _allocated(found: _Candidates, beams: _Beams, asked: _Asked, widths_B: Tensor, place: int) -> tuple[_Beams, Tensor]:
    """The candidates that are followed, as many as ``widths_B`` of each source, and the beams that they come from
    [B, W].

    The first of every bank come before the second of any, and those with more of their phrases before others.
    """
    num_beams = beams.totals.shape[1]
    surplus_BW = torch.arange(num_beams, device=widths_B.device) >= widths_B[:, None]
    missing_BC = asked.needed[:, None] - found.banks
    turns_BC = _ranks(found) * (1 + int(asked.needed.max())) + missing_BC
    turns_BC = turns_BC.masked_fill(found.totals == MINUS_INFINITY, torch.iinfo(torch.long).max)
    chosen_BW = turns_BC.topk(num_beams, dim=1, largest=False).indices
    parents_BW = found.parents.gather(1, chosen_BW)
    wide_BWN = parents_BW[:, :, None].expand_as(beams.tokens)
    tokens_BWN, found_BWN = beams.tokens.gather(1, wide_BWN), beams.found.gather(1, wide_BWN)
    tokens_BWN[:, :, place], found_BWN[:, :, place] = (x.gather(1, chosen_BW) for x in (found.token_ids, found.own))
    totals_BW, forced_BW, banks_BW = (x.gather(1, chosen_BW) for x in (found.totals, found.forced, found.banks))
    totals_BW = totals_BW.masked_fill(surplus_BW, MINUS_INFINITY)
    forced_BW = forced_BW.masked_fill(totals_BW == MINUS_INFINITY, 0.0)  # one is taken from the other
    progress = found.progress.gather(chosen_BW)
    return _Beams(totals_BW, forced_BW, tokens_BWN, found_BWN, progress, banks_BW), parents_BW
