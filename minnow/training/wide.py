"""Fits an ``ngram`` beside a neural classifier, and how much each of the two counts.

N held-out texts · K labels
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minnow.listeners import Show
from minnow.metrics.calibration import fit_temperature
from minnow.models.ngram import Floats
from minnow.models.wide_and_deep import WideAndDeep
from minnow.tasks.text_classification import LabelIds, TextClassification
from minnow.training.classification_recipe import ClassificationRecipe
from minnow.training.ngram import fit_ngram

SHARES = tuple(round(0.05 * step, 2) for step in range(2, 19))  # of the deep part
DEEP_ALONE = 1.0


def with_wide(
    task: TextClassification,
    deep: Any,
    deep_NK: Floats,
    texts: Sequence[str],
    label_ids: LabelIds,
    held_texts: Sequence[str],
    held_ids: LabelIds,
    recipe: ClassificationRecipe,
    show: Show,
    class_weights_K: Floats | None = None,
) -> tuple[Any, Floats, float]:
    """The two as one model, its logits [N, K] of the held-out texts, and the deep part's share of the answer.

    The wide part learns from the texts that the deep one learnt from. Each is calibrated on the held-out texts, where
    the likeliest of their weighted sums is taken; where that is the deep part alone, it comes back as it was.

    Args:
        deep_NK: what the deep part says of the held-out texts.
    """
    wide, held = fit_ngram(
        texts, label_ids, task, recipe.ngram, recipe.training.seed, show, class_weights_K, held_texts, held_ids
    )
    references = task.targets(held_ids)
    plain = [(logits, 1 / fit_temperature(logits, references)) for logits in (held.logits, deep_NK)]
    share = deep_share(task, plain[0][0] * plain[0][1], plain[1][0] * plain[1][1], references)
    if share == DEEP_ALONE:
        return deep, deep_NK, share
    both = WideAndDeep.of(wide, deep, (1 - share) * plain[0][1], share * plain[1][1])
    return both, both.together(held.logits, deep_NK), share


def deep_share(task: TextClassification, wide_NK: Floats, deep_NK: Floats, references: NDArray[np.generic]) -> float:
    """The share of the deep part under which the references are likeliest, each sum calibrated for itself."""

    def loss(share: float) -> float:
        summed = (1 - share) * wide_NK + share * deep_NK
        return _nats(task, summed, references)

    return min((*SHARES, DEEP_ALONE), key=loss)


def _nats(task: TextClassification, logits_NK: Floats, references: NDArray[np.generic]) -> float:
    calibrated = replace(task, temperature=fit_temperature(logits_NK, references))
    probabilities = np.clip(calibrated.probabilities(logits_NK), 1e-12, 1 - 1e-12)
    if task.multi_label:
        asked = np.where(references.astype(bool), probabilities, 1 - probabilities)
        return float(-np.log(asked).mean())
    return float(-np.log(probabilities[np.arange(len(probabilities)), references]).mean())
