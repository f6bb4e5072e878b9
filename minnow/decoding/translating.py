"""Many sources to their targets: rows of like length together, each core with batches of its own.

B sources at once · S positions of a source · M tokens of the longest target
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor

from minnow.cores import available_cores
from minnow.decoding import batched, constrained_beams
from minnow.decoding.batched import MOST_BEAMS
from minnow.decoding.constrained_beams import Sight, beams_for, needed
from minnow.decoding.packed_seq2seq import packed_for
from minnow.decoding.phrases import Borders, Phrase
from minnow.decoding.sampling import MAX_SEED, SamplingSettings, check_whole, check_within, generator_for
from minnow.decoding.search import MOST_PENALTY, BeamSettings, Hypothesis
from minnow.decoding.settings import settings_of
from minnow.errors import InputError
from minnow.layers.every_core import on_every_core

MOST_RATIO, MOST_EXTRA = 100, 10_000  # room is made for the longest text that may be written


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
        sample: draw each text token by token instead; one for each source.
        temperature, top_k: of the draw; see ``SamplingSettings``.
        seed: of the draw; a source gets the same text with it, whatever others stand beside it, at the same place.
        first: the number of the first source, where many are handed over part by part; sources of one number draw
            alike.

    Raises:
        InputError: a value that cannot be.
    """

    beam: int = 4
    length_penalty: float = 1.0
    n_best: int = 1
    max_ratio: float = 2.0
    max_extra: int = 10
    sample: bool = False
    temperature: float = 1.0
    top_k: int = 0
    seed: int = 0
    first: int = 0

    def __post_init__(self) -> None:
        check_whole("beam", self.beam, 1, MOST_BEAMS, "try 4")
        if self.sample and self.n_best > 1:
            raise InputError(f"a draw gives one text for each source, but got n_best={self.n_best}; leave it out")
        check_whole("n_best", self.n_best, 1, self.beam, "ask for fewer or widen the beam")
        check_within("length_penalty", self.length_penalty, 0, MOST_PENALTY, "try 1.0")
        check_within("max_ratio", self.max_ratio, 0, MOST_RATIO, "try 2.0")
        if self.max_ratio == 0:
            raise InputError("max_ratio must be above 0; try 2.0")
        check_whole("max_extra", self.max_extra, 0, MOST_EXTRA, "try 10")
        check_whole("seed", self.seed, 0, MAX_SEED, "try 0")
        check_whole("first", self.first, 0, MAX_SEED, "try 0")
        if not self.sample and (self.temperature, self.top_k, self.seed) != (1.0, 0, 0):
            raise InputError("temperature, top_k and seed are of a draw; add sample (--sample), or leave them out")
        if self.sample and self.length_penalty != 1.0:
            raise InputError("length_penalty weighs the texts of a search; leave it out, or the draw (--sample)")
        _ = self.sampling

    @classmethod
    def of(cls, **said: Any) -> Self:
        """What a caller says, where None leaves a setting as it is.

        Raises:
            InputError: an unknown setting, a value that cannot be, or a beam beside a draw.
        """
        if said.get("sample") and said.get("beam") is not None:
            raise InputError("sample (--sample) draws and beam (--beam) searches; give one of the two")
        return settings_of(cls, said)

    @property
    def sampling(self) -> SamplingSettings:
        """How a draw is made."""
        return SamplingSettings(temperature=self.temperature, top_k=self.top_k)

    def most_tokens(self, num_source: int) -> int:
        """That a target of such a source may have."""
        return int(self.max_ratio * num_source) + self.max_extra


@dataclass(frozen=True)
class Required:
    """What the target of each row must hold.

    Attributes:
        phrases: of each row.
        places: of each row and phrase the positions of the source that it translates; none where that is not known.
        borders: where words begin and end in the vocabulary.
        is_met: whether tokens that were found for a row hold all that they must. It may say so of more texts than those
            that a search for ``phrases`` gives, as where other tokens spell the same.
    """

    phrases: Sequence[Sequence[Phrase]]
    borders: Borders
    is_met: Callable[[int, Sequence[int]], bool]
    places: Sequence[Sequence[Sequence[int]]] = ()


