"""Scores of counts: bounds, agreements between them, and leading axes."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from minnow.metrics.classification import Tally, scores_from_tally

square_counts = st.integers(1, 6).flatmap(lambda k: arrays.arrays(np.int64, (k, k), elements=st.integers(0, 50)))
few = settings(max_examples=50)


def scores_of(counts: np.ndarray) -> dict[str, Any]:
    """Of one label a row, from how often each label (row) was taken for each (column): [..., K, K]."""
    cells = np.asarray(counts, np.float64)
    hits = np.diagonal(cells, axis1=-2, axis2=-1)
    actual, predicted = cells.sum(axis=-1), cells.sum(axis=-2)
    return scores_from_tally(Tally(hits, predicted, actual, right=hits.sum(axis=-1), rows=actual.sum(axis=-1)))


@few
@given(square_counts)
def test_every_score_lies_between_0_and_1(counts: np.ndarray) -> None:
    assert all(0 <= value <= 1 + 1e-12 for value in scores_of(counts).values())


@few
@given(square_counts)
def test_with_one_label_a_row_all_micro_means_are_the_accuracy(counts: np.ndarray) -> None:
    scores = scores_of(counts)
    for name in ("precision_micro", "recall_micro", "f1_micro", "recall_weighted"):
        assert scores[name] == pytest.approx(scores["accuracy"])


@few
@given(square_counts)
def test_the_order_of_the_labels_does_not_matter(counts: np.ndarray) -> None:
    order = np.random.default_rng(counts.sum()).permutation(len(counts))
    shuffled = scores_of(counts[np.ix_(order, order)])
    for name, value in scores_of(counts).items():
        assert shuffled[name] == pytest.approx(value)


@few
@given(square_counts)
def test_a_batch_of_tallies_scores_as_each_alone(counts: np.ndarray) -> None:
    batch = np.stack([counts, counts.T, counts * 0])
    together = scores_of(batch)
    for place, alone in enumerate(batch):
        for name, value in scores_of(alone).items():
            assert together[name][place] == pytest.approx(value)


def test_a_label_that_nobody_uses_changes_no_score() -> None:
    counts = np.array([[5, 2], [1, 9]])
    wider = np.zeros((3, 3), int)
    wider[:2, :2] = counts
    assert {k: float(v) for k, v in scores_of(wider).items()} == pytest.approx(
        {k: float(v) for k, v in scores_of(counts).items()}
    )
