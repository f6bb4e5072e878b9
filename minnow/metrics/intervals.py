"""How far the scores would move with another sample of the same size: percentile bootstrap (Efron 1979)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from minnow.metrics.cells import Cells, portions, resamples, tally
from minnow.metrics.classification import per_label, scores_from_tally

Floats = NDArray[np.float64]
Interval = tuple[float, float]


@dataclass(frozen=True)
class Intervals:
    """The interval of each score by name, and of each label's F1 [K, 2]."""

    scores: dict[str, Interval]
    f1_per_label: Floats


def bootstrap(
    cells: Cells, multi_label: bool = False, num_resamples: int = 1000, seed: int = 0, level: float = 0.95
) -> Intervals:
    """The intervals of all scores that follow from the counts of the cells, from one set of seeded resamples."""
    rng = np.random.default_rng(seed)
    sampled: dict[str, list[Floats]] = {}
    f1_RK: list[Floats] = []
    for portion in portions(num_resamples, len(cells.counts)):
        drawn = tally(cells, resamples(cells.counts, portion, rng))
        f1_RK.append(per_label(drawn)["f1"])
        for name, values in scores_from_tally(drawn, multi_label).items():
            sampled.setdefault(name, []).append(values)
    scores = {name: percentile_interval(np.concatenate(values), level) for name, values in sampled.items()}
    return Intervals(scores, np.quantile(np.concatenate(f1_RK), _tails(level), axis=0).T)


def percentile_interval(values_R: Floats, level: float = 0.95) -> Interval:
    """The span that holds the middle ``level`` of the resampled values."""
    low, high = np.quantile(values_R, _tails(level))
    return float(low), float(high)


def _tails(level: float) -> tuple[float, float]:
    return (1 - level) / 2, (1 + level) / 2
