"""What a classifier learns from and is measured by: rows of tokens with labels.

N rows · B rows of a batch · S positions · K outputs
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from minnow.tasks.batching import TokenRows, bucketed, padded, token_logits
from minnow.tasks.text_classification import TextClassification

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class LabelledRows:
    """Token ids of N texts, what the loss compares with (``targets``), and label ids for the scores."""

    tokens: TokenRows
    targets: NDArray[np.generic]
    label_ids: Sequence[tuple[int, ...]]

    def __len__(self) -> int:
        return len(self.tokens)


class Labelling:
    """The lesson of a classifier; see ``trainer.Lesson``.

    Args:
        task: gives the loss and the scores.
        class_weights_K: of the loss.
    """

    fewest_rows = 1

    def __init__(
        self,
        task: TextClassification,
        train: LabelledRows,
        validation: LabelledRows,
        label_smoothing: float = 0.0,
        class_weights_K: Tensor | None = None,
    ):
        self.task, self.train, self.validation = task, train, validation
        self.label_smoothing, self.class_weights_K = label_smoothing, class_weights_K
        self.targets = torch.from_numpy(train.targets)
        self.num_tokens = len(train.tokens.ids)

    def batches(self, tokens_per_batch: int, random: np.random.Generator) -> list[Rows]:
        return bucketed(self.train.tokens.lengths, tokens_per_batch, random)

    def weight(self, rows: Rows) -> int:
        """Every text counts alike."""
        return len(rows)

    def tokens(self, rows: Rows) -> int:
        return int(self.train.tokens.lengths[rows].sum())

    def loss(self, model: nn.Module, rows: Rows, device: torch.device) -> Tensor:
        token_ids_BS, lengths_B = padded(self.train.tokens, rows)
        logits_BK = model(token_ids_BS.to(device), lengths_B.to(device))
        targets_B = self.targets[torch.from_numpy(rows)].to(device)
        weights_K = None if self.class_weights_K is None else self.class_weights_K.to(device)
        return self.task.loss(logits_BK, targets_B, weights_K, self.label_smoothing)

    def measure(self, model: nn.Module) -> dict[str, float]:
        logits_NK = token_logits(model, self.validation.tokens)
        loss = float(self.task.loss(torch.from_numpy(logits_NK), torch.from_numpy(self.validation.targets), None))
        return {"loss": loss, **self.task.score(logits_NK, self.validation.label_ids)}
