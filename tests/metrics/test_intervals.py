"""Intervals hold the truth about as often as they promise, and repeat with their seed."""

import numpy as np
import pytest

from minnow.metrics.cells import cells_of_indicators, cells_of_labels, resamples
from minnow.metrics.intervals import bootstrap
from minnow.metrics.ranking import roc_auc


def test_the_same_seed_gives_the_same_intervals_and_another_gives_others() -> None:
    rng = np.random.default_rng(0)
    cells = cells_of_labels(*rng.integers(4, size=(2, 300)), num_labels=4)
    assert bootstrap(cells, seed=1).scores == bootstrap(cells, seed=1).scores
    assert bootstrap(cells, seed=1).scores != bootstrap(cells, seed=2).scores


def test_the_interval_of_accuracy_covers_the_truth_19_times_in_20() -> None:
    rng = np.random.default_rng(5)
    covered = 0
    for trial in range(300):
        references = rng.integers(2, size=300)
        predictions = np.where(rng.random(300) < 0.8, references, 1 - references)
        low, high = bootstrap(cells_of_labels(references, predictions, num_labels=2), seed=trial).scores["accuracy"]
        covered += low <= 0.8 <= high
    assert 0.91 <= covered / 300 <= 0.98


def test_the_interval_of_the_area_covers_the_truth_19_times_in_20() -> None:
    rng = np.random.default_rng(6)
    truth = 0.7602499389065233  # the chance that a normal at 1 exceeds one at 0: of a normal, the share below sqrt(1/2)
    covered = 0
    for _ in range(300):
        references = rng.integers(2, size=200)
        scores = rng.normal(size=200) + references
        area = roc_auc(references, np.stack([-scores, scores], axis=1))
        assert area is not None
        covered += area.low <= truth <= area.high
    assert 0.91 <= covered / 300 <= 0.98


@pytest.mark.parametrize("num_cells", [3, 400])
def test_both_ways_of_resampling_follow_the_same_law(num_cells: int) -> None:
    counts = np.random.default_rng(0).integers(1, 4, size=num_cells) * (100 if num_cells == 3 else 1)
    drawn = resamples(counts, 2000, np.random.default_rng(1))
    num_rows = counts.sum()
    assert (drawn.sum(axis=1) == num_rows).all()
    np.testing.assert_allclose(drawn.mean(axis=0), counts, atol=6 * np.sqrt(counts.max() / 2000))
    expected = (counts * (1 - counts / num_rows)).mean()
    assert drawn.var(axis=0).mean() == pytest.approx(expected, rel=0.1)


def test_one_label_a_row_has_the_same_interval_either_way() -> None:
    rng = np.random.default_rng(2)
    references = rng.integers(3, size=500)
    predictions = np.where(rng.random(500) < 0.7, references, rng.integers(3, size=500))
    eye = np.eye(3)
    one = bootstrap(cells_of_labels(references, predictions, num_labels=3)).scores
    other = bootstrap(cells_of_indicators(eye[references], eye[predictions])).scores
    for name, ends in one.items():
        assert other[name] == pytest.approx(ends, abs=0.01)


def test_a_faultless_model_has_an_interval_of_one_point() -> None:
    labels = np.arange(60) % 3
    assert bootstrap(cells_of_labels(labels, labels, num_labels=3)).scores["f1_macro"] == (1.0, 1.0)
