"""Scores from counts: resampling the counts is resampling the rows, and the tests agree with those of labels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minnow.errors import MinnowError
from minnow.metrics.cells import cells_of_labels
from minnow.metrics.counted import Counted, intervals_of_counts, paired_tests_of_counts, pooled
from minnow.metrics.intervals import bootstrap
from minnow.metrics.significance import paired_tests


def share(hits_N: np.ndarray, trials_N: np.ndarray | None = None, signature: str = "share") -> Counted:
    """A score that cannot be had from the scores of rows: hits of all rows over trials of all rows."""
    trials_N = np.ones_like(hits_N) if trials_N is None else trials_N
    return Counted(np.stack([hits_N, trials_N], axis=1), lambda counts: counts[:, 0] / counts[:, 1], signature)


rows = st.lists(st.tuples(st.integers(0, 9), st.integers(1, 9), st.integers(1, 3)), min_size=1, max_size=12)


@given(rows)
def test_a_row_that_counts_twice_is_a_row_that_stands_there_twice(rows: list[tuple[int, int, int]]) -> None:
    hits, trials, times = np.array(rows).T
    repeated = share(np.repeat(hits, times), np.repeat(trials, times))
    assert share(hits, trials).of_samples(times[None].astype(np.float64))[0] == repeated.value


def test_the_score_of_all_rows_is_not_the_mean_of_each() -> None:
    score = share(np.array([1, 0]), np.array([1, 3]))
    assert score.value == 0.25
    assert score.per_row().tolist() == [1, 0]


def test_pooled_rows_are_scored_as_one_and_told_apart_by_their_signatures() -> None:
    parts = [share(np.array(hits), signature=name) for hits, name in (([1, 0], "de"), ([1, 1], "zh"), ([0], "de"))]
    whole = pooled(parts)
    assert whole.value == 3 / 5
    assert whole.per_row().tolist() == [1, 0, 1, 1, 0]
    assert whole.signature == "de + zh"


def test_the_same_seed_gives_the_same_interval_and_another_gives_another() -> None:
    scores = {"share": share(np.random.default_rng(0).integers(2, size=200))}
    assert intervals_of_counts(scores, seed=1) == intervals_of_counts(scores, seed=1)
    assert intervals_of_counts(scores, seed=1) != intervals_of_counts(scores, seed=2)


def test_the_interval_of_a_share_is_that_of_accuracy() -> None:
    right = (np.random.default_rng(0).random(400) < 0.8).astype(np.int64)
    cells = cells_of_labels(np.ones_like(right), right, num_labels=2)
    expected = bootstrap(cells, num_resamples=4000).scores["accuracy"]
    assert intervals_of_counts({"share": share(right)}, num_resamples=4000)["share"] == pytest.approx(
        expected, abs=0.01
    )


def test_what_is_drawn_in_portions_has_the_same_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    scores = {"share": share(np.random.default_rng(0).integers(2, size=100))}
    whole = intervals_of_counts(scores)
    monkeypatch.setattr("minnow.metrics.cells.NUMBERS_AT_ONCE", 3_000)
    assert intervals_of_counts(scores) == whole


def two_systems(right_a: float, right_b: float) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(8)
    return tuple((rng.random(300) < right).astype(np.int64) for right in (right_a, right_b))  # type: ignore[return-value]


def test_the_tests_of_a_share_are_those_of_accuracy() -> None:
    a, b = two_systems(0.84, 0.8)
    cells = cells_of_labels(np.ones_like(a), a, b, num_labels=2)
    expected = paired_tests(cells, ("accuracy",), False, num_resamples=4000)["accuracy"]
    found = paired_tests_of_counts({"share": share(a)}, {"share": share(b)}, num_resamples=4000)["share"]
    assert found.difference == pytest.approx(expected.difference)
    assert found.interval == pytest.approx(expected.interval, abs=0.01)
    assert found.p_value == pytest.approx(expected.p_value, abs=0.03)
    assert found.bootstrap_p_value == pytest.approx(expected.bootstrap_p_value, abs=0.03)


def test_exchanging_the_systems_turns_the_difference_around() -> None:
    a, b = ({"share": share(right)} for right in two_systems(0.9, 0.7))
    there, back = paired_tests_of_counts(a, b)["share"], paired_tests_of_counts(b, a)["share"]
    assert there.difference == -back.difference
    # The same rows are drawn and the same coins fall, so the tests mirror each other exactly.
    assert there.interval == pytest.approx((-back.interval[1], -back.interval[0]))
    assert (there.p_value, there.bootstrap_p_value) == (back.p_value, back.bootstrap_p_value)
    assert there.p_value < 0.01
    assert there.bootstrap_p_value < 0.01


def test_a_system_against_itself_shows_nothing() -> None:
    a = {"share": share(two_systems(0.8, 0.8)[0])}
    found = paired_tests_of_counts(a, a)["share"]
    assert (found.difference, found.interval, found.p_value, found.bootstrap_p_value) == (0, (0, 0), 1, 1)


def test_equal_systems_are_called_different_one_time_in_twenty() -> None:
    rng = np.random.default_rng(4)
    called = []
    for trial in range(200):
        a, b = ({"share": share(rng.integers(2, size=200))} for _ in "ab")
        found = paired_tests_of_counts(a, b, num_resamples=200, seed=trial)["share"]
        called.append((found.p_value, found.bootstrap_p_value))
    assert (np.mean(np.array(called) <= 0.05, axis=0) < 0.1).all()
    assert np.mean(called, axis=0) == pytest.approx([0.5, 0.5], abs=0.1)


def test_systems_of_different_rows_are_refused() -> None:
    with pytest.raises(MinnowError, match=r"same rows, but there are \[2, 3\] rows"):
        paired_tests_of_counts({"share": share(np.ones(3, int))}, {"share": share(np.ones(2, int))})
