"""Is the difference between two systems on the same rows more than chance? M cells · K labels · R resamples."""

from dataclasses import dataclass, replace
from math import exp, lgamma, log

import numpy as np
from numpy.typing import NDArray

from minnow.metrics.cells import Cells, portions, resamples, summed, tally
from minnow.metrics.classification import Tally, scores_from_tally
from minnow.metrics.intervals import Interval, percentile_interval

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class PairedTest:
    """The score of A less the score of B, its interval, and the chance of one as large if both were alike.

    ``p_value`` is by approximate randomisation, ``bootstrap_p_value`` by the resamples that the interval is made from.
    """

    difference: float
    interval: Interval
    p_value: float
    bootstrap_p_value: float


def mcnemar_exact(only_a_right: int, only_b_right: int) -> float:
    """The two-sided exact p value of McNemar (1947): of the rows that one alone got right, is half and half believable?

    The tail of a binomial with a fair coin; 1 where the two never differ.
    """
    trials, fewer = only_a_right + only_b_right, min(only_a_right, only_b_right)
    if trials == 0:
        return 1.0
    hits = range(fewer + 1)
    ways = [lgamma(trials + 1) - lgamma(k + 1) - lgamma(trials - k + 1) - trials * log(2) for k in hits]
    largest = max(ways)
    return min(1.0, 2 * exp(largest) * sum(exp(way - largest) for way in ways))


def paired_tests(
    cells: Cells,
    names: tuple[str, ...],
    multi_label: bool,
    *,
    num_resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> dict[str, PairedTest]:
    """For each named score: the difference between the cells' two systems, its interval and its p values."""
    rng = np.random.default_rng(seed)
    observed = _differences(_pair(cells, cells.counts.astype(np.float64)), names, multi_label)
    drawn: list[Floats] = []
    swapped: list[Floats] = []
    for portion in portions(num_resamples, len(cells.counts)):
        drawn.append(_differences(_pair(cells, resamples(cells.counts, portion, rng)), names, multi_label))
        swapped.append(_differences(_swapped_pair(cells, portion, rng), names, multi_label))
    drawn_SR, swapped_SR = np.concatenate(drawn, axis=1), np.concatenate(swapped, axis=1)
    return {name: paired_test(float(observed[s]), drawn_SR[s], swapped_SR[s], level) for s, name in enumerate(names)}


def paired_test(difference: float, drawn_R: Floats, swapped_R: Floats, level: float = 0.95) -> PairedTest:
    """What a difference between two systems on the same rows is worth, from the differences of resampled rows.

    Args:
        difference: that was seen.
        drawn_R: with both systems scored on the same rows, drawn with replacement: the paired bootstrap (Efron &
            Tibshirani 1993; Koehn 2004). Moved to a mean of zero, they are what chance alone would show.
        swapped_R: with the two systems' answers to each row swapped by a coin: approximate randomisation (Noreen 1989).
        level: of the interval.
    """
    return PairedTest(
        difference,
        percentile_interval(drawn_R, level),
        p_value=_share_as_large(swapped_R, difference),
        bootstrap_p_value=_share_as_large(drawn_R - drawn_R.mean(), difference),
    )


def _share_as_large(chance_R: Floats, difference: float) -> float:
    """Two-sided; what was seen is one of the ways it can come out, so the share is never 0."""
    # Those that tie with what was seen count as as-large; rounding must not lose them.
    as_large = (np.abs(chance_R) >= abs(difference) - 1e-12).sum()
    return float((1 + as_large) / (1 + len(chance_R)))


def _pair(cells: Cells, counts: Floats) -> tuple[Tally, Tally]:
    return tally(cells, counts, 0), tally(cells, counts, 1)


def _swapped_pair(cells: Cells, num_resamples: int, rng: np.random.Generator) -> tuple[Tally, Tally]:
    """The tallies of A and B after a fair coin for every row has decided whether the two change places.

    Only cells in which the two differ matter: a swapped row takes from one tally what it gives to the other.
    """
    side_a, side_b = _pair(cells, cells.counts.astype(np.float64))
    prediction_a, prediction_b = cells.predictions
    differ = (prediction_a != prediction_b).any(axis=1)
    references, gain = cells.references[differ], prediction_b[differ].astype(np.int8) - prediction_a[differ]
    right_a, right_b = ((cells.references == side).all(axis=1)[differ] for side in (prediction_a, prediction_b))
    swaps = rng.binomial(cells.counts[differ], 0.5, size=(num_resamples, int(differ.sum()))).astype(np.float64)
    hits, predicted = summed(swaps, references * gain), summed(swaps, gain)
    right = swaps @ (right_b.astype(np.float64) - right_a)
    return (
        replace(side_a, hits=side_a.hits + hits, predicted=side_a.predicted + predicted, right=side_a.right + right),
        replace(side_b, hits=side_b.hits - hits, predicted=side_b.predicted - predicted, right=side_b.right - right),
    )


def _differences(pair: tuple[Tally, Tally], names: tuple[str, ...], multi_label: bool) -> Floats:
    """The score of A less the score of B, [S, ...] in the order of ``names``."""
    scores_a, scores_b = (scores_from_tally(side, multi_label) for side in pair)
    return np.stack([scores_a[name] - scores_b[name] for name in names])