def translate_rows(
    model: Any,
    rows: Sequence[Sequence[int]],
    settings: TranslationSettings,
    end_id: int,
    banned_ids: Sequence[int] = (),
    vocab_size: int | None = None,
    rows_at_once: int = 0,
    advance: Callable[[int], None] = lambda _: None,
    required: Required | None = None,
    numbers: Sequence[int] | None = None,
    text_of: Callable[[Sequence[int]], object] = tuple,
) -> list[list[Hypothesis]]:
    """The best targets of each row of source ids, in the order of the rows.

    Most targets hold what they must as they are; only for those that do not a search begins anew that is held to it.

    Args:
        model: a ``Seq2Seq`` in evaluation mode.
        rows: none of them empty.
        end_id, banned_ids, vocab_size: as in ``batched.search``.
        rows_at_once: sources of a batch; 0 for what suits the beams.
        advance: told how many rows more are done, from whichever thread.
        required: not for texts that are drawn.
        numbers: of the rows, by which each has a random stream of its own; else by their places.
        text_of: what token ids spell; of targets that spell the same the best alone counts, so there may be fewer than
            ``n_best``.
    """
    device = next(model.parameters()).device
    writer = packed_for(model)
    banned = torch.tensor(sorted(banned_ids), dtype=torch.long, device=device) if banned_ids else None
    beams = BeamSettings(settings.beam, settings.length_penalty)
    found: list[list[Hypothesis]] = [[] for _ in rows]

    def different(texts: Sequence[Hypothesis]) -> list[Hypothesis]:
        best: dict[object, Hypothesis] = {}
        for one in texts:
            best.setdefault(text_of(one.token_ids), one)
        return list(best.values())[: settings.n_best]

    unmet: list[int] = []

    def is_met(row: int) -> bool:
        return required is None or all(required.is_met(row, text.token_ids) for text in found[row])

    def plain(batch: Sequence[int]) -> None:
        most = [settings.most_tokens(len(rows[row])) for row in batch]
        with torch.inference_mode():
            logits_BV, state, most_B = _read(writer, [rows[row] for row in batch], most, device)
            if settings.sample:
                streams = batch if numbers is None else [numbers[row] for row in batch]
                numbers_BM = _numbers(streams, max(most), settings.seed).to(device)
                texts = batched.sample(
                    writer, logits_BV, state, most_B, settings.sampling, numbers_BM, end_id, banned, vocab_size
                )
            else:
                texts = batched.search(writer, logits_BV, state, most_B, beams, end_id, banned, vocab_size)
        for row, best in zip(batch, texts, strict=True):
            found[row] = different(best)
        again = [row for row in batch if not is_met(row)]
        unmet.extend(again)
        advance(len(batch) - len(again))

    def held(batch: Sequence[int]) -> None:
        assert required is not None
        phrases = [required.phrases[row] for row in batch]
        most = [settings.most_tokens(len(rows[row])) + needed(required.phrases[row]) for row in batch]
        with torch.inference_mode():
            sources = [rows[row] for row in batch]
            logits_BV, state, most_B = _read(model, sources, most, device)
            sight = _sight(model, sources, [required.places[row] for row in batch]) if required.places else None
            usual_B = torch.tensor([len(found[row][0].token_ids) + 1 for row in batch], device=device)
            texts = constrained_beams.search(
                *(model, logits_BV, state, most_B, usual_B, beams, end_id, phrases, required.borders),
                *(banned, vocab_size, sight),
            )
        for row, best in zip(batch, texts, strict=True):
            found[row] = different(best)
        advance(len(batch))

    order = sorted(range(len(rows)), key=lambda row: len(rows[row]))
    # What is packed takes one core a batch, so a few rows are shared out.
    share = -(-len(rows) // available_cores()) if writer is not model else 0
    on_every_core(plain, _batches(order, lambda _: settings.beam, rows_at_once, share), device)
    if required is not None and unmet:
        widths = {row: beams_for(required.phrases[row], settings.beam) for row in unmet}
        # Threads end in any order, and rounding follows the batch that a row comes in.
        order = sorted(unmet, key=lambda row: (widths[row], len(rows[row]), row))
        on_every_core(held, _batches(order, widths.__getitem__, rows_at_once), device)
    return found


def _batches(
    order: Sequence[int], beams_of: Callable[[int], int], rows_at_once: int, share: int = 0
) -> list[list[int]]:
    """Rows in their order, so many at once that some 256 texts are followed, but no more than a ``share``, if there is
    one; no row has fewer beams than those before it."""
    batches: list[list[int]] = []
    for row in order:
        most = rows_at_once or max(1, 256 // beams_of(row))
        if not rows_at_once and share:
            most = min(most, share)
        if not batches or len(batches[-1]) >= most:
            batches.append([])
        batches[-1].append(row)
    return batches


def _read(
    model: Any, sources: Sequence[Sequence[int]], most: Sequence[int], device: torch.device
) -> tuple[Tensor, Any, Tensor]:
    """The logits and the state after the sources, and the most tokens of each target."""
    token_ids_BS, lengths_B = _padded(sources, device)
    logits_BV, state = model.prefill(token_ids_BS, lengths_B)
    return logits_BV, state, torch.tensor(most, device=device)


def _padded(sources: Sequence[Sequence[int]], device: torch.device) -> tuple[Tensor, Tensor]:
    """Their tokens [B, S] and lengths [B]."""
    lengths = [len(source) for source in sources]
    token_ids_BS = torch.zeros(len(sources), max(lengths), dtype=torch.long)
    for number, source in enumerate(sources):
        token_ids_BS[number, : lengths[number]] = torch.tensor(source)
    return token_ids_BS.to(device), torch.tensor(lengths, device=device)


def _sight(model: Any, sources: Sequence[Sequence[int]], places: Sequence[Sequence[Sequence[int]]]) -> Sight:
    """What the model looks at first, and where the phrases stand."""
    token_ids_BS, lengths_B = _padded(sources, next(model.parameters()).device)
    # The first token is written before anything is read of the target, so any will do.
    first_BS = model.attention(token_ids_BS, lengths_B, torch.zeros_like(token_ids_BS[:, :1]))[:, 0]
    places_BPS = first_BS.new_zeros(len(sources), max(1, *map(len, places)), token_ids_BS.shape[1], dtype=torch.bool)
    for row, phrases in enumerate(places):
        for number, positions in enumerate(phrases):
            places_BPS[row, number, list(positions)] = True
    return Sight(model.look, first_BS, places_BPS)


def _numbers(rows: Sequence[int], most: int, seed: int) -> Tensor:
    """Random numbers for each token [B, M]: those of a row, whatever batch it comes in."""
    streams = (generator_for(seed, row) for row in rows)
    return torch.stack([torch.rand(most, generator=stream, dtype=torch.float64) for stream in streams])
