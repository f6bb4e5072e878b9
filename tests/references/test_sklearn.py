"""Our scores equal scikit-learn's on random answers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as theirs

from minnow.metrics.calibration import fit_temperature, softmax
from minnow.metrics.cells import cells_of_indicators, cells_of_labels, tally
from minnow.metrics.classification import Tally, per_label, scores_from_tally
from minnow.metrics.ranking import area_under_roc, roc_auc

seeds = st.integers(0, 2**32 - 1)
few = settings(max_examples=40)


def counted(references: np.ndarray, predictions: np.ndarray, num_labels: int) -> Tally:
    cells = cells_of_labels(references, predictions, num_labels=num_labels)
    return tally(cells, cells.counts.astype(np.float64))


def random_labels(seed: int, num_rows: int, num_labels: int) -> tuple[np.ndarray, np.ndarray]:
    """Skewed answers, right half of the time, so that some labels are never true or never given."""
    rng = np.random.default_rng(seed)
    shares = rng.dirichlet(np.full(num_labels, 0.7))
    references, others = rng.choice(num_labels, (2, num_rows), p=shares)
    return references, np.where(rng.random(num_rows) < 0.5, references, others)


@few
@given(seeds, st.integers(1, 200), st.integers(2, 12))
def test_all_means_equal_theirs(seed: int, num_rows: int, num_labels: int) -> None:
    references, predictions = random_labels(seed, num_rows, num_labels)
    ours = scores_from_tally(counted(references, predictions, num_labels))
    assert ours["accuracy"] == pytest.approx(theirs.accuracy_score(references, predictions))
    for mean in ("macro", "micro", "weighted"):
        expected = theirs.precision_recall_fscore_support(references, predictions, average=mean, zero_division=0)
        for name, value in zip(("precision", "recall", "f1"), expected[:3], strict=True):
            assert ours[f"{name}_{mean}"] == pytest.approx(value), (name, mean)


@few
@given(seeds, st.integers(1, 200), st.integers(2, 12))
def test_each_label_equals_theirs(seed: int, num_rows: int, num_labels: int) -> None:
    references, predictions = random_labels(seed, num_rows, num_labels)
    ours = per_label(counted(references, predictions, num_labels))
    expected = theirs.precision_recall_fscore_support(
        references, predictions, labels=range(num_labels), average=None, zero_division=0
    )
    for name, values in zip(("precision", "recall", "f1"), expected[:3], strict=True):
        np.testing.assert_allclose(ours[name], values)


@few
@given(seeds, st.integers(1, 120), st.integers(1, 8))
def test_several_labels_a_row_equal_theirs(seed: int, num_rows: int, num_labels: int) -> None:
    rng = np.random.default_rng(seed)
    references, predictions = rng.random((2, num_rows, num_labels)) < rng.random()
    cells = cells_of_indicators(references, predictions)
    ours = scores_from_tally(tally(cells, cells.counts.astype(np.float64)), multi_label=True)
    # A macro mean of ours runs over the labels that occur; theirs over the columns.
    occurs = references.any(axis=0) | predictions.any(axis=0)
    assert ours["exact_match"] == ours["accuracy"] == pytest.approx((references == predictions).all(axis=1).mean())
    assert ours["hamming_loss"] == pytest.approx((references != predictions).mean())
    if not occurs.any():
        return
    kept = references[:, occurs].astype(int), predictions[:, occurs].astype(int)
    for mean in ("macro", "micro", "weighted"):
        if kept[0].shape[1] == 1:  # one column would be read as two classes
            continue
        expected = theirs.precision_recall_fscore_support(*kept, average=mean, zero_division=0)
        for name, value in zip(("precision", "recall", "f1"), expected[:3], strict=True):
            assert ours[f"{name}_{mean}"] == pytest.approx(value), (name, mean)


@few
@given(seeds, st.integers(2, 150), st.integers(2, 6), st.sampled_from([1, 2, 8]))
def test_the_area_equals_theirs_with_ties_too(seed: int, num_rows: int, num_labels: int, decimals: int) -> None:
    rng = np.random.default_rng(seed)
    references = rng.integers(num_labels, size=num_rows)
    probabilities = rng.dirichlet(np.ones(num_labels), size=num_rows).round(decimals)
    ours = roc_auc(references, probabilities)
    if len(np.unique(references)) < num_labels:
        assert ours is None
        return
    columns = [1] if num_labels == 2 else range(num_labels)
    expected = np.mean([theirs.roc_auc_score(references == k, probabilities[:, k]) for k in columns])
    assert ours is not None
    assert ours.value == pytest.approx(expected)
    assert 0 <= ours.low <= ours.value <= ours.high <= 1


def test_the_area_of_several_labels_equals_their_macro_mean() -> None:
    rng = np.random.default_rng(3)
    references, scores = rng.random((90, 5)) < 0.3, rng.random((90, 5))
    ours = area_under_roc(references, scores)
    assert ours is not None
    assert ours.value == pytest.approx(theirs.roc_auc_score(references, scores, average="macro"))


@few
@given(seeds, st.integers(1, 100), st.integers(2, 6), st.sampled_from([1, 7, 4_000_000]))
def test_cells_lose_nothing(seed: int, num_rows: int, num_labels: int, at_once: int) -> None:
    references, predictions = random_labels(seed, num_rows, num_labels)
    true, given = np.eye(num_labels)[references], np.eye(num_labels)[predictions]
    for cells in (
        cells_of_labels(references, predictions, num_labels=num_labels),
        cells_of_indicators(true, given),
    ):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("minnow.metrics.cells.NUMBERS_AT_ONCE", at_once)
            found = tally(cells, cells.counts.astype(np.float64))
        assert cells.references.dtype == cells.predictions[0].dtype == bool  # a byte a label
        assert found.hits.tolist() == (true * given).sum(axis=0).tolist()
        assert found.predicted.tolist() == given.sum(axis=0).tolist()
        assert found.actual.tolist() == true.sum(axis=0).tolist()
        assert (found.right, found.rows) == ((references == predictions).sum(), num_rows)


def test_the_fitted_temperature_is_where_their_log_loss_is_least() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(4000, 3)) * 4
    truth = np.array([rng.choice(3, p=row) for row in softmax(logits, 4.0)])
    temperature = fit_temperature(logits, truth)
    fitted, *others = (theirs.log_loss(truth, softmax(logits, temperature * f)) for f in (1.0, 0.97, 1.03, 0.25))
    assert fitted < min(others)
