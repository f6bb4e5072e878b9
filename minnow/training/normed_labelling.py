"""Labelled rows for a classifier that compares the texts of a batch with one another in a batch norm."""

from dataclasses import replace
from typing import cast

import numpy as np
import torch
from torch import nn

from minnow.models.encoder_classifier import EncoderClassifier
from minnow.tasks.batching import TokenRows, token_outputs
from minnow.training.labelled import Labelling, Rows
from minnow.training.replicas import num_workers_for
from minnow.training.settings import TrainingSettings
from minnow.training.trainer import choose_device, tokens_per_batch

MEASURED_ROWS = 512  # that the norm answers with the mean and variance of
FEWEST_ROWS = 4  # that are compared with one another
ROWS_PER_CORE, MOST_TOKENS = 8, 16_384  # of a batch whose size is open


class NormedLabelling(Labelling):
    """The lesson of an ``encoder_classifier`` with a batch norm: no row learns alone, and what the norm answers with is
    true of the weights that answer."""

    fewest_rows = FEWEST_ROWS

    def batches(self, tokens_per_batch: int, random: np.random.Generator) -> list[Rows]:
        """Batches too small to compare their rows are joined."""
        joined: list[Rows] = []
        for rows in super().batches(tokens_per_batch, random):
            if joined and len(joined[-1]) < self.fewest_rows:
                joined[-1] = np.concatenate([joined[-1], rows])
            else:
                joined.append(rows)
        if len(joined) > 1 and len(joined[-1]) < self.fewest_rows:
            joined[-2:] = [np.concatenate(joined[-2:])]
        return joined

    def measure(self, model: nn.Module) -> dict[str, float]:
        self.settle(cast(EncoderClassifier, model))
        return super().measure(model)

    def settle(self, model: EncoderClassifier) -> None:
        """Measure the batch norm on training texts."""
        norm = model.batch_norm
        if norm is not None:
            rows = self.train.tokens.spread(MEASURED_ROWS)
            norm.measure(torch.from_numpy(token_outputs(model, model.features, len(norm.mean_D), rows)))


def with_rows_to_compare(settings: TrainingSettings, rows: TokenRows) -> TrainingSettings:
    """Batches large enough for a mean and a variance over what a core gets of them, where their size is open."""
    if settings.tokens_per_batch:
        return settings
    num_rows = ROWS_PER_CORE * num_workers_for(choose_device(settings.device))
    enough = min(MOST_TOKENS, round(num_rows * len(rows.ids) / max(1, len(rows))))
    return replace(settings, tokens_per_batch=max(tokens_per_batch(len(rows.ids)), enough))
