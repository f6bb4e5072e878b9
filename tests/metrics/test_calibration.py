"""Temperatures are found again, and confidence is weighed against accuracy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minnow.metrics.calibration import error_of_bins, fit_temperature, reliability_bins, sigmoid, softmax

few = settings(max_examples=20)
temperatures = st.floats(0.2, 8)
seeds = st.integers(0, 2**32 - 1)


def drawn_labels(probabilities: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return (probabilities.cumsum(axis=1) < rng.random((len(probabilities), 1))).sum(axis=1)


@few
@given(temperatures, seeds, st.integers(2, 8))
def test_the_temperature_of_a_softmax_is_found_again(temperature: float, seed: int, num_labels: int) -> None:
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(20_000, num_labels)) * 1.5
    truth = np.minimum(drawn_labels(softmax(logits), rng), num_labels - 1)
    assert fit_temperature(logits * temperature, truth) == pytest.approx(temperature, rel=0.1)


@few
@given(temperatures, seeds)
def test_the_temperature_of_sigmoids_is_found_again(temperature: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(5_000, 4)) * 1.5
    truth = rng.random(logits.shape) < sigmoid(logits)
    assert fit_temperature(logits * temperature, truth) == pytest.approx(temperature, rel=0.1)


@few
@given(st.floats(0.3, 3), seeds)
def test_scaled_logits_are_answered_by_a_scaled_temperature(factor: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(3_000, 3))
    truth = drawn_labels(softmax(logits), rng).clip(0, 2)
    assert fit_temperature(logits * factor, truth) / fit_temperature(logits, truth) == pytest.approx(factor, rel=0.02)


def test_a_faultless_validation_part_asks_for_no_absurd_temperature() -> None:
    logits = np.where(np.eye(2)[np.arange(30) % 2] > 0, 2.0, -2.0)
    assert 0.2 < fit_temperature(logits, np.arange(30) % 2) < 1


@pytest.mark.parametrize("scale", [1e-9, 1e6])
def test_extreme_logits_end_within_the_bounds(scale: float) -> None:
    rng = np.random.default_rng(0)
    found = fit_temperature(rng.normal(size=(200, 3)) * scale, rng.integers(3, size=200))
    assert 1 / 50 <= found <= 50


def test_logits_that_are_not_finite_are_refused() -> None:
    with pytest.raises(ValueError, match="finite"):
        fit_temperature([[0.0, np.nan]], [0])


@pytest.mark.parametrize("references", [[0, 1], [], [[0, 1, 0]]])
def test_references_that_do_not_fit_are_refused(references: list[object]) -> None:
    with pytest.raises(ValueError, match="logits"):
        fit_temperature([[0.0, 1.0]], references)


def test_probabilities_survive_huge_logits() -> None:
    assert softmax([[1e4, -1e4]]).tolist() == [[1, 0]]
    assert sigmoid([1e4, -1e4, 0]).tolist() == [1, 0, 0.5]


@few
@given(seeds, st.integers(1, 20))
def test_bins_hold_every_row_once_and_their_error_is_bounded(seed: int, num_bins: int) -> None:
    rng = np.random.default_rng(seed)
    confidences = np.concatenate([rng.random(200), [0, 1]])
    correct = rng.random(202) < 0.5
    bins = reliability_bins(confidences, correct, num_bins)
    assert sum(b.count for b in bins) == 202
    assert all(b.low - 1e-12 <= b.confidence <= b.high + 1e-12 for b in bins)
    gap = abs(confidences.mean() - correct.mean())
    assert gap - 1e-12 <= error_of_bins(bins) <= 1


def test_confidence_that_comes_true_has_next_to_no_error() -> None:
    rng = np.random.default_rng(1)
    confidences = rng.random(100_000)
    assert error_of_bins(reliability_bins(confidences, rng.random(100_000) < confidences)) < 0.01
    assert error_of_bins(reliability_bins(np.full(10, 0.9), np.zeros(10))) == pytest.approx(0.9)
