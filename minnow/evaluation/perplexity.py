"""How well a language model foretells a text: nats a token, and what does not depend on the tokenizer.

B rows · S positions · D features · V vocabulary · N tokens of the text
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from minnow.bundle.bundle import Bundle
from minnow.data.corpus import Corpus
from minnow.data.token_stream import Counts, encode_corpus
from minnow.errors import InputError
from minnow.evaluation.report import FORMAT, values_of_kind, write_report
from minnow.listeners import Progress
from minnow.metrics.perplexity import bits_per_byte, perplexity
from minnow.tasks.base import needed
from minnow.tasks.registry import task_of
from minnow.text.tokenizer import Tokenizer

if TYPE_CHECKING:
    from torch import Tensor

LONGEST_CONTEXT = 1024  # of a transformer that could read more; what more would give is small, what it costs is not
TOKENS_PER_BATCH = 8_192
WARM_UP = 256  # positions that a recurrent model reads before those that count, where the text is read by several rows
STREAM_LENGTH, MOST_STREAMS = 4_096, 32
CHUNK = 256  # positions of a recurrent model whose states are kept at once
MASK_GROUPS = 7  # each token is hidden in one of so many readings, so a seventh at a time: near BERT's 15 %
Nats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class LanguageReport:
    """A language model on a text.

    Attributes:
        name: of the model.
        objective: ``causal``, each token after what stands before it, or ``masked``, each from what stands around it.
        loss: mean nats a token.
        perplexity: its exponential; for a masked model a pseudo-perplexity, see ``notes``.
        word_perplexity: the same for words between white space and line ends, whatever the tokens are.
        bits_per_byte: of the text in UTF-8.
        tokens, words, bytes: of the text; ``tokens`` are those that were foretold.
        unknown: share of tokens that the vocabulary does not have.
        context: the most positions that the model saw at once, None for a memory that is carried on.
        stride: by how many positions the context moved, so that all tokens but the first ``context`` had
            ``context - stride`` before them at least.
        samples: what the model wrote, where it was asked to; see ``evaluation/samples.py``.
    """

    name: str
    objective: str
    loss: float
    perplexity: float
    word_perplexity: float | None
    bits_per_byte: float | None
    tokens: int
    words: int
    bytes: int
    unknown: float
    seconds: float
    context: int | None = None
    stride: int | None = None
    data: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    samples: dict[str, Any] | None = None

    @property
    def scores(self) -> dict[str, float]:
        """The measures that there are, by name."""
        names = ("loss", "perplexity", "word_perplexity", "bits_per_byte")
        found = {name: getattr(self, name) for name in names}
        return {name: value for name, value in found.items() if value is not None}

    def to_json(self) -> dict[str, Any]:
        """Everything as plain numbers and text."""
        return {"format": FORMAT, "kind": "language", **asdict(self)}

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Self:
        """The report that ``to_json`` described.

        Raises:
            BundleError: a key is missing, or it is a report of something else.
        """
        return cls(**values_of_kind(content, "language", [f.name for f in fields(cls)]))

    def save(self, folder: str | Path) -> list[Path]:
        """Write ``report.json`` into ``folder``; a StorageError where the disk refuses."""
        return [write_report(folder, self.to_json())]


def measure_language(
    bundle: Bundle,
    corpus: Corpus,
    name: str,
    *,
    context: int | None = None,
    stride: int | None = None,
    progress: Progress | None = None,
) -> LanguageReport:
    """The report of a language model on a corpus, which is read as one stream, as in training.

    Args:
        bundle: of a model that writes text or fills gaps.
        corpus: the text; its token ids are held in memory.
        name: of the model, for the report.
        context: positions at once; None for the model's own, at most ``LONGEST_CONTEXT``. Recurrent models have none.
        stride: by which the context moves on; None for half of it.
        progress: called with ``measure``, the tokens done and all.

    Raises:
        InputError: a context that the model does not have, a stride beyond it, or a model that foretells no text.
        DataError: the corpus holds no text.
    """
    tokenizer = needed(bundle.tokenizer)
    model = bundle.model
    masked = task_of(bundle).name == "fill_mask"
    if not masked and not hasattr(model, "prefill"):
        raise InputError(f"{name} foretells no text; it is measured on labelled examples")
    if masked and stride is not None:
        raise InputError(
            f"{name} guesses hidden tokens from both sides, in contexts that do not overlap; leave --stride"
        )
    token_ids, counts = _read(corpus, tokenizer)
    length, step = _window(model, len(token_ids), context, stride)
    started = time.perf_counter()
    if masked:
        nats = masked_nats(model, tokenizer, token_ids, length, progress)
    else:
        before = tokenizer.prefix_ids[-1:] or (tokenizer.eos_id,)
        nats = causal_nats(model, np.concatenate([before, token_ids]), length, step, progress)
    seconds = time.perf_counter() - started
    recurrent = getattr(model, "context_size", None) is None
    return _report(
        name,
        "masked" if masked else "causal",
        nats,
        counts,
        seconds,
        context=None if recurrent else length,
        stride=None if recurrent or masked else step,
        data={"name": corpus.name, "sha256": corpus.sha256()},
    )


def causal_nats(
    model: Any, token_ids: Ints, length: int, stride: int, progress: Progress | None = None, rows: int | None = None
) -> Nats:
    """Nats of each token but the first [N - 1], each after at most ``length`` tokens before it.

    Windows of ``length`` positions end ``stride`` apart, and of each those positions count that no earlier one had.
    A model without a bound on its context carries its memory through a window; others read it at once.

    Args:
        model: a LanguageModel; it is left in evaluation mode.
        token_ids: N of them, as the model is to read them.
        length: positions of a window.
        stride: at most ``length``.
        progress: called with ``measure``, the tokens done and all.
        rows: windows at once; None for what memory allows.
    """
    total = len(token_ids) - 1
    length = min(length, total)
    ends = np.minimum(np.arange(length, total + stride, stride), total)
    starts = np.concatenate([[0], ends[:-1]])
    carries = model.context_size is None
    at_once = rows or max(1, TOKENS_PER_BATCH // (CHUNK if carries else length))
    nats = np.empty(total, np.float64)
    model.eval()
    for first in range(0, len(ends), at_once):
        part = slice(first, first + at_once)
        rows_BS = np.stack([token_ids[end - length : end + 1] for end in ends[part]])
        skipped = length - int((ends[part] - starts[part]).max())
        nats_BS = _window_nats(model, rows_BS, skipped, CHUNK if carries else length)
        for begin, end, row in zip(starts[part], ends[part], nats_BS, strict=True):
            nats[begin:end] = row[len(row) - (end - begin) :]
        if progress is not None:
            progress("measure", int(ends[part][-1]), total)
    return nats


def masked_nats(
    model: Any, tokenizer: Tokenizer, token_ids: Ints, length: int, progress: Progress | None = None
) -> Nats:
    """Nats of each token that a masked model has to guess from what stands around it.

    Every window is read ``MASK_GROUPS`` times, each time with another part of its tokens hidden, so every token is
    guessed once. Salazar et al. (2020) hide one token at a time, which takes as many readings as there are tokens.
    End tokens are not hidden.
    """
    inner = length - len(tokenizer.frame([]))
    if inner < 1:
        raise InputError(f"a context of {length} leaves no room for text; a masked model needs {length - inner + 1}")
    nats: list[Nats] = []
    model.eval()
    for first in range(0, len(token_ids), inner):
        window = token_ids[first : first + inner]
        nats.append(_masked_window(model, tokenizer, window, first))
        if progress is not None:
            progress("measure", min(first + inner, len(token_ids)), len(token_ids))
    return np.concatenate(nats)


def _window_nats(model: Any, token_ids_BS: Ints, skipped: int, chunk: int) -> NDArray[np.float32]:
    """Of positions ``skipped`` and later of windows [B, S + 1]: [B, S - skipped]."""
    import torch

    from minnow.layers.cross_entropy import token_losses

    ids_BS = torch.from_numpy(token_ids_BS).to(_device(model))
    found: list[Tensor] = []
    state = None
    with torch.inference_mode():
        for first in range(0, ids_BS.shape[1] - 1, chunk):
            inputs_BC = ids_BS[:, :-1][:, first : first + chunk]
            hidden_BCD, state = model.hidden(inputs_BC, state)
            counted_BCD = hidden_BCD[:, max(0, skipped - first) :]
            targets_BC = ids_BS[:, 1:][:, first : first + chunk][:, max(0, skipped - first) :]
            nats_N = token_losses(
                counted_BCD.flatten(0, 1), model.output_weight_VD, targets_BC.flatten(), model.output_bias_V
            )
            found.append(nats_N.view(targets_BC.shape))
        nats: NDArray[np.float32] = torch.cat(found, dim=1).float().cpu().numpy()
    return nats


def _masked_window(model: Any, tokenizer: Tokenizer, window: Ints, seed: int) -> Nats:
    import torch

    from minnow.layers.cross_entropy import token_losses

    assert tokenizer.mask_id is not None  # see the task's check
    framed = np.array(tokenizer.frame(window.tolist()), np.int64)
    asked = len(tokenizer.prefix_ids) + np.flatnonzero(~np.isin(window, tokenizer.eos_ids))
    groups = np.random.default_rng(seed).permutation(len(asked)) % MASK_GROUPS
    hidden_BS = np.zeros((MASK_GROUPS, len(framed)), bool)
    hidden_BS[groups, asked] = True
    rows_BS = torch.from_numpy(np.where(hidden_BS, tokenizer.mask_id, framed)).to(_device(model))
    places_BS = torch.from_numpy(hidden_BS).to(rows_BS.device)
    targets_BS = torch.from_numpy(np.tile(framed, (MASK_GROUPS, 1))).to(rows_BS.device)
    with torch.inference_mode():
        lengths_B = torch.full((MASK_GROUPS,), len(framed), device=rows_BS.device)
        states_ND = model.hidden(rows_BS, lengths_B)[places_BS]
        nats_N = token_losses(states_ND, model.output_weight_VD, targets_BS[places_BS], model.output_bias_V)
    nats: Nats = nats_N.double().cpu().numpy()
    return nats


def _read(corpus: Corpus, tokenizer: Tokenizer) -> tuple[Ints, Counts]:
    parts: list[Ints] = []
    counts = Counts()
    for encoded in encode_corpus(corpus, tokenizer):
        parts.append(encoded.token_ids)
        counts += encoded.counts
    return np.concatenate(parts), counts


def _window(model: Any, num_tokens: int, context: int | None, stride: int | None) -> tuple[int, int]:
    """Positions of a window and by how many the windows move on."""
    most = getattr(model, "context_size", None)
    if most is None:
        if context is not None or stride is not None:
            raise InputError("a recurrent model carries its memory on and has no context; leave --context and --stride")
        streams = min(MOST_STREAMS, max(1, num_tokens // STREAM_LENGTH))
        step = -(-max(1, num_tokens - WARM_UP) // streams)
        return (step + WARM_UP, step) if streams > 1 else (num_tokens, num_tokens)
    length = context if context is not None else min(most, LONGEST_CONTEXT)
    if not 1 <= length <= most:
        raise InputError(f"the context must lie between 1 and the model's {most} positions, but got {length}")
    step = stride if stride is not None else max(1, length // 2)
    if not 1 <= step <= length:
        raise InputError(f"the stride must lie between 1 and the context of {length}, but got {step}")
    return length, step


def _report(name: str, objective: str, nats: Nats, counts: Counts, seconds: float, **details: Any) -> LanguageReport:
    total, loss = float(nats.sum()), float(nats.mean())
    notes = []
    if objective == "masked":
        notes.append(
            f"a masked model: each token is guessed from both sides while one in {MASK_GROUPS} is hidden, so the "
            "perplexity is a pseudo-perplexity, not to be compared with that of a model that writes"
        )
    if counts.unknown:
        notes.append(
            f"{counts.unknown:,} of {counts.tokens:,} tokens are unknown to the vocabulary; guessing the unknown token "
            "is easier than guessing what it stands for"
        )
    causal = objective == "causal"
    return LanguageReport(
        name=name,
        objective=objective,
        loss=loss,
        perplexity=perplexity(loss),
        word_perplexity=perplexity(total, counts.words) if causal else None,
        bits_per_byte=bits_per_byte(total, counts.bytes) if causal else None,
        tokens=len(nats),
        words=counts.words,
        bytes=counts.bytes,
        unknown=counts.unknown / counts.tokens,
        seconds=seconds,
        notes=notes,
        **details,
    )


def _device(model: Any) -> Any:
    return next(model.parameters()).device
