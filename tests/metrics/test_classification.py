"""Scores of counts: bounds, agreements between them, and leading axes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from minnow.metrics.classification import confusion_matrix, scores_from_confusion

square_counts = st.integers(1, 6).flatmap(lambda k: arrays.arrays(np.int64, (k, k), elements=st.integers(0, 50)))
few = settings(max_examples=50)


@few
@given(square_counts)
def test_every_score_lies_between_0_and_1(counts: np.ndarray) -> None:
    assert all(0 <= value <= 1 + 1e-12 for value in scores_from_confusion(counts).values())


@few
@given(square_counts)
def test_with_one_label_a_row_all_micro_means_are_the_accuracy(counts: np.ndarray) -> None:
    scores = scores_from_confusion(counts)
    for name in ("precision_micro", "recall_micro", "f1_micro", "recall_weighted"):
        assert scores[name] == pytest.approx(scores["accuracy"])


@few
@given(square_counts)
def test_the_order_of_the_labels_does_not_matter(counts: np.ndarray) -> None:
    order = np.random.default_rng(counts.sum()).permutation(len(counts))
    shuffled = scores_from_confusion(counts[np.ix_(order, order)])
    for name, value in scores_from_confusion(counts).items():
        assert shuffled[name] == pytest.approx(value)


@few
@given(square_counts)
def test_a_batch_of_matrices_scores_as_each_alone(counts: np.ndarray) -> None:
    batch = np.stack([counts, counts.T, counts * 0])
    together = scores_from_confusion(batch)
    for place, alone in enumerate(batch):
        for name, value in scores_from_confusion(alone).items():
            assert together[name][place] == pytest.approx(value)


def test_a_label_that_nobody_uses_changes_no_score() -> None:
    counts = np.array([[5, 2], [1, 9]])
    wider = np.zeros((3, 3), int)
    wider[:2, :2] = counts
    assert {k: float(v) for k, v in scores_from_confusion(wider).items()} == pytest.approx(
        {k: float(v) for k, v in scores_from_confusion(counts).items()}
    )


@pytest.mark.parametrize("predictions", [[0, 3], [-1, 0]])
def test_label_ids_out_of_range_are_refused(predictions: list[int]) -> None:
    with pytest.raises(ValueError, match="0 … 2"):
        confusion_matrix([0, 1], predictions, 3)


def test_unequal_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="one prediction a reference"):
        confusion_matrix([0, 1], [0], 2)
