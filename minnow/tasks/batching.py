"""Texts to the numbers a model reads, in batches, and its logits back in the order of the texts.

N texts · B rows of a batch · S positions · K outputs
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from minnow.tasks.base import needed
from minnow.text.ngrams import count_ngrams
from minnow.text.tokenizer import Tokenizer

if TYPE_CHECKING:
    from torch import Tensor

TOKENS_PER_BATCH = 8_192  # when answering
Logits = NDArray[np.float32]


@dataclass(frozen=True)
class TokenRows:
    """Token ids of N texts in one array: text ``i`` is ``ids[starts[i]:starts[i+1]]``; int32, and int64 [N+1]."""

    ids: NDArray[np.int32]
    starts: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def lengths(self) -> NDArray[np.int64]:
        return np.diff(self.starts)

    def row(self, number: int) -> NDArray[np.int32]:
        return self.ids[self.starts[number] : self.starts[number + 1]]

    def spread(self, most: int) -> TokenRows:
        """So many of the texts at most, at equal distances."""
        if len(self) <= most:
            return self
        return TokenRows.of([self.row(number) for number in np.linspace(0, len(self) - 1, most).astype(np.int64)])

    def followed_by(self, other: TokenRows) -> TokenRows:
        """These texts and then those."""
        starts = np.concatenate([self.starts, other.starts[1:] + self.starts[-1]])
        return TokenRows(np.concatenate([self.ids, other.ids]), starts)

    @classmethod
    def of(cls, rows: Sequence[Sequence[int] | NDArray[np.int32]]) -> TokenRows:
        starts = np.zeros(len(rows) + 1, np.int64)
        np.cumsum([len(row) for row in rows], out=starts[1:])
        ids = np.fromiter((token for row in rows for token in row), np.int32, int(starts[-1]))
        return cls(ids, starts)


def logits_for(model: Any, tokenizer: Tokenizer | None, texts: Sequence[str], max_tokens: int, keep: str) -> Logits:
    """The model's outputs [N, K] for prepared texts, whatever kind of input it reads."""
    if not texts:
        return np.zeros((0, model.config.num_labels), np.float32)
    if model.reads == "both":
        parts = (logits_for(part, tokenizer, texts, max_tokens, keep) for part in (model.wide, model.deep))
        summed: Logits = model.together(*parts)
        return summed
    if model.reads == "ngrams":
        logits: Logits = model([count_ngrams(texts, view.ngrams) for view in model.config.views])
        return logits
    return token_logits(model, tokenize(needed(tokenizer), texts, max_tokens, keep))


def tokenize(tokenizer: Tokenizer, texts: Sequence[str], max_tokens: int, keep: str) -> TokenRows:
    """Ids of all texts; a text without any token gets the unknown token, so that no row is empty."""
    rows = tokenizer.encode_ids(texts, max_tokens or None, keep)  # type: ignore[arg-type]
    return TokenRows.of([row or [tokenizer.unk_id] for row in rows])


def token_logits(model: Any, rows: TokenRows, tokens_per_batch: int = TOKENS_PER_BATCH) -> Logits:
    """Outputs [N, K] of a torch model in evaluation mode."""
    return token_outputs(model, model, model.config.num_labels, rows, tokens_per_batch)


def token_outputs(
    model: Any, function: Any, size: int, rows: TokenRows, tokens_per_batch: int = TOKENS_PER_BATCH
) -> NDArray[np.float32]:
    """What ``function``, the model or a part of it, gives for every row [N, size], the model in evaluation mode.

    Rows of like length share a batch; on the processor every core takes batches of its own.
    """
    import torch

    outputs = np.zeros((len(rows), size), np.float32)
    device = next(model.parameters()).device

    def answer(batch: NDArray[np.int64]) -> None:
        with torch.inference_mode():
            token_ids_BS, lengths_B = padded(rows, batch)
            outputs[batch] = function(token_ids_BS.to(device), lengths_B.to(device)).float().cpu().numpy()

    from minnow.layers.every_core import on_every_core

    training = model.training
    model.eval()
    batches = bucketed(rows.lengths, tokens_per_batch)
    on_every_core(answer, batches, device)
    model.train(training)
    return outputs


def bucketed(
    lengths: NDArray[np.int64], tokens_per_batch: int, random: np.random.Generator | None = None
) -> list[NDArray[np.int64]]:
    """Batches of row numbers such that rows of like length share one and B times S stays within ``tokens_per_batch``.

    With ``random`` rows are shuffled first and sorted within a hundred batches' worth, and the batches are shuffled;
    without it all rows are sorted. A row that is longer than the limit stands alone.
    """
    if random is None:
        return _cut(np.argsort(lengths, kind="stable"), lengths, tokens_per_batch)
    order = random.permutation(len(lengths))
    mean = max(1.0, float(lengths.sum()) / max(1, len(lengths)))
    pool = max(1, int(100 * tokens_per_batch / mean))
    batches: list[NDArray[np.int64]] = []
    for first in range(0, len(order), pool):
        part = order[first : first + pool]
        batches += _cut(part[np.argsort(lengths[part], kind="stable")], lengths, tokens_per_batch)
    return [batches[i] for i in random.permutation(len(batches))]


def padded(rows: TokenRows, batch: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
    """Token ids [B, S], padded on the right with 0, and lengths [B]; S is rounded up, so that few shapes occur."""
    import torch

    lengths = rows.lengths[batch]
    token_ids = np.zeros((len(batch), _rounded(int(lengths.max(initial=1)))), np.int64)
    for i, row in enumerate(batch):
        token_ids[i, : lengths[i]] = rows.row(row)
    return torch.from_numpy(token_ids), torch.from_numpy(lengths)


def _cut(order: NDArray[np.int64], lengths: NDArray[np.int64], tokens_per_batch: int) -> list[NDArray[np.int64]]:
    """Rows in ascending length, the longest first into batches as large as the limit allows.

    Lengths are rounded up, so that the batches of a whole run have a few dozen shapes: the fused recurrent kernels are
    compiled anew for every shape, which else takes longer than the step itself.
    """
    batches = []
    last = len(order)
    while last > 0:
        num_rows = max(1, tokens_per_batch // _rounded(int(lengths[order[last - 1]])))
        batches.append(order[max(0, last - num_rows) : last])
        last -= num_rows
    return batches[::-1]


def _rounded(length: int) -> int:
    """Up to the next of 8 steps between two powers of two: at most an eighth more."""
    step = max(1, 1 << max(0, length.bit_length() - 4))
    return -(-length // step) * step
