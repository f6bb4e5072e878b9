"""What a language model writes, measured beside what people wrote at the same places: repetition, variety, copying."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from minnow.bundle.bundle import Bundle
from minnow.data.corpus import Corpus
from minnow.errors import InputError
from minnow.listeners import Progress
from minnow.metrics.text import Copied, copied, distinct, repetition, units
from minnow.tasks.base import needed
from minnow.tasks.registry import task_of

REPETITION_ORDERS = (2, 3, 4)
DISTINCT_ORDERS = (1, 2, 3)
COPIED_ORDER = 8
TEXT_READ = 1 << 20  # characters of the corpus that prompts are taken from
PROMPT_LENGTH = 60


@dataclass(frozen=True)
class Written:
    """Measures of some texts; see ``metrics/text.py``.

    Attributes:
        words: words and signs of all texts.
        repetition: mean share of n-grams that a text has said before, by n.
        distinct: distinct n-grams of all texts among all their n-grams, by n.
        copied: share of runs of ``COPIED_ORDER`` words that stand in the training text, None where none was given.
        longest_copied: words of the longest such stretch.
    """

    words: int
    repetition: dict[str, float]
    distinct: dict[str, float]
    copied: float | None = None
    longest_copied: int | None = None


@dataclass(frozen=True)
class SampleReport:
    """Samples of a model and their measures; ``people`` are those of what really stands behind the prompts, as long."""

    samples: list[dict[str, str]]
    model: Written
    people: Written
    max_tokens: int
    temperature: float
    seed: int

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def measure_samples(
    bundle: Bundle,
    corpus: Corpus,
    training: Corpus | None = None,
    *,
    num_samples: int = 16,
    max_tokens: int = 200,
    temperature: float = 0.8,
    seed: int = 0,
    progress: Progress | None = None,
) -> SampleReport:
    """Let a model write on from places of a corpus, and measure what it wrote.

    Args:
        bundle: of a model that writes text.
        corpus: it begins with the prompts; the model should not know it.
        training: what the model learnt from, to count what it copies; read once, in constant memory.
        num_samples: places, evenly spread.
        max_tokens, temperature, seed: of the writing.
        progress: called with ``write``, the samples done and all.

    Raises:
        InputError: the model writes no text, or there is no sample to write.
        DataError: a corpus holds no text.
    """
    from minnow.decoding.writing import GenerationSettings
    from minnow.tasks.text_generation import ROWS_AT_ONCE, TextGeneration

    task = task_of(bundle)
    if not isinstance(task, TextGeneration):
        raise InputError(f"a model for {task.name.replace('_', ' ')} writes no text; leave out --samples")
    if num_samples < 1:
        raise InputError(f"at least one sample must be written, but got {num_samples}")
    settings = GenerationSettings(max_tokens=max_tokens, temperature=temperature, seed=seed, truncate=True)
    begun = places(corpus, num_samples)
    written: list[str] = []
    for first in range(0, len(begun), ROWS_AT_ONCE):
        prompts = [prompt for prompt, _ in begun[first : first + ROWS_AT_ONCE]]
        answers = task.answers(bundle.model, needed(bundle.tokenizer), prompts, settings)
        written += [answer.text for answer in answers]
        if progress is not None:
            progress("write", len(written), len(begun))
    really = [
        follows[: _before_space(follows, 0, len(text))] for text, (_, follows) in zip(written, begun, strict=True)
    ]
    model, people = measures([written, really], training)
    samples = [{"prompt": prompt, "text": text} for text, (prompt, _) in zip(written, begun, strict=True)]
    return SampleReport(samples, model, people, max_tokens, temperature, seed)


def measures(groups: Sequence[Sequence[str]], training: Corpus | None = None) -> list[Written]:
    """The measures of each group of texts; the training text is read once for all."""
    counted = [[units(text) for text in group] for group in groups]
    shares: list[list[Copied]] = [[] for _ in groups]
    if training is not None:
        source = ((piece.text, piece.ends_document) for piece in training.pieces())
        found = iter(copied([text for group in counted for text in group], source, COPIED_ORDER))
        shares = [[next(found) for _ in group] for group in counted]
    return [_measured(group, share) for group, share in zip(counted, shares, strict=True)]


def places(corpus: Corpus, count: int) -> list[tuple[str, str]]:
    """Evenly spread places of the corpus's beginning: a prompt of whole words, and what follows it."""
    read: list[str] = []
    size = 0
    for piece in corpus.pieces():
        read.append(piece.text if piece.text.endswith("\n") or not piece.ends_document else f"{piece.text}\n")
        size += len(piece.text)
        if size >= TEXT_READ:
            break
    text = "".join(read)[:TEXT_READ]
    # The last place still has text behind it, as long as a sample is, or half of the text where that is less.
    behind = min(20 * PROMPT_LENGTH, max(2 * PROMPT_LENGTH, len(text) // 2))
    last = max(0, len(text) - behind)
    starts = [_after_space(text, last * number // max(1, count - 1)) for number in range(count)]
    ends = [_before_space(text, start, start + PROMPT_LENGTH) for start in starts]
    return [(text[start:end], text[end:]) for start, end in zip(starts, ends, strict=True)]


def _measured(group: Sequence[Sequence[str]], shares: Sequence[Copied]) -> Written:
    return Written(
        words=sum(map(len, group)),
        repetition={str(n): sum(repetition(text, n) for text in group) / len(group) for n in REPETITION_ORDERS},
        distinct={str(n): distinct(group, n) for n in DISTINCT_ORDERS},
        copied=sum(share.found for share in shares) / max(1, sum(share.runs for share in shares)) if shares else None,
        longest_copied=max((share.longest for share in shares), default=0) if shares else None,
    )


def _after_space(text: str, place: int) -> int:
    """The beginning of the next word, where one begins nearby."""
    for at in range(place, min(place + PROMPT_LENGTH, len(text))):
        if not text[at].isspace() and (at == 0 or text[at - 1].isspace()):
            return at
    return place


def _before_space(text: str, start: int, end: int) -> int:
    """The end of the last whole word, where one ends nearby: the model begins with the space."""
    if end >= len(text):
        return len(text)
    return next((at for at in range(end, start, -1) if text[at].isspace() and not text[at - 1].isspace()), end)
