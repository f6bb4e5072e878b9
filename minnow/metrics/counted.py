"""Scores that follow from counts added up over the rows: N rows · C counts · R resamples.

What another sample of the rows would have scored is then a product of two matrices: how often it holds each row
[R, N], times the counts of each row [N, C].
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from minnow.errors import MinnowError
from minnow.metrics.cells import portions, resamples
from minnow.metrics.intervals import Interval, percentile_interval
from minnow.metrics.significance import PairedTest, paired_test

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Counted:
    """One score of N rows.

    Attributes:
        counts: [N, C], of each row.
        score: from lines of counts [R, C] to a score each [R].
        signature: of how the rows were counted; only scores of one signature compare.
    """

    counts: Ints
    score: Callable[[Ints], Floats]
    signature: str

    @property
    def value(self) -> float:
        """The score of all rows together."""
        return float(self.score(self.counts.sum(axis=0, keepdims=True))[0])

    def per_row(self) -> Floats:
        """The score of each row alone, [N]."""
        return self.score(self.counts)

    def of_samples(self, times_RN: Floats) -> Floats:
        """The scores [R] of samples that hold each row so many times."""
        return self.score((times_RN @ self.counts).astype(np.int64))


def pooled(parts: Sequence[Counted]) -> Counted:
    """The same score over the rows of all parts, in their order; where signatures differ, one after the other."""
    counts = np.concatenate([part.counts for part in parts])
    return Counted(counts, parts[0].score, " + ".join(dict.fromkeys(part.signature for part in parts)))


def intervals_of_counts(
    scores: Mapping[str, Counted], *, num_resamples: int = 1000, seed: int = 0, level: float = 0.95
) -> dict[str, Interval]:
    """The percentile bootstrap interval (Efron 1979) of each score of the same rows, from one set of resamples."""
    rng, num_rows = np.random.default_rng(seed), _num_rows(scores)
    sampled: dict[str, list[Floats]] = defaultdict(list)
    for portion in portions(num_resamples, num_rows):
        drawn_RN = resamples(np.ones(num_rows, np.int64), portion, rng)
        for name, score in scores.items():
            sampled[name].append(score.of_samples(drawn_RN))
    return {name: percentile_interval(np.concatenate(values), level) for name, values in sampled.items()}


def paired_tests_of_counts(
    scores_a: Mapping[str, Counted],
    scores_b: Mapping[str, Counted],
    *,
    num_resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> dict[str, PairedTest]:
    """For each score of systems A and B: the difference, its interval and its p values (``significance.paired_test``).

    Raises:
        MinnowError: the two have not the same number of rows.
    """
    rng, num_rows = np.random.default_rng(seed), _num_rows(scores_a, scores_b)
    drawn: dict[str, list[Floats]] = defaultdict(list)
    swapped: dict[str, list[Floats]] = defaultdict(list)
    for portion in portions(num_resamples, num_rows):
        drawn_RN = resamples(np.ones(num_rows, np.int64), portion, rng)
        coins_RN = rng.integers(2, size=(portion, num_rows)).astype(np.float64)
        for name, a in scores_a.items():
            b = scores_b[name]
            drawn[name].append(a.of_samples(drawn_RN) - b.of_samples(drawn_RN))
            swapped[name].append(_swapped_difference(a, b, coins_RN))
    return {
        name: paired_test(
            a.value - scores_b[name].value, np.concatenate(drawn[name]), np.concatenate(swapped[name]), level
        )
        for name, a in scores_a.items()
    }


def _swapped_difference(a: Counted, b: Counted, coins_RN: Floats) -> Floats:
    """A less B, [R], after a coin has decided for every row whether the two change places."""
    moved_RC = (coins_RN @ (b.counts - a.counts)).astype(np.int64)
    return a.score(a.counts.sum(axis=0) + moved_RC) - b.score(b.counts.sum(axis=0) - moved_RC)


def _num_rows(*systems: Mapping[str, Counted]) -> int:
    numbers = {len(score.counts) for scores in systems for score in scores.values()}
    if len(numbers) != 1:
        raise MinnowError(f"all scores must be of the same rows, but there are {sorted(numbers)} rows")
    return numbers.pop()
