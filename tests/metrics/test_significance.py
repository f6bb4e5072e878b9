"""Paired tests against scipy and against what is known of chance."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from minnow.metrics.cells import cells_of_labels
from minnow.metrics.significance import mcnemar_exact, paired_tests


@settings(max_examples=60)
@given(st.integers(0, 400), st.integers(0, 400))
def test_mcnemar_is_the_binomial_test_with_a_fair_coin(only_a: int, only_b: int) -> None:
    expected = binomtest(only_a, only_a + only_b).pvalue if only_a + only_b else 1.0
    assert mcnemar_exact(only_a, only_b) == pytest.approx(expected, rel=1e-9)
    assert mcnemar_exact(only_a, only_b) == mcnemar_exact(only_b, only_a)


def noisy(references: np.ndarray, right: float, rng: np.random.Generator) -> np.ndarray:
    return np.where(rng.random(len(references)) < right, references, (references + 1) % 3)


def test_exchanging_the_systems_turns_the_difference_around() -> None:
    rng = np.random.default_rng(0)
    references = rng.integers(3, size=400)
    a, b = noisy(references, 0.9, rng), noisy(references, 0.8, rng)
    there = paired_tests(cells_of_labels(references, a, b, num_labels=3), ("accuracy", "f1_macro"), False)
    back = paired_tests(cells_of_labels(references, b, a, num_labels=3), ("accuracy", "f1_macro"), False)
    for name, test in there.items():
        assert test.difference == pytest.approx(-back[name].difference)
        assert test.interval == pytest.approx((-back[name].interval[1], -back[name].interval[0]), abs=0.015)
        assert test.p_value == pytest.approx(back[name].p_value, abs=0.03)
        assert test.p_value < 0.01
        assert test.interval[0] > 0


def test_a_system_against_itself_shows_nothing() -> None:
    rng = np.random.default_rng(0)
    references = rng.integers(3, size=100)
    a = noisy(references, 0.8, rng)
    test = paired_tests(cells_of_labels(references, a, a, num_labels=3), ("accuracy",), False)["accuracy"]
    assert (test.difference, test.interval, test.p_value) == (0.0, (0.0, 0.0), 1.0)


def test_equal_systems_are_called_different_one_time_in_twenty() -> None:
    rng = np.random.default_rng(4)
    called = []
    for trial in range(200):
        references = rng.integers(3, size=250)
        cells = cells_of_labels(references, noisy(references, 0.8, rng), noisy(references, 0.8, rng), num_labels=3)
        called.append(paired_tests(cells, ("f1_macro",), False, num_resamples=200, seed=trial)["f1_macro"].p_value)
    assert np.mean(np.array(called) <= 0.05) < 0.1
    assert 0.4 < np.mean(called) < 0.6


def test_randomisation_of_accuracy_agrees_with_mcnemar() -> None:
    rng = np.random.default_rng(8)
    references = rng.integers(3, size=300)
    a, b = noisy(references, 0.84, rng), noisy(references, 0.80, rng)
    only_a, only_b = ((x == references) & (y != references) for x, y in ((a, b), (b, a)))
    cells = cells_of_labels(references, a, b, num_labels=3)
    test = paired_tests(cells, ("accuracy",), False, num_resamples=20_000)["accuracy"]
    assert test.p_value == pytest.approx(mcnemar_exact(int(only_a.sum()), int(only_b.sum())), abs=0.015)
